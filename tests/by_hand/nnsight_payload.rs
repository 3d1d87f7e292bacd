//! Payloads of every graph kind on the published nnsight package, beside the engine.
//!
//! Ignored unless asked for: `TRUENORTH_NNSIGHT_PYTHON=.../bin/python cargo test --test
//! by_hand -- --ignored --nocapture nnsight_payload::`, where the interpreter has nnsight 0.8.1, torch and
//! transformers. `TRUENORTH_NNSIGHT_FAMILY` picks one folder of `fixtures/families`.

#[path = "../../protocol/tests/support/random_graph.rs"]
mod random_graph;

mod conditions;
mod programs;
mod reads;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use truenorth::engine::{Choices, Engine, EngineOptions, Outline};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{
    AlphaUnit, Binary, Builder, CheckLimits, Decides, Edit, GroupId, Op, Reduce, Sampling, Steps, Unary,
};
use truenorth_protocol::nnsight::{ModelKey, Modules, PayloadInput};
use truenorth_protocol::{Answer, DType, Graph, ReadAt, Site, Tensor, Value, WriteAt};

use crate::support::{Reference, relative};
use conditions::conditions;
use programs::{generations, groups, operations, random};
use reads::{edits, reads, references, sinks};

/// A model folder on the engine, and on the package in a process of its own.
struct Both {
    name: String,
    engine: Engine,
    reference: Reference,
    modules: Modules,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
    jobs: usize,
    worst: f32,
    worst_case: String,
    /// The package computes in 16 bits: values have the right shapes, and no size is asked of them.
    loose: bool,
}

impl Both {
    fn open(python: &str, folder: &Path, dtype: &str) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let options =
            EngineOptions { name: name.clone(), revision: "fixture".into(), ..EngineOptions::default() };
        let engine = Engine::open(folder, &options).unwrap();
        let modules = Outline::open(folder, &name, "fixture", &Choices::default()).unwrap().modules;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/make/nnsight_check.py");
        let mut child = Command::new(python)
            .args([script.as_os_str(), folder.as_os_str(), "--dtype".as_ref(), dtype.as_ref()])
            .env("TRANSFORMERS_VERBOSITY", "error")
            .env("HF_HUB_OFFLINE", "1")
            .env("PYTHONFAULTHANDLER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        while line.trim() != "ready" {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "{name}: the package did not start");
        }
        let dir = tempfile::tempdir().unwrap();
        let reference = Reference::of(folder);
        let (jobs, worst) = (0, 0.0);
        Self {
            name,
            engine,
            reference,
            modules,
            child,
            stdin,
            stdout,
            dir,
            jobs,
            worst,
            worst_case: String::new(),
            loose: dtype != "float32",
        }
    }

    fn hidden(&self) -> usize {
        self.engine.info().hidden as usize
    }

    /// Runs a graph on the package.
    fn send(&mut self, what: &str, graph: Graph, reply: DType) -> Answer {
        let tokens: Vec<Vec<Vec<u32>>> = graph
            .groups
            .iter()
            .map(|g| {
                g.prompts
                    .iter()
                    .map(|p| match p {
                        truenorth_protocol::Prompt::Tokens(t) => t.clone(),
                        truenorth_protocol::Prompt::Text(_) => panic!("tokens only"),
                    })
                    .collect()
            })
            .collect();
        let checked = graph.check(self.engine.info(), &CheckLimits::default()).unwrap();
        let key = ModelKey { repo_id: "org/name".into(), revision: None };
        let job = format!("{}-{}", self.name, self.jobs);
        self.jobs += 1;
        let request = PayloadInput {
            checked: &checked,
            tokens: &tokens,
            modules: &self.modules,
            key: &key,
            reply,
            job: &job,
        };
        let (payload, result) = (self.dir.path().join("payload"), self.dir.path().join("result"));
        std::fs::write(&payload, request.payload().unwrap()).unwrap();
        writeln!(self.stdin, "{} {}", payload.display(), result.display()).unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if let Some(error) = line.strip_prefix("error ") {
            let error: String = serde_json::from_str(error).unwrap();
            panic!("{} {what}:\n{}\n{error}", self.name, request.source().unwrap());
        }
        assert_eq!(line.trim(), "ok", "{} {what}", self.name);
        request.answer(File::open(&result).unwrap(), &|ids| format!("{ids:?}")).unwrap()
    }

    fn agree(&mut self, what: &str, build: impl Fn(&mut Builder, &Self)) {
        let mut b = Builder::new();
        build(&mut b, self);
        self.agree_on(what, b.finish());
    }

    /// Runs a graph on both and compares every value.
    fn agree_on(&mut self, what: &str, graph: Graph) {
        let graphs = (graph.clone(), graph);
        let here = self.engine.ask(graphs.0, &Unwatched).unwrap();
        let there = self.send(what, graphs.1, DType::F32);
        assert_eq!(here.values.keys().collect::<Vec<_>>(), there.values.keys().collect::<Vec<_>>());
        for (name, want) in &here.values {
            let got = &there.values[name];
            let place = format!("{} {what} {name}", self.name);
            match (want, got) {
                (Value::Tensor { tensor: want, rows: r }, Value::Tensor { tensor: got, rows: s }) => {
                    assert_eq!((want.shape(), want.dtype(), r), (got.shape(), got.dtype(), s), "{place}");
                    if self.loose {
                        let finite = |t: &Tensor| t.to_f32().is_ok_and(|v| v.iter().all(|x| x.is_finite()));
                        assert!(want.dtype() == DType::I64 || finite(want) == finite(got), "{place}");
                    } else if want.dtype() == DType::I64 {
                        assert_eq!(want, got, "{place}");
                    } else {
                        let far = distance(&got.to_f32().unwrap(), &want.to_f32().unwrap());
                        // Near the middle between two 16-bit numbers, nothing keeps both sides from
                        // rounding apart.
                        let rounded = want.dtype() != DType::F32 || name.starts_with("cast");
                        assert!(far < if rounded { 2e-2 } else { 1e-4 }, "{place}: {far:e}");
                        if !rounded && far > self.worst {
                            self.worst = far;
                            self.worst_case = place;
                        }
                    }
                }
                // The engine has no words for these models, so text is only seen to be there.
                (_, Value::Text(t)) => assert!(!t.is_empty(), "{place}"),
                other => panic!("{place}: {other:?}"),
            }
        }
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Largest difference relative to the largest value, or to 0.01 where all are smaller: what is left
/// of a difference of equals has no size to compare with.
fn distance(got: &[f32], want: &[f32]) -> f32 {
    let both = || got.iter().zip(want).filter(|(g, w)| !(g.is_nan() && w.is_nan()) && g != w);
    let size = want.iter().filter(|v| v.is_finite()).fold(0.01_f32, |m, v| m.max(v.abs()));
    let far = both()
        .map(|(g, w)| (g - w).abs())
        .fold(0.0, |m: f32, d| if d.is_nan() { f32::INFINITY } else { m.max(d) });
    far / size
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families");
    let only = std::env::var("TRUENORTH_NNSIGHT_FAMILY").ok();
    let wanted = |p: &Path| match &only {
        Some(name) => p.file_name().unwrap().to_str() == Some(name),
        None => p.join("reference.json").exists(),
    };
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| wanted(p)).collect();
    all.sort();
    all
}

