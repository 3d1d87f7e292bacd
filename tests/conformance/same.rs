//! The same numbers wherever a graph runs.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};
use truenorth::client::Client;
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, CheckLimits, Sampling, Steps};
use truenorth_protocol::{Answer, Checked, DType, ReadAt, Site, Tensor, WriteAt};

use crate::compare::{self, SAME};
use crate::graphs::Kit;
use crate::random::plans;
use crate::runners::{Ours, causes, engine, families, hosted, options};
use crate::service::Service;
use crate::support::Reference;

/// Runs several graphs at once.
fn all_of(runner: &dyn Runner, graphs: &[Checked]) -> Vec<Answer> {
    let mut answers = vec![None; graphs.len()];
    let mut keep = |i: usize, answer| {
        assert!(answers[i].replace(answer).is_none(), "two answers to graph {i}");
        ControlFlow::Continue(())
    };
    runner.run_each(graphs, &Unwatched, &mut keep).unwrap_or_else(|e| panic!("{}", causes(&e)));
    answers.into_iter().map(|a| a.expect("an answer each")).collect()
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn every_kind_of_graph_on_every_family() {
    let families = families();
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&families, state.path());
    let mut wrong = vec![];
    for (name, path) in &families {
        let begun = Instant::now();
        let r = Reference::of(path);
        let engine = engine(path, name);
        let ours = Ours::start(engine.clone());
        let ndif = Client::ndif(options(&service), hosted(path, name, DType::F32)).unwrap();
        let kit = Kit::new(engine.info(), r.tokens("prompts"));
        let (names, graphs): (Vec<String>, Vec<_>) = kit.all().into_iter().unzip();
        let checked: Vec<Checked> =
            graphs.into_iter().map(|g| g.check(engine.info(), &CheckLimits::default()).unwrap()).collect();
        let wanted = all_of(engine.as_ref(), &checked);
        let mut worst = 0.0_f32;
        for (place, runner) in [("our server", &ours.client), ("nnsight", &ndif)] {
            // One at a time: what fails is named, and the rest still runs.
            for ((graph, want), checked) in names.iter().zip(&wanted).zip(&checked) {
                let got = runner.run(checked, &Unwatched).map_err(|e| causes(&e));
                match got.and_then(|got| compare::difference(&got, want)) {
                    Ok(far) => worst = worst.max(far),
                    Err(why) => wrong.push(format!("{name}, {graph}, {place}: {why}")),
                }
            }
            if let Err(why) = against_transformers(runner, &r) {
                wrong.push(format!("{name}, transformers, {place}: {why}"));
            }
        }
        if let Err(why) = against_transformers(engine.as_ref(), &r) {
            wrong.push(format!("{name}, transformers, engine: {why}"));
        }
        println!("{name}: {} graphs, worst {worst:.1e}, {:.1?}", names.len(), begun.elapsed());
    }
    let short = |w: &String| w.chars().take(600).collect::<String>();
    let text: Vec<String> = wrong.iter().map(short).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), text.join("\n"));
}

/// The committed references: every site at every token, greedy tokens, and both steered.
fn against_transformers(runner: &dyn Runner, r: &Reference) -> Result<(), String> {
    let prompts = r.tokens("prompts");
    let rows: usize = prompts.iter().map(Vec::len).sum();
    let site: Site = r.json["steering"]["site"].as_str().unwrap().parse().unwrap();
    let alpha = r.json["steering"]["alpha"].as_f64().unwrap();
    let mut b = Builder::new();
    let plain = b.tokens(prompts.clone());
    for site in Site::all(runner.info().layers) {
        let read = b.read(plain, site, ReadAt::All);
        b.save(site.to_string(), read);
    }
    let steered = b.tokens(prompts);
    let d = b.constant(Tensor::vector(&r.tensor("direction")));
    b.add(steered, site, WriteAt::All, Steps::ALL, d, &[alpha]);
    let logits = b.read(steered, Site::Logits, ReadAt::All);
    b.save("steered_logits", logits);
    for (name, group) in [("greedy", plain), ("steered_greedy", steered)] {
        let tokens = b.generate(group, Sampling::greedy(32));
        b.save(name, tokens);
    }
    let answer = runner.ask(b.finish(), &Unwatched).map_err(|e| causes(&e))?;
    for (name, value) in &answer.values {
        let tensor = value.tensor().unwrap();
        if tensor.dtype() == DType::I64 {
            let want: Vec<i64> = r.tokens(name).concat().into_iter().map(i64::from).collect();
            if tensor.to_i64().unwrap() != want {
                return Err(format!("{name}: other tokens"));
            }
            continue;
        }
        let (got, want) = (tensor.to_f32().unwrap(), r.tensor(name));
        let (all, row) = (compare::relative(&got, &want), crate::support::relative_rows(&got, &want, rows));
        if all >= SAME || row >= 2.0 * SAME {
            return Err(format!("{name}: off by {all:e}, worst row {row:e}"));
        }
    }
    Ok(())
}

