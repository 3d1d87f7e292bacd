//! `bench`: prefill and decode, in turns with a named peer on the same weights and inputs.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, Sampling};
use truenorth_protocol::{Graph, Prompt, ReadAt, Site};

use super::args::{Common, Numerics, Precision};
use super::output;
use super::session;

const PEER: &str = include_str!("../../bench/transformers_peer.py");

/// Times prefill (reading the last token of a block) and greedy decode.
///
/// With `--peer PYTHON`, an interpreter that has torch, transformers and gguf, each round runs us
/// and transformers in turn on the same weights and token ids; the ratios are the result, since
/// absolute figures drift with the machine.
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
    /// Rounds; medians are reported.
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
    /// Machine output.
    #[arg(long)]
    json: bool,
}

/// One kind of work and how fast it went.
#[derive(Serialize)]
struct Timing {
    work: String,
    tokens: usize,
    ours: f64,
    ours_range: [f64; 2],
    peer: Option<f64>,
    ratio: Option<f64>,
    ratio_range: Option<[f64; 2]>,
}

#[derive(Serialize)]
struct Figures {
    model: String,
    path: String,
    peer: Option<String>,
    unit: &'static str,
    rounds: usize,
    timings: Vec<Timing>,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        if self.rounds == 0 || self.prompts == 0 || self.tokens < 4 || self.steps == 0 {
            return Err(output::wrong("rounds, prompts and steps must be at least 1, tokens at least 4"));
        }
        let (resolved, engine) = session::open_model(&self.model, &self.common, &self.numerics)?;
        let info = engine.info().clone();
        let mut peer =
            self.peer.as_ref().map(|python| self.start_peer(python, resolved.files.path())).transpose()?;
        let layer = info.layers * 2 / 3;
        let prompts = synthetic(self.prompts, self.tokens, info.vocab);
        let mut timings = Vec::new();
        let read = read_graph(&prompts, layer);
        let tokens = prompts.iter().map(Vec::len).sum();
        let request = Request::Read { prompts: &prompts, layer, batch: 16 };
        timings.push(self.time(
            &engine,
            &mut peer,
            &format!("read block {layer}"),
            tokens,
            &read,
            &request,
        )?);
        for batch in [1, 16] {
            let part = &prompts[..batch.min(prompts.len())];
            let decode = decode_graph(part, self.steps);
            let request = Request::Decode { prompts: part, steps: self.steps };
            let tokens = part.len() * self.steps as usize;
            let what = format!("decode, batch {}", part.len());
            timings.push(self.time(&engine, &mut peer, &what, tokens, &decode, &request)?);
        }
        let figures = Figures {
            model: info.name,
            path: info.path,
            peer: peer.map(|p| p.name.clone()),
            unit: "tokens per second",
            rounds: self.rounds,
            timings,
        };
        if self.json {
            return output::json(&figures);
        }
        show(&figures);
        Ok(())
    }

    fn time(
        &self,
        engine: &impl Runner,
        peer: &mut Option<Peer>,
        work: &str,
        tokens: usize,
        graph: &Graph,
        request: &Request<'_>,
    ) -> anyhow::Result<Timing> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // The first round warms both sides up and is not counted.
        for round in 0..=self.rounds {
            let start = Instant::now();
            engine.ask(graph.clone(), &Unwatched)?;
            let seconds = start.elapsed().as_secs_f64();
            let other = peer.as_mut().map(|p| p.ask(request)).transpose()?;
            if round > 0 {
                ours.push(seconds);
                theirs.extend(other);
            }
        }
        let rate = |s: f64| tokens as f64 / s;
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(o, t)| t / o).collect();
        Ok(Timing {
            work: work.into(),
            tokens,
            ours: rate(median(&ours)),
            ours_range: range(&ours.iter().map(|s| rate(*s)).collect::<Vec<_>>()),
            peer: (!theirs.is_empty()).then(|| rate(median(&theirs))),
            ratio: (!ratios.is_empty()).then(|| median(&ratios)),
            ratio_range: (!ratios.is_empty()).then(|| range(&ratios)),
        })
    }

    fn start_peer(&self, python: &Path, weights: &Path) -> anyhow::Result<Peer> {
        let dtype = match self.numerics.dtype.unwrap_or_default() {
            Precision::F32 => "float32",
            Precision::Bf16 => "bfloat16",
            Precision::F16 => "float16",
        };
        let threads = self.numerics.threads.unwrap_or_else(rayon::current_num_threads);
        let mut child = Command::new(python)
            .args(["-c", PEER])
            .arg(weights)
            .args([dtype, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", python.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the peer has no pipes");
        };
        let mut peer = Peer { child, stdin, stdout: BufReader::new(stdout), name: String::new() };
        peer.name = peer.line::<Ready>()?.ready;
        Ok(peer)
    }
}

