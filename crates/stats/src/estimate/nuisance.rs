//! Directions that should not count: length, sentiment, and whatever else is given.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::eraser::{Eraser, Erasers};
use super::estimator::differences;
use super::method::ProjectMethod;
use super::samples::check_finite;
use super::sentiment::Sentiment;
use super::{EstimateError, Samples};
use crate::math::{MathError, Orthonormal, norm, unit};

/// What to project out of the activations before a direction is fitted.
#[derive(Clone, Debug, Default)]
pub struct Nuisances {
    method: ProjectMethod,
    length: bool,
    sentiment: Option<Sentiment>,
    others: Vec<(String, Array1<f64>)>,
}

/// A nuisance direction that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Nuisance {
    /// `length`, `length-within-pairs`, `sentiment`, or the name given.
    pub name: String,
    /// Unit vector, `[width]`.
    pub direction: Array1<f64>,
}

/// Nuisance directions of some rows.
#[derive(Clone, Debug)]
pub(super) struct FittedNuisances {
    pub directions: Vec<Nuisance>,
    pub erasers: Erasers,
    set: Orthonormal,
    /// Name and reason of those that are not there.
    pub absent: Vec<(String, String)>,
}

impl Nuisances {
    /// Nothing to project out.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// In another way than the default. To be said before sentiment is added.
    #[must_use]
    pub fn by(mut self, method: ProjectMethod) -> Self {
        self.method = method;
        self
    }

    /// How sentiment and length are projected out.
    #[must_use]
    pub fn method(&self) -> ProjectMethod {
        self.method
    }

    /// Projects the direction of length out as well.
    #[must_use]
    pub fn with_length(mut self) -> Self {
        self.length = true;
        self
    }

    /// Also sentiment: the mean difference on texts of known sentiment, `[n, width]`.
    ///
    /// # Errors
    /// When counts differ, a value is not finite, a class is missing, or the means are equal.
    pub fn with_sentiment(self, x: ArrayView2<'_, f64>, positive: &[bool]) -> Result<Self, EstimateError> {
        self.sentiment(x, positive, true)
    }

    /// Sentiment is not projected out, but what it reaches alone is said beside every separation.
    ///
    /// # Errors
    /// As [`Nuisances::with_sentiment`].
    pub fn with_sentiment_beside(
        self,
        x: ArrayView2<'_, f64>,
        positive: &[bool],
    ) -> Result<Self, EstimateError> {
        self.sentiment(x, positive, false)
    }

    fn sentiment(
        mut self,
        x: ArrayView2<'_, f64>,
        positive: &[bool],
        erased: bool,
    ) -> Result<Self, EstimateError> {
        if x.nrows() != positive.len() {
            return Err(EstimateError::Count {
                what: "sentiment labels",
                expected: x.nrows(),
                found: positive.len(),
            });
        }
        check_finite("sentiment activations", x)?;
        self.sentiment = Some(Sentiment::new(x, positive, (erased, x.ncols(), self.method))?);
        Ok(self)
    }

    /// The texts of known sentiment, where there are some.
    pub(super) fn sentiments(&self) -> Option<&Sentiment> {
        self.sentiment.as_ref()
    }

    /// Whether length is projected out, and sentiment.
    pub(super) fn erases(&self) -> [bool; 2] {
        [self.length, self.sentiment.as_ref().is_some_and(|s| s.erased)]
    }

    /// The same, sentiment known from some of its texts alone.
    pub(super) fn with_some_sentiment(&self, rows: &[usize]) -> Result<Self, EstimateError> {
        let mut out = self.clone();
        if let Some(s) = &self.sentiment {
            let positive: Vec<bool> = rows.iter().map(|r| s.positive[*r]).collect();
            let x = s.x.select(Axis(0), rows);
            out.sentiment = Some(Sentiment::new(x.view(), &positive, (s.erased, s.width, self.method))?);
        }
        Ok(out)
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
        self.erases() == [false; 2] && self.others.is_empty()
    }

    /// Whether a direction is estimated with the labels, and so anew on other labels.
    pub(super) fn needs_labels(&self) -> bool {
        // Pooled slopes stay the same when labels are exchanged, those of differences too.
        self.length && self.method == ProjectMethod::WithinClass
    }

    /// Directions that do not depend on the rows.
    pub(super) fn fixed(&self) -> impl Iterator<Item = (&str, &Array1<f64>)> {
        let sentiment = self.sentiment.iter().map(|s| ("sentiment", &s.direction));
        sentiment.chain(self.others.iter().map(|(n, d)| (n.as_str(), d)))
    }

    pub(super) fn map(
        &self,
        f: impl Fn(&Array1<f64>) -> Result<Array1<f64>, MathError>,
    ) -> Result<Self, MathError> {
        Ok(Self {
            method: self.method,
            length: self.length,
            sentiment: self.sentiment.as_ref().map(|s| s.map(&f)).transpose()?,
            others: self
                .others
                .iter()
                .map(|(n, d)| Ok((n.clone(), f(d)?)))
                .collect::<Result<_, MathError>>()?,
        })
    }

