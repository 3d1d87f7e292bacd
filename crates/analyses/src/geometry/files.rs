//! Directions without their texts, such as files in training order.

use ndarray::Array1;
use serde::Serialize;

use super::COURSE_NOT_SHOWN;
use super::cosines::{Course, courses, plain};
use truenorth_reading::AnalysisError;
use truenorth_reading::Cosine;
use truenorth_reading::stat::of;
use truenorth_stats::math::Seeds;

/// A direction, what it is of, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectionAt {
    /// The category that it is of.
    pub category: String,
    /// The checkpoint it was found at.
    pub checkpoint: String,
    /// The direction, `[hidden]`, of any length but 0.
    pub vector: Array1<f64>,
}

/// A category over the checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionCourse {
    /// The category that the directions are of.
    pub category: String,
    /// Its cosines, steps and breaks over the checkpoints.
    pub course: Course,
}

/// Directions across checkpoints and categories.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionGeometry {
    /// The checkpoints in the order given.
    pub checkpoints: Vec<String>,
    /// Width of the directions.
    pub width: usize,
    /// A row a category.
    pub courses: Vec<DirectionCourse>,
    /// At each checkpoint the cosines of the categories, in the order of `courses`.
    pub across: Vec<Vec<Vec<Cosine>>>,
    /// What the cosines do not show, a sentence each.
    pub not_shown: Vec<String>,
}

fn names<'a>(of: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    of.for_each(|n| {
        if !out.contains(n) {
            out.push(n.clone());
        }
    });
    out
}

/// Cosines of directions across the checkpoints and categories that they name.
///
/// # Errors
/// Without directions, when a category lacks a checkpoint or has it twice, or the widths differ; each is
/// named.
pub fn of_directions(
    all: &[DirectionAt],
    permutations: usize,
    seeds: &Seeds,
) -> Result<DirectionGeometry, AnalysisError> {
    let checkpoints = names(all.iter().map(|d| &d.checkpoint));
    let categories = names(all.iter().map(|d| &d.category));
    let mut table: Vec<Vec<Array1<f64>>> = Vec::with_capacity(categories.len());
    for category in &categories {
        let mut row = Vec::with_capacity(checkpoints.len());
        for checkpoint in &checkpoints {
            let mut found = all.iter().filter(|d| d.category == *category && d.checkpoint == *checkpoint);
            match (found.next(), found.next()) {
                (Some(one), None) => row.push(one.vector.clone()),
                (None, _) => {
                    return Err(AnalysisError::Input(format!(
                        "`{category}` has no direction at `{checkpoint}`, where others have one"
                    )));
                }
                (Some(_), Some(_)) => {
                    return Err(AnalysisError::Input(format!("`{category}` is at `{checkpoint}` twice")));
                }
            }
        }
        table.push(row);
    }
    let found = courses(&checkpoints, &table, permutations, seeds)?;
    let across = (0..checkpoints.len())
        .map(|t| plain(&table.iter().map(|row| &row[t]).collect::<Vec<_>>()))
        .collect::<Result<_, _>>()
        .map_err(|e| of("directions", &e))?;
    let mut not_shown = vec![
        "How sure any cosine is: a direction without its texts has no interval, and no null but that of uniformly \
         random directions, which activations are far from. Give the texts for that."
            .to_owned(),
    ];
    if checkpoints.len() > 1 {
        not_shown.extend(COURSE_NOT_SHOWN.map(str::to_owned));
    }
    Ok(DirectionGeometry {
        width: all.first().map_or(0, |d| d.vector.len()),
        courses: categories
            .into_iter()
            .zip(found)
            .map(|(category, course)| DirectionCourse { category, course })
            .collect(),
        checkpoints,
        across,
        not_shown,
    })
}
