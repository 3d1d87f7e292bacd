//! Directions over training: curves and matrices of checkpoints, and where a course breaks.

use super::probes;
use crate::geometry::{CategoryCourse, Course, CourseChange, GENERAL, TextGeometry};
use truenorth_reading::stat::{Number, p_said};
use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, HeatMap, HeatRow, Mark, Num, Plot, Section, Series,
    Table, Test, Tick,
};

pub(super) const COURSE_NOT_SHOWN: &str = "That a feature turned: the coordinates themselves may turn while a model trains. \
    Neighbouring checkpoints share their past and are not independent.";

pub(super) fn axis(checkpoints: &[String]) -> Axis {
    let tick = |(i, name): (usize, &String)| Tick { at: (i as f64).into(), label: name.clone() };
    Axis { ticks: checkpoints.iter().enumerate().map(tick).collect(), ..Axis::new("checkpoint") }
}

/// Where each stage of training begins, halfway from the checkpoint before.
pub(super) fn stage_marks(result: &TextGeometry) -> Vec<Mark> {
    let mark = |(i, stage): (usize, &str)| Mark::at((i as f64 - 0.5).max(0.0), stage);
    result.stage_starts().into_iter().map(mark).collect()
}

/// A line a category of something that each checkpoint has, or each step between two from `from` on.
fn lines<'a>(
    result: &'a TextGeometry,
    from: usize,
    of: impl Fn(&'a CategoryCourse) -> Vec<&'a Number>,
) -> Vec<Series> {
    result
        .categories
        .iter()
        .filter(|c| !of(c).is_empty())
        .map(|c| {
            let points =
                of(c).iter().enumerate().map(|(i, m)| CurvePoint::of((i + from) as f64, m)).collect();
            Series { control: c.category == GENERAL, ..Series::new(c.category.as_str(), points) }
        })
        .collect()
}

fn curve(
    id: &str,
    title: &str,
    result: &TextGeometry,
    y: Axis,
    series: Vec<Series>,
    caption: &str,
) -> Option<Figure> {
    if series.is_empty() {
        return None;
    }
    let plot =
        Curve { x: axis(&result.checkpoints), y, series, x_marks: stage_marks(result), y_marks: vec![] };
    Some(Figure::new(id, title, Plot::Curve(plot), caption, COURSE_NOT_SHOWN))
}

pub(super) fn over_training(mut section: Section, result: &TextGeometry) -> Section {
    let checkpoints = &result.staged_names();
    if let Some(general) = result.categories.first() {
        section =
            section.with(course_figure("geometry-course", checkpoints, &general.category, &general.course));
    }
    let unit = || Axis::new("distance").unit("mean residual norms");
    let figures = [
        curve(
            "geometry-general",
            "Each category against the general direction",
            result,
            Axis::new("cosine").range(-1.0, 1.0),
            lines(result, 0, |c| c.to_general.iter().map(|c| &c.number).collect()),
            "Bands: 95 % intervals, delete-a-fold jackknife.",
        ),
        curve(
            "geometry-magnitude",
            "How far apart the classes are",
            result,
            unit(),
            lines(result, 0, |c| c.magnitude.iter().collect()),
            "Distance of the class means. Bands: 95 % intervals, delete-a-fold jackknife.",
        ),
        curve(
            "geometry-difference",
            "Size of the difference of the class means",
            result,
            Axis::new("distance").unit("the model's own units"),
            lines(result, 0, |c| c.difference.iter().collect()),
            "Before the direction is made a unit: λ of cross-steering counts in it. Bands: 95 % intervals, \
             delete-a-fold jackknife.",
        ),
        curve(
            "geometry-drift",
            "How far the positive centroids move",
            result,
            unit(),
            lines(result, 1, |c| c.drift.iter().collect()),
            "From the checkpoint before. Bands: 95 % intervals, delete-a-fold jackknife.",
        ),
    ];
    for figure in figures.into_iter().flatten() {
        section = section.with(figure);
    }
    section = section.with(changes(result));
    let mut blocks = vec![];
    for (i, c) in result.categories.iter().enumerate().skip(1) {
        let id = format!("geometry-course-{i}");
        blocks.push(Block::Figure(course_figure(&id, checkpoints, &c.category, &c.course)));
    }
    for (i, matrix) in result.probing.iter().enumerate() {
        blocks.push(Block::Figure(probes(
            &format!("geometry-probing-{i}"),
            &format!("A probe of one checkpoint on another, {}", matrix.category),
            checkpoints,
            &matrix.cells,
            &format!(
                "Rows: fitted on; columns: tested on. AUROC of {} positive and {} negative texts, held out; intervals in \
                 the data: {}.",
                matrix.n[0], matrix.n[1], matrix.method
            ),
        )));
    }
    section.with(Block::Details { summary: "A matrix a category".into(), blocks })
}

pub(super) fn course_figure(id: &str, checkpoints: &[String], category: &str, course: &Course) -> Figure {
    let rows = checkpoints
        .iter()
        .zip(&course.cosines)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::new(*c)).collect()))
        .collect();
    let broken = course.change.as_ref().map_or_else(
        || "Too few checkpoints to look for a break (6 are needed), or none that differ.".to_owned(),
        |c| format!("Best split between {} and {}, p {}.", c.before, c.after, p_said(c.p, Some(c.draws))),
    );
    Figure::new(
        id,
        format!("Cosines of {category} across checkpoints"),
        Plot::HeatMap(HeatMap::cosine(checkpoints.to_vec(), rows)),
        broken,
        COURSE_NOT_SHOWN,
    )
}

fn changes(result: &TextGeometry) -> Table {
    let mut table = Table::new(
        "geometry-changes",
        "Breaks in the course of each contrast, of its directions and of its magnitudes: the split with the largest \
         self-normalised statistic (Shao and Zhang 2010) against simulated series of independent numbers; p is not \
         adjusted for the number of rows. Largest turn: in degrees, beside the median turn.",
        COURSE_NOT_SHOWN,
        ["contrast", "directions break", "p", "magnitudes break", "p", "largest turn", "median turn"]
            .map(Column::new)
            .to_vec(),
    );
    let of = |c: Option<&CourseChange>| match c {
        Some(c) => (
            Cell::from(format!("{} to {}", c.before, c.after)),
            Cell::p(Test::ChangePoint, c.p, Some(c.draws as u64)),
        ),
        None => (Cell::empty("too few checkpoints"), Cell::empty("too few checkpoints")),
    };
    for c in &result.categories {
        let (turn, turn_p) = of(c.course.change.as_ref());
        let (size, size_p) = of(c.magnitude_change.as_ref());
        let jump = c.course.jump.as_ref();
        let none = || Cell::empty("fewer than three steps");
        table.push(vec![
            c.category.as_str().into(),
            turn,
            turn_p,
            size,
            size_p,
            jump.map_or_else(none, |j| format!("{:.0}° from {} to {}", j.size, j.before, j.after).into()),
            jump.map_or_else(none, |j| Cell::number(j.median, 0)),
        ]);
    }
    table
}
