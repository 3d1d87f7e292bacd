//! A probe as asked for, and the way from rows to its results.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::design::NestedDesign;
use super::gram::LayerGram;
use super::logistic::ProbeTolerances;
use super::reference::LayerNulls;
use super::relabel::Relabel;
use super::result::{ProbingResult, ResultInputs, assemble};
use super::rounds::Rounds;
use super::select::Tests;
use super::{Layers, ProbeError};
use crate::math::{Seeds, numbered};

/// Fewer relabellings than this can't give a p value of 0.05.
const LEAST_RELABELLINGS: usize = 20;

/// Estimators that need no more than scalar products of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeEstimator {
    /// The difference of the class means, as [`Estimator::MeanDiff`](crate::estimate::Estimator::MeanDiff).
    MeanDiff,
    /// As [`Estimator::Lda`](crate::estimate::Estimator::Lda), with a shrinkage in (0, 1].
    Lda {
        /// Weight of the identity; `None` is the choice of Ledoit and Wolf (2004).
        shrinkage: Option<f64>,
    },
    /// As [`Estimator::Logistic`](crate::estimate::Estimator::Logistic), the penalty chosen in the
    /// training folds by log loss.
    Logistic {
        /// Penalties to choose from, in the units of
        /// [`LogisticParams`](crate::estimate::LogisticParams).
        alphas: Vec<f64>,
    },
}

impl ProbeEstimator {
    /// The name used on the command line and in files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MeanDiff => "mean-diff",
            Self::Lda { .. } => "lda",
            Self::Logistic { .. } => "logistic",
        }
    }
}

/// Probing as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeSettings {
    /// What finds the direction of each fit.
    pub estimator: ProbeEstimator,
    /// Folds of whole groups, at least 3.
    pub folds: usize,
    /// Ways to deal the groups to folds; held-out numbers are means over them.
    pub repeats: usize,
    /// Coverage of the intervals.
    pub level: f64,
    /// Permutations of the whole procedure; 0 skips the nulls.
    pub permutations: usize,
    /// When to stop permuting, however many are done. What the observed labels need is always done.
    pub budget: Option<Duration>,
}

impl ProbeSettings {
    /// Five folds, dealt 20 times, 95 % intervals, 1000 permutations, no limit of time.
    #[must_use]
    pub fn new(estimator: ProbeEstimator) -> Self {
        Self { estimator, folds: 5, repeats: 20, level: 0.95, permutations: 1000, budget: None }
    }
}

/// Rows to fit on: label and group of each. Groups are never split between folds.
#[derive(Clone, Copy)]
pub struct TrainSet<'a> {
    /// The activations, layer by layer.
    pub layers: &'a dyn Layers,
    /// Whether each row is of the positive class.
    pub labels: &'a [bool],
    /// The group of each row: a pair, an axis, a template.
    pub groups: &'a [String],
}

/// Rows to test on, none of whose groups may be in the training rows.
#[derive(Clone, Copy)]
pub struct TestSet<'a> {
    /// Name of the set in results and errors.
    pub name: &'a str,
    /// The activations, at the layers of the training rows.
    pub layers: &'a dyn Layers,
    /// Whether each row is of the positive class.
    pub labels: &'a [bool],
    /// The group of each row, the cluster of the intervals.
    pub groups: &'a [String],
}

