//! The same graphs on the engine, on our server, and on a service around the real nnsight package;
//! and both wires under every fault of the list. What `.ci/conformance` runs; see there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

mod compare;
mod graphs;
mod random;
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use graphs::Kit;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner as _, Unwatched};
use support::Reference;

#[test]
fn try_engine() {
    let root = Path::new("/tmp/conf/models");
    let mut all: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    for folder in all {
        let engine = Engine::open(&folder, &EngineOptions::default()).unwrap();
        let r = Reference::of(&folder);
        let kit = Kit::new(engine.info(), r.tokens("prompts"));
        let begun = std::time::Instant::now();
        for (name, graph) in kit.all() {
            let answer = engine.ask(graph, &Unwatched);
            if let Err(e) = answer { println!("{} {name}: {e} {:?}", folder.display(), std::error::Error::source(&e)); }
        }
        println!("{} {:?}", folder.display(), begun.elapsed());
    }
    let engine = Engine::open(&root.join("llama"), &EngineOptions::default()).unwrap();
    let mut runner = TestRunner::deterministic();
    for i in 0..30 {
        let plan = random::plans().new_tree(&mut runner).unwrap().current();
        let g = plan.graph(engine.info());
        let a = engine.run(&g.checked, &Unwatched).unwrap();
        let d = g.difference(&a, &a).unwrap();
        let labels: Vec<_> = g.checked.graph().nodes.iter().filter(|o| !matches!(o, truenorth_protocol::graph::Op::Save{..})).map(|o| o.label()).collect();
        println!("{i} {d} {}", labels.join(", "));
        let _ = service::KEY;
    }
}
