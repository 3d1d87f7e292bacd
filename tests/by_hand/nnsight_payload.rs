//! Payloads of every graph kind on the published nnsight package, beside the engine.
//!
//! Ignored unless asked for: `TRUENORTH_NNSIGHT_PYTHON=.../bin/python cargo test --test
//! by_hand -- --ignored --nocapture nnsight_payload::`, where the interpreter has nnsight 0.8.1, torch and
//! transformers. `TRUENORTH_NNSIGHT_FAMILY` picks one folder of `fixtures/families`.

#[path = "../../protocol/tests/support/random_graph.rs"]
mod random_graph;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use truenorth::engine::{Choices, Engine, EngineOptions, Outline};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{
    AlphaUnit, Binary, Builder, CheckLimits, Edit, GroupId, Op, Reduce, Sampling, Steps, Unary,
};
use truenorth_protocol::nnsight::{ModelKey, Modules, Request};
use truenorth_protocol::{Answer, DType, Graph, ReadAt, Site, Tensor, Value, WriteAt};

use crate::support::{Reference, relative};

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
        let request = Request {
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

/// Against transformers' own numbers.
fn references(both: &mut Both) {
    let sites: Vec<Site> = Site::all(both.engine.info().layers).collect();
    let mut b = Builder::new();
    let group = b.tokens(both.reference.tokens("prompts"));
    for site in &sites {
        let read = b.read(group, *site, ReadAt::All);
        b.save(site.to_string(), read);
    }
    let answer = both.send("every site", b.finish(), DType::F32);
    for site in sites {
        let got = answer.tensor(&site.to_string()).unwrap().to_f32().unwrap();
        let far = relative(&got, &both.reference.tensor(&site.to_string()));
        assert!(far < 1e-4, "{} {site}: {far:e}", both.name);
        both.worst = both.worst.max(far);
    }
    for (key, steered) in [("greedy", false), ("steered_greedy", true)] {
        let mut b = Builder::new();
        let group = b.tokens(both.reference.tokens("prompts"));
        if steered {
            let json = &both.reference.json["steering"];
            let d = b.constant(Tensor::vector(&both.reference.tensor("direction")));
            let site = json["site"].as_str().unwrap().parse().unwrap();
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[json["alpha"].as_f64().unwrap()]);
        }
        let tokens = b.generate(group, Sampling::greedy(32));
        b.save("tokens", tokens);
        let answer = both.send(key, b.finish(), DType::F32);
        let want: Vec<i64> = both.reference.tokens(key).concat().into_iter().map(i64::from).collect();
        assert_eq!(answer.tensor("tokens").unwrap().to_i64().unwrap(), want, "{} {key}", both.name);
    }
}

fn reads(both: &mut Both) {
    for at in [
        ReadAt::Last,
        ReadAt::Mean,
        ReadAt::MeanSink,
        ReadAt::Sinks,
        ReadAt::Index(1),
        ReadAt::Index(-2),
        ReadAt::All,
    ] {
        for early in [false, true] {
            both.agree(&format!("read {at} early {early}"), |b, both| {
                let group = prompts(b, both);
                for site in Site::all(both.engine.info().layers) {
                    if !early || site.layer() == Some(1) {
                        let read = b.read(group, site, at);
                        b.save(site.to_string(), read);
                    }
                }
            });
        }
        // All of one length: no padding, other text.
        both.agree(&format!("read {at} even"), |b, both| {
            let group = b.tokens(vec![vec![5, 9, 11, 3], vec![7, 7, 2, 60]]);
            for site in Site::all(both.engine.info().layers) {
                let read = b.read(group, site, at);
                b.save(site.to_string(), read);
            }
        });
    }
}

/// Tokens made into sinks, which a mean leaves out: the first of every prompt, and one that stands alone.
fn sinks(both: &mut Both) {
    for even in [false, true] {
        both.agree(&format!("means beside sinks, even {even}"), |b, both| {
            let group = match even {
                true => b.tokens(vec![vec![5, 9, 11, 3], vec![7, 7, 2, 60]]),
                false => prompts(b, both),
            };
            for site in [Site::ResidPost(0), Site::Logits] {
                b.write(group, site, WriteAt::Index(0), Steps::ALL, Edit::Scale { factor: 50.0 });
                for at in [ReadAt::Mean, ReadAt::MeanSink, ReadAt::Sinks] {
                    let read = b.read(group, site, at);
                    b.save(format!("{site} {at}"), read);
                }
            }
        });
    }
}

