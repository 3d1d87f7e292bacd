//! What a terminal shows of directions beside each other.

use super::{DirectionGeometry, TextGeometry};
use truenorth_reading::stat::Number;
use truenorth_reading::{Cosine, Listing};

/// Cosines of every two categories.
fn cosines(names: &[&str], across: &[Vec<Cosine>]) -> Listing {
    let head: Vec<&str> = std::iter::once("cosine").chain(names.iter().copied()).collect();
    let mut out = Listing::new(&head);
    for (name, row) in names.iter().zip(across) {
        let cells = row.iter().map(|c| format!("{:.2}", c.value));
        out.rows.push(std::iter::once((*name).to_owned()).chain(cells).collect());
    }
    out
}

/// The cosines at the last checkpoint, then a row a category.
pub(super) fn of_texts(found: &TextGeometry) -> Listing {
    let last = found.checkpoints.len().saturating_sub(1);
    let names: Vec<&str> = found.categories.iter().map(|c| c.category.as_str()).collect();
    let mut out = found.across.get(last).map_or_else(Listing::default, |across| cosines(&names, across));
    out.says.push(format!("at {}:", found.checkpoints.get(last).map_or("", String::as_str)));
    let mut categories = Listing::new(&[
        "category",
        "texts",
        "halves",
        "magnitude",
        "raw size",
        "to general",
        "to others",
        "own AUROC",
        "TPR at 1 % FPR",
    ]);
    for (i, c) in found.categories.iter().enumerate() {
        let at = |m: Option<&Number>| m.map_or_else(|| "-".into(), |m| format!("{:.3}", m.value));
        let own = found.across_probing.get(last).and_then(|m| m.get(i)?.get(i));
        categories.rows.push(vec![
            c.category.clone(),
            format!("{}+{}", c.n[0], c.n[1]),
            c.reliability.get(last).map_or_else(|| "-".into(), |r| format!("{r:.2}")),
            at(c.magnitude.get(last)),
            at(c.difference.get(last)),
            at(c.to_general.get(last).map(|c| &c.number)),
            at(c.to_others.get(last).map(|c| &c.number)),
            own.map_or_else(|| "-".into(), |c| format!("{:.3}", c.auroc)),
            own.and_then(|c| c.true_positives).map_or_else(|| "-".into(), |r| format!("{:.3}", r.value)),
        ]);
    }
    out.more.push(categories);
    out
}

/// The cosines at the last checkpoint, then every step.
pub(super) fn of_directions(found: &DirectionGeometry) -> Listing {
    let mut out = Listing::default();
    if let Some(across) = found.across.last().filter(|a| a.len() > 1) {
        let names: Vec<&str> = found.courses.iter().map(|c| c.category.as_str()).collect();
        out = cosines(&names, across);
    }
    for course in &found.courses {
        let steps = course.course.steps.iter();
        out.says.extend(
            steps.map(|s| format!("{}: {} to {} {:.3}", course.category, s.from, s.to, s.cosine.value)),
        );
    }
    out
}
