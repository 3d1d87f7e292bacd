//! Are the statistics what they say?
//!
//! `calibration [--runs N] [--model M] [--data DIR] [--most N] [--only WORDS] [--part nulls|coverage|power|planted|plants]
//! [--results DIR]` prints a line of JSON each for: every test's rate of p <= 0.05 in worlds without anything to find (real
//! activations of `M`, labels of chance, with the dependence that real texts have); every interval's coverage; the
//! audit's power at what it says that it can find; and what is found where something is planted. It fails where a test,
//! an interval or a verdict is not what it says, or where a test is never tried: the list of tests is the program's own.
//! Seeds are the runs' numbers. `--results` keeps the lines, and a table of them, in a folder.
//! `--part plants` alone measures the plants of a reviewer again, on the model given (`PLANTS.md`).
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod boards;
mod coverage;
mod nulls;
mod others;
mod place;
mod planted;
mod plants;
mod power;
mod rates;
mod results;
mod world;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use truenorth::report::Test;
use truenorth::stats::test::Standing;

use nulls::SCENARIOS;
use place::Place;
use rates::{Line, Run};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Options {
    runs: u64,
    model: String,
    cache: PathBuf,
    data: PathBuf,
    most: usize,
    only: Option<String>,
    part: Option<String>,
    results: Option<PathBuf>,
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
            results: None,
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
                "--results" => out.results = Some(value.into()),
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

    /// Whether a world is among those asked for.
    fn takes(&self, world: &str) -> bool {
        self.only.as_ref().is_none_or(|only| world.contains(only.as_str()))
    }

    fn open(&self, model: &str) -> Outcome<Place> {
        Place::open(model, &self.cache, &self.data, self.most)
    }
}

/// The lines so far, and whether all of them hold.
struct Told<'a> {
    options: &'a Options,
    good: bool,
}

impl Told<'_> {
    /// Prints a line and keeps it, so that what was found is there if the rest is broken off.
    fn tell(&mut self, line: &Line) -> Outcome<()> {
        self.good &= line.holds;
        println!("{}", serde_json::to_string(line)?);
        match &self.options.results {
            Some(folder) => results::keep(folder, std::slice::from_ref(line)),
            None => Ok(()),
        }
    }
}

/// Every scenario, and whether every test was tried.
fn nulls(told: &mut Told<'_>) -> Outcome<()> {
    let options = told.options;
    let (own, tiny) = (options.open(&options.model)?, options.open(&Options::tiny())?);
    let mut tried = BTreeSet::new();
    for scenario in SCENARIOS.iter().filter(|s| options.takes(s.name)) {
        let start = Instant::now();
        let place = if scenario.tiny { &tiny } else { &own };
        // The first run reads; the others find what it read.
        let first = (scenario.run)(place, 0)?;
        let rest: Vec<Run> = (1..options.runs)
            .into_par_iter()
            .map(|seed| (scenario.run)(place, seed))
            .collect::<Outcome<_>>()?;
        let runs: Vec<Run> = std::iter::once(first).chain(rest).collect();
        for (test, line) in Line::alarms(scenario.name, &runs)? {
            tried.insert(test);
            let line = if scenario.reads { line.read_on(&place.session.runner().info().name) } else { line };
            told.tell(&line)?;
        }
        eprintln!("{}: {:.1} s", scenario.name, start.elapsed().as_secs_f64());
    }
    if options.only.is_none() {
        for test in Test::ALL.iter().filter(|t| !tried.contains(t)) {
            let promises = test.card().standing != Standing::Descriptive;
            eprintln!("{} is never tried{}", test.id(), if promises { "" } else { "; it promises nothing" });
            told.good &= !promises;
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let options = Options::read()?;
    let mut told = Told { options: &options, good: true };
    if options.asks("coverage") {
        coverage::all(options.runs, options.only.as_deref(), &mut |line| told.tell(&line))?;
    }
    if options.asks("nulls") {
        nulls(&mut told)?;
    }
    if options.asks("power") {
        let place = options.open(&options.model)?;
        power::all(&place, options.runs, options.only.as_deref(), &mut |line| told.tell(&line))?;
    }
    if options.asks("planted") {
        planted::all(options.runs.min(100))?;
    }
    // Only if it is named: some of them steer.
    if options.part.as_deref() == Some("plants") {
        let place = Place::open(&options.model, &options.cache, &options.data, options.most)?;
        plants::all(&place, options.runs, options.only.as_deref())?;
    }
    if told.good {
        Ok(())
    } else {
        Err("a test, an interval or a verdict is not what it says; see the lines above".into())
    }
}
