//! Estimators of a direction: what can be asked for, and a checked form that can fit.
//!
//! All of them are equivariant under rotations of the activation space and none looks outside the
//! span of the centred rows, so where the activations are wider than there are rows the fit runs
//! in that span and is mapped back; the result is the same. Columns are therefore not scaled one
//! by one: a direction should not depend on the basis the model happens to use.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::logistic::{FitTolerance, LogisticParams, fit_logistic_path};
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{RowSpace, Seeds, norm, solve_positive_definite, symmetric_eigen, unit};

/// An estimator with its hyperparameters, as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Estimator {
    /// Mean of the positive rows less mean of the negative rows.
    MeanDiff,
    /// Logistic regression with an L2 penalty and an intercept.
    Logistic(LogisticParams),
    /// Linear discriminant: the pooled within-class covariance, shrunk towards a multiple of the
    /// identity, inverted on the mean difference.
    Lda {
        /// Weight of the identity in [0, 1]; `None` is the choice of Ledoit and Wolf (2004).
        shrinkage: Option<f64>,
    },
    /// First principal component of the differences within pairs, not centred: centring would
    /// take away their mean, which is what is looked for.
    Pca,
}

/// An estimator whose hyperparameters are in range.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedEstimator {
    params: Estimator,
    precision: FitTolerance,
}

/// A fitted direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Unit vector, `[width]`; the positive class lies at its positive end.
    pub direction: Array1<f64>,
    /// What was chosen or found while fitting.
    pub details: FitDetails,
}

/// What was chosen or found while fitting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitDetails {
    /// Logistic regression: the penalty chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Logistic regression: mean held-out log loss a row at each penalty tried.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alpha_losses: Vec<(f64, f64)>,
    /// LDA: the shrinkage used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrinkage: Option<f64>,
    /// PCA: share of the differences' sum of squares along the direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<f64>,
}

impl Estimator {
    /// The name used on the command line and in files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MeanDiff => "mean-diff",
            Self::Logistic(_) => "logistic",
            Self::Lda { .. } => "lda",
            Self::Pca => "pca",
        }
    }

    /// Checks the hyperparameters.
    ///
    /// # Errors
    /// When one is out of range.
    pub fn check(self) -> Result<CheckedEstimator, EstimateError> {
        match &self {
            Self::Logistic(params) => params.check()?,
            Self::Lda { shrinkage: Some(s) } if !(0.0..=1.0).contains(s) => {
                return Err(EstimateError::Parameter {
                    what: "shrinkage",
                    value: *s,
                    expected: "a number from 0 to 1",
                });
            }
            _ => {}
        }
        Ok(CheckedEstimator { params: self, precision: FitTolerance::Full })
    }
}

impl CheckedEstimator {
    /// The estimator with its hyperparameters, as it was asked for.
    #[must_use]
    pub fn params(&self) -> &Estimator {
        &self.params
    }

    /// The same where only the order of scores along the direction is asked for.
    pub(super) fn for_ranks(&self) -> Self {
        Self { precision: FitTolerance::Ranks, ..self.clone() }
    }

    /// Fits. `by` says which rows stay together where hyperparameters are chosen on held-out rows.
    ///
    /// # Errors
    /// With one class only, equal rows, too few groups to choose hyperparameters, or a failed
    /// decomposition.
    pub fn fit(&self, samples: &Samples, by: SplitBy, seeds: &Seeds) -> Result<Fit, EstimateError> {
        samples.check_classes()?;
        let centre =
            samples.x.mean_axis(ndarray::Axis(0)).unwrap_or_else(|| Array1::zeros(samples.x.ncols()));
        let x = &samples.x - &centre;
        // Rounding of the mean leaves a little even where all rows are equal.
        let size = norm(centre.view()).max(f64::MIN_POSITIVE);
        let spread = (x.iter().map(|v| v * v).sum::<f64>() / samples.rows() as f64).sqrt();
        if spread <= 1e-13 * size {
            return Err(EstimateError::Constant { rows: samples.rows() });
        }
        // Mean differences and components of differences cost little at any width; for the others
        // turning into the span pays where it saves at least half of the columns.
        let turn = !matches!(self.params, Estimator::MeanDiff | Estimator::Pca) && x.ncols() > 2 * x.nrows();
        let space = if turn { RowSpace::of(x.view())? } else { RowSpace::Whole { width: x.ncols() } };
        let inner = samples.with_x(space.coordinates(x.view())?);
        let (w, details) = self.fit_inner(&inner, spread, by, seeds)?;
        Ok(Fit { direction: unit(space.lift(unit(w.view())?.view())?.view())?, details })
    }

