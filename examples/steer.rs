//! What does adding a direction do to what is generated? Three doses as rows of one batch, offline.
#![allow(clippy::print_stdout)]

use std::path::Path;

use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Sampling, Steps};
use truenorth_protocol::{Builder, Site, Tensor, WriteAt};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::open(Path::new("fixtures/families/gemma3"), &EngineOptions::default())?;
    let doses = [-4.0, 0.0, 4.0];
    let mut b = Builder::new();
    let prompts = b.tokens(doses.map(|_| vec![3, 1, 4, 1, 5]));
    let width = engine.info().hidden as usize;
    let d = b.constant(Tensor::vector(&vec![1.0 / (width as f32).sqrt(); width]));
    b.add(prompts, Site::ResidPost(1), WriteAt::All, Steps::ALL, d, &doses);
    let tokens = b.generate(prompts, Sampling::greedy(8));
    b.save("tokens", tokens);
    let answer = engine.ask(b.finish(), &Unwatched)?;
    let tokens = answer.tensor("tokens").ok_or("no tokens")?.to_i64()?;
    for (dose, tokens) in doses.iter().zip(tokens.chunks(8)) {
        println!("α {dose:+}: {tokens:?}");
    }
    Ok(())
}
