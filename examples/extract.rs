//! Which direction separates two kinds of prompts, and does it hold on prompts it has not seen?
#![allow(clippy::print_stdout)]

use std::path::Path;

use ndarray::s;
use truenorth::analyses::{NamedPrompt, Reader};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::estimate::{Estimator, HeldOutParams, Nuisances, Pipeline, Samples, SplitBy};
use truenorth::math::Seeds;
use truenorth::run::Unwatched;
use truenorth_protocol::{ReadAt, Site};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Path::new("fixtures/families/llama"), &EngineOptions::default())?;
    let reader = Reader::new(&engine, None);
    // Twenty pairs of token sequences that differ in their last token but one: 7 or 8.
    let pair = |i: u32, word: u32| vec![10 + i, 20 + i % 3, word, 5];
    let prompt = |i: u32, word: u32| NamedPrompt::tokens(format!("{i}-{word}"), pair(i, word));
    let prompts: Vec<NamedPrompt> = [7, 8].iter().flat_map(|w| (0..20).map(|i| prompt(i, *w))).collect();
    let reading = reader.read(&prompts, &[Site::ResidPost(1)], ReadAt::Last, &Unwatched)?;
    let x = reading[0].values.mapv(f64::from);

    let ids: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    let axes = vec!["word"; 20];
    let samples = Samples::from_pairs(x.slice(s![..20, ..]), x.slice(s![20.., ..]), &ids, &axes)?;
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let seeds = Seeds::new(0);
    let extraction = pipeline.extract(&samples, SplitBy::Pair, &seeds)?;
    let held_out = pipeline.held_out(&samples, &HeldOutParams::by_pair(), &seeds)?;
    let ci = held_out.auroc.interval;
    println!(
        "a direction {} wide; held-out AUROC {:.3} ({:.3} to {:.3}) on {} pairs",
        extraction.fit.direction.len(),
        held_out.auroc.value,
        ci.low,
        ci.high,
        held_out.units
    );
    Ok(())
}
