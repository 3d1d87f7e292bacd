//! Directions beside each other: heat maps of categories and checkpoints, curves over training.

use crate::analyses::geometry::{
    CategoryCourse, ChangePoint, Course, DirectionGeometry, GENERAL, Geometry, ProbeCell,
};
use crate::analyses::measured::point;
use crate::analyses::stat::Measured;
use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, Finding, HeatMap, HeatRow, Interval, Mark, Measure,
    NoteKind, Null, Num, Plot, Sample, Section, Series, Status, Table, Tick,
};

const COSINE_NOT_SHOWN: &str = "That directions with a high cosine are one feature: whatever all texts of a class \
    share is in each of them. Noise in both lowers a cosine; it has no such bound from above.";

const COURSE_NOT_SHOWN: &str = "That a feature turned: the coordinates themselves may turn while a model trains. \
    Neighbouring checkpoints share their past and are not independent.";

fn interval(m: &Measured) -> Interval {
    m.interval.map_or_else(|| Interval::none(&m.method), |i| Interval::p95(i.low, i.high, m.method.as_str()))
}

fn null(m: &Measured) -> Null {
    m.null.as_ref().map_or_else(
        || Null::none("no null"),
        |n| {
            let [low, high] = n.range.map_or([None, None], |[l, h]| [Some(l), Some(h)]);
            Null::new(n.what.as_str(), low, high).with_p(n.p, n.draws.map(|d| d as u64))
        },
    )
}

fn cell(m: &Measured) -> Cell {
    m.interval.map_or_else(|| Cell::number(m.value, 2), |i| Cell::estimate(m.value, i.low, i.high, 2))
}

/// The category of `courses` with the most extreme value, by a number of it.
fn extreme<'a>(
    courses: &'a [CategoryCourse],
    value: impl Fn(&'a CategoryCourse) -> Option<&'a Measured>,
) -> Option<(&'a CategoryCourse, &'a Measured)> {
    courses.iter().filter_map(|c| Some((c, value(c)?))).min_by(|a, b| a.1.value.total_cmp(&b.1.value))
}

/// The lines for a front page.
#[must_use]
pub fn findings(result: &Geometry) -> Vec<Finding> {
    let mut out = vec![];
    let last = result.checkpoints.len().saturating_sub(1);
    if let Some((c, m)) = extreme(&result.categories, |c| c.to_others.get(last)) {
        let low = m.interval.map(|i| i.low);
        let outside = m.null.as_ref().and_then(|n| n.range).is_some_and(|r| low.is_some_and(|l| l > r[1]));
        out.push(Finding {
            status: if outside { Status::Supported } else { Status::Unclear },
            statement: format!(
                "Every category's direction lies along that of all others; {} the least.",
                c.category
            ),
            measure: Measure::new("cosine with the direction of all others", m.value),
            n: Sample::new(c.n.iter().sum::<usize>() as u64, "texts of this category and its negatives"),
            interval: interval(m),
            null: null(m),
            see: Some("geometry-across".into()),
        });
    }
    let general = result.categories.iter().find(|c| c.category == GENERAL);
    if let Some(change) = general.and_then(|c| c.course.change.as_ref()) {
        out.push(Finding {
            status: if change.p <= 0.05 { Status::Supported } else { Status::NotSupported },
            statement: format!(
                "The general direction breaks between {} and {}.",
                change.before, change.after
            ),
            measure: Measure::new("change-point statistic", change.statistic),
            n: Sample::new(change.n as u64, "checkpoints"),
            interval: Interval::none("the place of a break has none here"),
            null: Null::new("order of the checkpoints shuffled", 0.0, change.null_95)
                .with_p(change.p, Some(change.permutations as u64)),
            see: Some("geometry-course".into()),
        });
    }
    out
}

