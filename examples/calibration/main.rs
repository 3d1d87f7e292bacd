//! Are the statistics what they say?
//!
//! `calibration [--runs N] [--model M] [--data DIR] [--most N] [--only WORDS] [--part nulls|coverage|planted|plants]` prints a
//! line of JSON each for: every test's rate of p <= 0.05 in worlds without anything to find (real activations of `M`,
//! labels of chance, with the dependence that real texts have); every interval's coverage; and what is found where
//! something is planted. `--part plants` alone measures the review's plants again, on the model given. It fails where a test or an interval is not what it says, or where a test is never tried:
//! the list of tests is the program's own. Seeds are the runs' numbers.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod coverage;
mod nulls;
mod place;
mod planted;
mod plants;
mod rates;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use truenorth::report::Test;
use truenorth::stats::test::Standing;

use nulls::SCENARIOS;
use place::Place;
use rates::{Rate, Run};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Options {
    runs: u64,
    model: String,
    cache: PathBuf,
    data: PathBuf,
    most: usize,
    only: Option<String>,
    part: Option<String>,
}

impl Options {
    fn read() -> Outcome<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut out = Self {
            runs: 500,
            model: Self::tiny(),
            cache: std::env::temp_dir().join("truenorth-calibration"),
            data: root.join("examples/human-values"),
            most: 60,
            only: None,
            part: None,
        };
        let mut given = std::env::args().skip(1);
        while let Some(flag) = given.next() {
            let value = given.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--runs" => out.runs = value.parse()?,
                "--model" => out.model = value,
                "--cache" => out.cache = value.into(),
                "--data" => out.data = value.into(),
                "--most" => out.most = value.parse()?,
                "--only" => out.only = Some(value),
                "--part" => out.part = Some(value),
                _ => return Err(format!("unknown flag {flag}").into()),
            }
        }
        Ok(out)
    }

    /// A random Llama of two blocks.
    fn tiny() -> String {
        concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gguf/llama/model.gguf").into()
    }

    fn asks(&self, part: &str) -> bool {
        self.part.as_deref().is_none_or(|p| p == part)
    }
}

/// Every scenario, and whether every test was tried and is what it says.
fn nulls(options: &Options) -> Outcome<bool> {
    let open = |model: &str| Place::open(model, &options.cache, &options.data, options.most);
    let (own, tiny) = (open(&options.model)?, open(&Options::tiny())?);
    let (mut tried, mut good) = (BTreeSet::new(), true);
    for scenario in SCENARIOS {
        if options.only.as_ref().is_some_and(|only| !scenario.name.contains(only.as_str())) {
            continue;
        }
        let start = Instant::now();
        let place = if scenario.tiny { &tiny } else { &own };
        // The first run reads; the others find what it read.
        let first = (scenario.run)(place, 0)?;
        let rest: Vec<Run> = (1..options.runs)
            .into_par_iter()
            .map(|seed| (scenario.run)(place, seed))
            .collect::<Outcome<_>>()?;
        let runs: Vec<Run> = std::iter::once(first).chain(rest).collect();
        for rate in Rate::of(scenario.name, &runs) {
            tried.insert(rate.test);
            good &= rate.holds()?;
            println!("{}", rate.line()?);
        }
        eprintln!("{}: {:.1} s", scenario.name, start.elapsed().as_secs_f64());
    }
    if options.only.is_none() {
        for test in Test::ALL.iter().filter(|t| !tried.contains(t)) {
            let promises = test.card().standing != Standing::Descriptive;
            eprintln!("{} is never tried{}", test.id(), if promises { "" } else { "; it promises nothing" });
            good &= !promises;
        }
    }
    Ok(good)
}

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let mut good = true;
    if options.asks("nulls") {
        good &= nulls(&options)?;
    }
    if options.asks("coverage") {
        good &= coverage::all(options.runs)?;
    }
    if options.asks("planted") {
        planted::all(options.runs.min(100))?;
    }
    // Only if it is named: some of them steer.
    if options.part.as_deref() == Some("plants") {
        let place = Place::open(&options.model, &options.cache, &options.data, options.most)?;
        plants::all(&place, options.runs, options.only.as_deref())?;
    }
    if good { Ok(()) } else { Err("a test or an interval is not what it says; see the lines above".into()) }
}
