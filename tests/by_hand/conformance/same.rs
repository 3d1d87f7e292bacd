//! The same numbers wherever a graph runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};
use truenorth::client::Client;
use truenorth::engine::Engine;
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Builder, Op};
use truenorth_protocol::{CheckedGraph, DType, ReadAt, Site};

use super::compare::{self, SAME};
use super::cost::as_predicted;
use super::graphs::Kit;
use super::random::plans;
use super::runners::{Ours, causes, engine, families, hosted, options, options_with};
use super::service::{KEY, NEWEST, Service, TRUSTED, VERSIONS};
use super::table::{Family, Table, against_transformers};
use crate::support::Reference;

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn every_kind_of_graph_on_every_family() {
    let families = families();
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&families, state.path());
    let mut table = Table::default();
    for (name, path) in &families {
        let family = Family::new(name, path, Kit::all);
        let ours = Ours::start(family.engine.clone());
        let ndif = Client::ndif(options(&service), hosted(path, name, DType::F32)).unwrap();
        table.fill("our server", &family, &ours.client, &|_| Ok(()));
        table.fill("nnsight in process", &family, &ndif, &|_| Ok(()));
        let r = Reference::of(path);
        against_transformers(family.engine.as_ref(), &r).unwrap_or_else(|e| panic!("{name}, engine: {e}"));
    }
    table.finish();
}

/// What the released service runs in full in CI: the two that differ most.
const IN_FULL: [&str; 2] = ["tn/llama", "tn/gemma3"];
/// Graphs of the whole table are asked for by hand.
const ALL: &str = "TRUENORTH_NDIF_ALL";

/// Fills the table of one version of the released service; `keys` by the name of what they get.
fn released(version: &str, table: &mut Table, families: &[Family], keys: &[(&str, &str)]) {
    let state = tempfile::tempdir().unwrap();
    let models: Vec<_> = families.iter().map(|f| (f.name.clone(), f.path.clone())).collect();
    let service = Service::released(version, &models, state.path(), &[]);
    for family in families {
        for (place, key) in keys {
            let hosted = hosted(&family.path, &family.name, DType::F32);
            let ndif = Client::ndif(options_with(&service, key), hosted.clone()).unwrap();
            let costs = |checked: &CheckedGraph| as_predicted(&service, &hosted, checked, *key == TRUSTED);
            table.fill(&format!("{version} {place}"), family, &ndif, &costs);
        }
    }
}

