//! What the tests of the analyses share: a tiny model with a tokenizer, and a count of what it is asked.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use truenorth_protocol::chat::Pieces;
use truenorth_protocol::{Answer, ChatTemplates, CheckedGraph, ModelInfo, Prompt};

use crate::{NamedPrompt, only_reads};
use truenorth_data::{Distinct, Loaded, NearCopies, Pair, Template};
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Watch};

/// A random Llama of two blocks with a tokenizer, how many graphs it ran, and the prompts it only read.
pub(crate) struct Tiny {
    engine: Engine,
    asked: AtomicUsize,
    read: Mutex<Vec<Prompt>>,
    batch: BatchLimits,
}

#[allow(dead_code, reason = "each crate uses some of it")]
impl Tiny {
    pub fn open() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf/llama/model.gguf");
        let options =
            EngineOptions { name: "tiny".into(), revision: "fixture".into(), ..EngineOptions::default() };
        Self {
            engine: Engine::open(&file, &options).unwrap(),
            asked: AtomicUsize::new(0),
            read: Mutex::default(),
            batch: BatchLimits::LOCAL,
        }
    }

    /// The same, asked about this much at once.
    pub fn with_batch(batch: BatchLimits) -> Self {
        Self { batch, ..Self::open() }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Every prompt of a graph that reads and does nothing else, once a graph.
    pub fn read(&self) -> Vec<Prompt> {
        self.read.lock().unwrap().clone()
    }

    /// Prompts that were read in more than one graph.
    pub fn read_again(&self) -> Vec<Prompt> {
        let mut seen = HashSet::new();
        self.read().into_iter().filter(|prompt| !seen.insert(prompt.clone())).collect()
    }
}

impl Runner for Tiny {
    fn info(&self) -> &ModelInfo {
        self.engine.info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        Runner::encode(&self.engine, text, special)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        self.engine.pieces(texts)
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.engine.chat()
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.engine.stop_tokens()
    }

    fn batch(&self) -> BatchLimits {
        self.batch
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if only_reads(graph.graph()) {
            self.read.lock().unwrap().extend(graph.graph().groups[0].prompts.iter().cloned());
        }
        self.engine.run(graph, watch)
    }
}

#[allow(dead_code, reason = "the fixture of several crates, of which not all name texts")]
pub(crate) fn named(texts: &[&str]) -> Vec<NamedPrompt> {
    texts.iter().enumerate().map(|(i, t)| NamedPrompt::text(format!("t{i}"), *t)).collect()
}

/// Pairs on four axes, none a copy of another.
#[allow(dead_code, reason = "each crate uses some of it")]
pub(crate) fn pairs(count: usize) -> Distinct<Pair> {
    Distinct::pairs(loaded_pairs(count), &Template::default(), NearCopies::default()).unwrap()
}

#[allow(dead_code, reason = "each crate uses some of it")]
pub(crate) fn loaded_pairs(count: usize) -> Loaded<Pair> {
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let rows = (0..count)
        .map(|i| Pair {
            id: format!("p{i}"),
            axis: format!("x{}", i % 4),
            prompt: format!("the {} {i}", words[i % 6]),
            chosen: format!("yes the {} {i}", words[(i / 6 + 1) % 6]),
            rejected: format!("no a {} {}", words[(i + 2) % 6], i % 3),
            turns: vec![],
            rejected_turns: vec![],
            extra: truenorth_data::Extra::new(),
        })
        .collect();
    Loaded::new(rows, "0".repeat(64))
}
