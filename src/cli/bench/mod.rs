//! `bench`: reading, board scoring and steered decode, in turns with named peers on the same weights
//! and inputs; the error of a path; how cost grows with work.

mod fidelity;
mod growth;
mod peer;
mod race;
mod show;
mod work;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use truenorth::engine::load::Kernels;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::Runner;

use super::args::{Common, Numerics, Precision};
use super::output::{self, Request as _};
use super::record::{Out, Record};
use super::session;
use fidelity::{Fidelity, fidelity};
use growth::{Growth, growth};
use peer::{Peer, Request};
use race::{Asked, Cost, Task, Timing, race};
use work::{board, decode_graph, read_graph, synthetic};

/// Times prefill (reading the last token of a block), board scoring and steered greedy decode.
///
/// With `--peer PYTHON`, an interpreter that has torch, transformers and gguf, each round runs us
/// and transformers in turn on the same weights and token ids; with `--llama PYTHON`, one that has
/// cyllama and gguf, llama.cpp too; with `--nnsight PYTHON`, one that has nnsight, that as well. The
/// ratios are the result, since absolute figures drift with the machine.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth bench --model smollm2-135m --peer .venv/bin/python")]
pub struct Bench {
    /// The model.
    #[arg(long, value_name = "M")]
    model: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
    /// A Python with torch, transformers and gguf to race against.
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// A Python with cyllama and gguf to race against llama.cpp; for GGUF files.
    #[arg(long, value_name = "PYTHON")]
    llama: Option<PathBuf>,
    /// A Python with nnsight to race against, the model in its own process.
    #[arg(long, value_name = "PYTHON")]
    nnsight: Option<PathBuf>,
    /// Rounds of the race; medians are reported. 0 leaves it out.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Prompts to read.
    #[arg(long, default_value_t = 64)]
    prompts: usize,
    /// Tokens of a prompt, on average.
    #[arg(long, default_value_t = 40)]
    tokens: usize,
    /// Tokens to decode.
    #[arg(long, default_value_t = 64)]
    steps: u32,
    /// Sequences of a board that 16 probes are asked of; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    sequences: usize,
    /// Doses of a sweep over 16 prompts, which peers run one by one; 0 leaves it out.
    #[arg(long, default_value_t = 9)]
    doses: u32,
    /// Compares what is computed with f32 on candle's operations: residuals, and greedy tokens.
    #[arg(long)]
    fidelity: bool,
    /// Times more and more work, alone: prompts, their length, sequences of a board.
    #[arg(long)]
    growth: bool,
    /// A folder for a page with plots of how cost grows, `report.html`.
    #[arg(long, value_name = "DIR", requires = "growth")]
    report: Option<PathBuf>,
}