    /// The directions as far as these rows show them.
    pub(super) fn find(&self, samples: &Samples) -> Result<FittedNuisances, EstimateError> {
        let columns = samples.x.ncols();
        let fixed = || {
            let sentiment = self.sentiment.iter().filter(|s| s.erased).map(|s| ("sentiment", &s.direction));
            sentiment.chain(self.others.iter().map(|(n, d)| (n.as_str(), d)))
        };
        for (_, direction) in fixed() {
            if direction.len() != columns {
                return Err(EstimateError::Width {
                    what: "nuisance directions",
                    expected: columns,
                    found: direction.len(),
                });
            }
        }
        let lengths = match (self.length, &samples.log_length) {
            (true, None) => return Err(EstimateError::NeedsLengths),
            (wanted, lengths) => lengths.as_ref().filter(|_| wanted),
        };
        if self.method == ProjectMethod::Leace {
            return self.erased(samples, lengths);
        }
        let mut found = FittedNuisances::new(columns);
        if let Some(lengths) = lengths {
            let (rows, pairs) = match self.method {
                ProjectMethod::WithinClass => (slope_within_classes(samples, lengths)?, true),
                _ => (slope_over_all(samples.x.view(), lengths), false),
            };
            found.add("length", rows.as_ref())?;
            if samples.paired {
                let slope = slope_of_differences(samples, lengths, pairs)?;
                found.add("length-within-pairs", slope.as_ref())?;
            }
        }
        for (name, direction) in fixed() {
            found.add(name, Some(direction))?;
        }
        for row in found.set.rows().outer_iter() {
            found.erasers.push(Eraser::orthogonal(row.to_owned()));
        }
        Ok(found)
    }

    /// By LEACE: sentiment, then directions of the caller's own, then length, each on rows that the ones before
    /// are out of.
    fn erased(
        &self,
        samples: &Samples,
        lengths: Option<&Array1<f64>>,
    ) -> Result<FittedNuisances, EstimateError> {
        let mut found = FittedNuisances::new(samples.x.ncols());
        if let Some(s) = self.sentiment.as_ref().filter(|s| s.erased) {
            found.erase("sentiment", Some((s.direction.clone(), s.leace.clone())))?;
        }
        for (name, direction) in &self.others {
            let left = found.erasers.vector(direction.view());
            let eraser = unit(left.view()).ok().map(Eraser::orthogonal);
            found.erase(name, Some((direction.clone(), eraser)))?;
        }
        let Some(lengths) = lengths else { return Ok(found) };
        let rows = found.erasers.rows(samples.x.view());
        let slope = slope_over_all(samples.x.view(), lengths);
        let eraser = Eraser::leace(rows.view(), lengths, samples.width)?;
        found.erase("length", slope.map(|s| (s, eraser)))?;
        if samples.paired {
            let slope = slope_of_differences(samples, lengths, false)?;
            let left = slope.as_ref().map(|s| found.erasers.vector(s.view()));
            let eraser = left.and_then(|l| unit(l.view()).ok()).map(Eraser::orthogonal);
            found.erase("length-within-pairs", slope.map(|s| (s, eraser)))?;
        }
        Ok(found)
    }
}

impl FittedNuisances {
    fn new(columns: usize) -> Self {
        Self {
            directions: Vec::new(),
            erasers: Erasers::default(),
            set: Orthonormal::empty(columns),
            absent: Vec::new(),
        }
    }

    /// A direction, and what takes it out; none where nothing varies with it.
    fn erase(
        &mut self,
        name: &str,
        eraser: Option<(Array1<f64>, Option<Eraser>)>,
    ) -> Result<(), EstimateError> {
        match eraser {
            Some((direction, Some(eraser))) if norm(direction.view()) > 0.0 => {
                self.erasers.push(eraser);
                self.directions.push(Nuisance { name: name.to_owned(), direction: unit(direction.view())? });
            }
            _ => self.absent.push((name.to_owned(), "nothing varies with it".to_owned())),
        }
        Ok(())
    }

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

fn slope_over_all(x: ArrayView2<'_, f64>, lengths: &Array1<f64>) -> Option<Array1<f64>> {
    let mean = x.mean_axis(Axis(0))?;
    slope(&(&x - &mean), &(lengths - lengths.mean().unwrap_or(0.0)))
}

/// With an intercept, or through the origin.
fn slope_of_differences(
    samples: &Samples,
    lengths: &Array1<f64>,
    intercept: bool,
) -> Result<Option<Array1<f64>>, EstimateError> {
    let x = differences(samples)?;
    let l: Array1<f64> = samples.pairs()?.into_iter().map(|(p, n)| lengths[p] - lengths[n]).collect();
    if !intercept {
        return Ok(slope(&x, &l));
    }
    let Some(mean) = x.mean_axis(Axis(0)) else { return Ok(None) };
    let centre = l.mean().expect("every difference of rows has one of lengths");
    Ok(slope(&(&x - &mean), &(&l - centre)))
}
