//! Directions beside each other: heat maps of categories and checkpoints, curves over training.

mod cross;
mod files;
mod training;

use crate::geometry::{CategoryCourse, GENERAL, ProbeCell, Protocols, TextGeometry};
use training::over_training;
use truenorth_reading::cosine::{Cosine, cosine_table};
use truenorth_reading::stat::Number;
use truenorth_report::{
    Block, Cell, Column, Figure, Finding, FindingStatus, HeatMap, HeatRow, Measure, NoteKind, Num, Plot,
    ReportedInterval, ReportedNull, Sample, Section, Table, Test,
};

pub use files::of_directions;

const COSINE_NOT_SHOWN: &str = "That directions with a high cosine are one feature: whatever all texts of a class \
    share is in each of them. Noise in both lowers a cosine; it has no such bound from above.";

fn cell(m: &Number) -> Cell {
    m.interval.map_or_else(|| Cell::number(m.value, 2), |i| Cell::estimate(m.value, i.low, i.high, 2))
}

/// The category of `courses` with the most extreme value, by a number of it.
fn extreme<'a>(
    courses: &'a [CategoryCourse],
    value: impl Fn(&'a CategoryCourse) -> Option<&'a Cosine>,
) -> Option<(&'a CategoryCourse, &'a Cosine)> {
    courses.iter().filter_map(|c| Some((c, value(c)?))).min_by(|a, b| a.1.value.total_cmp(&b.1.value))
}

/// The findings of a front page.
#[must_use]
pub fn findings(result: &TextGeometry) -> Vec<Finding> {
    let mut out = vec![];
    let last = result.checkpoints.len().saturating_sub(1);
    if let Some((c, m)) = extreme(&result.categories, |c| c.to_others.get(last)) {
        out.push(Finding {
            status: match m.above_null() {
                Some(true) => FindingStatus::Supported,
                Some(false) => FindingStatus::NotSupported,
                None => FindingStatus::Unclear,
            },
            statement: format!(
                "Every category's direction lies along that of all others more than directions of exchanged labels lie \
                 along each other; {} the least.{}{}",
                c.category,
                m.below_null(),
                m.no_p.as_ref().map_or_else(String::new, |why| format!(" No p: {why}."))
            ),
            measure: Measure::new("cosine with the direction of all others", m.value),
            n: Sample::new(c.n.iter().sum::<usize>() as u64, "texts of this category and its negatives"),
            interval: ReportedInterval::of(m),
            null: if m.number.null.is_some() { ReportedNull::of(&m.number) } else { ReportedNull::none("no null was run") },
            see: Some("geometry-across".into()),
        });
    }
    let general = result.categories.iter().find(|c| c.category == GENERAL);
    if let Some(change) = general.and_then(|c| c.course.change.as_ref()) {
        out.push(Finding {
            // No test here tells a break from an even drift for sure.
            status: if change.p <= 0.05 { FindingStatus::Caution } else { FindingStatus::NotSupported },
            statement: format!(
                "The general direction breaks between {} and {}, or drifts.",
                change.before, change.after
            ),
            measure: Measure::new("change-point statistic", change.statistic),
            n: Sample::new(change.n as u64, "checkpoints"),
            interval: ReportedInterval::none("the place of a break has none here"),
            null: ReportedNull::new(
                "self-normalised, simulated series of independent numbers",
                0.0,
                change.null_95,
            )
            .with_p(Test::ChangePoint, change.p, Some(change.draws as u64)),
            see: Some("geometry-course".into()),
        });
    }
    out
}

/// The section of directions that were pushed into a model.
#[must_use]
pub fn cross_section(result: &TextGeometry) -> Option<Section> {
    Some(cross::section(result.steering.as_ref()?, &result.stage_starts()))
}

/// The section of directions fitted on texts.
#[must_use]
pub fn section(result: &TextGeometry) -> Section {
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
                "Uniformly random directions of this width ({}) lie within ±{reach:.2} in 95 % of cases.",
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
    if let Some(table) = beside(result) {
        section = section.with(table);
    }
    if let Some(nulls) = nulls(result, last) {
        section = section.with(nulls);
    }
    if let Some(protocols) = &result.protocols {
        section = section.with(angles(protocols));
    }
    if checkpoints.len() > 1 {
        section = over_training(section, result);
    }
    section.with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}

fn reach(across: &[Vec<Cosine>]) -> f64 {
    across.iter().flatten().next().map_or(0.0, |c| c.uniform_95)
}

/// The cosines of every two contrasts at a checkpoint, and of each with all but it.
fn nulls(result: &TextGeometry, at: usize) -> Option<Table> {
    let across = result.across.get(at).filter(|a| a.len() > 1)?;
    let name = |i: usize| result.categories[i].category.as_str();
    let pairs = (0..across.len()).flat_map(|i| (i + 1..across.len()).map(move |j| (i, j)));
    let pairs = pairs.map(|(i, j)| (format!("{} and {}", name(i), name(j)), &across[i][j]));
    let others = result
        .categories
        .iter()
        .filter_map(|c| Some((format!("{} and all but it", c.category), c.to_others.get(at)?)));
    Some(cosine_table(
        "geometry-cosines",
        "Cosines of every two contrasts, and of each with all but it.",
        COSINE_NOT_SHOWN,
        pairs.chain(others),
    ))
}