impl ProbeSettings {
    /// Probes every layer: held-out AUROC a layer, the nested AUROC with the layer chosen in the
    /// training folds, the nulls of both and of the maximum over layers, and the transfer to test
    /// sets of the fit on all training rows.
    ///
    /// # Errors
    /// A [`ProbeError`] that names what no honest number can be made of.
    pub fn run(
        &self,
        train: &TrainSet<'_>,
        tests: &[TestSet<'_>],
        seeds: &Seeds,
    ) -> Result<ProbingResult, ProbeError> {
        self.run_by(train, tests, seeds, None).map(|(probing, _)| probing)
    }

    /// As [`ProbeSettings::run`], layers chosen by what is given; and what they were chosen by.
    pub(super) fn run_by(
        &self,
        train: &TrainSet<'_>,
        tests: &[TestSet<'_>],
        seeds: &Seeds,
        given: Option<LayerNulls>,
    ) -> Result<(ProbingResult, LayerNulls), ProbeError> {
        let begun = Instant::now();
        let estimator = self.checked()?;
        check_set("train", train.labels, train.groups)?;
        let count = train.layers.count();
        if count == 0 {
            return Err(ProbeError::Count {
                set: "train".into(),
                what: "layers or more",
                expected: 1,
                found: 0,
            });
        }
        let known: HashSet<&str> = train.groups.iter().map(String::as_str).collect();
        for test in tests {
            check_test(test, count, &known)?;
        }
        let groups = numbered(train.groups);
        let seeds = seeds.child("held out");
        let design = NestedDesign::new(&groups, self.folds, &mut seeds.stream("folds"))?;
        design.check(train.labels)?;
        let relabel = Relabel::new(train.labels, &groups);
        if self.permutations > 0 && relabel.count() < LEAST_RELABELLINGS as f64 {
            return Err(ProbeError::FewRelabellings { least: LEAST_RELABELLINGS, found: relabel.count() });
        }
        let sources: Vec<_> = tests.iter().map(|t| (t.name, t.layers, t.labels.len())).collect();
        let grams = (0..count)
            .map(|layer| LayerGram::read((train.layers, train.labels.len()), &sources, layer))
            .collect::<Result<Vec<_>, _>>()?;
        let test_labels: Vec<bool> = tests.iter().flat_map(|t| t.labels).copied().collect();
        let mut starts = vec![0];
        for test in tests {
            starts.push(starts.last().expect("the first start is there") + test.labels.len());
        }
        let rounds = Rounds {
            grams: &grams,
            design: &design,
            labels: train.labels,
            relabel: &relabel,
            estimator: &estimator,
            precision: ProbeTolerances { observed: 1e-8, permuted: 1e-4 },
            tests: Tests { starts, labels: &test_labels },
            permutations: self.permutations,
            budget: self.budget.map(|b| b.saturating_sub(begun.elapsed())),
            reference: LayerNulls::default(),
        };
        let reference = match given {
            Some(given) => given,
            None => rounds.refer(&seeds)?,
        };
        let rounds =
            Rounds { reference, budget: self.budget.map(|b| b.saturating_sub(begun.elapsed())), ..rounds };
        let done = rounds.run(&seeds)?;
        let others = (1..self.repeats)
            .map(|i| {
                let seeds = seeds.child(&format!("repeat {i}"));
                let design = NestedDesign::new(&groups, self.folds, &mut seeds.stream("folds"))?;
                // A way to split that leaves a fold without a class is none.
                if design.check(train.labels).is_err() {
                    return Ok(None);
                }
                let precision = ProbeTolerances { observed: rounds.precision.permuted, ..rounds.precision };
                let again = Rounds {
                    design: &design,
                    precision,
                    tests: Tests { starts: vec![0], labels: &[] },
                    permutations: 0,
                    budget: None,
                    reference: rounds.reference.clone(),
                    ..rounds
                };
                let observed = again.run(&seeds)?.observed;
                Ok(Some((design, observed)))
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, ProbeError>>()?;
        let shape = ResultInputs {
            groups: &groups,
            design: &design,
            relabel: &relabel,
            grams: &grams,
            others: &others,
        };
        let mut probing = assemble(self, &estimator, train, tests, &shape, done)?;
        probing.seconds = begun.elapsed().as_secs_f64();
        Ok((probing, rounds.reference))
    }

    /// The estimator with its hyperparameters in range, penalties from large to small.
    fn checked(&self) -> Result<ProbeEstimator, ProbeError> {
        let parameter = |what, value, expected| Err(ProbeError::Parameter { what, value, expected });
        match &self.estimator {
            ProbeEstimator::Lda { shrinkage: Some(s) } if !(*s > 0.0 && *s <= 1.0) => {
                parameter("shrinkage", *s, "above 0 and at most 1")
            }
            ProbeEstimator::Logistic { alphas } => {
                if let Some(&alpha) = alphas.iter().find(|a| !(a.is_finite() && **a > 0.0)) {
                    return parameter("alpha", alpha, "a positive number");
                }
                if alphas.is_empty() {
                    return parameter("number of alphas", 0.0, "at least one");
                }
                let mut alphas = alphas.clone();
                // From large to small, so that each fit starts near the next.
                alphas.sort_by(|a, b| b.total_cmp(a));
                Ok(ProbeEstimator::Logistic { alphas })
            }
            other => Ok(other.clone()),
        }
    }
}

fn check_set(set: &str, labels: &[bool], groups: &[String]) -> Result<(), ProbeError> {
    if groups.len() != labels.len() {
        return Err(ProbeError::Count {
            set: set.to_owned(),
            what: "groups",
            expected: labels.len(),
            found: groups.len(),
        });
    }
    let positive = labels.iter().filter(|l| **l).count();
    let negative = labels.len() - positive;
    if positive == 0 || negative == 0 {
        return Err(ProbeError::OneClass { set: set.to_owned(), positive, negative });
    }
    Ok(())
}

fn check_test(test: &TestSet<'_>, layers: usize, known: &HashSet<&str>) -> Result<(), ProbeError> {
    check_set(test.name, test.labels, test.groups)?;
    if test.layers.count() != layers {
        return Err(ProbeError::Count {
            set: test.name.to_owned(),
            what: "layers",
            expected: layers,
            found: test.layers.count(),
        });
    }
    let different: HashSet<&String> = test.groups.iter().collect();
    if different.len() < 2 {
        return Err(ProbeError::OneGroup { set: test.name.to_owned(), rows: test.groups.len() });
    }
    let mut shared: Vec<&str> =
        test.groups.iter().map(String::as_str).filter(|g| known.contains(g)).collect();
    let first = shared.first().copied();
    shared.sort_unstable();
    shared.dedup();
    match first {
        None => Ok(()),
        Some(group) => Err(ProbeError::Leaked {
            set: test.name.to_owned(),
            group: group.to_owned(),
            count: shared.len(),
        }),
    }
}
