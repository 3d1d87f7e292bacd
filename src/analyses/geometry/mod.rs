//! Directions over the course of training, and across categories.
//!
//! One checkpoint is enough for the categories beside each other; two and more make a course.
//!
//! Checkpoints are taken one at a time: of each only the fitted directions, centroids and magnitudes are
//! kept, never its activations. The probing matrix needs every direction on every checkpoint's texts, so
//! the checkpoints are gone through a second time; what the store keeps is not computed again.
//!
//! The same texts are read at every checkpoint, in the same folds. A probe trained on one checkpoint is
//! tested on another's texts of the fold it was not fitted on, off the diagonal too.

mod change;
mod cosines;
mod files;
mod fit;
pub mod page;
mod probing;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ndarray::Array2;
use serde::Serialize;

pub use change::{ChangePoint, Jump, change_point, jump};
pub use cosines::{Course, Step, courses};
pub use files::{DirectionAt, DirectionCourse, DirectionGeometry, of_directions};
pub use probing::{ProbeCell, ProbingMatrix};

use super::AnalysisError;
use super::stat::Measured;
use fit::{Contrast, Kept, Split};
use truenorth_stats::estimate::CheckedEstimator;
use truenorth_stats::math::Seeds;

/// The name of the contrast of all texts.
pub const GENERAL: &str = "general";

/// The texts' labels, the same at every checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    /// Whether each text is of the positive class.
    pub positive: Vec<bool>,
    /// The categories of each text.
    pub categories: Vec<Vec<String>>,
    /// What no fold cuts through.
    pub groups: Vec<String>,
}

/// How a course is studied.
#[derive(Clone, Debug)]
pub struct GeometryParams {
    /// The estimator of every direction.
    pub estimator: CheckedEstimator,
    /// Folds of the texts.
    pub folds: usize,
    /// Shuffles behind each change-point test.
    pub permutations: usize,
    /// Whether the probing matrix is made, for which every checkpoint is loaded a second time.
    pub probing: bool,
}

/// A category over the course of training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CategoryCourse {
    /// The category, or [`GENERAL`].
    pub category: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// Whether it has no negative texts of its own and takes those of all.
    pub shared_negatives: bool,
    /// How the direction turns.
    pub course: Course,
    /// At each checkpoint the cosine of directions from two halves of the texts: a cosine across
    /// checkpoints much above it can't be expected.
    pub reliability: Vec<f64>,
    /// At each checkpoint the norm of the difference of the class means, as a share of the mean residual
    /// norm.
    pub magnitude: Vec<Measured>,
    /// A break in the magnitudes; none with fewer than six checkpoints.
    pub magnitude_change: Option<ChangePoint>,
    /// Between checkpoints the distance of the positive centroids, in mean residual norms of the earlier.
    pub drift: Vec<Measured>,
    /// The largest drift.
    pub drift_jump: Option<Jump>,
    /// At each checkpoint the cosine with the general direction, whose texts include this category's.
    pub to_general: Vec<Measured>,
    /// At each checkpoint the cosine with the direction of all other categories.
    pub to_others: Vec<Measured>,
}

/// The geometry of a course of checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Geometry {
    /// The checkpoints in training order.
    pub checkpoints: Vec<String>,
    /// Width of the residual stream.
    pub width: usize,
    /// The general contrast first, then the categories by name.
    pub categories: Vec<CategoryCourse>,
    /// At each checkpoint the cosines of the categories, in the order of `categories`.
    pub across: Vec<Vec<Vec<Measured>>>,
    /// At each checkpoint the probes of every category on the texts of every other, a row a category
    /// fitted on, a column a category tested on; each text on a direction that has not seen its group.
    pub across_probing: Vec<Vec<Vec<ProbeCell>>>,
    /// How the intervals of the probes are made.
    pub probing_method: String,
    /// Probes of every checkpoint on every checkpoint, in the order of `categories`.
    pub probing: Vec<ProbingMatrix>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Studies checkpoints. `load` returns the activations of one, `[texts, width]`; it is called in order,
