//! A statistic of held-out rows, over the ways to deal units to folds.

use serde::{Deserialize, Serialize};

use super::held_out::NullTest;
use crate::math::{ClusteredStatistic, Interval, MathError, Placement, standard_deviation};
use crate::number::{Null, Number};
use crate::test::Test;

/// A statistic of held-out rows with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The statistic on all held-out rows, the mean over the splits.
    pub value: f64,
    /// The interval of [`Placement`], its variance `1 + J/(J − 1)` times for `J` folds: directions of different
    /// folds share most of their rows, so the plain interval is too narrow (Nadeau and Bengio 2003,
    /// "Inference for the generalization error"). At an AUROC of 1/2 it holds the truth in 95 to 98 %; where the
    /// direction is strong, in 98 to 100 % (`examples/calibration/RESULTS.md`).
    pub interval: Interval,
    /// Units, the clusters of the interval.
    #[serde(default)]
    pub clusters: usize,
    /// Variance of the clusters over that of independent texts.
    #[serde(default)]
    pub design: f64,
    /// How much the way to split matters; none with one split.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeats: Option<Repeats>,
}

/// The same statistic under several ways to deal units to folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// Ways to deal, each of which gave the statistic.
    pub splits: usize,
    /// On the first of them, which the null is of.
    pub first: f64,
    /// Standard deviation over them.
    pub sd: f64,
    /// The smallest value over the splits.
    pub least: f64,
    /// The largest value over the splits.
    pub most: f64,
}

impl Estimate {
    /// As it is reported: what was held out (`of`, in the plural), and the null of labels exchanged in the way
    /// that `relabelled` says.
    #[must_use]
    pub fn number(&self, of: &str, null: Option<(&NullTest, &str)>) -> Number {
        let first =
            self.repeats.map_or_else(String::new, |r| format!(" on the first split ({:.3})", r.first));
        Number {
            value: self.value,
            n: self.clusters,
            interval: Some(self.interval),
            method: format!(
                "score interval over {of} (Newcombe 2006), stretched for shared rows{}",
                self.repeats.map_or_else(String::new, |r| format!("; mean of {}", r.said()))
            ),
            null: null.map(|(null, relabelled)| Null {
                test: Test::HeldOut,
                what: match null.fixed {
                    None => format!("{relabelled}, whole pipeline rerun{first}"),
                    Some(at) => format!(
                        "{relabelled}, whole pipeline rerun at penalty {}, where the AUROC is {:.3} on the first split",
                        at.alpha, at.auroc
                    ),
                },
                expected: null.mean,
                range: Some([null.low, null.high]),
                p: null.p,
                draws: Some(null.permutations),
            }),
        }
    }

    pub(super) fn new(splits: &[Placement], folds: usize, level: f64) -> Result<Self, MathError> {
        let all = Placement::mean(splits).expect("splits share their clusters");
        Self::around(&all, splits, folds, level)
    }

    /// The same where the splits are summed up already.
    pub(super) fn around(
        all: &Placement,
        splits: &[Placement],
        folds: usize,
        level: f64,
    ) -> Result<Self, MathError> {
        let shared = folds as f64;
        let ClusteredStatistic { value, interval, clusters, design } =
            all.estimate(level, 1.0 + shared / (shared - 1.0))?;
        Ok(Self { value, interval, clusters, design, repeats: Repeats::of(splits)? })
    }
}

impl From<ClusteredStatistic> for Estimate {
    fn from(found: ClusteredStatistic) -> Self {
        let ClusteredStatistic { value, interval, clusters, design } = found;
        Self { value, interval, clusters, design, repeats: None }
    }
}

impl Repeats {
    fn of(splits: &[Placement]) -> Result<Option<Self>, MathError> {
        if splits.len() < 2 {
            return Ok(None);
        }
        let values: Vec<f64> = splits.iter().map(Placement::value).collect();
        Ok(Some(Self {
            splits: values.len(),
            first: values[0],
            sd: standard_deviation(&values)?,
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }))
    }

    /// A line for people, such as `20 splits, 0.812 to 0.874, sd 0.016`.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{} splits, {:.3} to {:.3}, sd {:.3}", self.splits, self.least, self.most, self.sd)
    }
}
