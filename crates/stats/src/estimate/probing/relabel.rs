//! Labels permuted as far as groups allow.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_factorial;

use super::ProbeError;
use super::design::NestedDesign;
use crate::estimate::{EstimateError, Samples, SplitBy};

/// What is exchangeable when label and activation have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exchange {
    /// Every group has as many positive rows as negative ones: all labels of a group are swapped, or none.
    PairFlips,
    /// Every group has one label: labels are dealt out to whole groups.
    Groups,
    /// Groups hold both labels: labels are swapped in whole groups with as many of one as of the other, shuffled
    /// within those with more of one (which takes the rows of a group as alike), and dealt out to whole groups among those of one label.
    WithinGroups,
}

/// How many draws that leave a fold without a class are thrown away before giving up.
const TRIES: usize = 1000;

/// The ways to permute the labels of some groups.
#[derive(Debug)]
pub(in super::super) struct Relabel {
    pub exchange: Exchange,
    /// Rows whose labels are all swapped, or none.
    turned: Vec<Vec<usize>>,
    /// Rows of groups with both labels.
    mixed: Vec<Vec<usize>>,
    /// Rows of groups with one label.
    pure: Vec<Vec<usize>>,
    labels: Vec<bool>,
}

impl Relabel {
    pub fn new(labels: &[bool], groups: &[usize]) -> Self {
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, group) in groups.iter().enumerate() {
            rows.entry(*group).or_default().push(row);
        }
        let (pure, mixed): (Vec<_>, Vec<_>) =
            rows.into_values().partition(|r| r.iter().all(|i| labels[*i] == labels[r[0]]));
        // Rows of one label in a group may be copies of each other: shuffled one by one they would no longer agree.
        let even = |r: &Vec<usize>| r.len() > 2 && 2 * r.iter().filter(|i| labels[**i]).count() == r.len();
        let (turned, mixed): (Vec<_>, Vec<_>) = mixed.into_iter().partition(even);
        let exchange = if mixed.is_empty() && turned.is_empty() {
            Exchange::Groups
        } else if pure.is_empty() && mixed.iter().all(|r| r.len() == 2) {
            Exchange::PairFlips
        } else {
            Exchange::WithinGroups
        };
        Self { exchange, turned, mixed, pure, labels: labels.to_vec() }
    }

    /// The ways to permute the labels of samples by the units that are held out together: pairs of one cluster are
    /// copies of each other, pairs and texts of one axis share what the axis is about, and all of them are swapped
    /// together.
    ///
    /// # Errors
    /// When samples of pairs hold something else.
    pub fn of(samples: &Samples, by: SplitBy) -> Result<Self, EstimateError> {
        let units = samples.units(by);
        if !samples.is_paired() && by == SplitBy::Pair {
            return Ok(Self::new(samples.positive(), units));
        }
        let mut by_unit: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, unit) in units.iter().enumerate() {
            by_unit.entry(*unit).or_default().push(row);
        }
        if samples.is_paired() {
            samples.pairs()?;
        }
        let (mixed, turned): (Vec<_>, Vec<_>) =
            by_unit.into_values().partition(|rows| samples.is_paired() && rows.len() == 2);
        Ok(Self {
            exchange: Exchange::PairFlips,
            turned,
            mixed,
            pure: vec![],
            labels: samples.positive().to_vec(),
        })
    }

    /// Groups that hold more of one label than of the other. Labels are shuffled among their rows, for to swap all of
    /// them would change how many there are of each class: the null is that the rows of a group are alike.
    pub fn uneven(&self) -> usize {
        self.mixed.iter().filter(|rows| rows.len() > 2).count()
    }

    /// About how many different relabellings there are, 1 included.
    pub fn count(&self) -> f64 {
        let positive = |rows: &[usize]| rows.iter().filter(|i| self.labels[**i]).count() as u64;
        let choose = |n: usize, k: u64| {
            let n = n as u64;
            ln_factorial(n) - ln_factorial(k) - ln_factorial(n.saturating_sub(k))
        };
        let within: f64 = self.mixed.iter().map(|r| choose(r.len(), positive(r))).sum();
        let pure_positive = self.pure.iter().filter(|r| self.labels[r[0]]).count() as u64;
        let together = self.turned.len() as f64 * std::f64::consts::LN_2;
        (together + within + choose(self.pure.len(), pure_positive)).exp().round()
    }

    /// One relabelling, drawn uniformly from those that leave both classes to fit on.
    ///
    /// # Errors
    /// When there seem to be none.
    pub fn draw(&self, design: &NestedDesign, rng: &mut impl Rng) -> Result<Vec<bool>, ProbeError> {
        for _ in 0..TRIES {
            let labels = self.any(rng);
            // The observed labels pass too, so the draw is uniform over a set that they are in.
            if design.check(&labels).is_ok() {
                return Ok(labels);
            }
        }
        Err(ProbeError::FewRelabellings { least: 2, found: self.count() })
    }

    /// One relabelling, whatever it leaves to the folds.
    pub fn any(&self, rng: &mut impl Rng) -> Vec<bool> {
        let mut labels = self.labels.clone();
        for rows in &self.mixed {
            let mut own: Vec<bool> = rows.iter().map(|i| labels[*i]).collect();
            own.shuffle(rng);
            for (row, label) in rows.iter().zip(own) {
                labels[*row] = label;
            }
        }
        for rows in &self.turned {
            if rng.random::<bool>() {
                rows.iter().for_each(|i| labels[*i] = !labels[*i]);
            }
        }
        let mut dealt: Vec<bool> = self.pure.iter().map(|r| self.labels[r[0]]).collect();
        dealt.shuffle(rng);
        for (rows, label) in self.pure.iter().zip(dealt) {
            for row in rows {
                labels[*row] = label;
            }
        }
        labels
    }
}
