//! How directions turn: cosines with delete-fold intervals, steps, and breaks.

use ndarray::{Array1, ArrayView1};
use serde::Serialize;

use super::CategoryCourse;
use super::change::{CourseChange, Jump, change_point, gram_of, jump};
use super::fit::{CategoryContrast, FittedContrast};
use super::nulls::Nulls;
use super::params::GeometryPlan;
use super::run::{OTHERS, sides};
use truenorth_reading::stat::{Number, jackknife, of};
use truenorth_reading::{AnalysisError, Cosine, NO_TEXTS};
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// From one checkpoint to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckpointStep {
    /// The earlier checkpoint.
    pub from: String,
    /// The later one.
    pub to: String,
    /// Cosine of their directions.
    pub cosine: Cosine,
    /// The angle between them, in degrees.
    pub degrees: f64,
}

/// How a direction turns over the checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    /// Cosines of every two checkpoints.
    pub cosines: Vec<Vec<f64>>,
    /// Every step from a checkpoint to the next, in training order.
    pub steps: Vec<CheckpointStep>,
    /// A break in the directions; none with fewer than six checkpoints.
    pub change: Option<CourseChange>,
    /// The largest turn beside the others, in degrees; none with fewer than three steps.
    pub jump: Option<Jump>,
}

/// The courses of directions alone, such as files in training order: no texts, and so no intervals.
/// `directions` has a row a course (a category) and a column a checkpoint.
///
/// # Errors
/// Without a checkpoint, with directions of several widths, or one that is zero or not finite; the
/// checkpoint is named.
pub fn courses(
    checkpoints: &[String],
    directions: &[Vec<Array1<f64>>],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Vec<Course>, AnalysisError> {
    if checkpoints.is_empty() {
        return Err(AnalysisError::Input("no direction".into()));
    }
    let width = directions.first().and_then(|d| d.first()).map_or(0, Array1::len);
    for course in directions {
        if course.len() != checkpoints.len() {
            return Err(AnalysisError::Input(format!(
                "{} directions for {} checkpoints",
                course.len(),
                checkpoints.len()
            )));
        }
        for (name, d) in checkpoints.iter().zip(course) {
            if d.len() != width {
                return Err(AnalysisError::Input(format!(
                    "the direction of `{name}` has {} numbers, the first one {width}",
                    d.len()
                )));
            }
            math::unit(d.view()).map_err(|e| of(&format!("the direction of `{name}`"), &e))?;
        }
    }
    directions
        .iter()
        .enumerate()
        .map(|(i, d)| {
            let views: Vec<Folded<'_>> = d.iter().map(|d| Folded { all: d.view(), without: &[] }).collect();
            let without = |_, number| Cosine::new(number, width, Err(NO_TEXTS));
            course(checkpoints, &views, &without, permutations, &seeds.child(&format!("course {i}")))
        })
        .collect()
}

/// A direction and those of its folds.
struct Folded<'a> {
    all: ArrayView1<'a, f64>,
    without: &'a [Array1<f64>],
}

impl<'a> Folded<'a> {
    fn of(kept: &'a FittedContrast) -> Self {
        Self { all: kept.direction.view(), without: &kept.without }
    }
}

