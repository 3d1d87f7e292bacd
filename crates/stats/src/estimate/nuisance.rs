//! Directions that should not count: length, sentiment, and whatever else is given.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::estimator::differences;
use super::samples::check_finite;
use super::{EstimateError, Samples};
use crate::math::{MathError, Orthonormal, norm, unit};

/// What to project out of the activations before a direction is fitted.
#[derive(Clone, Debug, Default)]
pub struct Nuisances {
    length: bool,
    sentiment: Option<Array1<f64>>,
    others: Vec<(String, Array1<f64>)>,
}

/// A nuisance direction that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Nuisance {
    /// `length`, `length-within-pairs`, `sentiment`, or the name given.
    pub name: String,
    /// Unit vector.
    pub direction: Array1<f64>,
}

/// Nuisance directions of some rows.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub directions: Vec<Nuisance>,
    pub set: Orthonormal,
    /// Name and reason of those that are not there.
    pub absent: Vec<(String, String)>,
}

impl Nuisances {
    /// Nothing to project out.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Also length: the slope of the activations on log length, by least squares with the class
    /// as a covariate, and for pairs the slope of differences on differences of log length with an
    /// intercept. Class and intercept keep a contrast that happens to differ in length from being
    /// taken for length.
    #[must_use]
    pub fn with_length(mut self) -> Self {
        self.length = true;
        self
    }

    /// Also sentiment: the mean difference on texts of known sentiment, `[n, width]`.
    ///
    /// # Errors
    /// When counts differ, a value is not finite, a class is missing, or the means are equal.
    pub fn with_sentiment(
        mut self,
        x: ArrayView2<'_, f64>,
        positive: &[bool],
    ) -> Result<Self, EstimateError> {
        if x.nrows() != positive.len() {
            return Err(EstimateError::Count {
                what: "sentiment labels",
                expected: x.nrows(),
                found: positive.len(),
            });
        }
        check_finite("sentiment activations", x)?;
        let pick = |wanted: bool| {
            let rows: Vec<usize> = (0..x.nrows()).filter(|r| positive[*r] == wanted).collect();
            (rows.len(), x.select(Axis(0), &rows).mean_axis(Axis(0)))
        };
        match (pick(true), pick(false)) {
            ((_, Some(p)), (_, Some(n))) => self.sentiment = Some(unit((p - n).view())?),
            ((positive, _), (negative, _)) => return Err(EstimateError::OneClass { positive, negative }),
        }
        Ok(self)
    }

    /// Also a direction of the caller's own.
    ///
    /// # Errors
    /// When the direction is zero or not finite.
    pub fn with_direction(
        mut self,
        name: &str,
        direction: ArrayView1<'_, f64>,
    ) -> Result<Self, EstimateError> {
        self.others.push((name.to_owned(), unit(direction)?));
        Ok(self)
    }

    /// Whether nothing is to be projected out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.length && self.fixed().next().is_none()
    }

    /// Whether a direction is estimated with the labels, and so anew on other labels.
    pub(super) fn needs_labels(&self) -> bool {
        self.length
    }

    /// Directions that do not depend on the rows.
    pub(super) fn fixed(&self) -> impl Iterator<Item = (&str, &Array1<f64>)> {
        let sentiment = self.sentiment.iter().map(|d| ("sentiment", d));
        sentiment.chain(self.others.iter().map(|(n, d)| (n.as_str(), d)))
    }

    /// The same in other coordinates.
    pub(super) fn map(
        &self,
        f: impl Fn(&Array1<f64>) -> Result<Array1<f64>, MathError>,
    ) -> Result<Self, MathError> {
        Ok(Self {
            length: self.length,
            sentiment: self.sentiment.as_ref().map(&f).transpose()?,
            others: self
                .others
                .iter()
                .map(|(n, d)| Ok((n.clone(), f(d)?)))
                .collect::<Result<_, MathError>>()?,
        })
    }

    /// The directions as far as these rows show them.
    pub(super) fn find(&self, samples: &Samples) -> Result<Found, EstimateError> {
        let columns = samples.x.ncols();
        let mut found =
            Found { directions: Vec::new(), set: Orthonormal::empty(columns), absent: Vec::new() };
        if self.length {
            let lengths = samples.log_length.as_ref().ok_or(EstimateError::NeedsLengths)?;
            found.add("length", slope_within_classes(samples, lengths)?.as_ref())?;
            if samples.paired {
                found.add("length-within-pairs", slope_of_differences(samples, lengths)?.as_ref())?;
            }
        }
        for (name, direction) in self.fixed() {
            if direction.len() != columns {
                return Err(EstimateError::Width {
                    what: "nuisance directions",
                    expected: columns,
                    found: direction.len(),
                });
            }
            found.add(name, Some(direction))?;
        }
        Ok(found)
    }
}

impl Found {
    fn add(&mut self, name: &str, direction: Option<&Array1<f64>>) -> Result<(), EstimateError> {
        let Some(direction) = direction.filter(|d| norm(d.view()) > 0.0) else {
            self.absent.push((name.to_owned(), "nothing varies with it".to_owned()));
            return Ok(());
        };
        match self.set.push(direction.view()) {
            Ok(()) => {
                self.directions.push(Nuisance { name: name.to_owned(), direction: unit(direction.view())? })
            }
            Err(e @ MathError::Dependent { .. }) => self.absent.push((name.to_owned(), e.to_string())),
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }
}

/// Least-squares slope of rows on a variable, both centred already; `None` where it is constant.
fn slope(x: &Array2<f64>, variable: &Array1<f64>) -> Option<Array1<f64>> {
    let squares = variable.dot(variable);
    // Logarithms of equal lengths are equal to the bit, means of them nearly so.
    (squares > 1e-20 * variable.len() as f64).then(|| x.t().dot(variable) / squares)
}

fn slope_within_classes(
    samples: &Samples,
    lengths: &Array1<f64>,
) -> Result<Option<Array1<f64>>, EstimateError> {
    let (positive, negative) = samples.class_means()?;
    let mean_length = |wanted: bool| {
        let picked: Vec<f64> =
            lengths.iter().zip(&samples.positive).filter(|(_, p)| **p == wanted).map(|(l, _)| *l).collect();
        picked.iter().sum::<f64>() / picked.len().max(1) as f64
    };
    let (longer, shorter) = (mean_length(true), mean_length(false));
    let mut x = samples.x.clone();
    let mut l = lengths.clone();
    for ((mut row, length), &p) in x.outer_iter_mut().zip(l.iter_mut()).zip(&samples.positive) {
        row -= if p { &positive } else { &negative };
        *length -= if p { longer } else { shorter };
    }
    Ok(slope(&x, &l))
}

fn slope_of_differences(
    samples: &Samples,
    lengths: &Array1<f64>,
) -> Result<Option<Array1<f64>>, EstimateError> {
    let x = differences(samples)?;
    let l: Array1<f64> = samples.pairs()?.into_iter().map(|(p, n)| lengths[p] - lengths[n]).collect();
    let Some(mean) = x.mean_axis(Axis(0)) else { return Ok(None) };
    let centre = l.mean().expect("every difference of rows has one of lengths");
    Ok(slope(&(&x - &mean), &(&l - centre)))
}