/// The section of directions fitted on texts.
#[must_use]
pub fn section(result: &Geometry) -> Section {
    let checkpoints = &result.checkpoints;
    let last = checkpoints.len().saturating_sub(1);
    let lead = match checkpoints.as_slice() {
        [one] => format!("Directions of {} contrasts at {one}, beside each other.", result.categories.len()),
        _ => format!(
            "Directions of {} contrasts over {} checkpoints, from {} to {}.",
            result.categories.len(),
            checkpoints.len(),
            checkpoints.first().map_or("", String::as_str),
            checkpoints.last().map_or("", String::as_str)
        ),
    };
    let names: Vec<String> = result.categories.iter().map(|c| c.category.clone()).collect();
    let mut figures = vec![];
    if let Some(across) = result.across.get(last) {
        let reach = reach(across);
        figures.push(heat(
            "geometry-across",
            format!("Cosines of the categories at {}", checkpoints.get(last).map_or("", String::as_str)),
            &names,
            across,
            format!(
                "Random directions of this width ({}) lie within ±{reach:.2} in 95 % of cases.",
                result.width
            ),
        ));
    }
    if let Some(cells) = result.across_probing.get(last) {
        figures.push(probes(
            "geometry-probes",
            "A probe of one category on another",
            &names,
            cells,
            "Rows: fitted on; columns: tested on. AUROC of held-out groups, at the same checkpoint.",
        ));
    }
    let mut section = Section::new("geometry", "Geometry of directions", lead)
        .with(Block::Row { figures })
        .with(table(result, last));
    if checkpoints.len() > 1 {
        section = over_training(section, result);
    }
    section.with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}

fn reach(across: &[Vec<Measured>]) -> f64 {
    across.iter().flatten().find_map(|m| m.null.as_ref()?.range).map_or(0.0, |r| r[1])
}

fn heat(id: &str, title: String, names: &[String], cells: &[Vec<Measured>], caption: String) -> Figure {
    let rows = names
        .iter()
        .zip(cells)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|m| Num::new(m.value)).collect()))
        .collect();
    Figure::new(id, title, Plot::HeatMap(HeatMap::cosine(names.to_vec(), rows)), caption, COSINE_NOT_SHOWN)
}

fn probes(id: &str, title: &str, names: &[String], cells: &[Vec<ProbeCell>], caption: &str) -> Figure {
    let rows = names
        .iter()
        .zip(cells)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::new(c.auroc)).collect()))
        .collect();
    let plot = HeatMap {
        value: "AUROC".into(),
        centre: Num::new(0.5),
        span: Num::new(0.5),
        digits: 2,
        columns: names.to_vec(),
        rows,
    };
    Figure::new(
        id,
        title,
        Plot::HeatMap(plot),
        caption,
        "Why a probe carries over: a feature in common, or a style of the texts in common. Cells share texts, so \
         their differences are surer or less sure than intervals of each say.",
    )
}

fn table(result: &Geometry, at: usize) -> Table {
    let mut table = Table::new(
        "geometry-table",
        format!(
            "At {}. Halves: cosine of the directions of two halves of the texts. Magnitude: distance of the class \
             means in mean residual norms. Cosines with the general direction, whose texts include the category's, \
             and with that of all other categories. Intervals: delete-a-fold jackknife. Own AUROC: held out, {}.",
            result.checkpoints.get(at).map_or("", String::as_str),
            result.probing_method
        ),
        COSINE_NOT_SHOWN,
        [
            "category",
            "positive",
            "negative",
            "halves",
            "magnitude",
            "to general",
            "to others",
            "own AUROC",
            "negatives",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for (i, c) in result.categories.iter().enumerate() {
        let of = |m: Option<&Measured>| m.map_or_else(|| Cell::empty("not for this contrast"), cell);
        let own = result.across_probing.get(at).and_then(|m| m.get(i)?.get(i));
        table.push(vec![
            c.category.as_str().into(),
            c.n[0].into(),
            c.n[1].into(),
            c.reliability.get(at).map_or_else(|| Cell::empty("none"), |r| Cell::number(*r, 2)),
            of(c.magnitude.get(at)),
            of(c.to_general.get(at)),
            of(c.to_others.get(at)),
            own.map_or_else(|| Cell::empty("none"), |p| Cell::estimate(p.auroc, p.low, p.high, 2)),
            if c.shared_negatives { "of all" } else { "its own" }.into(),
        ]);
    }
    table
}

fn axis(checkpoints: &[String]) -> Axis {
    let tick = |(i, name): (usize, &String)| Tick { at: (i as f64).into(), label: name.clone() };
    Axis { ticks: checkpoints.iter().enumerate().map(tick).collect(), ..Axis::new("checkpoint") }
}

/// A line a category of something that each checkpoint has, or each step between two from `from` on.
fn lines<'a>(
    result: &'a Geometry,
    from: usize,
    of: impl Fn(&'a CategoryCourse) -> &'a [Measured],
) -> Vec<Series> {
    result
        .categories
        .iter()
        .filter(|c| !of(c).is_empty())
        .map(|c| {
            let points = of(c).iter().enumerate().map(|(i, m)| point((i + from) as f64, m)).collect();
            Series { control: c.category == GENERAL, ..Series::new(c.category.as_str(), points) }
        })
        .collect()
}

fn curve(
    id: &str,
    title: &str,
    result: &Geometry,
    y: Axis,
    series: Vec<Series>,
    caption: &str,
) -> Option<Figure> {
    if series.is_empty() {
        return None;
    }
    let plot = Curve { x: axis(&result.checkpoints), y, series, x_marks: vec![], y_marks: vec![] };
    Some(Figure::new(id, title, Plot::Curve(plot), caption, COURSE_NOT_SHOWN))
}

fn over_training(mut section: Section, result: &Geometry) -> Section {
    let checkpoints = &result.checkpoints;
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
            lines(result, 0, |c| &c.to_general),
            "Bands: 95 % intervals, delete-a-fold jackknife.",
        ),
        curve(
            "geometry-magnitude",
            "How far apart the classes are",
            result,
            unit(),
            lines(result, 0, |c| &c.magnitude),
            "Distance of the class means. Bands: 95 % intervals, delete-a-fold jackknife.",
        ),
        curve(
            "geometry-drift",
            "How far the positive centroids move",
            result,
            unit(),
            lines(result, 1, |c| &c.drift),
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

fn course_figure(id: &str, checkpoints: &[String], category: &str, course: &Course) -> Figure {
    let rows = checkpoints
        .iter()
        .zip(&course.cosines)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::new(*c)).collect()))
        .collect();
    let broken = course.change.as_ref().map_or_else(
        || "Too few checkpoints to look for a break (6 are needed), or none that differ.".to_owned(),
        |c| format!("Best split between {} and {}, p {:.3}.", c.before, c.after, c.p),
    );
    Figure::new(
        id,
        format!("Cosines of {category} across checkpoints"),
        Plot::HeatMap(HeatMap::cosine(checkpoints.to_vec(), rows)),
        broken,
        COURSE_NOT_SHOWN,
    )
}