fn edits(both: &mut Both) {
    let width = both.hidden();
    let sites: Vec<Site> = Site::all(both.engine.info().layers).collect();
    let vocab = both.engine.info().vocab as usize;
    for at in [WriteAt::All, WriteAt::Prompt, WriteAt::Last, WriteAt::Index(1), WriteAt::Index(-2)] {
        both.agree(&format!("every edit at {at}"), |b, both| {
            // A group a site, so that each edit is seen by itself.
            for (s, site) in sites.iter().enumerate() {
                let width = if *site == Site::Logits { vocab } else { width };
                let group = prompts(b, both);
                let before = b.read(group, *site, ReadAt::All);
                let d = b.constant(direction(width, s));
                let rows = b.constant(matrix(4, width, s));
                let unit = b.constant(Tensor::scalar(0.7));
                let edit = match s % 8 {
                    0 => Edit::Add { direction: d, alpha: vec![1.5], unit: AlphaUnit::Absolute },
                    1 => Edit::Add {
                        direction: d,
                        alpha: vec![0.5, -1.0, 0.0, 2.0],
                        unit: AlphaUnit::Norm(unit),
                    },
                    2 => Edit::Add { direction: rows, alpha: vec![1.0], unit: AlphaUnit::Absolute },
                    3 => Edit::Ablate { direction: d },
                    4 => Edit::Set { value: d },
                    5 => Edit::Set { value: rows },
                    6 => Edit::Scale { factor: -0.75 },
                    _ => Edit::Clamp { direction: d, min: f64::NEG_INFINITY, max: 0.1 },
                };
                b.write(group, *site, at, Steps::ALL, edit);
                let after = b.read(group, *site, ReadAt::All);
                let out = b.read(group, Site::Logits, ReadAt::All);
                let p = b.node(Op::PromptLogProb { logits: out });
                for (name, id) in [("before", before), ("after", after), ("logits", out), ("p", p)] {
                    b.save(format!("{site} {name}"), id);
                }
            }
        });
    }
    both.agree("many edits at one place", |b, both| {
        let group = prompts(b, both);
        let d = b.constant(direction(width, 1));
        for site in [
            Site::Embed,
            Site::ResidPre(0),
            Site::AttnOut(1),
            Site::ResidMid(1),
            Site::MlpOut(1),
            Site::ResidPost(1),
            Site::ResidPre(2),
            Site::FinalNorm,
        ] {
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[0.3]);
            b.write(group, site, WriteAt::Last, Steps::ALL, Edit::Scale { factor: 1.25 });
            b.write(
                group,
                site,
                WriteAt::Prompt,
                Steps::ALL,
                Edit::Clamp { direction: d, min: -0.5, max: 0.5 },
            );
        }
        let last = b.read(group, Site::Logits, ReadAt::Last);
        b.write(group, Site::Logits, WriteAt::Index(2), Steps::ALL, Edit::Scale { factor: 3.0 });
        let changed = b.read(group, Site::Logits, ReadAt::Last);
        b.save("last", last);
        b.save("changed", changed);
    });
    both.agree("edits that reads of the same group make", |b, both| {
        let group = prompts(b, both);
        let early = b.read(group, Site::ResidPost(0), ReadAt::Last);
        let mean = b.mean(early, 0);
        let norms = b.norm(early);
        let norm = b.mean(norms, 0);
        let unit = b.unary(Unary::Unit, mean);
        let edit = Edit::Add { direction: unit, alpha: vec![0.5], unit: AlphaUnit::Norm(norm) };
        b.write(group, Site::ResidMid(1), WriteAt::All, Steps::ALL, edit);
        b.write(group, Site::ResidPost(1), WriteAt::Index(0), Steps::ALL, Edit::Set { value: early });
        b.write(group, Site::MlpOut(2), WriteAt::Last, Steps::ALL, Edit::Ablate { direction: mean });
        let out = b.read(group, Site::Logits, ReadAt::All);
        let p = b.node(Op::PromptLogProb { logits: out });
        b.save("out", out);
        b.save("p", p);
        b.save("norm", norm);
    });
}

