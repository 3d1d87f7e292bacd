//! From activations to a direction: project nuisances out, fit, say what changed.

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate};
use serde::{Deserialize, Serialize};

use super::estimator::{CheckedEstimator, Fit, FitDetails};
use super::method::ProjectMethod;
use super::nuisance::{FittedNuisances, Nuisances};
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{MathError, RowSpace, Seeds, cosine, unit};

/// An estimator with what is projected out before it.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Fits the direction to what is left of the rows.
    pub estimator: CheckedEstimator,
    /// What is projected out of every row first.
    pub nuisances: Nuisances,
}

/// A direction with what was projected out on the way.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// The direction, fitted on projected rows.
    pub fit: Fit,
    /// The direction the same estimator finds when nothing is projected out.
    pub unprojected: Fit,
    /// Cosine of the two.
    pub cosine_to_unprojected: f64,
    /// A row for each direction projected out.
    pub projected_out: Vec<ProjectedOut>,
    /// Name and reason of those that were asked for but are not there.
    pub absent: Vec<(String, String)>,
}

/// A direction projected out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectedOut {
    /// The name of what was projected out, such as `length`.
    pub name: String,
    /// How; none in files of before the choice, which is within classes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<ProjectMethod>,
    /// Cosine with the direction fitted without projection.
    pub cosine_before: f64,
    /// Cosine with the final direction; near 0 by construction.
    pub cosine_after: f64,
}

/// Rows and nuisances in coordinates of their common span: an isometry, so nothing is lost.
pub(super) struct Reduced {
    pub samples: Samples,
    pub nuisances: Nuisances,
    pub space: RowSpace,
}

impl Pipeline {
    /// Fits on all rows. `by` says what stays together where hyperparameters are chosen.
    ///
    /// # Errors
    /// As [`CheckedEstimator::fit`], and where a nuisance can't be estimated.
    pub fn extract(
        &self,
        samples: &Samples,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<Extraction, EstimateError> {
        // One contrast has one direction, whatever part of a run asks for it.
        let seeds = &seeds.common().child("fit");
        let reduced = self.reduce(samples)?;
        let (found, fit) = fit_projected(&self.estimator, &reduced.nuisances, &reduced.samples, by, seeds)?;
        let plain = if found.erasers.is_empty() {
            fit.clone()
        } else {
            self.estimator.fit(&reduced.samples, by, seeds)?
        };
        let projected_out = found
            .directions
            .iter()
            .map(|n| {
                Ok(ProjectedOut {
                    name: n.name.clone(),
                    method: Some(self.nuisances.method()),
                    cosine_before: cosine(plain.direction.view(), n.direction.view())?,
                    cosine_after: cosine(fit.direction.view(), n.direction.view())?,
                })
            })
            .collect::<Result<_, MathError>>()?;
        Ok(Extraction {
            cosine_to_unprojected: cosine(fit.direction.view(), plain.direction.view())?,
            fit: lift(&reduced.space, fit)?,
            unprojected: lift(&reduced.space, plain)?,
            projected_out,
            absent: found.absent,
        })
    }

    /// A direction without the nuisances that these rows show, as a unit vector, and what that changed.
    ///
    /// # Errors
    /// When nothing is left of it, or a nuisance can't be estimated.
    pub fn projected(
        &self,
        samples: &Samples,
        direction: ArrayView1<'_, f64>,
    ) -> Result<(Array1<f64>, Vec<ProjectedOut>), EstimateError> {
        let found = self.nuisances.find(samples)?;
        let left = unit(found.erasers.direction(direction).view())?;
        let one = |n: &super::nuisance::Nuisance| {
            Ok(ProjectedOut {
                name: n.name.clone(),
                method: Some(self.nuisances.method()),
                cosine_before: cosine(direction, n.direction.view())?,
                cosine_after: cosine(left.view(), n.direction.view())?,
            })
        };
        let projected_out = found.directions.iter().map(one).collect::<Result<_, MathError>>()?;
        Ok((left, projected_out))
    }

    pub(super) fn reduce(&self, samples: &Samples) -> Result<Reduced, EstimateError> {
        for (_, direction) in self.nuisances.fixed() {
            if direction.len() != samples.x.ncols() {
                return Err(EstimateError::Width {
                    what: "nuisance directions",
                    expected: samples.x.ncols(),
                    found: direction.len(),
                });
            }
        }
        let centre = samples.x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(samples.x.ncols()));
        let x = &samples.x - &centre;
        // Nuisances have unit norm; beside large rows they would fall under the span's threshold.
        let size = x.iter().fold(0.0_f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
        let fixed: Vec<Array2<f64>> =
            self.nuisances.fixed().map(|(_, d)| (d * size).insert_axis(Axis(0))).collect();
        // With the texts of known sentiment, so that it can be held out of its own texts too.
        let moods = self.nuisances.sentiments().map(|s| {
            let mean = s.x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(s.x.ncols()));
            &s.x - &mean
        });
        let rows: Vec<_> = std::iter::once(x.view())
            .chain(fixed.iter().map(Array2::view))
            .chain(moods.iter().map(Array2::view))
            .collect();
        let stacked = concatenate(Axis(0), &rows).map_err(|e| MathError::decomposition("stacking", e))?;
        let space = match RowSpace::of(stacked.view()) {
            Err(MathError::ZeroVector { .. }) => {
                return Err(EstimateError::Constant { rows: samples.rows() });
            }
            other => other?,
        };
        let coordinates = |d: &Array1<f64>| {
            let row = space.coordinates(d.view().insert_axis(Axis(0)))?;
            Ok(row.row(0).to_owned())
        };
        Ok(Reduced {
            samples: samples.with_x(space.coordinates(x.view())?),
            nuisances: self.nuisances.map(coordinates)?,
            space,
        })
    }
}

