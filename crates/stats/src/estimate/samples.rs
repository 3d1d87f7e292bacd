//! Activations with their labels and groups, checked once.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use super::{EstimateError, WordSets};
use crate::math::{MathError, numbered};

/// What stays together when rows are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The rows of one pair, or of one group of a classes file, with those of its near copies.
    Pair,
    /// The rows of one value axis (or category).
    Axis,
}

/// Rows of finite activations of two classes, in groups and axes.
#[derive(Clone, Debug)]
pub struct Samples {
    /// `[n, columns]`; columns are the width, or fewer in the coordinates of a row space.
    pub(super) x: Array2<f64>,
    /// Width of the space the rows come from.
    pub(super) width: usize,
    pub(super) positive: Vec<bool>,
    pub(super) group: Vec<usize>,
    /// What no split by pair cuts: groups, or clusters of them.
    pub(super) unit: Vec<usize>,
    pub(super) axis: Vec<usize>,
    pub(super) log_length: Option<Array1<f64>>,
    /// What that length counts, such as `tokens of prompt and response`; empty where nobody said.
    pub(super) length_of: String,
    /// Another length of the same texts, and what it counts.
    pub(super) log_second: Option<(Array1<f64>, String)>,
    /// The words of all rows, none in a selection of rows.
    pub(super) words: Option<WordSets>,
    pub(super) paired: bool,
}

/// The first entry that is no finite number, as an error.
pub(super) fn check_finite(what: &'static str, x: ArrayView2<'_, f64>) -> Result<(), EstimateError> {
    match x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        Some(((row, column), &value)) => Err(EstimateError::NotFinite { what, row, column, value }),
        None => Ok(()),
    }
}

/// Makes one axis of axes that have a unit in common: to hold one of them out would split the unit. `units`
/// and `axes` are numbers, one a row; the result has no gaps.
#[must_use]
pub fn whole_axes(units: &[usize], axes: &[usize]) -> Vec<usize> {
    let mut axes = axes.to_vec();
    let mut axis_of: HashMap<usize, usize> = HashMap::new();
    for (row, unit) in units.iter().enumerate() {
        let axis = axes[row];
        let here = *axis_of.entry(*unit).or_insert(axis);
        let (to, from) = (here.min(axis), here.max(axis));
        if to != from {
            axes.iter_mut().chain(axis_of.values_mut()).filter(|a| **a == from).for_each(|a| *a = to);
        }
    }
    crate::math::dense(&axes)
}

fn count(what: &'static str, expected: usize, found: usize) -> Result<(), EstimateError> {
    if expected == found { Ok(()) } else { Err(EstimateError::Count { what, expected, found }) }
}

impl Samples {
    /// Contrastive pairs: row `i` of `chosen` and of `rejected` (`[pairs, width]` each) belong to
    /// pair `ids[i]` of axis `axes[i]`. Rows become `chosen` first, then `rejected`.
    ///
    /// # Errors
    /// When shapes or counts differ, an id repeats, or a value is not finite.
    pub fn from_pairs<S: AsRef<str>, T: AsRef<str>>(
        chosen: ArrayView2<'_, f64>,
        rejected: ArrayView2<'_, f64>,
        ids: &[S],
        axes: &[T],
    ) -> Result<Self, EstimateError> {
        let n = chosen.nrows();
        count("rejected rows", n, rejected.nrows())?;
        count("pair ids", n, ids.len())?;
        count("axes", n, axes.len())?;
        if chosen.ncols() != rejected.ncols() {
            return Err(EstimateError::Width {
                what: "rejected activations",
                expected: chosen.ncols(),
                found: rejected.ncols(),
            });
        }
        check_finite("chosen activations", chosen)?;
        check_finite("rejected activations", rejected)?;
        let x = concatenate(Axis(0), &[chosen.view(), rejected.view()])
            .map_err(|e| MathError::decomposition("stacking", e))?;
        let twice = |v: Vec<usize>| [v.clone(), v].concat();
        let group = twice(numbered(ids.iter().map(AsRef::as_ref)));
        let samples = Self {
            width: x.ncols(),
            x,
            positive: (0..2 * n).map(|i| i < n).collect(),
            unit: group.clone(),
            group,
            axis: twice(numbered(axes.iter().map(AsRef::as_ref))),
            log_length: None,
            length_of: String::new(),
            log_second: None,
            words: None,
            paired: true,
        };
        samples.pairs()?;
        samples.check_classes()?;
        Ok(samples)
    }

