//! A direction that is baked out of a model is not left along itself, and a model beside itself has not changed.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Axis};
use serde_json::Value;
use truenorth_data::{Distinct, Loaded, NearCopies, Pair, Template};
use truenorth_engine::bake::{Change, bake};
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::run::Unwatched;
use truenorth_stats::estimate::Estimator;
use truenorth_stats::math::Seeds;

use super::*;

const SITE: Site = Site::ResidPost(1);

fn ladder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/ladder/step-7")
}

fn open(folder: &Path) -> Engine {
    Engine::open(folder, &EngineOptions::default()).unwrap()
}

/// Requests that the model refuses, each with one that it answers.
fn question() -> LabelledTexts {
    let text = std::fs::read_to_string(ladder().join("../classes.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let side = |label: &'static str| {
        rows.iter().filter(move |r| r["label"] == label).map(|r| r["text"].as_str().unwrap().to_owned())
    };
    let pair = |(i, (chosen, rejected)): (usize, (String, String))| Pair {
        id: format!("p{i}"),
        axis: format!("x{}", i / 4),
        prompt: String::new(),
        chosen,
        rejected,
        turns: vec![],
        rejected_turns: vec![],
        extra: truenorth_data::Extra::new(),
    };
    let pairs = side("refused").zip(side("done")).enumerate().map(pair).collect();
    let template: Template = "{response}".parse().unwrap();
    let loaded = Loaded::new(pairs, "0".repeat(64));
    let near: NearCopies = "1".parse().unwrap();
    LabelledTexts::pairs(&Distinct::pairs(loaded, &template, near).unwrap(), &template)
}

fn audited(baked: &Engine, direction: &Array1<f64>) -> AuditedBake {
    let origin = open(&ladder());
    let origin = Reader::new(&origin, None);
    let (texts, seeds) = (question(), Seeds::new(3));
    let estimator = Estimator::MeanDiff.check().unwrap();
    let neutral: Vec<NamedPrompt> = ["please paint the lamp .", "sure here is the box .", "the road", "cart"]
        .iter()
        .enumerate()
        .map(|(i, t)| NamedPrompt::text(format!("n{i}"), *t))
        .collect();
    let data = BakedData {
        origin: &origin,
        directions: &[(SITE, direction.view())],
        at: ReadAt::Last,
        texts: &texts,
        estimator: &estimator,
        neutral: &neutral,
    };
    let asked = AnalysisContext { reader: Reader::new(baked, None), seeds: &seeds, watch: &Unwatched };
    Baked::run(&data, &Params::default(), &asked).unwrap()
}

/// The refusal of requests, as a unit vector.
fn refusal() -> Array1<f64> {
    let engine = open(&ladder());
    let samples = question().samples(&Reader::new(&engine, None), SITE, ReadAt::Last, &Unwatched).unwrap();
    let mean = |positive: bool| {
        let rows: Vec<usize> = (0..samples.rows()).filter(|i| samples.positive()[*i] == positive).collect();
        samples.activations().select(Axis(0), &rows).mean_axis(Axis(0)).unwrap()
    };
    let d = mean(true) - mean(false);
    let norm = d.dot(&d).sqrt();
    d / norm
}

#[test]
fn what_is_ablated_from_weights_is_gone_along_itself_and_neutral_texts_tell_what_it_cost() {
    let (to, d) = (tempfile::tempdir().unwrap(), refusal());
    bake(&ladder(), to.path(), &Change::Ablate(d.to_vec()), "ablated").unwrap();
    let found = audited(&open(to.path()), &d);
    let at = &found.sites[0];
    // Its weights are of 16 bits.
    assert!(at.spread[0] > 1.0 && at.spread[1] < 1e-3 && at.mean[1].abs() < 1e-3, "{at:?}");
    assert!(at.given[0].as_ref().unwrap().value > 0.99 && at.given[1].is_none() && at.given_less.is_none());
    assert!((at.anew_less.value - (at.anew[1].value - at.anew[0].value)).abs() < 1e-9);
    // Of one token nothing is predicted.
    assert_eq!((found.neutral.texts, found.neutral.tokens), (3, 4 + 5 + 1));
    assert!(found.neutral.kl.value > 1e-3 && found.neutral.kl.interval.is_some());
    let [before, after] = found.neutral.surprise.each_ref().map(|n| n.value);
    assert!((found.neutral.surprise_less.value - (after - before)).abs() < 1e-9);
    assert!((found.neutral.perplexity[1] - after.exp()).abs() < 1e-9);
    let (page, table) = (Baked::page(&found), Baked::table(&found));
    assert_eq!((page.findings.len(), page.sections.len(), table.rows.len()), (2, 1, 2));
    assert!(table.rows[1].contains(&"nothing left".to_owned()), "{table:?}");
}

#[test]
fn a_model_beside_itself_has_not_changed() {
    let found = audited(&open(&ladder()), &refusal());
    let at = &found.sites[0];
    assert_eq!((at.spread[0], at.mean[0]), (at.spread[1], at.mean[1]));
    assert_eq!((at.anew_less.value, at.given_less.as_ref().unwrap().value), (0.0, 0.0));
    let n = &found.neutral;
    assert_eq!((n.kl.value, n.same.value, n.surprise_less.value), (0.0, 1.0, 0.0));
}

#[test]
fn models_that_are_not_made_from_each_other_are_refused() {
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf/llama/model.gguf");
    let (origin, other) = (open(&ladder()), open(&other));
    let origin = Reader::new(&origin, None);
    let (texts, seeds, d) = (question(), Seeds::new(3), refusal());
    let estimator = Estimator::MeanDiff.check().unwrap();
    let neutral = [NamedPrompt::text("n", "the box")];
    let data = BakedData {
        origin: &origin,
        directions: &[(SITE, d.view())],
        at: ReadAt::Last,
        texts: &texts,
        estimator: &estimator,
        neutral: &neutral,
    };
    let asked = AnalysisContext { reader: Reader::new(&other, None), seeds: &seeds, watch: &Unwatched };
    let told = Baked::run(&data, &Params::default(), &asked).unwrap_err().to_string();
    assert!(told.contains("one is not made from the other"), "{told}");
}
