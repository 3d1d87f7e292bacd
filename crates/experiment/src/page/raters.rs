//! Judges and people: what they are worth, whether base drifts, whether they agree.

use truenorth_report::{Block, Cell, Column, NoteKind, Section, Table};

use crate::found::{Found, RaterStanding};

/// None where nobody judged or rated.
pub(super) fn section(found: &Found) -> Option<Section> {
    if found.raters.is_empty() {
        return None;
    }
    let refused: Vec<&str> =
        found.raters.iter().filter(|r| !r.standing.counts()).map(|r| r.rater.as_str()).collect();
    let lead = match refused.len() {
        0 => format!("{} raters, whose word counts.", found.raters.len()),
        _ => format!("{} raters; refused for verdicts: {}.", found.raters.len(), refused.join(", ")),
    };
    let mut section =
        Section::new("experiment-raters", "Who judged, and what they are worth", lead).with(worth(found));
    for r in &found.raters {
        if let RaterStanding::Refused(why) = &r.standing {
            section = section.with(Block::note(
                NoteKind::Warning,
                format!("{} decides nothing: {why}. What it says is shown.", r.rater),
            ));
        }
    }
    if !found.drift.is_empty() {
        section = section.with(drift(found));
    }
    if found.agreement.iter().any(|a| !a.pairs.is_empty() || a.choices.is_some()) {
        section = section.with(agreement(found)).with(alphas(found));
    }
    Some(section)
}

fn worth(found: &Found) -> Table {
    let mut table = Table::new(
        "experiment-worth",
        "Each rater on pairs whose better text is known (planted pairs of judges, attention checks of people), and the share of \
         choices that fall on the text shown first. A judge counts where it is better than a coin and gets enough of them \
         right.",
        "That a rater who gets planted pairs right is right about the others.",
        ["rater", "rows", "ties", "planted, right", "p", "first shown, chosen", "p", "both orders agree"]
            .map(Column::new)
            .to_vec(),
    );
    for r in &found.raters {
        let p = |n: &Option<truenorth_reading::stat::Number>, why: &str| {
            n.as_ref().map_or_else(|| Cell::empty(why), Cell::p_of)
        };
        let asked = r.both.agree + r.both.contradict;
        table.push(vec![
            r.rater.as_str().into(),
            r.rated.into(),
            r.ties.into(),
            Cell::maybe(r.planted.as_ref(), 2, "no pairs of known answer"),
            p(&r.planted, "no pairs of known answer"),
            Cell::maybe(r.first.as_ref(), 2, "the order is not known"),
            p(&r.first, "the order is not known"),
            match asked {
                0 => Cell::empty("asked in one order"),
                n => format!("{} of {n}", r.both.agree).into(),
            },
        ]);
    }
    table
}

fn drift(found: &Found) -> Table {
    let mut table = Table::new(
        "experiment-drift",
        "How the same base texts are rated beside each arm. The range is that of the means, each prompt's ratings about their own \
         mean; its null deals the ratings among the arms of a prompt. Friedman's statistic is over prompts rated beside every \
         arm.",
        "Why base is rated differently: what stands beside it, the order of the work, or who did which part.",
        ["rater", "question", "base beside each arm", "range", "null", "p", "Friedman"]
            .map(Column::new)
            .to_vec(),
    );
    for d in &found.drift {
        let each: Vec<String> =
            d.by_arm.iter().map(|(arm, mean, n)| format!("{arm} {mean:.2} ({n})")).collect();
        table.push(vec![
            d.rater.as_str().into(),
            d.rubric.as_str().into(),
            each.join(", ").into(),
            Cell::number(d.range.value, 2),
            Cell::null_of(&d.range, 2),
            Cell::p_of(&d.range),
            d.friedman
                .map_or_else(|| Cell::empty("too few prompts beside every arm"), |q| Cell::number(q, 2)),
        ]);
    }
    table
}

fn agreement(found: &Found) -> Table {
    let mut table = Table::new(
        "experiment-agreement",
        "Cohen's κ of every two raters over arm, base and tie, by arm; contradictory orders count as ties. The null deals one \
         rater's choices anew.",
        "That raters who agree are right.",
        ["arm", "raters", "pairs", "the same", "κ", "p"].map(Column::new).to_vec(),
    );
    for a in &found.agreement {
        for pair in &a.pairs {
            table.push(vec![
                a.arm.as_str().into(),
                format!("{}, {}", pair.first, pair.second).into(),
                pair.n.into(),
                Cell::of(&pair.same, 2),
                Cell::maybe(pair.kappa.as_ref(), 2, "both always say the same one thing"),
                pair.kappa.as_ref().map_or_else(|| Cell::empty("no κ"), Cell::p_of),
            ]);
        }
    }
    table
}

fn alphas(found: &Found) -> Table {
    let mut table = Table::new(
        "experiment-alpha",
        "Krippendorff's α of all raters by arm: of choices (nominal), and of the scores of the arm's texts (interval). Percentile \
         intervals over prompts.",
        "Which rater is apart; κ of every two says more.",
        ["arm", "of", "rated by two or more", "α"].map(Column::new).to_vec(),
    );
    for a in &found.agreement {
        if let Some(n) = &a.choices {
            table.push(vec![a.arm.as_str().into(), "choices".into(), n.n.into(), Cell::of(n, 2)]);
        }
        for (rubric, n) in &a.scores {
            table.push(vec![a.arm.as_str().into(), rubric.as_str().into(), n.n.into(), Cell::of(n, 2)]);
        }
    }
    table
}