    /// Two classes: row `i` of `x` (`[n, width]`) belongs to `groups[i]`, which no split cuts.
    ///
    /// # Errors
    /// When counts differ, a value is not finite, or a class is missing.
    pub fn from_classes<S: AsRef<str>, T: AsRef<str>>(
        x: ArrayView2<'_, f64>,
        positive: &[bool],
        groups: &[S],
        axes: &[T],
    ) -> Result<Self, EstimateError> {
        count("labels", x.nrows(), positive.len())?;
        count("groups", x.nrows(), groups.len())?;
        count("axes", x.nrows(), axes.len())?;
        check_finite("activations", x)?;
        let group = numbered(groups.iter().map(AsRef::as_ref));
        let mut samples = Self {
            width: x.ncols(),
            x: x.to_owned(),
            positive: positive.to_vec(),
            unit: group.clone(),
            group,
            axis: numbered(axes.iter().map(AsRef::as_ref)),
            log_length: None,
            length_of: String::new(),
            log_second: None,
            words: None,
            paired: false,
        };
        samples.join_axes();
        samples.check_classes()?;
        Ok(samples)
    }

    /// Says which pairs belong together, such as near copies: pairs of one number are one unit of every split,
    /// relabelling and resampling, and axes with such pairs in common are one axis.
    ///
    /// # Errors
    /// When there is not one number a pair, or these are no pairs.
    pub fn with_clusters(mut self, clusters: &[usize]) -> Result<Self, EstimateError> {
        if !self.paired {
            return Err(EstimateError::NeedsPairs("clusters"));
        }
        count("clusters", self.rows() / 2, clusters.len())?;
        self.unit = [clusters, clusters].concat();
        self.join_axes();
        Ok(self)
    }

    fn join_axes(&mut self) {
        self.axis = whole_axes(&self.unit, &self.axis);
    }

    /// Adds the length of each text, in tokens or characters, in the order of the rows; only
    /// the logarithm is used.
    ///
    /// # Errors
    /// When there is not one positive length a row.
    pub fn with_lengths(mut self, lengths: &[f64]) -> Result<Self, EstimateError> {
        self.log_length = Some(self.logarithms(lengths)?);
        Ok(self)
    }

    /// As [`Samples::with_lengths`], and says what they count, such as `tokens of prompt and response`.
    ///
    /// # Errors
    /// When there is not one positive length a row.
    pub fn with_lengths_of(self, lengths: &[f64], of: &str) -> Result<Self, EstimateError> {
        Ok(Self { length_of: of.to_owned(), ..self.with_lengths(lengths)? })
    }

    /// Adds a second length of each text and says what it counts, such as `characters of the response`. It stands beside
    /// the separation as the first does, and labels are exchanged as often as both have it; it is not projected out.
    ///
    /// # Errors
    /// When there is not one positive length a row.
    pub fn with_second_lengths(mut self, lengths: &[f64], of: &str) -> Result<Self, EstimateError> {
        self.log_second = Some((self.logarithms(lengths)?, of.to_owned()));
        Ok(self)
    }

    fn logarithms(&self, lengths: &[f64]) -> Result<Array1<f64>, EstimateError> {
        count("lengths", self.x.nrows(), lengths.len())?;
        if let Some((row, &value)) = lengths.iter().enumerate().find(|(_, l)| !(l.is_finite() && **l > 0.0)) {
            return Err(EstimateError::Length { row, value });
        }
        Ok(lengths.iter().map(|l| l.ln()).collect())
    }

    /// The logarithms of all lengths that are known, a column each.
    pub(super) fn log_lengths(&self) -> Vec<&Array1<f64>> {
        self.log_length.iter().chain(self.log_second.iter().map(|(log, _)| log)).collect()
    }

    /// Adds the words of each text, in the order of the rows, to say beside the separation what they give away.
    ///
    /// # Errors
    /// When there is not one text a row.
    pub fn with_words(mut self, words: Option<WordSets>) -> Result<Self, EstimateError> {
        if let Some(words) = &words {
            count("texts", self.x.nrows(), words.rows())?;
        }
        self.words = words;
        Ok(self)
    }