/// What was measured.
#[derive(Serialize)]
pub struct Figures {
    model: String,
    path: String,
    peers: Vec<String>,
    unit: &'static str,
    rounds: usize,
    timings: Vec<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fidelity: Option<Fidelity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growth: Vec<Growth>,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        if self.prompts == 0 || self.tokens < 4 || self.steps == 0 {
            return Err(output::wrong("--prompts and --steps must be at least 1, --tokens at least 4"));
        }
        Out { out: None, report: self.report.clone(), tables: None }.check()?;
        let (resolved, engine) = session::open_model(&self.model, &self.common, &self.numerics)?;
        let info = engine.info().clone();
        let layer = info.layers * 2 / 3;
        let mut figures = Figures {
            model: info.name.clone(),
            path: info.path.clone(),
            peers: vec![],
            unit: "tokens per second",
            rounds: self.rounds,
            timings: vec![],
            fidelity: None,
            growth: vec![],
        };
        if self.rounds > 0 {
            self.race(&engine, &resolved, layer, &mut figures)?;
        }
        if self.fidelity {
            let options = EngineOptions { kernels: Kernels::Candle, ..session::options_of(&resolved) };
            let plain =
                Engine::open(resolved.files.path(), &options).request("can't open the model in f32")?;
            figures.fidelity = Some(fidelity(&engine, &plain, layer)?);
        }
        if self.growth {
            figures.growth = growth(&engine, layer)?;
        }
        let out = Out { out: None, report: self.report.clone(), tables: None };
        let record = Record::new("bench", 0, &figures.growth).model(&info);
        out.page(&record, "How cost grows with work", |g| (vec![], vec![growth::section(g)]))?;
        if output::wants_json() {
            return output::json(&figures);
        }
        show::show(&figures);
        Ok(())
    }

    fn race(
        &self,
        engine: &Engine,
        resolved: &truenorth::models::Resolved,
        layer: u32,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let info = engine.info();
        let mut peers = Vec::new();
        let mut start = |python: &Option<PathBuf>, script| -> anyhow::Result<Option<usize>> {
            let Some(python) = python else { return Ok(None) };
            peers.push(Peer::start(python, script, resolved.files.path(), &self.numerics)?);
            Ok(Some(peers.len() - 1))
        };
        let transformers = start(&self.peer, peer::TRANSFORMERS)?;
        let llama = start(&self.llama, peer::LLAMA)?;
        let nnsight = start(&self.nnsight, peer::NNSIGHT)?;
        figures.peers = peers.iter().map(|p| p.name.clone()).collect();
        let prompts = synthetic(self.prompts, self.tokens, info.vocab);
        let probes = board(self.sequences, self.tokens, info.vocab);
        let mut timings = Vec::new();
        for (name, prompts) in [(format!("read block {layer}"), &prompts), ("board".into(), &probes)] {
            if prompts.is_empty() {
                continue;
            }
            let ask = |peer: Option<usize>, idiom, tuned| {
                let request = Request::Read { prompts, layer, batch: 16, tuned };
                peer.map(|peer| Asked { peer, idiom, request, times: 1 })
            };
            let asked = [
                ask(transformers, "transformers, usual", false),
                ask(transformers, "transformers, tuned", true),
                ask(llama, "llama.cpp, stopped", true),
                ask(nnsight, "nnsight", true),
            ];
            let tokens = prompts.iter().map(Vec::len).sum();
            let graph = read_graph(prompts, layer);
            let cost = self.cost(engine, layer + 1, 0, tokens);
            let task = Task { name, tokens, graph, asked: asked.into_iter().flatten().collect(), cost };
            timings.extend(race(engine, &mut peers, &task, self.rounds)?);
        }
        let some = prompts.get(..16).unwrap_or(&prompts);
        let one = prompts.get(..1).unwrap_or(&prompts);
        let all: Vec<f64> = (0..self.doses).map(|d| 1.0 + f64::from(d)).collect();
        for (prompts, doses) in [(one, &[1.0][..]), (some, &[1.0]), (some, &all)] {
            if doses.is_empty() {
                continue;
            }
            let rows = prompts.len() * doses.len();
            let ask = |peer: Option<usize>, idiom| {
                let request = Request::Decode { prompts, steps: self.steps, layer, alpha: 1.0 };
                peer.map(|peer| Asked { peer, idiom, request, times: doses.len() })
            };
            let asked = [
                ask(transformers, "transformers"),
                ask(llama, "llama.cpp, unsteered"),
                ask(nnsight, "nnsight"),
            ];
            let name = match doses.len() {
                1 => format!("steered decode, batch {rows}"),
                n => format!("sweep of {n} doses, batch {}", prompts.len()),
            };
            let task = Task {
                name,
                tokens: rows * self.steps as usize,
                graph: decode_graph(prompts, self.steps, layer, info.hidden, doses),
                asked: asked.into_iter().flatten().collect(),
                cost: self.cost(engine, info.layers, info.vocab, rows),
            };
            timings.extend(race(engine, &mut peers, &task, self.rounds)?);
        }
        figures.timings = timings;
        Ok(())
    }

    /// What a token takes that goes through so many blocks and is given so many logits, if so many go
    /// together.
    fn cost(&self, engine: &Engine, blocks: u32, logits: u32, together: usize) -> Cost {
        let head = f64::from(logits) * f64::from(engine.info().hidden);
        let weights = engine.block_weights() as f64 * f64::from(blocks) + head;
        let each = match self.numerics.dtype.unwrap_or_default() {
            // A byte, and for each 32 of them a factor and an offset.
            Precision::F32 if self.numerics.keep_quantized => 1.25,
            Precision::Bf16 => 2.0,
            // Panels hold f16 as f32.
            Precision::F32 | Precision::F16 => 4.0,
        };
        Cost { operations: 2e-9 * weights, bytes: 1e-9 * weights * each / together.max(1) as f64 }
    }
}
