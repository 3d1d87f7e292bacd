//! Files that leave a choice, and rotations that depend on the length of a sequence, against
//! transformers (`fixtures/make/choices.py`).

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use truenorth::engine::load::Kernels;
use truenorth::engine::{Choices, Engine, EngineOptions, Transformers};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Builder, Sampling};
use truenorth_protocol::{Answer, ReadAt, Site};

use crate::support::relative_rows;

const VERSIONS: [(&str, Transformers); 2] = [("4.57", Transformers::V4_57), ("5.23", Transformers::V5_23)];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/choices").join(name)
}

fn reference(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(folder(name).join("reference.json")).unwrap()).unwrap()
}

fn open(name: &str, transformers: Transformers, kernels: Kernels) -> Engine {
    let choices = Choices { transformers, ..Choices::default() };
    let options = EngineOptions { name: name.into(), kernels, choices, ..EngineOptions::default() };
    Engine::open(&folder(name), &options).unwrap()
}

fn prompts(reference: &Json) -> Vec<Vec<u32>> {
    serde_json::from_value(reference["prompts"].clone()).unwrap()
}

fn read(engine: &Engine, prompts: Vec<Vec<u32>>, site: Site) -> Vec<f32> {
    let mut b = Builder::new();
    let group = b.tokens(prompts);
    let read = b.read(group, site, ReadAt::All);
    b.save("read", read);
    let answer: Answer = engine.ask(b.finish(), &Unwatched).unwrap();
    answer.tensor("read").unwrap().to_f32().unwrap()
}

#[test]
fn logits_and_greedy_tokens_are_those_of_each_version() {
    let names = [
        "tied-with-another-head",
        "tied-with-the-same-head",
        "tied-with-a-head-alone",
        "dynamic",
        "dynamic-partial",
        "longrope",
        "longrope-stated",
    ];
    let mut compared = 0;
    for name in names {
        let golden = reference(name);
        let prompts = prompts(&golden);
        for (version, rules) in VERSIONS {
            let Ok(want) = serde_json::from_value::<Vec<Vec<f32>>>(golden["logits"][version].clone()) else {
                continue;
            };
            for kernels in [Kernels::Best, Kernels::Candle] {
                let engine = open(name, rules, kernels);
                for (prompt, want) in prompts.iter().zip(&want) {
                    let got = read(&engine, vec![prompt.clone()], Site::Logits);
                    let off = relative_rows(&got, want, prompt.len());
                    assert!(off < 1e-4, "{name} by {version}, {} tokens: {off:e}", prompt.len());
                }
                // Together, with one that begins as another does and is longer than the context was.
                let got = read(&engine, prompts.clone(), Site::Logits);
                let rows = prompts.iter().map(Vec::len).sum();
                assert!(relative_rows(&got, &want.concat(), rows) < 1e-4, "{name} by {version} together");
                let longer = [&prompts[2][..], &[3, 4]].concat();
                let alone = read(&engine, vec![longer.clone()], Site::Logits);
                let both = read(&engine, vec![prompts[2].clone(), longer], Site::Logits);
                let beside = &both[both.len() - alone.len()..];
                assert!(
                    relative_rows(beside, &alone, prompts[2].len() + 2) < 1e-4,
                    "{name}: beginnings shared"
                );
                if let Ok(tokens) = serde_json::from_value::<Vec<i64>>(golden["greedy"][version].clone()) {
                    let mut b = Builder::new();
                    let group = b.tokens([prompts[1][..13].to_vec()]);
                    let out = b.generate(group, Sampling::greedy(8));
                    b.save("tokens", out);
                    let answer = engine.ask(b.finish(), &Unwatched).unwrap();
                    assert_eq!(
                        answer.tensor("tokens").unwrap().to_i64().unwrap(),
                        tokens,
                        "{name} by {version}"
                    );
                }
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 2 * (7 + 5));
}

#[test]
fn a_difference_between_versions_is_named_and_in_the_path() {
    for (version, rules) in VERSIONS {
        let engine = open("tied-with-another-head", rules, Kernels::Candle);
        let note = engine.notes().join("\n");
        for part in ["lm_head.weight", "4.57", "5.23", "--transformers"] {
            assert!(note.contains(part), "{version}: {part}: {note}");
        }
        let chosen = engine.info().path.contains("transformers-4.57");
        assert_eq!(chosen, rules == Transformers::V4_57, "{}", engine.info().path);
        assert!(open("tied-with-the-same-head", rules, Kernels::Candle).notes().is_empty());
    }
}

#[test]
fn a_base_model_is_read_and_its_logits_are_refused() {
    let golden = reference("base");
    for kernels in [Kernels::Best, Kernels::Candle] {
        let engine = open("base", Transformers::default(), kernels);
        assert!(engine.notes().iter().any(|n| n.contains("lm_head.weight")), "{:?}", engine.notes());
        let want: Vec<Vec<f32>> = serde_json::from_value(golden["resid_post.0"].clone()).unwrap();
        for (prompt, want) in prompts(&golden).into_iter().zip(&want) {
            let rows = prompt.len();
            assert!(relative_rows(&read(&engine, vec![prompt], Site::ResidPost(0)), want, rows) < 1e-4);
        }
        let mut b = Builder::new();
        let group = b.tokens([vec![1, 2]]);
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        b.save("logits", logits);
        let error = engine.ask(b.finish(), &Unwatched).unwrap_err();
        assert!(error.is_request() && error.to_string().contains("logits"), "{error}");
        let mut b = Builder::new();
        let group = b.tokens([vec![1, 2]]);
        let tokens = b.generate(group, Sampling::greedy(2));
        b.save("tokens", tokens);
        assert!(engine.ask(b.finish(), &Unwatched).unwrap_err().is_request());
    }
}