fn course(
    checkpoints: &[String],
    directions: &[Folded<'_>],
    against: &dyn Fn(usize, Number) -> Result<Cosine, MathError>,
    permutations: usize,
    seeds: &Seeds,
) -> Result<Course, AnalysisError> {
    let named = |e: MathError| of("directions over the checkpoints", &e);
    let cosines: Vec<Vec<f64>> = directions
        .iter()
        .map(|a| directions.iter().map(|b| math::cosine(a.all, b.all)).collect())
        .collect::<Result<_, _>>()
        .map_err(named)?;
    let steps = directions
        .windows(2)
        .zip(checkpoints.windows(2))
        .enumerate()
        .map(|(at, (d, names))| {
            let cosine = against(at, cosine(&d[0], &d[1])?)?;
            Ok(CheckpointStep {
                from: names[0].clone(),
                to: names[1].clone(),
                degrees: cosine.value.acos().to_degrees(),
                cosine,
            })
        })
        .collect::<Result<Vec<_>, MathError>>()
        .map_err(named)?;
    let turns: Vec<f64> = steps.iter().map(|s| s.degrees).collect();
    Ok(Course {
        change: change_point(checkpoints, &cosines, permutations, seeds).map_err(named)?,
        jump: jump(checkpoints, &turns).map_err(named)?,
        cosines,
        steps,
    })
}

/// A cosine with the interval of its folds.
fn cosine(a: &Folded<'_>, b: &Folded<'_>) -> Result<Number, MathError> {
    let value = math::cosine(a.all, b.all)?;
    let folds: Vec<f64> = a
        .without
        .iter()
        .zip(b.without)
        .map(|(a, b)| math::cosine(a.view(), b.view()))
        .collect::<Result<_, _>>()?;
    Ok(jackknife(value, &folds, [-1.0, 1.0]))
}

/// The cosines of categories at each checkpoint.
pub(super) fn across(
    kept: &[Vec<FittedContrast>],
    checkpoints: usize,
    nulls: &Nulls,
) -> Result<Vec<Vec<Vec<Cosine>>>, AnalysisError> {
    (0..checkpoints)
        .map(|t| {
            let at: Vec<Folded<'_>> = kept.iter().map(|c| Folded::of(&c[t])).collect();
            matrix(&at, |ij, number| nulls.across(t, ij, number))
        })
        .collect::<Result<_, MathError>>()
        .map_err(|e| of("directions of the categories", &e))
}

fn matrix(
    directions: &[Folded<'_>],
    against: impl Fn([usize; 2], Number) -> Result<Cosine, MathError>,
) -> Result<Vec<Vec<Cosine>>, MathError> {
    let row = |(i, a): (usize, &Folded<'_>)| {
        directions.iter().enumerate().map(|(j, b)| against([i, j], cosine(a, b)?)).collect()
    };
    directions.iter().enumerate().map(row).collect()
}

pub(super) fn plain(directions: &[&Array1<f64>]) -> Result<Vec<Vec<Cosine>>, MathError> {
    let width = directions.first().map_or(0, |d| d.len());
    let folded: Vec<_> = directions.iter().map(|d| Folded { all: d.view(), without: &[] }).collect();
    matrix(&folded, |_, number| Cosine::new(number, width, Err(NO_TEXTS)))
}

/// The courses of the contrasts that are shown.
pub(super) fn categories(
    checkpoints: &[String],
    contrasts: &[CategoryContrast],
    kept: &[Vec<FittedContrast>],
    nulls: &Nulls,
    plan: &GeometryPlan,
    seeds: &Seeds,
) -> Result<Vec<CategoryCourse>, AnalysisError> {
    let others = |name: &str| contrasts.iter().position(|c| c.name == format!("{OTHERS}{name}"));
    let mut out = Vec::new();
    let shown = contrasts.iter().zip(kept).enumerate().filter(|(_, (c, _))| !c.name.starts_with(OTHERS));
    for (place, (contrast, own)) in shown {
        let named = |e: MathError| of(&contrast.name, &e);
        let beside = |other: Option<usize>| -> Result<Vec<Cosine>, AnalysisError> {
            let Some(other) = other else { return Ok(vec![]) };
            let against = |at, number| match other {
                0 => nulls.across(at, [place, 0], number),
                _ => nulls.others(place, at, number),
            };
            let pairs = own.iter().zip(&kept[other]).enumerate();
            let cosines = pairs.map(|(at, (a, b))| against(at, cosine(&Folded::of(a), &Folded::of(b))?));
            cosines.collect::<Result<_, MathError>>().map_err(named)
        };
        let views: Vec<Folded<'_>> = own.iter().map(Folded::of).collect();
        let seeds = seeds.child(&contrast.name);
        let difference: Vec<Number> = own.iter().map(difference).collect();
        let magnitude: Vec<Number> = own.iter().map(magnitude).collect();
        let sizes: Vec<f64> = magnitude.iter().map(|m| m.value).collect();
        let drift: Vec<Number> = own.windows(2).map(|w| drift(&w[0], &w[1])).collect();
        let drifts: Vec<f64> = drift.iter().map(|d| d.value).collect();
        let is_category = others(&contrast.name).is_some();
        out.push(CategoryCourse {
            category: contrast.name.clone(),
            n: sides(&contrast.positive),
            shared_negatives: contrast.shared_negatives,
            course: course(
                checkpoints,
                &views,
                &|step, number| nulls.step(place, step, number),
                plan.permutations,
                &seeds,
            )?,
            reliability: own.iter().map(|k| k.reliability).collect(),
            magnitude_change: change_point(
                checkpoints,
                &gram_of(&sizes),
                plan.permutations,
                &seeds.child("magnitude"),
            )
            .map_err(named)?,
            difference,
            magnitude,
            drift_jump: jump(checkpoints, &drifts).map_err(named)?,
            drift,
            to_general: if is_category { beside(Some(0))? } else { vec![] },
            to_others: beside(others(&contrast.name))?,
        });
    }
    Ok(out)
}

fn difference(kept: &FittedContrast) -> Number {
    jackknife(kept.magnitudes[0], &kept.magnitudes[1..], [0.0, f64::INFINITY])
}

fn magnitude(kept: &FittedContrast) -> Number {
    let share = |m: f64| m / kept.row_norm;
    let folds: Vec<f64> = kept.magnitudes.iter().skip(1).map(|m| share(*m)).collect();
    let value = share(kept.magnitudes[0]);
    jackknife(value, &folds, [0.0, f64::INFINITY])
}

fn drift(a: &FittedContrast, b: &FittedContrast) -> Number {
    let far: Vec<f64> =
        a.centroids.iter().zip(&b.centroids).map(|(a, b)| math::norm((b - a).view())).collect();
    let share: Vec<f64> = far.iter().map(|f| f / a.row_norm).collect();
    match share.split_first() {
        Some((value, folds)) => jackknife(*value, folds, [0.0, f64::INFINITY]),
        None => Number::bare(f64::NAN, 0, "none: no centroids"),
    }
}
