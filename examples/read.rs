//! What does the residual stream hold at the last token? Reads two sites of a tiny model, offline.
#![allow(clippy::print_stdout)]

use std::path::Path;

use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::{Builder, ReadAt, Site};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Path::new("fixtures/families/olmo3"), &EngineOptions::default())?;
    let mut b = Builder::new();
    let prompts = b.tokens([vec![3, 1, 4, 1, 5], vec![9, 2]]);
    for layer in [0, 2] {
        let site = Site::ResidPost(layer);
        let residual = b.read(prompts, site, ReadAt::Last);
        let norm = b.norm(residual);
        b.save(site.to_string(), norm);
    }
    let answer = engine.ask(b.finish(), &Unwatched)?;
    for (site, value) in &answer.values {
        println!("{site}: norms {:?}", value.tensor().ok_or("no tensor")?.to_f32()?);
    }
    Ok(())
}