    /// Rows of both classes.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.x.nrows()
    }

    /// Width of the activations.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The activations, `[rows, width]`.
    #[must_use]
    pub fn activations(&self) -> ArrayView2<'_, f64> {
        self.x.view()
    }

    /// Whether each row is of the positive class.
    #[must_use]
    pub fn positive(&self) -> &[bool] {
        &self.positive
    }

    /// Whether every group is one positive and one negative row.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        self.paired
    }

    /// The unit each row belongs to under a way of splitting.
    #[must_use]
    pub fn units(&self, by: SplitBy) -> &[usize] {
        match by {
            SplitBy::Pair => &self.unit,
            SplitBy::Axis => &self.axis,
        }
    }

    /// Different units, the most folds there can be.
    #[must_use]
    pub fn unit_count(&self, by: SplitBy) -> usize {
        self.units(by).iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// Columns with one value in every row. They carry nothing and do no harm, but many of them
    /// mean that something went wrong in reading.
    #[must_use]
    pub fn constant_columns(&self) -> Vec<usize> {
        let constant = |c: &ndarray::ArrayView1<'_, f64>| c.iter().all(|v| Some(v) == c.first());
        self.x.columns().into_iter().enumerate().filter(|(_, c)| constant(c)).map(|(i, _)| i).collect()
    }

    /// The positive and the negative row of each pair, in order of the groups.
    ///
    /// # Errors
    /// When a group is not one positive and one negative row.
    pub(super) fn pairs(&self) -> Result<Vec<(usize, usize)>, EstimateError> {
        let mut sides: std::collections::BTreeMap<usize, (Vec<usize>, Vec<usize>)> =
            std::collections::BTreeMap::new();
        for (row, (&group, &positive)) in self.group.iter().zip(&self.positive).enumerate() {
            let entry = sides.entry(group).or_default();
            if positive { entry.0.push(row) } else { entry.1.push(row) }
        }
        sides
            .into_iter()
            .map(|(group, (p, n))| match (p.as_slice(), n.as_slice()) {
                (&[p], &[n]) => Ok((p, n)),
                _ => Err(EstimateError::NoPair { group, positive: p.len(), negative: n.len() }),
            })
            .collect()
    }

    pub(super) fn check_classes(&self) -> Result<(), EstimateError> {
        let positive = self.positive.iter().filter(|p| **p).count();
        let negative = self.positive.len() - positive;
        if positive == 0 || negative == 0 || self.width == 0 {
            return Err(EstimateError::OneClass { positive, negative });
        }
        Ok(())
    }

    /// Some rows, groups and axes keeping their numbers.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |v: &[usize]| rows.iter().map(|r| v[*r]).collect();
        Self {
            x: self.x.select(Axis(0), rows),
            width: self.width,
            positive: rows.iter().map(|r| self.positive[*r]).collect(),
            group: pick(&self.group),
            unit: pick(&self.unit),
            axis: pick(&self.axis),
            log_length: self.log_length.as_ref().map(|l| l.select(Axis(0), rows)),
            length_of: self.length_of.clone(),
            log_second: self.log_second.as_ref().map(|(l, of)| (l.select(Axis(0), rows), of.clone())),
            words: None,
            paired: self.paired,
        }
    }

    /// The same rows with other coordinates.
    pub(super) fn with_x(&self, x: Array2<f64>) -> Self {
        Self {
            x,
            positive: self.positive.clone(),
            group: self.group.clone(),
            unit: self.unit.clone(),
            axis: self.axis.clone(),
            log_length: self.log_length.clone(),
            length_of: self.length_of.clone(),
            log_second: self.log_second.clone(),
            words: self.words.clone(),
            ..*self
        }
    }

    /// The mean of each class, positive first. Both classes must be there.
    pub(super) fn class_means(&self) -> Result<(Array1<f64>, Array1<f64>), EstimateError> {
        self.check_classes()?;
        let mean = |positive: bool| {
            let rows: Vec<usize> = (0..self.rows()).filter(|r| self.positive[*r] == positive).collect();
            self.x.select(Axis(0), &rows).mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(self.x.ncols()))
        };
        Ok((mean(true), mean(false)))
    }
}