fn operations(both: &mut Both) {
    let width = both.hidden();
    both.agree("every operation", |b, both| {
        let group = prompts(b, both);
        let all = b.read(group, Site::ResidPost(1), ReadAt::All);
        let last = b.read(group, Site::ResidPost(2), ReadAt::Last);
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        let every = b.read(group, Site::Logits, ReadAt::All);
        let d = b.constant(direction(width, 3));
        let rows = b.constant(matrix(4, width, 3));
        let half = b.constant(direction(width, 4).cast(DType::F16).unwrap());
        let wide = b.constant(direction(width, 4).cast(DType::F64).unwrap());
        let ids = b.constant(Tensor::from_i64(vec![3], &[1, 2, 3]).unwrap());
        let mut save: Vec<(String, truenorth_protocol::graph::NodeId)> = vec![];
        let mut keep = |name: &str, id| save.push((name.to_owned(), id));
        for (name, f) in
            [("add", Binary::Add), ("sub", Binary::Sub), ("mul", Binary::Mul), ("div", Binary::Div)]
        {
            let one = b.binary(f, all, d);
            keep(name, one);
            let other = b.binary(f, last, rows);
            keep(&format!("{name} rows"), other);
        }
        for (name, f) in [("unit", Unary::Unit), ("softmax", Unary::Softmax), ("neg", Unary::Neg)] {
            let one = b.unary(f, all);
            keep(name, one);
        }
        let softmax = b.unary(Unary::Softmax, every);
        let logs = b.unary(Unary::Log, softmax);
        let back = b.unary(Unary::Exp, logs);
        let entropy = b.binary(Binary::Mul, back, logs);
        let entropy = b.sum(entropy, 1);
        keep("entropy", entropy);
        let dot = b.dot(all, d);
        keep("dot", dot);
        keep("norm of last", b.node(Op::Norm { a: last }));
        let rows_dot = b.dot(last, rows);
        keep("dot rows", rows_dot);
        let of_prompts = b.unary(Unary::Softmax, rows_dot);
        keep("softmax over prompts", of_prompts);
        let top = b.node(Op::TopKIndices { a: rows_dot, k: 2 });
        keep("top prompts", top);
        let cosine = b.cosine(all, half);
        keep("cosine", cosine);
        let cosine = b.cosine(last, rows);
        keep("cosine rows", cosine);
        let norm = b.norm(all);
        keep("norm", norm);
        let mean_norm = b.mean(norm, 0);
        keep("mean norm", mean_norm);
        keep("mean over prompts", b.mean(last, 0));
        keep("mean over tokens", b.node(Op::Reduce { f: Reduce::Mean, a: all, axis: 0 }));
        keep("sum over width", b.sum(last, 1));
        keep("slice prompts", b.slice(last, 0, 1..3));
        keep("slice width", b.slice(all, 1, 2..7));
        keep("stack", b.stack(&[last, rows]));
        keep("stack tokens", b.stack(&[all, all]));
        for dtype in [DType::F16, DType::Bf16, DType::F64, DType::F32] {
            let cast = b.cast(last, dtype);
            keep(&format!("cast {dtype}"), cast);
            let again = b.binary(Binary::Add, cast, d);
            keep(&format!("cast {dtype} and on"), again);
            keep(&format!("cast {dtype} sliced"), b.slice(cast, 1, 0..3));
        }
        keep("half", half);
        keep("wide", wide);
        keep("ids", ids);
        keep("wide and on", b.binary(Binary::Sub, last, wide));
        keep("log_prob", b.log_prob(logits, &[3, 1, 40]));
        keep("log_prob all", b.log_prob(every, &[9]));
        keep("p", b.node(Op::PromptLogProb { logits: every }));
        keep("top values", b.node(Op::TopKValues { a: logits, k: 5 }));
        keep("top indices", b.node(Op::TopKIndices { a: logits, k: 5 }));
        keep("top all", b.node(Op::TopKIndices { a: every, k: 3 }));
        for (name, id) in save {
            b.save(format!("{name} \"é\\\u{2028}"), id);
        }
    });
    both.agree("constants alone", |b, _| {
        let d = b.constant(direction(8, 1));
        let s = b.constant(Tensor::scalar(2.0));
        let twice = b.binary(Binary::Mul, d, s);
        b.save("twice", twice);
        b.save("d", d);
    });
}

