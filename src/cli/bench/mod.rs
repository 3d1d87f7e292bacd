//! `bench`: reading, board scoring and steered decode, in turns with named peers on the same weights
//! and inputs; the error of a path; how cost grows with work.

mod show;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use truenorth::engine::load::Kernels;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::Runner;
use truenorth_bench::{
    BenchSize, Fidelity, PeerPrecision, Peers, Python, Timing, WorkGrowth, fidelity, growth, section, timed,
};

use super::args::{Common, NumericsArgs, PrecisionArg};
use super::output::{self, RequestContext as _};
use super::record::{OutArgs, ResultRecord};
use super::session;

/// Times prefill (reading the last token of a block), board scoring and steered greedy decode.
///
/// With `--peer PYTHON`, an interpreter that has torch, transformers and gguf, each round runs us
/// and transformers in turn on the same weights and token ids; with `--llama PYTHON`, one that has
/// cyllama and gguf, llama.cpp too; with `--nnsight PYTHON`, one that has nnsight, that as well. The
/// ratios are the result, since absolute figures drift with the machine.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth bench --model smollm2-135m --peer .venv/bin/python")]
pub struct Bench {
    /// The model, as for every verb.
    #[arg(long, value_name = "M")]
    model: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
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
    growth: Vec<WorkGrowth>,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        if self.prompts == 0 || self.tokens < 4 || self.steps == 0 {
            return Err(output::wrong("--prompts and --steps must be at least 1, --tokens at least 4"));
        }
        OutArgs { out: None, report: self.report.clone(), tables: None }.check()?;
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
        let out = OutArgs { out: None, report: self.report.clone(), tables: None };
        let record = ResultRecord::new("bench", 0, &figures.growth).model(&info);
        out.page(&record, "How cost grows with work", |g| (vec![], vec![section(g)]))?;
        if output::wants_json() {
            return output::json(&figures);
        }
        show::show(&figures);
        Ok(())
    }

    /// Times us and the peers that are named.
    fn race(
        &self,
        engine: &Engine,
        resolved: &truenorth::models::Resolved,
        layer: u32,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let numbers = match self.numerics.dtype.unwrap_or_default() {
            PrecisionArg::F32 if self.numerics.keep_quantized => PeerPrecision::Kept,
            PrecisionArg::F32 => PeerPrecision::F32,
            PrecisionArg::Bf16 => PeerPrecision::Bf16,
            PrecisionArg::F16 => PeerPrecision::F16,
        };
        let python = Python {
            transformers: self.peer.as_deref(),
            llama: self.llama.as_deref(),
            nnsight: self.nnsight.as_deref(),
        };
        let mut peers = Peers::start(python, resolved.files.path(), numbers, self.numerics.threads)?;
        figures.peers = peers.names();
        let size = BenchSize {
            prompts: self.prompts,
            tokens: self.tokens,
            steps: self.steps,
            sequences: self.sequences,
            doses: self.doses,
            rounds: self.rounds,
        };
        figures.timings = timed(engine, &mut peers, layer, &size, numbers)?;
        Ok(())
    }
}