/// Families that differ most from each other.
const RANDOM: [&str; 7] = ["llama", "gpt2", "gpt_neox", "gemma3", "olmo3", "qwen2-sliding", "gemma2"];
const CASES: usize = 84;
/// What all cases together may take; those not begun by then are left out.
const TIME: Duration = Duration::from_secs(400);

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn random_graphs_give_the_same_numbers_everywhere() {
    let families: Vec<_> =
        families().into_iter().filter(|(n, _)| RANDOM.iter().any(|r| *n == format!("tn/{r}"))).collect();
    assert_eq!(families.len(), RANDOM.len());
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&families, state.path());
    let places: Vec<_> = families
        .iter()
        .map(|(name, path)| {
            let engine = engine(path, name);
            let ours = Ours::start(engine.clone());
            (engine, ours, Client::ndif(options(&service), hosted(path, name, DType::F32)).unwrap())
        })
        .collect();
    let begun = Instant::now();
    let done = std::cell::Cell::new((0, 0.0_f32));
    let kinds = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    let config =
        Config { cases: CASES as u32, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(Default::default()));
    let outcome = runner.run(&plans(), |plan| {
        if begun.elapsed() > TIME {
            return Ok(());
        }
        let (count, worst) = done.get();
        let (engine, ours, ndif) = &places[count % places.len()];
        let random = plan.graph(engine.info());
        let want = engine.run(&random.checked, &Unwatched).unwrap();
        let mut far = worst;
        for (place, client) in [("our server", &ours.client), ("nnsight", ndif)] {
            let fail = |why: String| TestCaseError::fail(format!("{} on {place}: {why}", engine.info().name));
            let got = client.run(&random.checked, &Unwatched).map_err(|e| fail(causes(&e)))?;
            far = far.max(random.difference(&got, &want).map_err(fail)?);
        }
        done.set((count + 1, far));
        for op in &random.checked.graph().nodes {
            let label = op.label();
            let word = label.split_whitespace().next().unwrap_or_default();
            *kinds.borrow_mut().entry(word.to_owned()).or_default() += 1;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
    let (count, worst) = done.get();
    let kinds = kinds.into_inner();
    println!("{count} random graphs, worst {worst:.1e}, {:.1?}: {kinds:?}", begun.elapsed());
    assert!(count >= 24, "only {count} cases in {TIME:?}");
    for kind in ["read", "add", "ablate", "set", "scale", "clamp", "generate", "dot", "unit", "log", "cast"] {
        assert!(kinds.get(kind).is_some_and(|n| *n >= 5), "too few of `{kind}`: {kinds:?}");
    }
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn answers_come_narrow_when_asked() {
    let (name, path) = families().into_iter().find(|(n, _)| n == "tn/llama").unwrap();
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&[(name.clone(), path.clone())], state.path());
    let engine = engine(&path, &name);
    let prompts = Reference::of(&path).tokens("prompts");
    let graph = || {
        let mut b = Builder::new();
        let group = b.tokens(prompts.clone());
        for at in [ReadAt::Last, ReadAt::All] {
            let read = b.read(group, Site::ResidPost(1), at);
            b.save(at.to_string(), read);
        }
        b.finish()
    };
    let want = engine.ask(graph(), &Unwatched).unwrap();
    // By download and by socket.
    for inline in [0, 1 << 20] {
        service.post("/test/settings", &serde_json::json!({ "inline": inline }));
        for (reply, within) in [(DType::F32, SAME), (DType::Bf16, 1.0 / 200.0), (DType::F16, 1e-3)] {
            let ndif = Client::ndif(options(&service), hosted(&path, &name, reply)).unwrap();
            let got = ndif.ask(graph(), &Unwatched).unwrap();
            for (name, want) in &want.values {
                let (got, want) = (got.tensor(name).unwrap(), want.tensor().unwrap());
                let far = compare::relative(&got.to_f32().unwrap(), &want.to_f32().unwrap());
                assert!(far < within, "{reply} {name}: {far:e}");
            }
        }
    }
    let counts = service.get("/test/counts");
    assert_eq!(counts["keys_seen"], 0, "the key went to where results are kept");
    let downloads = |job: &serde_json::Value| job["downloads"].as_u64().unwrap();
    let jobs = counts["jobs"].as_array().unwrap();
    assert_eq!(jobs.iter().map(downloads).collect::<Vec<_>>(), [1, 1, 1, 0, 0, 0]);
}