fn lift(space: &RowSpace, fit: Fit) -> Result<Fit, MathError> {
    Ok(Fit { direction: unit(space.lift(fit.direction.view())?.view())?, details: fit.details })
}

/// Estimates the nuisances on these rows, projects them out of the rows, fits.
pub(super) fn fit_projected(
    estimator: &CheckedEstimator,
    nuisances: &Nuisances,
    samples: &Samples,
    by: SplitBy,
    seeds: &Seeds,
) -> Result<(FittedNuisances, Fit), EstimateError> {
    let found = nuisances.find(samples)?;
    let fit = if found.erasers.is_empty() {
        estimator.fit(samples, by, seeds)?
    } else {
        let projected = samples.with_x(found.erasers.rows(samples.x.view()));
        scoring(&found, estimator.fit(&projected, by, seeds)?)?
    };
    Ok((found, fit))
}

/// The direction of projected rows as one that scores rows which are not.
fn scoring(found: &FittedNuisances, fit: Fit) -> Result<Fit, MathError> {
    let direction = unit(found.erasers.direction(fit.direction.view()).view())?;
    let details: FitDetails = fit.details;
    Ok(Fit { direction, details })
}

/// Rows of a fold, with what is projected out of them found already. Where the labels have no say in that, they are
/// exchanged on the same rows again and again.
pub(super) struct PreparedFold {
    pub raw: Samples,
    /// None where nothing is projected out.
    projected: Option<Samples>,
    found: FittedNuisances,
}

impl PreparedFold {
    pub fn new(nuisances: &Nuisances, raw: Samples) -> Result<Self, EstimateError> {
        let found = nuisances.find(&raw)?;
        let projected = (!found.erasers.is_empty()).then(|| raw.with_x(found.erasers.rows(raw.x.view())));
        Ok(Self { raw, projected, found })
    }

    /// As [`fit_projected`] on the rows with these labels.
    pub fn fit(
        &self,
        labels: &[bool],
        estimator: &CheckedEstimator,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<Fit, EstimateError> {
        let mut samples = self.projected.as_ref().unwrap_or(&self.raw).clone();
        samples.positive.copy_from_slice(labels);
        let fit = estimator.fit(&samples, by, seeds)?;
        Ok(if self.projected.is_some() { scoring(&self.found, fit)? } else { fit })
    }
}