/// The angle between the directions of every two ways to read.
fn angles(found: &Protocols) -> Table {
    let left_out: Vec<String> =
        found.left_out.iter().map(|l| format!("{} by {}", l.tokens, l.protocol)).collect();
    let sinks = match left_out.is_empty() {
        true => String::new(),
        false => format!(" Tokens left out as attention sinks: {}.", left_out.join(", ")),
    };
    let mut table = Table::new(
        "geometry-protocols",
        format!(
            "The same texts at {} read in several ways: the angle between the directions, in degrees. Intervals: \
             delete-a-fold jackknife of the cosine.{sinks}",
            found.checkpoint
        ),
        "Which way is right: a direction read in one way may say nothing of another.",
        ["category", "read", "and", "degrees", "cosine"].map(Column::new).to_vec(),
    );
    for a in &found.angles {
        let degrees = match (a.low, a.high) {
            (Some(low), Some(high)) => Cell::estimate(a.degrees, low, high, 1),
            _ => Cell::number(a.degrees, 1),
        };
        table.push(vec![
            a.category.as_str().into(),
            a.a.to_string().into(),
            a.b.to_string().into(),
            degrees,
            cell(&a.cosine),
        ]);
    }
    table
}

fn heat(id: &str, title: String, names: &[String], cells: &[Vec<Cosine>], caption: String) -> Figure {
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

/// What comes along alone, beside each category's own direction; none where the texts are not at hand.
fn beside(result: &TextGeometry) -> Option<Table> {
    if result.alone.is_empty() {
        return None;
    }
    let mut table = Table::new(
        "geometry-beside",
        "At the last checkpoint: the category's own direction, held out, beside what the length of the texts (in characters) and a \
         bag of words (naive Bayes) reach alone on the same folds. Less: the direction's AUROC less that one, paired by \
         group (Zou and Donner 2008). Sentiment alone is not known: geometry takes no texts labelled for it.",
        "That what beats length and words is the category: other things come along with it too.",
        ["category", "own AUROC", "length alone, in characters", "less", "words alone", "less"]
            .map(Column::new)
            .to_vec(),
    );
    for row in &result.alone {
        let mut cells: Vec<Cell> = vec![row.category.as_str().into(), cell_of(&row.own)];
        for name in ["length", "words"] {
            match row.alone.iter().find(|(n, ..)| n == name) {
                Some((_, of, less)) => cells.extend([cell_of(of), cell_of(less)]),
                None => cells.extend([Cell::empty("no words"), Cell::empty("no words")]),
            }
        }
        table.push(cells);
    }
    Some(table)
}

fn cell_of(of: &ProbeCell) -> Cell {
    Cell::estimate(of.auroc, of.low, of.high, 2)
}

fn table(result: &TextGeometry, at: usize) -> Table {
    let mut table = Table::new(
        "geometry-table",
        format!(
            "At {}. Halves: cosine of the directions of two halves of the texts. Magnitude: distance of the class \
             means in mean residual norms; raw size: in the model's own units, as the direction is before it is made a \
             unit. Cosines with the general direction, whose texts include the category's, \
             and with that of all other categories. Intervals: delete-a-fold jackknife. Own AUROC: held out, {}; {}.",
            result.checkpoints.get(at).map_or("", String::as_str),
            result.probing_method,
            result.rate_method
        ),
        COSINE_NOT_SHOWN,
        [
            "category",
            "positive",
            "negative",
            "halves",
            "magnitude",
            "raw size",
            "to general",
            "to others",
            "own AUROC",
            "true positives at 1 %",
            "negatives",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for (i, c) in result.categories.iter().enumerate() {
        let of = |m: Option<&Number>| m.map_or_else(|| Cell::empty("not for this contrast"), cell);
        let own = result.across_probing.get(at).and_then(|m| m.get(i)?.get(i));
        table.push(vec![
            c.category.as_str().into(),
            c.n[0].into(),
            c.n[1].into(),
            c.reliability.get(at).map_or_else(|| Cell::empty("none"), |r| Cell::number(*r, 2)),
            of(c.magnitude.get(at)),
            of(c.difference.get(at)),
            of(c.to_general.get(at).map(|c| &c.number)),
            of(c.to_others.get(at).map(|c| &c.number)),
            own.map_or_else(|| Cell::empty("none"), |p| Cell::estimate(p.auroc, p.low, p.high, 2)),
            own.and_then(|p| p.true_positives)
                .map_or_else(|| Cell::empty("none"), |r| Cell::estimate(r.value, r.low, r.high, 2)),
            if c.shared_negatives { "of all" } else { "its own" }.into(),
        ]);
    }
    table
}