fn generations(both: &mut Both) {
    let width = both.hidden();
    let sampled = Sampling { temperature: 0.8, top_p: 0.9, seed: 11, ..Sampling::greedy(12) };
    let whole = Sampling { top_p: 1.0, temperature: 1.3, seed: 5, ..sampled.clone() };
    let stops = Sampling { stop: vec![3, 17, 20, 33, 41, 52, 60], ..sampled.clone() };
    let greedy_stop = Sampling { stop: vec![2, 5, 8, 13, 21, 34, 55], ..Sampling::greedy(9) };
    for (name, params) in [
        ("greedy", Sampling::greedy(8)),
        ("sampled", sampled.clone()),
        ("whole", whole),
        ("stops", stops),
        ("greedy stop", greedy_stop),
        ("one", Sampling::greedy(1)),
    ] {
        both.agree(&format!("generate {name}"), |b, both| {
            let group = prompts(b, both);
            let tokens = b.generate(group, params.clone());
            let p = b.node(Op::GeneratedLogProb { generate: tokens });
            b.save("tokens", tokens);
            b.save("p", p);
            let total = b.sum(p, 1);
            b.save("total", total);
            let first = b.slice(tokens, 1, 0..1);
            b.save("first", first);
        });
    }
    let every = [
        WriteAt::All,
        WriteAt::Prompt,
        WriteAt::Generated,
        WriteAt::Last,
        WriteAt::Index(1),
        WriteAt::Index(-3),
    ];
    for (i, at) in every.into_iter().enumerate() {
        for steps in [
            Steps::ALL,
            Steps { start: 0, end: Some(3) },
            Steps { start: 2, end: None },
            Steps { start: 2, end: Some(4) },
        ] {
            let once = !matches!(at, WriteAt::All | WriteAt::Generated);
            if once && steps.start > 0 {
                continue;
            }
            both.agree(&format!("steered generation at {at}, steps {steps:?}"), |b, both| {
                let group = prompts(b, both);
                let d = b.constant(direction(width, i));
                let rows = b.constant(matrix(4, width, i));
                let vocab = b.constant(direction(both.engine.info().vocab as usize, i));
                b.add(group, Site::ResidPost(0), at, steps, d, &[0.4, 0.8, -0.4, 1.0]);
                b.add(group, Site::ResidMid(1), at, steps, rows, &[0.4]);
                b.write(group, Site::AttnOut(2), at, steps, Edit::Ablate { direction: d });
                b.write(group, Site::FinalNorm, at, steps, Edit::Scale { factor: 1.1 });
                b.add(group, Site::Logits, at, steps, vocab, &[0.7]);
                let reads: Vec<_> = (0..6)
                    .flat_map(|s| [Site::ResidPre(1), Site::ResidMid(1), Site::Logits].map(|site| (s, site)))
                    .map(|(s, site)| (s, site, b.read_step(group, site, ReadAt::Last, s)))
                    .collect();
                let tokens = b.generate(group, Sampling { max_new_tokens: 7, ..sampled.clone() });
                let p = b.node(Op::GeneratedLogProb { generate: tokens });
                b.save("tokens", tokens);
                b.save("p", p);
                for (s, site, id) in reads {
                    b.save(format!("{site} {s}"), id);
                }
            });
        }
    }
    both.agree("prompt reads of a group that generates", |b, both| {
        let group = prompts(b, both);
        for at in [ReadAt::All, ReadAt::Mean, ReadAt::Index(0), ReadAt::Index(-2), ReadAt::Last] {
            for site in [Site::Embed, Site::ResidPost(2), Site::Logits] {
                let id = b.read(group, site, at);
                b.save(format!("{site} {at}"), id);
                if site == Site::Logits && at == ReadAt::All {
                    let p = b.node(Op::PromptLogProb { logits: id });
                    b.save("p", p);
                }
            }
        }
        let tokens = b.generate(group, Sampling::greedy(3));
        b.save("tokens", tokens);
    });
    both.agree("a read at a later step, without the tokens", |b, both| {
        let group = prompts(b, both);
        let first = b.read(group, Site::ResidPost(1), ReadAt::Last);
        // What step 0 left changes what step 2 does.
        b.write(
            group,
            Site::ResidPost(1),
            WriteAt::All,
            Steps { start: 2, end: None },
            Edit::Set { value: first },
        );
        let late = b.read_step(group, Site::ResidPost(2), ReadAt::Last, 3);
        let _unused = b.generate(group, Sampling::greedy(9));
        b.save("late", late);
    });
    // Text comes of tokens on this side.
    let mut b = Builder::new();
    let group = prompts(&mut b, both);
    let tokens = b.generate(group, Sampling { stop: (0..40).collect(), ..Sampling::greedy(5) });
    let text = b.node(Op::Decode { generate: tokens });
    b.save("tokens", tokens);
    b.save("text", text);
    let answer = both.send("text", b.finish(), DType::Bf16);
    let ids = answer.tensor("tokens").unwrap().to_i64().unwrap();
    let kept = |row: &[i64]| format!("{:?}", row.iter().filter(|i| **i >= 0).collect::<Vec<_>>());
    let want: Vec<String> = ids.chunks(5).map(kept).collect();
    assert_eq!(answer.values["text"].text().unwrap(), want);
}

