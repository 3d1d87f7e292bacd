//! How near the estimate of a job's seconds comes: jobs of many shapes on SmolLM2 through the released
//! service's sandbox, each predicted by a machine fitted to the others.
//!
//! A figure of the machine it runs on, so it is asked for by hand, on a machine that does nothing else.

use serde_json::{Value as Json, json};
use truenorth::client::{Client, MachineSpeed, Rehearsal};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{AlphaUnit, Builder, CheckLimits, Edit, GroupId, Op, Sampling, Steps};
use truenorth_protocol::nnsight::JobCost;
use truenorth_protocol::{CheckedGraph, DType, ModelInfo, ReadAt, Site, Tensor, WriteAt};

use super::graphs::noise;
use super::measure::{LAYER, NAME, model, texts};
use super::runners::{hosted, options};
use super::service::{NEWEST, Service};

/// How often each job runs; the median counts.
const TIMES: usize = 5;
/// Bytes of a number of SmolLM2 on a CPU.
const ELEMENT: u64 = 4;

/// A job of each shape, by name.
fn shapes(info: &ModelInfo) -> Vec<(String, CheckedGraph)> {
    let (neutral, probes, sequences) =
        (texts("neutral.jsonl"), texts("probes.jsonl"), texts("sequences.jsonl"));
    let prompts: Vec<String> = neutral.iter().chain(&sequences).cloned().collect();
    let mut shapes = Vec::new();
    let mut add = |name: String, make: &dyn Fn(&mut Builder)| {
        let mut b = Builder::new();
        make(&mut b);
        shapes.push((name, b.finish().check(info, &CheckLimits::default()).unwrap()));
    };
    let read = |b: &mut Builder, group: GroupId, site: Site, at: ReadAt| {
        let x = b.read(group, site, at);
        b.save(format!("{group:?} {site} {at}"), x);
    };
    let site = Site::ResidPost(LAYER);
    for count in [1, 8, 32, 64] {
        add(format!("last token of {count} prompts"), &|b| {
            let group = b.texts(&prompts[..count]);
            read(b, group, site, ReadAt::Last);
        });
    }
    for count in [8, 32] {
        add(format!("last token of {count} prompts at six sites"), &|b| {
            let group = b.texts(&prompts[..count]);
            for layer in (4..info.layers).step_by(5) {
                read(b, group, Site::ResidPost(layer), ReadAt::Last);
            }
        });
        add(format!("logits after {count} prompts"), &|b| {
            let group = b.texts(&prompts[..count]);
            read(b, group, Site::Logits, ReadAt::Last);
        });
    }
    for count in [1, 4, 8] {
        add(format!("{} probes after each of {count} sequences", probes.len()), &|b| {
            for sequence in &sequences[..count] {
                let group = b.texts(probes.iter().map(|p| format!("{sequence} {p}")));
                read(b, group, site, ReadAt::Mean);
            }
        });
    }
    let d = Tensor::vector(&noise(info.hidden as usize, 1, 40.0));
    for (count, tokens) in [(1, 8), (4, 8), (4, 32), (16, 16), (32, 24)] {
        for probable in [false, true] {
            let and = if probable { ", and how probable they were" } else { "" };
            add(format!("{tokens} steered tokens of {count} prompts{and}"), &|b| {
                let group = b.texts(&prompts[..count]);
                let direction = b.constant(d.clone());
                let edit = Edit::Add { direction, alpha: vec![1.0], unit: AlphaUnit::Absolute };
                b.write(group, site, WriteAt::All, Steps::ALL, edit);
                let generate = b.generate(group, Sampling::greedy(tokens));
                b.save("tokens", generate);
                if probable {
                    let of = b.node(Op::GeneratedLogProb { generate });
                    b.save("log_probs", of);
                }
            });
        }
    }
    shapes
}

/// What the parts of a [`MachineSpeed`] are multiplied by for a job.
fn factors(cost: &JobCost, parameters: u64) -> [f64; 6] {
    let tokens = cost.prompt_milli_tokens as f64 / 1000.0 + cost.decode_tokens as f64;
    [
        cost.jobs as f64,
        cost.traces as f64,
        cost.frames as f64,
        cost.bytes() as f64,
        tokens * parameters as f64,
        (cost.traces + cost.decode_passes) as f64,
    ]
}