fn direction(width: usize, seed: usize) -> Tensor {
    let values: Vec<f32> =
        (0..width).map(|i| ((i * 37 + seed * 101 + 11) % 23) as f32 / 11.0 - 1.0).collect();
    Tensor::vector(&values)
}

fn matrix(rows: usize, width: usize, seed: usize) -> Tensor {
    let values: Vec<f32> = (0..rows).flat_map(|r| direction(width, seed + r).to_f32().unwrap()).collect();
    Tensor::from_f32(vec![rows, width], &values).unwrap()
}

fn prompts(b: &mut Builder, both: &Both) -> GroupId {
    b.tokens(both.reference.tokens("prompts"))
}

#[test]
#[ignore = "needs an interpreter with nnsight; see the top of this file"]
fn every_graph_kind_is_the_same_on_the_package() {
    let python = std::env::var("TRUENORTH_NNSIGHT_PYTHON").expect("TRUENORTH_NNSIGHT_PYTHON");
    for folder in folders() {
        let mut both = Both::open(&python, &folder, "float32");
        references(&mut both);
        reads(&mut both);
        sinks(&mut both);
        edits(&mut both);
        operations(&mut both);
        generations(&mut both);
        conditions(&mut both);
        groups(&mut both);
        random(&mut both);
        println!("{:22} {:3} jobs, worst {:.1e} ({})", both.name, both.jobs, both.worst, both.worst_case);
    }
}

#[test]
#[ignore = "needs an interpreter with nnsight; see the top of this file"]
fn every_graph_kind_runs_on_a_model_in_16_bits() {
    let python = std::env::var("TRUENORTH_NNSIGHT_PYTHON").expect("TRUENORTH_NNSIGHT_PYTHON");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families");
    for name in ["gemma2", "gpt_neox"] {
        let mut both = Both::open(&python, &root.join(name), "bfloat16");
        reads(&mut both);
        sinks(&mut both);
        edits(&mut both);
        operations(&mut both);
        generations(&mut both);
        // What is read is what the engine reads, as far as 16 bits go.
        let mut b = Builder::new();
        let group = prompts(&mut b, &both);
        let read = b.read(group, Site::ResidMid(1), ReadAt::All);
        b.save("mid", read);
        let answer = both.send("read", b.finish(), DType::Bf16);
        let got = answer.tensor("mid").unwrap();
        assert_eq!(got.dtype(), DType::Bf16);
        let far = relative(&got.to_f32().unwrap(), &both.reference.tensor("resid_mid.1"));
        assert!(far < 0.05, "{name}: {far:e}");
    }
}