fn groups(both: &mut Both) {
    let width = both.hidden();
    both.agree("values of one group in the next", |b, both| {
        let plus = prompts(b, both);
        let minus = b.tokens(vec![vec![9, 8, 7], vec![1, 2], vec![30], vec![4, 4, 4, 4]]);
        let a = b.read(plus, Site::ResidPost(1), ReadAt::Last);
        let c = b.read(minus, Site::ResidPost(1), ReadAt::Last);
        let difference = b.binary(Binary::Sub, a, c);
        let mean = b.mean(difference, 0);
        let norms = b.norm(a);
        let norm = b.mean(norms, 0);
        let last = prompts(b, both);
        let edit = Edit::Add { direction: mean, alpha: vec![1.0], unit: AlphaUnit::Absolute };
        b.write(last, Site::ResidPost(0), WriteAt::All, Steps::ALL, edit);
        let unit = b.unary(Unary::Unit, mean);
        let edit =
            Edit::Add { direction: unit, alpha: vec![0.2, 0.4, 0.6, 0.8], unit: AlphaUnit::Norm(norm) };
        b.write(last, Site::ResidPost(1), WriteAt::Last, Steps::ALL, edit);
        b.write(last, Site::ResidPost(2), WriteAt::Index(0), Steps::ALL, Edit::Set { value: c });
        let out = b.read(last, Site::Logits, ReadAt::Last);
        let top = b.node(Op::TopKValues { a: out, k: 4 });
        b.save("top", top);
        b.save("mean", mean);
        let along = b.read(last, Site::ResidPost(2), ReadAt::All);
        let along = b.dot(along, unit);
        b.save("along", along);
        let tokens = b.generate(last, Sampling::greedy(4));
        b.save("tokens", tokens);
    });
    // Enough for several batches, of many lengths and of one.
    for even in [false, true] {
        let length = move |i: usize| if even { 20 } else { 1 + (i * 7) % 29 };
        let many: Vec<Vec<u32>> =
            (0..900).map(|i| (0..length(i)).map(|k| ((i * 13 + k * 5) % 63) as u32).collect()).collect();
        both.agree(&format!("many prompts, even {even}"), |b, _| {
            let group = b.tokens(many.clone());
            let doses: Vec<f64> = (0..900).map(|i| f64::from(i % 7) / 7.0).collect();
            let d = b.constant(direction(width, 2));
            b.add(group, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, &doses);
            b.add(group, Site::ResidPost(1), WriteAt::Last, Steps::ALL, d, &doses);
            let last = b.read(group, Site::ResidPost(2), ReadAt::Last);
            let all = b.read(group, Site::AttnOut(1), ReadAt::All);
            let mean = b.read(group, Site::MlpOut(2), ReadAt::Mean);
            let logits = b.read(group, Site::Logits, ReadAt::All);
            let p = b.node(Op::PromptLogProb { logits });
            let dot = b.dot(all, d);
            let centre = b.mean(last, 0);
            for (name, id) in [("last", last), ("dot", dot), ("mean", mean), ("p", p), ("centre", centre)] {
                b.save(name, id);
            }
        });
        let some = many[..300].to_vec();
        both.agree(&format!("many generations, even {even}"), |b, _| {
            let group = b.tokens(some.clone());
            let doses: Vec<f64> = (0..300).map(|i| f64::from(i % 7) / 7.0).collect();
            let d = b.constant(direction(width, 2));
            b.add(group, Site::ResidPost(0), WriteAt::Generated, Steps::ALL, d, &doses);
            let params =
                Sampling { temperature: 1.0, top_p: 0.95, seed: 3, stop: vec![6, 7], ..Sampling::greedy(5) };
            let tokens = b.generate(group, params);
            let p = b.node(Op::GeneratedLogProb { generate: tokens });
            b.save("tokens", tokens);
            b.save("p", p);
        });
    }
}

/// Whatever a graph may be.
fn random(both: &mut Both) {
    let count = std::env::var("TRUENORTH_NNSIGHT_RANDOM").map_or(40, |n| n.parse().unwrap());
    for seed in 0..count {
        both.agree_on(&format!("random graph {seed}"), random_graph::random_graph(seed, both.engine.info()));
    }
}