/// and in order once more for the probing matrix.
///
/// # Errors
/// Without a checkpoint, with one class, a category with too few texts, activations of another
/// shape or that are not finite (the checkpoint is named), or when `load` fails.
pub fn geometry(
    checkpoints: &[String],
    texts: &Texts,
    params: &GeometryParams,
    seeds: &Seeds,
    mut load: impl FnMut(usize) -> Result<Array2<f64>, AnalysisError>,
) -> Result<Geometry, AnalysisError> {
    let contrasts = contrasts(checkpoints, texts, params, seeds)?;
    let mut width = None;
    let mut checked = |i: usize| -> Result<Array2<f64>, AnalysisError> {
        let x = load(i)?;
        let wide = *width.get_or_insert(x.ncols());
        check(&checkpoints[i], &x, texts.positive.len(), wide)?;
        Ok(x)
    };
    let shown = contrasts.iter().filter(|c| !c.name.starts_with(OTHERS)).count();
    let mut across_probing = Vec::with_capacity(checkpoints.len());
    // By contrast, then by checkpoint.
    let mut kept: Vec<Vec<Kept>> = vec![Vec::with_capacity(checkpoints.len()); contrasts.len()];
    for i in 0..checkpoints.len() {
        let x = checked(i)?;
        for (contrast, kept) in contrasts.iter().zip(&mut kept) {
            kept.push(contrast.fit(&x, &params.estimator, &seeds.child(&contrast.name))?);
        }
        across_probing.push(cells(&x, &contrasts[..shown], &kept)?);
    }
    let mut probing: Vec<Vec<Vec<ProbeCell>>> = vec![vec![vec![]; checkpoints.len()]; shown];
    if params.probing {
        for tested in 0..checkpoints.len() {
            let x = checked(tested)?;
            for (c, contrast) in contrasts.iter().take(shown).enumerate() {
                for (trained, kept) in kept[c].iter().enumerate() {
                    let scores = contrast.project(&x, &kept.without);
                    let cell = probing::cell(&scores, &contrast.positive)
                        .map_err(|e| super::stat::of(&contrast.name, &e))?;
                    probing[c][trained].push(cell);
                }
            }
        }
    }
    let width = kept.first().and_then(|k| k.first()).map_or(0, |k| k.direction.len());
    let categories = cosines::categories(checkpoints, &contrasts, &kept, params, seeds)?;
    let across = cosines::across(&kept[..shown], checkpoints.len())?;
    let probing = match params.probing {
        false => vec![],
        true => contrasts
            .iter()
            .zip(probing)
            .map(|(c, cells)| ProbingMatrix {
                category: c.name.clone(),
                n: sides(&c.positive),
                cells,
                null: 0.5,
                method: probing::METHOD.into(),
            })
            .collect(),
    };
    Ok(Geometry {
        checkpoints: checkpoints.to_vec(),
        width,
        categories,
        across,
        across_probing,
        probing_method: probing::METHOD.into(),
        probing,
        not_shown: not_shown(&contrasts, texts, checkpoints.len()),
    })
}

/// Contrasts of all texts but those of one category are named by this and the category.
const OTHERS: &str = "all but ";

