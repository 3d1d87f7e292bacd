//! How far does a sequence move neutral probes along a direction, and would any direction do?
#![allow(clippy::print_stdout)]

use std::path::Path;

use truenorth::analyses::board::{ScanData, ScanParams, Sequence, scan};
use truenorth::analyses::{NamedPrompt, Reader};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::math::{Seeds, random_unit};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::Site;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A tiny model that brings a tokenizer, so that sequences can be put before probes.
    let engine = Engine::open(Path::new("fixtures/gguf/llama/model.gguf"), &EngineOptions::default())?;
    let reader = Reader::new(&engine, None);
    let probes = ["the hat", "a tin"].map(|t| NamedPrompt::text(t, t));
    let sequences = ["one", "and so on"].map(|t| Sequence {
        id: t.into(),
        text: t.into(),
        counted_with: None,
        turns: vec![],
        pair: None,
        labels: Default::default(),
    });
    let seeds = Seeds::new(0);
    let direction = random_unit(engine.info().hidden as usize, &mut seeds.stream("example"))?;
    let data = ScanData { probes: &probes, sequences: &sequences, direction: direction.view() };
    let params = ScanParams { draws: 0, ..ScanParams::new(Site::ResidPost(1)) };
    for row in scan(&reader, &data, &params, &seeds, &Unwatched)?.board {
        println!("{:>10}: score {:+.4}, z {:+.2}, p_random {:.2}", row.text, row.score, row.z, row.p_random);
    }
    Ok(())
}
