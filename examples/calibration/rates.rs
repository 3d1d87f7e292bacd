//! What a scenario's seeds gave, and whether it is what the test says of itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
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
pub fn of_page(page: truenorth::analyses::Page) -> Run {
    let front = page.all_findings();
    let document = Document { front, sections: page.sections, ..Document::default() };
    let mut run = Run::new();
    for (test, p) in document.p_values() {
        run.entry(test).or_insert(p);
    }
    run
}

/// How often a test alarmed where there was nothing.
pub struct Rate {
    pub scenario: String,
    pub test: Test,
    pub alarms: u64,
    pub runs: u64,
}

impl Rate {
    /// The rates of a scenario, a line a test.
    pub fn of(scenario: &str, runs: &[Run]) -> Vec<Self> {
        let mut counts: BTreeMap<Test, [u64; 2]> = BTreeMap::new();
        for (test, p) in runs.iter().flatten() {
            let of = counts.entry(*test).or_default();
            of[0] += u64::from(*p <= LEVEL);
            of[1] += 1;
        }
        let rate = |(test, [alarms, runs]): (Test, [u64; 2])| Self {
            scenario: scenario.to_owned(),
            test,
            alarms,
            runs,
        };
        counts.into_iter().map(rate).collect()
    }

    /// Whether the rate is what the test says: within the central 99.9 % of the binomial law of 5 %, not above it
    /// where the test is conservative. A descriptive test promises nothing.
    pub fn holds(&self) -> Outcome<bool> {
        let [low, high] = accepted(self.runs)?;
        Ok(match self.test.card().standing {
            Standing::Nominal => (low..=high).contains(&self.alarms),
            Standing::Conservative => self.alarms <= high,
            Standing::Descriptive => true,
        })
    }

    pub fn line(&self) -> Outcome<Value> {
        let interval = clopper_pearson(self.alarms, self.runs, 0.999)?;
        let standing = self.test.card().standing;
        Ok(json!({
            "what": "rate of p <= 0.05 under the null", "test": self.test, "scenario": self.scenario,
            "standing": standing.word(), "rate": self.alarms as f64 / self.runs as f64, "runs": self.runs,
            "low": interval.low, "high": interval.high, "holds": self.holds()?,
        }))
    }
}

/// The counts of alarms in so many runs that 5 % gives in all but 0.1 % of cases.
fn accepted(runs: u64) -> Outcome<[u64; 2]> {
    // The law's own inverse panics in its tails.
    let law = Binomial::new(LEVEL, runs)?;
    let at = |q: f64| (0..=runs).find(|k| law.cdf(*k) >= q).unwrap_or(runs);
    Ok([at(0.0005), at(0.9995)])
}

/// How often an interval held the truth.
pub struct Coverage {
    pub interval: &'static str,
    pub scenario: &'static str,
    pub held: u64,
    pub runs: u64,
}

impl Coverage {
    /// Whether coverage is from 93 to 97 %, as far as so many runs can tell: not both of its ends lie outside.
    pub fn holds(&self) -> Outcome<bool> {
        let i = clopper_pearson(self.held, self.runs, 0.999)?;
        Ok(i.high >= 0.93 && i.low <= 0.97)
    }

    pub fn line(&self) -> Outcome<Value> {
        Ok(json!({
            "what": "coverage of a 95 % interval", "interval": self.interval, "scenario": self.scenario,
            "coverage": self.held as f64 / self.runs as f64, "runs": self.runs, "holds": self.holds()?,
        }))
    }
}