/// The general contrast, the categories, then all but each category.
fn contrasts(
    checkpoints: &[String],
    texts: &Texts,
    params: &GeometryParams,
    seeds: &Seeds,
) -> Result<Vec<Contrast>, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if checkpoints.is_empty() {
        return refuse("no checkpoint".into());
    }
    if let Some((i, name)) = checkpoints.iter().enumerate().find(|(i, n)| checkpoints[..*i].contains(n)) {
        return refuse(format!("checkpoint `{name}` is named twice, the second time at place {}", i + 1));
    }
    let n = texts.positive.len();
    if texts.categories.len() != n || texts.groups.len() != n {
        return refuse(format!(
            "{n} labels, {} categories and {} groups; expected as many of each",
            texts.categories.len(),
            texts.groups.len()
        ));
    }
    if params.folds < 2 {
        return refuse(format!("{} folds (--folds); expected at least 2", params.folds));
    }
    // A category is named by its positive texts; negatives may be of no category of their own.
    let names: BTreeSet<&str> = (0..n)
        .filter(|i| texts.positive[*i])
        .flat_map(|i| &texts.categories[i])
        .map(String::as_str)
        .collect();
    let split = Split::new(texts, params.folds, seeds);
    let make = |name: &str, keep: &dyn Fn(usize) -> bool| Contrast::new(name, texts, keep, &split);
    let mut out = vec![make(GENERAL, &|_| true)?];
    if names.len() < 2 {
        return Ok(out);
    }
    let is = |i: usize, name: &str| texts.categories[i].iter().any(|c| c == name);
    for name in &names {
        if *name == GENERAL {
            return refuse(format!(
                "a category is called `{GENERAL}`, which names the contrast of all texts"
            ));
        }
        out.push(make(name, &|i| is(i, name))?);
    }
    for name in &names {
        // A category that holds all of the others has none beside it.
        if (0..n).any(|i| texts.positive[i] && !is(i, name)) {
            out.push(make(&format!("{OTHERS}{name}"), &|i| !is(i, name))?);
        }
    }
    Ok(out)
}

/// Probes of each category on each one's texts at the checkpoint that was fitted last. A text is in the
/// same fold in every category, so none is scored by a direction that has seen its group.
fn cells(
    x: &Array2<f64>,
    contrasts: &[Contrast],
    kept: &[Vec<Kept>],
) -> Result<Vec<Vec<ProbeCell>>, AnalysisError> {
    let row = |fitted: &Vec<Kept>| {
        let Some(last) = fitted.last() else { return Ok(vec![]) };
        let cell = |c: &Contrast| {
            let scores = c.project(x, &last.without);
            probing::cell(&scores, &c.positive).map_err(|e| super::stat::of(&c.name, &e))
        };
        contrasts.iter().map(cell).collect()
    };
    kept.iter().take(contrasts.len()).map(row).collect()
}

fn check(name: &str, x: &Array2<f64>, texts: usize, width: usize) -> Result<(), AnalysisError> {
    if x.dim() != (texts, width) {
        return Err(AnalysisError::Input(format!(
            "checkpoint `{name}` has activations [{}, {}]; expected [{texts}, {width}] as at the first",
            x.nrows(),
            x.ncols()
        )));
    }
    match x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        Some(((row, column), v)) => Err(AnalysisError::Input(format!(
            "checkpoint `{name}` has {v} in column {column} of text {row}; read it again with --dtype f32"
        ))),
        None => Ok(()),
    }
}

fn sides(positive: &[bool]) -> [usize; 2] {
    let up = positive.iter().filter(|p| **p).count();
    [up, positive.len() - up]
}

fn not_shown(contrasts: &[Contrast], texts: &Texts, checkpoints: usize) -> Vec<String> {
    let mut out = vec![];
    if checkpoints > 1 {
        out.extend(COURSE_NOT_SHOWN.map(str::to_owned));
        out.push(
            "Cells of the probing matrix share texts; their intervals do not bound differences of cells."
                .to_owned(),
        );
    }
    out.push(
        "That categories with a high cosine are one feature: what all texts of a class share, such as their \
         style or their authors, is in every category's direction."
            .to_owned(),
    );
    out.push(
        "A cosine of two directions is cut down by the noise of both; that of two halves of the same texts says \
         by how much."
            .to_owned(),
    );
    if contrasts.iter().any(|c| c.shared_negatives) {
        out.push(
            "Categories that share their negative texts have directions that are alike by that alone."
                .to_owned(),
        );
    }
    let both = texts.categories.iter().filter(|c| c.len() > 1).count();
    if both > 0 {
        out.push(format!(
            "Of several categories are {both} texts; categories that share texts have directions that are alike by \
             that alone."
        ));
    }
    out
}

/// What no course shows.
const COURSE_NOT_SHOWN: [&str; 3] = [
    "That a direction is the same feature at two checkpoints: the coordinates themselves may turn while a \
     model trains, and a cosine can't tell the two apart.",
    "That checkpoints are independent: neighbours share their past, so a change-point p is too small for a \
     course that drifts evenly.",
    "Anything between two checkpoints.",
];
