//! Clamps, conditions, several directions, schedules and ablation everywhere, against transformers with hooks
//! (`fixtures/edits`), which computes every token anew from the whole text.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value as Json;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{AlphaUnit, Builder, Decides, Edit, GroupId, NodeId, Op, Sampling, Steps};
use truenorth_protocol::{Answer, ReadAt, Site, Tensor, WriteAt};

use crate::support::{Reference, relative};

const STEPS: u32 = 32;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The tensors of the file, by name.
struct Tensors(Vec<u8>);

impl Tensors {
    fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let all = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = all.tensor(name).unwrap();
        let width = *tensor.shape().last().unwrap();
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        values.chunks(width).map(<[f32]>::to_vec).collect()
    }
}

struct Family {
    name: String,
    engine: Engine,
    prompts: Vec<Vec<u32>>,
    /// Three a case.
    directions: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    logprobs: Vec<Vec<f32>>,
    cases: Vec<Json>,
}

fn families() -> Vec<Family> {
    let json: Json =
        serde_json::from_slice(&std::fs::read(fixtures().join("edits/edits.json")).unwrap()).unwrap();
    let tensors = Tensors(std::fs::read(fixtures().join("edits/edits.safetensors")).unwrap());
    let all = json["families"].as_object().unwrap();
    assert_eq!(all.len(), 12);
    all.iter()
        .map(|(name, of)| {
            let folder = fixtures().join("families").join(name);
            let options =
                EngineOptions { name: name.clone(), revision: "fixture".into(), ..EngineOptions::default() };
            Family {
                name: name.clone(),
                engine: Engine::open(&folder, &options).unwrap(),
                prompts: Reference::of(&folder).tokens("prompts"),
                directions: tensors.rows(&format!("{name}.directions")),
                logits: tensors.rows(&format!("{name}.logits")),
                logprobs: tensors.rows(&format!("{name}.logprobs")),
                cases: of.as_array().unwrap().clone(),
            }
        })
        .collect()
}

impl Family {
    fn edit(&self, b: &mut Builder, group: GroupId, case: usize, edit: &Json) {
        let site = |of: &Json| of["site"].as_str().unwrap().parse::<Site>().unwrap();
        let number = |key: &str| edit[key].as_f64().unwrap();
        let direction = |b: &mut Builder, of: &Json| -> NodeId {
            let which = usize::try_from(of["direction"].as_u64().unwrap()).unwrap();
            b.constant(Tensor::vector(&self.directions[3 * case + which]))
        };
        let d = direction(b, edit);
        let made = match edit["do"].as_str().unwrap() {
            "add" => Edit::Add { direction: d, alpha: vec![number("alpha")], unit: AlphaUnit::Absolute },
            "ablate" => Edit::Ablate { direction: d },
            _ => Edit::Clamp { direction: d, min: number("min"), max: number("max") },
        };
        let positions = if edit["positions"] == "generated" { WriteAt::Generated } else { WriteAt::All };
        let step = |i: usize| edit["steps"].get(i).and_then(Json::as_u64).map(|n| u32::try_from(n).unwrap());
        let steps = Steps { start: step(0).unwrap_or(0), end: step(1) };
        let write = b.write(group, site(edit), positions, steps, made);
        let Some(when) = edit.get("when") else { return };
        let of = match when["of"].as_str().unwrap() {
            "token" => Decides::Token,
            other => Decides::Prompt(other.parse::<ReadAt>().unwrap()),
        };
        let d = direction(b, when);
        b.when(group, site(when), d, (of, when["above"].as_f64().unwrap()), &[write]);
    }

    fn ask(&self, prompts: &[Vec<u32>], case: usize) -> Answer {
        let mut b = Builder::new();
        let group = b.tokens(prompts.to_vec());
        for edit in self.cases[case]["edits"].as_array().unwrap() {
            self.edit(&mut b, group, case, edit);
        }
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        let generate = b.generate(group, Sampling::greedy(STEPS));
        let logprobs = b.node(Op::GeneratedLogProb { generate });
        for (name, node) in [("logits", logits), ("tokens", generate), ("logprobs", logprobs)] {
            b.save(name, node);
        }
        self.engine.ask(b.finish(), &Unwatched).unwrap()
    }
}

fn floats(answer: &Answer, name: &str) -> Vec<f32> {
    answer.tensor(name).unwrap().to_f32().unwrap()
}

#[test]
fn edits_are_those_of_transformers_with_hooks() {
    for family in families() {
        let n = family.prompts.len();
        for (i, case) in family.cases.iter().enumerate() {
            let what = format!("{}, {}", family.name, case["case"]);
            let answer = family.ask(&family.prompts, i);
            let want: Vec<Vec<i64>> = serde_json::from_value(case["tokens"].clone()).unwrap();
            assert_eq!(answer.tensor("tokens").unwrap().to_i64().unwrap(), want.concat(), "{what}");
            let far = relative(&floats(&answer, "logits"), &family.logits[i * n..(i + 1) * n].concat());
            assert!(far < 1e-4, "{what}: logits are off by {far:e}");
            let far = relative(&floats(&answer, "logprobs"), &family.logprobs[i * n..(i + 1) * n].concat());
            assert!(far < 1e-4, "{what}: log-probabilities are off by {far:e}");
        }
    }
}

#[test]
fn a_prompt_among_others_is_edited_as_it_is_alone() {
    for family in
        families().iter().filter(|f| ["llama", "gemma3", "gpt2", "gpt_neox"].contains(&f.name.as_str()))
    {
        for (i, case) in family.cases.iter().enumerate() {
            let together = family.ask(&family.prompts, i);
            let alone: Vec<Answer> =
                family.prompts.iter().map(|p| family.ask(std::slice::from_ref(p), i)).collect();
            for name in ["logits", "logprobs"] {
                let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                let each: Vec<u32> = alone.iter().flat_map(|a| bits(floats(a, name))).collect();
                assert!(bits(floats(&together, name)) == each, "{}, {}: {name}", family.name, case["case"]);
            }
        }
    }
}
