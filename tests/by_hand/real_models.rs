//! The two named models against transformers on the same dequantized weights.
//!
//! Ignored in `cargo test`, since it needs the models; `.ci/real-models` makes the references with
//! `fixtures/make/real_models.py` and runs it. `TRUENORTH_REAL` names a folder with, for each model,
//! NAME/model.gguf, NAME/reference.json and NAME/reference.safetensors.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use truenorth::analyses::{NamedPrompt, Spoken};
use truenorth::data::conversation::{Chat, messages, now};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, Sampling, Steps};
use truenorth_protocol::{ChatTemplates, ReadAt, Site, Tensor, WriteAt};

use crate::support::{Reference, relative, relative_rows};

const TOLERANCE: f32 = 1e-3;

struct Real {
    engine: Engine,
    reference: Reference,
    prompts: Vec<Json>,
}

fn each(check: impl Fn(&str, &Real)) {
    let root = PathBuf::from(std::env::var_os("TRUENORTH_REAL").expect("TRUENORTH_REAL names the folder"));
    for name in ["smollm2-135m", "gemma3-270m"] {
        let folder: &Path = &root.join(name);
        let options = EngineOptions { name: name.into(), ..EngineOptions::default() };
        let engine = Engine::open(&folder.join("model.gguf"), &options).unwrap();
        let reference = Reference::of(folder);
        let prompts = reference.json["prompts"].as_array().unwrap().clone();
        check(name, &Real { engine, reference, prompts });
    }
}

fn ids(prompt: &Json, key: &str) -> Vec<u32> {
    serde_json::from_value(prompt[key].clone()).unwrap()
}

#[test]
#[ignore = "needs the real models"]
fn token_ids_are_those_of_the_reference() {
    each(|name, real| {
        for prompt in &real.prompts {
            let text = prompt["text"].as_str().unwrap();
            let got = real.engine.encode(text, true).unwrap().unwrap();
            assert_eq!(got, ids(prompt, "ids"), "{name}: {text:?}");
        }
    });
}

#[test]
#[ignore = "needs the real models"]
fn conversations_are_the_text_and_the_ids_of_transformers() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/chat");
    let golden = std::fs::read_to_string(fixtures.join("real.json")).unwrap();
    let golden: Json = serde_json::from_str(&golden).unwrap();
    let gemma = std::fs::read_to_string(fixtures.join("gemma.jinja")).unwrap();
    each(|name, real| {
        let golden = &golden[name.split('-').next().unwrap()];
        let tokens = serde_json::from_value(golden["special_tokens"].clone()).unwrap();
        // The base model has none of its own.
        let written = ChatTemplates {
            templates: [(ChatTemplates::DEFAULT.to_owned(), gemma.clone())].into(),
            source: "gemma.jinja".into(),
            special_tokens: tokens,
        };
        let templates = real.engine.chat().unwrap_or(&written);
        assert_eq!(
            (templates == &written, &templates.special_tokens),
            (name == "gemma3-270m", &written.special_tokens)
        );
        let spoken = Spoken::of(Chat::open(Some(templates), None, now()).unwrap());
        let mut cases = 0;
        for (title, one) in golden["cases"].as_object().unwrap() {
            let talk = messages(&one["messages"]).unwrap();
            let last = talk.last().unwrap().role == "assistant";
            let named = [NamedPrompt::conversation(title, talk)];
            for case in one["cases"].as_array().unwrap() {
                let tail = case["tail"].as_str().unwrap();
                if case.get("refused").is_some() || (!last && tail == "complete") {
                    continue;
                }
                let goes_on = tail == "continue";
                let spelled = spoken.spell(&named[0], goes_on).unwrap().unwrap();
                assert_eq!(spelled.text, case["text"].as_str().unwrap(), "{name}: {title}");
                let found = spoken.encode(&real.engine, &named, goes_on).unwrap().remove(0);
                assert_eq!(
                    found.prompt,
                    truenorth_protocol::Prompt::Tokens(ids(case, "ids")),
                    "{name}: {title}"
                );
                for (turn, want) in found.turns.0.iter().zip(case["turns"].as_array().unwrap()) {
                    assert_eq!(serde_json::json!([turn.start, turn.end]), *want, "{name}: {title}, {tail}");
                }
                cases += 1;
            }
        }
        assert!(cases >= 6, "{name}: {cases}");
    });
}

#[test]
#[ignore = "needs the real models"]
fn the_residual_stream_of_every_block_is_that_of_transformers() {
    each(|name, real| {
        let tokens: Vec<Vec<u32>> = real.prompts.iter().map(|p| ids(p, "ids")).collect();
        let lengths: std::collections::BTreeSet<usize> = tokens.iter().map(Vec::len).collect();
        assert!(tokens.len() >= 32 && lengths.len() > 5, "prompts of unequal length are the point");
        let rows = tokens.iter().map(Vec::len).sum();
        let mut b = Builder::new();
        let group = b.tokens(tokens);
        for layer in 0..real.engine.info().layers {
            let read = b.read(group, Site::ResidPost(layer), ReadAt::All);
            b.save(format!("resid_post.{layer}"), read);
        }
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        b.save("logits_last", logits);
        let answer = real.engine.ask(b.finish(), &Unwatched).unwrap();
        let (mut worst, mut worst_row) = (0.0_f32, 0.0_f32);
        for (site, value) in &answer.values {
            let got = value.tensor().unwrap().to_f32().unwrap();
            let want = real.reference.tensor(site);
            worst = worst.max(relative(&got, &want));
            let rows = if site == "logits_last" { real.prompts.len() } else { rows };
            worst_row = worst_row.max(relative_rows(&got, &want, rows));
        }
        println!("{name}: worst relative error {worst:.1e}, of a row {worst_row:.1e}");
        assert!(worst < TOLERANCE && worst_row < TOLERANCE, "{name}: {worst:e}, {worst_row:e}");
    });
}

#[test]
#[ignore = "needs the real models"]
fn sixty_four_greedy_tokens_are_those_of_transformers_steered_and_not() {
    each(|name, real| {
        let steered: Vec<&Json> = real.prompts.iter().filter(|p| p.get("greedy").is_some()).collect();
        assert!(steered.len() >= 8);
        let site: Site = real.reference.json["steering"]["site"].as_str().unwrap().parse().unwrap();
        let alpha = real.reference.json["steering"]["alpha"].as_f64().unwrap();
        for key in ["greedy", "steered"] {
            let mut b = Builder::new();
            let group = b.tokens(steered.iter().map(|p| ids(p, "ids")));
            if key == "steered" {
                let d = b.constant(Tensor::vector(&real.reference.tensor("direction")));
                b.add(group, site, WriteAt::All, Steps::ALL, d, &[alpha]);
            }
            let tokens = b.generate(group, Sampling::greedy(64));
            b.save("tokens", tokens);
            let answer = real.engine.ask(b.finish(), &Unwatched).unwrap();
            let got = answer.tensor("tokens").unwrap().to_i64().unwrap();
            for (prompt, got) in steered.iter().zip(got.chunks(64)) {
                let want: Vec<i64> = ids(prompt, key).into_iter().map(i64::from).collect();
                assert_eq!(got, want, "{name} {key}: {}", prompt["text"]);
            }
        }
    });
}
