//! What a scenario's seeds gave, and whether it is what the test says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};
use truenorth::math::clopper_pearson;
use truenorth::report::{Document, Test};
use truenorth::stats::test::Standing;

use crate::Outcome;

/// The share of alarms that all tests are held to.
const LEVEL: f64 = 0.05;

/// The p values of one run, at most one of each test: those of one page depend on each other.
pub type Run = BTreeMap<Test, f64>;

/// The first p value of each test on a page.
pub fn of_page(page: truenorth::analyses::AnalysisPage) -> Run {
    let front = page.all_findings();
    let document = Document { front, sections: page.sections, ..Document::default() };
    let mut run = Run::new();
    for (test, p) in document.p_values() {
        run.entry(test).or_insert(p);
    }
    run
}

/// A line of the results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What was counted.
    pub what: What,
    /// The test, the interval or the verdict.
    pub of: String,
    /// The world.
    pub scenario: String,
    /// The model whose activations it has, or none.
    pub model: Option<String>,
    pub seeds: u64,
    pub rate: f64,
    /// The exact interval of the rate, 99.9 %.
    pub interval: [f64; 2],
    /// What it should be.
    pub promise: String,
    pub holds: bool,
}

/// What was counted, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// p at most 0.05 where there is nothing.
    Alarms,
    /// An interval of 95 % that holds the truth.
    Coverage,
    /// A verdict where the effect is there.
    Power,
}

impl Line {
    fn new(what: What, of: &str, scenario: &str, [count, seeds]: [u64; 2]) -> Outcome<Self> {
        let interval = clopper_pearson(count, seeds, 0.999)?;
        Ok(Self {
            what,
            of: of.to_owned(),
            scenario: scenario.to_owned(),
            model: None,
            seeds,
            rate: count as f64 / seeds as f64,
            interval: [interval.low, interval.high],
            promise: String::new(),
            holds: true,
        })
    }

    /// The alarms of a scenario, a line a test. A test as stated has to lie within the central 99.9 % of the binomial
    /// law of 5 %, a conservative one not above it; a descriptive one promises nothing.
    pub fn alarms(scenario: &str, runs: &[Run]) -> Outcome<Vec<(Test, Self)>> {
        let mut counts: BTreeMap<Test, [u64; 2]> = BTreeMap::new();
        for (test, p) in runs.iter().flatten() {
            let of = counts.entry(*test).or_default();
            of[0] += u64::from(*p <= LEVEL);
            of[1] += 1;
        }
        let mut lines = Vec::with_capacity(counts.len());
        for (test, [alarms, runs]) in counts {
            let [low, high] = accepted(runs)?;
            let standing = test.card().standing;
            let holds = match standing {
                Standing::Nominal => (low..=high).contains(&alarms),
                Standing::Conservative => alarms <= high,
                Standing::Descriptive => true,
            };
            let line = Self::new(What::Alarms, test.id(), scenario, [alarms, runs])?;
            lines.push((test, Self { promise: standing.word().into(), holds, ..line }));
        }
        Ok(lines)
    }

    /// How often an interval of 95 % held the truth: from 93 to 97 %, as far as so many seeds can tell; 93 % and more of
    /// one that is `wide`.
    pub fn coverage(interval: &str, scenario: &str, counts: [u64; 2], wide: bool) -> Outcome<Self> {
        let most = if wide { 1.0 } else { 0.97 };
        Self::new(What::Coverage, interval, scenario, counts)?.within([0.93, most])
    }

    /// How often a verdict was given where the effect is the one that is printed: from 75 to 90 %.
    pub fn power(verdict: &str, scenario: &str, counts: [u64; 2]) -> Outcome<Self> {
        Self::new(What::Power, verdict, scenario, counts)?.within([0.75, 0.9])
    }

    fn within(self, [low, high]: [f64; 2]) -> Outcome<Self> {
        let holds = self.interval[1] >= low && self.interval[0] <= high;
        let promise = format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high);
        Ok(Self { promise, holds, ..self })
    }

    pub fn read_on(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }
}

/// The counts of alarms in so many runs that 5 % gives in all but 0.1 % of cases.
fn accepted(runs: u64) -> Outcome<[u64; 2]> {
    // The law's own inverse panics in its tails.
    let law = Binomial::new(LEVEL, runs)?;
    let at = |q: f64| (0..=runs).find(|k| law.cdf(*k) >= q).unwrap_or(runs);
    Ok([at(0.0005), at(0.9995)])
}