/// The machine with the least squares of relative errors, no part below zero: by coordinates, each set to
/// its best in turn.
fn fitted(jobs: &[(JobCost, f64)], parameters: u64) -> MachineSpeed {
    let rows: Vec<([f64; 6], f64)> = jobs.iter().map(|(c, s)| (factors(c, parameters), *s)).collect();
    let mut x = [0.0_f64; 6];
    for _ in 0..20_000 {
        for k in 0..6 {
            let (mut up, mut down) = (0.0, 0.0);
            for (f, seconds) in &rows {
                let rest: f64 = (0..6).filter(|j| *j != k).map(|j| f[j] * x[j]).sum();
                up += f[k] / seconds * (1.0 - rest / seconds);
                down += (f[k] / seconds).powi(2);
            }
            x[k] = if down > 0.0 { (up / down).max(0.0) } else { 0.0 };
        }
    }
    let [start, trace, frame, byte, multiply_add, pass] = x;
    // A pass takes the larger of `pass` and the weights' way through memory; on one model they are one.
    MachineSpeed {
        start,
        trace,
        frame,
        socket: 1.0 / byte.max(1e-12),
        multiply_adds: 1.0 / multiply_add.max(1e-18),
        memory: f64::MAX,
        pass,
    }
}

#[test]
#[ignore = "by hand, with TRUENORTH_NDIF_ALL=1, on a machine that does nothing else"]
fn released_seconds_are_near_what_was_said() {
    if std::env::var_os("TRUENORTH_NDIF_ALL").is_none() {
        return;
    }
    let (model, state) = (model(), tempfile::tempdir().unwrap());
    let hosted = hosted(&model, NAME, DType::F32);
    let service = Service::released(NEWEST, &[(NAME.into(), model.clone())], state.path(), &[]);
    let parameters =
        truenorth::engine::Outline::open(&model, NAME, "main", &Default::default()).unwrap().parameters;
    let client = Client::ndif(options(&service), hosted.clone()).unwrap();
    let mut jobs = Vec::new();
    let shapes = shapes(&hosted.info);
    // The first job of a model waits for its runner.
    client.run(&shapes[0].1, &Unwatched).unwrap();
    for (name, checked) in &shapes {
        let rehearsal = Rehearsal::new(hosted.clone(), DType::F32);
        rehearsal.run(checked, &Unwatched).unwrap();
        let mut cost = JobCost::default();
        rehearsal.jobs().iter().for_each(|c| cost.add(c));
        let mut took: Vec<f64> = (0..TIMES)
            .map(|_| {
                service.post("/test/reset", &json!({}));
                client.run(checked, &Unwatched).unwrap();
                service.jobs().iter().map(|j: &Json| j["seconds"].as_f64().unwrap()).sum()
            })
            .collect();
        took.sort_by(f64::total_cmp);
        jobs.push((name.clone(), cost, took[TIMES / 2], took[TIMES - 1] / took[0]));
    }
    println!("{:?}", fitted(&jobs.iter().map(|j| (j.1, j.2)).collect::<Vec<_>>(), parameters));
    let mut errors = Vec::new();
    for (left_out, (name, cost, seconds, spread)) in jobs.iter().enumerate() {
        let others: Vec<_> =
            jobs.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, j)| (j.1, j.2)).collect();
        let said = fitted(&others, parameters).seconds(cost, parameters, ELEMENT);
        let off = said / seconds - 1.0;
        println!(
            "{name}: {} frames, {} bytes: said {said:.2} s, took {seconds:.2} s ({:+.0} %; slowest to fastest {spread:.2})",
            cost.frames,
            cost.bytes(),
            100.0 * off
        );
        errors.push(off.abs());
    }
    errors.sort_by(f64::total_cmp);
    println!(
        "{} shapes, each left out once: median {:.1} %, worst {:.1} %",
        errors.len(),
        100.0 * errors[errors.len() / 2],
        100.0 * errors[errors.len() - 1]
    );
    assert!(errors.iter().all(|e| e.is_finite()));
}