    /// Refuses labels of which too few units are left to choose a penalty on, where one is chosen, when those of a split
    /// are held out; `names` are those of the axes.
    ///
    /// # Errors
    /// [`EstimateError::FewToChoose`].
    pub fn check_choice(
        &self,
        samples: &Samples,
        by: SplitBy,
        folds: Option<usize>,
        names: &[&str],
    ) -> Result<(), EstimateError> {
        let chooses = matches!(&self.params, Estimator::Logistic(params) if params.alphas.len() > 1);
        let units = samples.unit_count(by);
        // Folds are as even as they can be.
        let held_out = units.div_ceil(folds.unwrap_or(units).max(1));
        if !chooses || units < held_out + 1 || units - held_out >= 2 {
            return Ok(());
        }
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let named = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
        Err(match by {
            SplitBy::Axis => EstimateError::FewToChoose { by: "axes", one: "one axis", found: units, named },
            SplitBy::Pair => {
                EstimateError::FewToChoose { by: "groups", one: "a fold", found: units, named: String::new() }
            }
        })
    }

    fn fit_inner(
        &self,
        samples: &Samples,
        spread: f64,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<(Array1<f64>, FitDetails), EstimateError> {
        let (positive, negative) = samples.class_means()?;
        let delta = &positive - &negative;
        let difference = norm(delta.view()) / spread;
        if difference < 1e-12 {
            return Err(EstimateError::NoDifference { difference });
        }
        match &self.params {
            Estimator::MeanDiff => Ok((delta, FitDetails::default())),
            Estimator::Logistic(params) => fit_logistic_path(samples, params, self.precision, by, seeds),
            Estimator::Lda { shrinkage } => lda(samples, &positive, &negative, *shrinkage),
            Estimator::Pca => pca(samples, &delta),
        }
    }
}

fn lda(
    samples: &Samples,
    positive: &Array1<f64>,
    negative: &Array1<f64>,
    fixed: Option<f64>,
) -> Result<(Array1<f64>, FitDetails), EstimateError> {
    let mut within = samples.x.clone();
    for (mut row, &p) in within.outer_iter_mut().zip(&samples.positive) {
        row -= if p { positive } else { negative };
    }
    let (n, width) = (samples.rows() as f64, samples.width as f64);
    // Traces are the same in coordinates of the span and outside it, but the identity's is not:
    // its weight is the mean variance over all of the width.
    let squares: Vec<f64> = within.outer_iter().map(|r| r.dot(&r)).collect();
    let trace = squares.iter().sum::<f64>() / n;
    let mean_variance = trace / width;
    let covariance = within.t().dot(&within) / n;
    let shrinkage = match fixed {
        Some(s) => s,
        None => ledoit_wolf(&squares, covariance.iter().map(|v| v * v).sum(), trace, n, width),
    };
    let singular = || EstimateError::Singular { rows: samples.rows(), width: samples.width, shrinkage };
    // Two means are taken from the rows, so their rank is at most n - 2.
    if mean_variance <= 0.0 || (shrinkage == 0.0 && samples.rows() < covariance.nrows() + 2) {
        return Err(singular());
    }
    let mut mixed = covariance * (1.0 - shrinkage);
    for v in mixed.diag_mut() {
        *v += shrinkage * mean_variance;
    }
    let w = solve_positive_definite(mixed.view(), (positive - negative).view()).map_err(|_| singular())?;
    Ok((w, FitDetails { shrinkage: Some(shrinkage), ..FitDetails::default() }))
}

/// The shrinkage of Ledoit and Wolf (2004, "A well-conditioned estimator for large-dimensional
/// covariance matrices"), for rows already centred.
///
/// `squares` are the squared norms of the rows, `frobenius` the squared Frobenius norm of the
/// covariance `S`, `trace` its trace.
pub(super) fn ledoit_wolf(squares: &[f64], frobenius: f64, trace: f64, n: f64, width: f64) -> f64 {
    let mean = trace / width;
    // Distance of S from the identity's multiple, and the part of it that is sampling noise.
    let distance = (frobenius - width * mean * mean) / width;
    let noise = (squares.iter().map(|s| s * s).sum::<f64>() / n - frobenius) / (n * width);
    if distance <= 0.0 { 0.0 } else { (noise.min(distance) / distance).clamp(0.0, 1.0) }
}

fn pca(samples: &Samples, delta: &Array1<f64>) -> Result<(Array1<f64>, FitDetails), EstimateError> {
    if !samples.paired {
        return Err(EstimateError::NeedsPairs("pca"));
    }
    let differences = differences(samples)?;
    let by_pair = differences.nrows() < differences.ncols();
    let moments = if by_pair { differences.dot(&differences.t()) } else { differences.t().dot(&differences) };
    let total = moments.diag().sum();
    let (values, vectors) = symmetric_eigen(moments.view())?;
    let first = vectors.column(0);
    let mut w = if by_pair { differences.t().dot(&first) } else { first.to_owned() };
    if w.dot(delta) < 0.0 {
        w.mapv_inplace(|v| -v);
    }
    let explained = values.first().map(|v| v / total);
    Ok((w, FitDetails { explained, ..FitDetails::default() }))
}

/// Positive less negative row of each pair, `[pairs, columns]`.
pub(super) fn differences(samples: &Samples) -> Result<ndarray::Array2<f64>, EstimateError> {
    let (positive, negative): (Vec<usize>, Vec<usize>) = samples.pairs()?.into_iter().unzip();
    let rows = |r: &[usize]| samples.x.select(ndarray::Axis(0), r);
    Ok(rows(&positive) - rows(&negative))
}