/// A peer in a process of its own.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    name: String,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request<'a> {
    Read { prompts: &'a [Vec<u32>], layer: u32, batch: usize },
    Decode { prompts: &'a [Vec<u32>], steps: u32 },
}

#[derive(Deserialize)]
struct Ready {
    ready: String,
}

#[derive(Deserialize)]
struct Took {
    seconds: f64,
}

impl Peer {
    fn ask(&mut self, request: &Request<'_>) -> anyhow::Result<f64> {
        serde_json::to_writer(&mut self.stdin, request)?;
        self.stdin.write_all(b"\n")?;
        self.stdin.flush()?;
        Ok(self.line::<Took>()?.seconds)
    }

    fn line<T: for<'de> Deserialize<'de>>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        serde_json::from_str(&line).context("the peer stopped; its own words are above")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when its input does; killing is for one that hangs, and may come too late.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Token ids without meaning but of unequal lengths, half to one and a half times the mean.
fn synthetic(count: usize, mean: usize, vocab: u32) -> Vec<Vec<u32>> {
    (0..count)
        .map(|p| {
            let len = mean / 2 + (p * 7919) % (mean + 1);
            (0..len.max(1)).map(|t| ((p * 31 + t * 17 + 100) % vocab as usize) as u32).collect()
        })
        .collect()
}

fn group(b: &mut Builder, prompts: &[Vec<u32>]) -> truenorth_protocol::graph::GroupId {
    b.group(prompts.iter().cloned().map(Prompt::Tokens).collect())
}

fn read_graph(prompts: &[Vec<u32>], layer: u32) -> Graph {
    let mut b = Builder::new();
    let g = group(&mut b, prompts);
    let r = b.read(g, Site::ResidPost(layer), ReadAt::Last);
    b.save("h", r);
    b.finish()
}

fn decode_graph(prompts: &[Vec<u32>], steps: u32) -> Graph {
    let mut b = Builder::new();
    let g = group(&mut b, prompts);
    let t = b.generate(g, Sampling::greedy(steps));
    b.save("tokens", t);
    b.finish()
}

fn median(values: &[f64]) -> f64 {
    truenorth::math::quantile(values, 0.5).unwrap_or(f64::NAN)
}

fn range(values: &[f64]) -> [f64; 2] {
    [values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max)]
}

fn show(figures: &Figures) {
    let head = ["work", "ours, tok/s", "least to most", "peer, tok/s", "ratio", "least to most"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let number = |v: Option<f64>, digits: usize| v.map_or_else(|| "-".into(), |v| format!("{v:.digits$}"));
    let pair = |r: Option<[f64; 2]>, digits: usize| {
        r.map_or_else(|| "-".into(), |[a, b]| format!("{a:.digits$} to {b:.digits$}"))
    };
    for t in &figures.timings {
        rows.push(vec![
            t.work.clone(),
            number(Some(t.ours), 0),
            pair(Some(t.ours_range), 0),
            number(t.peer, 0),
            number(t.ratio, 2),
            pair(t.ratio_range, 2),
        ]);
    }
    output::table(&rows);
    let peer = figures.peer.as_deref().unwrap_or("none; give one with --peer");
    eprintln!("{} on {}, medians of {} rounds; peer: {peer}", figures.model, figures.path, figures.rounds);
}