const SANDBOX: (&str, &str) = ("sandbox", KEY);
const BESIDE: (&str, &str) = ("trusted", TRUSTED);

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_two_families_in_full() {
    let mut table = Table::default();
    let two = families().into_iter().filter(|(n, _)| IN_FULL.contains(&n.as_str()));
    let two: Vec<_> = two.map(|(name, path)| Family::new(&name, &path, Kit::all)).collect();
    assert_eq!(two.len(), IN_FULL.len());
    released(NEWEST, &mut table, &two, &[SANDBOX, BESIDE]);
    table.finish();
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_every_family_as_a_smoke_test() {
    let mut table = Table::default();
    let all = families().into_iter().filter(|(n, _)| !IN_FULL.contains(&n.as_str()));
    let all: Vec<_> = all.map(|(name, path)| Family::new(&name, &path, Kit::smoke)).collect();
    released(NEWEST, &mut table, &all, &[SANDBOX]);
    for version in VERSIONS.iter().filter(|v| **v != NEWEST) {
        let (name, path) = families().into_iter().find(|(n, _)| n == IN_FULL[0]).unwrap();
        let family = Family::new(&name, &path, Kit::smoke);
        released(version, &mut table, &[family], &[SANDBOX, BESIDE]);
    }
    table.finish();
}

#[test]
#[ignore = "by hand, with TRUENORTH_NDIF_ALL=1: every kind, family, version and key"]
fn released_whole_table() {
    let Ok(wanted) = std::env::var(ALL) else { return };
    let mut table = Table::default();
    let all = families().into_iter();
    let all: Vec<_> = all.map(|(name, path)| Family::new(&name, &path, Kit::all)).collect();
    // A version alone, where it is named in place of 1.
    for version in VERSIONS.iter().filter(|v| wanted == "1" || wanted == **v) {
        released(version, &mut table, &all, &[SANDBOX, BESIDE]);
    }
    table.finish();
}

/// Families that differ most from each other.
const RANDOM: [&str; 7] = ["llama", "gpt2", "gpt_neox", "gemma3", "olmo3", "qwen2-sliding", "gemma2"];
/// Of the released service a few are up at a time, so fewer in CI.
const RELEASED: [&str; 2] = ["llama", "gemma3"];

/// Where a graph runs beside the engine, by name.
type Places<'a> = Vec<(&'static str, &'a Client)>;

/// Random graphs on an engine and elsewhere.
struct Randoms<'a> {
    cases: usize,
    /// What all cases together may take; those not begun by then are left out.
    time: Duration,
    /// So many of each kind there have to be.
    each: usize,
    places: Vec<(Arc<Engine>, Places<'a>)>,
}

impl Randoms<'_> {
    fn run(&self) {
        let begun = Instant::now();
        let done = std::cell::Cell::new((0, 0.0_f32));
        let kinds = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
        let cases = self.cases as u32;
        let config = Config { cases, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(Default::default()));
        let outcome = runner.run(&plans(), |plan| {
            if begun.elapsed() > self.time {
                return Ok(());
            }
            let (count, worst) = done.get();
            let (engine, elsewhere) = &self.places[count % self.places.len()];
            let random = plan.graph(engine.info());
            let want = engine.run(&random.checked, &Unwatched).unwrap();
            let mut far = worst;
            for (place, client) in elsewhere {
                let fail = |why: String| {
                    let ops = &random.checked.graph().nodes;
                    let ops: Vec<_> = ops.iter().map(Op::label).collect();
                    TestCaseError::fail(format!("{} on {place}: {why}; {ops:?}", engine.info().name))
                };
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
        assert!(count >= 24, "only {count} cases in {:?}", self.time);
        for kind in
            ["read", "add", "ablate", "set", "scale", "clamp", "generate", "dot", "unit", "log", "cast"]
        {
            assert!(kinds.get(kind).is_some_and(|n| *n >= self.each), "too few of `{kind}`: {kinds:?}");
        }
    }
}

/// Some of the families, by name.
fn some(names: &[&str]) -> Vec<(String, PathBuf)> {
    let all = families().into_iter();
    let some: Vec<_> = all.filter(|(n, _)| names.iter().any(|r| *n == format!("tn/{r}"))).collect();
    assert_eq!(some.len(), names.len());
    some
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn random_graphs_give_the_same_numbers_everywhere() {
    let families = some(&RANDOM);
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&families, state.path());
    let made = families.iter().map(|(name, path)| {
        let engine = engine(path, name);
        let ours = Ours::start(engine.clone());
        (engine, ours, Client::ndif(options(&service), hosted(path, name, DType::F32)).unwrap())
    });
    let made: Vec<_> = made.collect();
    let places = made
        .iter()
        .map(|(engine, ours, ndif)| (engine.clone(), vec![("our server", &ours.client), ("nnsight", ndif)]));
    let places = places.collect();
    Randoms { cases: 84, time: Duration::from_secs(400), each: 5, places }.run();
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_random_graphs_give_the_same_numbers() {
    let all = std::env::var_os(ALL).is_some();
    let families = some(if all { &RANDOM } else { &RELEASED });
    let state = tempfile::tempdir().unwrap();
    let most = families.len().to_string();
    let service = Service::released(NEWEST, &families, state.path(), &["--most", &most]);
    let made = families.iter().map(|(name, path)| {
        let client = |key| Client::ndif(options_with(&service, key), hosted(path, name, DType::F32)).unwrap();
        (engine(path, name), client(KEY), client(TRUSTED))
    });
    let made: Vec<_> = made.collect();
    // Beside the model only by hand: it is the same program.
    let places = made.iter().map(|(engine, sandbox, beside)| {
        let mut at = vec![("the sandbox", sandbox)];
        at.extend(all.then_some(("the actor", beside)));
        (engine.clone(), at)
    });
    let places = places.collect();
    let (cases, time, each) = if all { (400, 3600, 20) } else { (36, 120, 3) };
    Randoms { cases, time: Duration::from_secs(time), each, places }.run();
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
