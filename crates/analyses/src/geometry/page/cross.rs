//! Directions of every checkpoint in one model: how refusals and incoherent texts change with λ.

use super::super::cross::{CrossPoint, CrossSteering};
use truenorth_reading::stat::Number;
use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, Mark, NoteKind, Plot, Section, Series, Table,
};

const NOT_SHOWN: &str = "What a judge would say: refusals and incoherence are counted by words. That a direction moves this \
    model says nothing of what its own checkpoint does with it.";

/// The section of what was steered, with a curve an outcome and a row a checkpoint and λ.
pub(super) fn section(found: &CrossSteering, stages: &[(usize, &str)]) -> Section {
    let lead = format!(
        "Directions of each checkpoint added to {} at {} while it writes on {} prompts. λ counts in the difference of \
         the checkpoint\u{2019}s own class means; this model\u{2019}s mean residual norm there is {:.3}.",
        found.model, found.site, found.prompts, found.residual_norm
    );
    let mut section = Section::new("geometry-cross", "Directions of the checkpoints in one model", lead);
    for (id, title, of) in [
        ("geometry-cross-refusal", "Refusals", refusal as fn(&CrossPoint) -> &Number),
        ("geometry-cross-incoherence", "Incoherent texts", incoherence),
    ] {
        let plot = Curve {
            x: Axis::new("λ").unit("differences of class means"),
            y: Axis::new("share of texts").range(0.0, 1.0),
            series: series(found, of),
            x_marks: vec![Mark::at(0.0, "unsteered")],
            y_marks: vec![],
        };
        let caption = "Bands: 95 % intervals over prompts (Wilson). Grey: the middle of the random directions of the last \
                       checkpoint, with the range of 95 % of them.";
        section = section.with(Figure::new(id, title, Plot::Curve(plot), caption, NOT_SHOWN));
    }
    section = section.with(slopes(found, stages)).with(table(found));
    section.with(Block::note(NoteKind::Limit, found.not_shown.join(" ")))
}

fn refusal(point: &CrossPoint) -> &Number {
    &point.refusal
}

fn incoherence(point: &CrossPoint) -> &Number {
    &point.incoherence
}

fn name(found: &CrossSteering, i: usize) -> String {
    let course = &found.courses[i];
    let one = found.courses.iter().all(|c| c.category == course.category);
    if one { course.checkpoint.clone() } else { format!("{}, {}", course.checkpoint, course.category) }
}

/// A line a course; of many the first, the last and those between evenly.
fn series(found: &CrossSteering, of: fn(&CrossPoint) -> &Number) -> Vec<Series> {
    const MOST: usize = 6;
    let n = found.courses.len();
    let shown: Vec<usize> =
        if n <= MOST { (0..n).collect() } else { (0..MOST).map(|k| k * (n - 1) / (MOST - 1)).collect() };
    let line = |i: &usize| {
        let points = found.courses[*i].points.iter().map(|p| CurvePoint::of(p.lambda, of(p))).collect();
        Series::new(name(found, *i), points)
    };
    let mut out: Vec<Series> = shown.iter().map(line).collect();
    let last = found.courses.last().into_iter().flat_map(|c| &c.points);
    let random: Vec<CurvePoint> = last
        .filter_map(|p| {
            let null = of(p).null.as_ref()?;
            let [low, high] = null.range?;
            Some(CurvePoint::new(p.lambda, f64::midpoint(low, high)).band(low, high))
        })
        .collect();
    if !random.is_empty() {
        out.push(Series::control("random directions", random));
    }
    out
}

/// The slope of refusals on λ over the checkpoints.
fn slopes(found: &CrossSteering, stages: &[(usize, &str)]) -> Figure {
    let mut categories: Vec<&str> = found.courses.iter().map(|c| c.category.as_str()).collect();
    categories.dedup();
    categories.sort_unstable();
    categories.dedup();
    let of = |category: &&str| found.courses.iter().filter(|c| c.category == **category).collect::<Vec<_>>();
    let names: Vec<String> =
        categories.first().map(&of).unwrap_or_default().iter().map(|c| c.checkpoint.clone()).collect();
    let line = |category: &&str| {
        let points =
            of(category).iter().enumerate().map(|(i, c)| CurvePoint::of(i as f64, &c.slope)).collect();
        Series::new(*category, points)
    };
    let plot = Curve {
        x: super::training::axis(&names),
        y: Axis::new("refusals").unit("share a λ"),
        series: categories.iter().map(line).collect(),
        x_marks: stages.iter().map(|(i, s)| Mark::at((*i as f64 - 0.5).max(0.0), *s)).collect(),
        y_marks: vec![Mark::at(0.0, "no effect")],
    };
    Figure::new(
        "geometry-cross-slopes",
        "How much refusals grow with λ, by the checkpoint that the direction is of",
        Plot::Curve(plot),
        "Mean slope of the prompts. Bands: 95 % bootstrap intervals over prompts.",
        NOT_SHOWN,
    )
}

fn table(found: &CrossSteering) -> Table {
    let mut table = Table::new(
        "geometry-cross-table",
        format!(
            "At each λ: the size of the push in mean residual norms of {}, and shares of texts. p: against {} random \
             directions of the same size, drawn like the checkpoint\u{2019}s activations, two-sided, not adjusted.",
            found.model, found.random_directions
        ),
        NOT_SHOWN,
        ["direction of", "category", "λ", "norms", "refusals", "p", "incoherent", "p"]
            .map(Column::new)
            .to_vec(),
    );
    let p = |n: &Number| match &n.null {
        Some(null) => Cell::p(null.test, null.p, null.draws.map(|d| d as u64)),
        None => Cell::empty("not tested"),
    };
    for course in &found.courses {
        for point in &course.points {
            table.push(vec![
                course.checkpoint.as_str().into(),
                course.category.as_str().into(),
                Cell::number(point.lambda, 2),
                Cell::number(point.norms, 2),
                super::cell(&point.refusal),
                p(&point.refusal),
                super::cell(&point.incoherence),
                p(&point.incoherence),
            ]);
        }
    }
    table
}