fn changes(result: &Geometry) -> Table {
    let mut table = Table::new(
        "geometry-changes",
        "Breaks in the course of each contrast: the split that parts its directions, or its magnitudes, best, with the \
         order of the checkpoints shuffled for the null; p is not adjusted for the number of rows. Largest turn: in \
         degrees, beside the median turn.",
        COURSE_NOT_SHOWN,
        ["contrast", "directions break", "p", "magnitudes break", "p", "largest turn", "median turn"]
            .map(Column::new)
            .to_vec(),
    );
    let of = |c: Option<&ChangePoint>| match c {
        Some(c) => {
            (Cell::from(format!("{} to {}", c.before, c.after)), Cell::p(c.p, Some(c.permutations as u64)))
        }
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

/// The section of directions that came as files.
#[must_use]
pub fn of_directions(result: &DirectionGeometry) -> Section {
    let names: Vec<String> = result.courses.iter().map(|c| c.category.clone()).collect();
    let lead = format!(
        "{} directions of {} numbers each, at {} checkpoints.",
        names.len() * result.checkpoints.len(),
        result.width,
        result.checkpoints.len()
    );
    let mut section = Section::new("geometry", "Geometry of directions", lead);
    if let Some(across) = result.across.last().filter(|a| a.len() > 1) {
        let at = result.checkpoints.last().map_or("", String::as_str);
        section = section.with(heat(
            "geometry-across",
            format!("Cosines of the categories at {at}"),
            &names,
            across,
            format!("Random directions of this width lie within ±{:.2} in 95 % of cases.", reach(across)),
        ));
    }
    if result.checkpoints.len() > 1 {
        for (i, c) in result.courses.iter().enumerate() {
            let id = format!("geometry-course-{i}");
            section = section.with(course_figure(&id, &result.checkpoints, &c.category, &c.course));
        }
        let series = result
            .courses
            .iter()
            .map(|c| {
                let points = c.course.steps.iter().enumerate();
                let points = points.map(|(k, s)| CurvePoint::new((k + 1) as f64, s.degrees)).collect();
                Series::new(c.category.as_str(), points)
            })
            .collect();
        let plot = Curve {
            x: axis(&result.checkpoints),
            y: Axis::new("turn from the checkpoint before").unit("degrees"),
            series,
            x_marks: vec![],
            y_marks: vec![Mark::at(90.0, "at right angles, as random directions are")],
        };
        section = section.with(Figure::new(
            "geometry-turns",
            "How far the directions turn",
            Plot::Curve(plot),
            "No intervals: directions came without their texts.",
            COURSE_NOT_SHOWN,
        ));
    }
    section.with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}
