//! What other packages make of our edits: baked folders in transformers, control vectors in repeng.
//!
//! Ignored in `cargo test`, since it needs the packages; `.ci/edits` prepares them and runs this.
//! `TRUENORTH_EDITS_PYTHON` is an interpreter that has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use truenorth::engine::bake::{Change, bake};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, Edit, Sampling, Steps};
use truenorth_protocol::{ReadAt, Site, Tensor, WriteAt};

use crate::support::{Reference, binary};

const STEPS: u32 = 32;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python(script: &str, args: &[&Path]) {
    let python = std::env::var("TRUENORTH_EDITS_PYTHON").expect("TRUENORTH_EDITS_PYTHON names Python");
    let done = Command::new(python).arg(root().join(script)).args(args).output().unwrap();
    print!("{}", String::from_utf8_lossy(&done.stdout));
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A unit vector that differs with `k`.
fn direction(width: usize, k: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..width).map(|i| ((i * (k + 3)) % 11) as f64 - 4.5).collect();
    let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
    raw.iter().map(|v| v / norm).collect()
}

/// The logits after every token and the greedy tokens of a model that is edited while it runs.
fn edited(engine: &Engine, prompts: &[Vec<u32>], change: &Change) -> (Vec<Vec<f32>>, Vec<Vec<i64>>) {
    let narrow = |v: &[f64]| Tensor::vector(&v.iter().map(|v| *v as f32).collect::<Vec<_>>());
    let one = |prompt: &Vec<u32>| {
        let mut b = Builder::new();
        let group = b.tokens(vec![prompt.clone()]);
        match change {
            Change::Ablate(d) => {
                let direction = b.constant(narrow(d));
                let each = (0..engine.info().layers).flat_map(|l| [Site::AttnOut(l), Site::MlpOut(l)]);
                for site in std::iter::once(Site::Embed).chain(each) {
                    b.write(group, site, WriteAt::All, Steps::ALL, Edit::Ablate { direction });
                }
            }
            Change::Add(all) => {
                for (site, v) in all {
                    let d = b.constant(narrow(v));
                    b.add(group, *site, WriteAt::All, Steps::ALL, d, &[1.0]);
                }
            }
        }
        let logits = b.read(group, Site::Logits, ReadAt::All);
        let generate = b.generate(group, Sampling::greedy(STEPS));
        b.save("logits", logits);
        b.save("tokens", generate);
        let answer = engine.ask(b.finish(), &Unwatched).unwrap();
        let tokens = answer.tensor("tokens").unwrap().to_i64().unwrap();
        (answer.tensor("logits").unwrap().to_f32().unwrap(), tokens)
    };
    prompts.iter().map(one).unzip()
}

#[test]
#[ignore = "needs torch and transformers; run by .ci/edits"]
fn baked_folders_open_in_transformers_with_the_logits_of_the_runtime_edit() {
    let dir = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let mut case = |family: &str, kind: &str, change: &dyn Fn(usize) -> Change, within: f64| {
        let from = root().join("fixtures/families").join(family);
        let engine = Engine::open(&from, &EngineOptions::default()).unwrap();
        let prompts = Reference::of(&from).tokens("prompts");
        let change = change(engine.info().hidden as usize);
        let to: PathBuf = dir.path().join(format!("{family}-{kind}"));
        bake(&from, &to, &change, kind).unwrap();
        let (logits, tokens) = edited(&engine, &prompts, &change);
        cases.push(json!({
            "name": format!("{family}, {kind}"), "folder": to, "prompts": prompts, "logits": logits,
            "tokens": tokens, "within": within,
        }));
    };
    let ablated = |width: usize| Change::Ablate(direction(width, 1));
    for (family, within) in [
        ("llama", 1e-4),
        ("llama-sharded", 1e-4),
        ("llama-bf16", 3e-2),
        ("llama-f16", 5e-3),
        ("mistral", 1e-4),
        ("qwen2", 1e-4),
        ("qwen3", 1e-4),
        ("gpt2", 1e-4),
        ("gpt_neox", 1e-4),
    ] {
        case(family, "ablated", &ablated, within);
    }
    // One channel of the stream can be ablated behind any norm.
    let channel = |width: usize| Change::Ablate((0..width).map(|i| f64::from(u8::from(i == 5))).collect());
    for family in ["llama", "gemma2", "gemma3", "olmo2", "olmo3"] {
        case(family, "channel ablated", &channel, 1e-4);
    }
    let at = |site, width, k| (site, direction(width, k).iter().map(|v| v * 3.0).collect::<Vec<_>>());
    let added =
        |width: usize| Change::Add(vec![at(Site::ResidPost(0), width, 1), at(Site::ResidPost(1), width, 4)]);
    for family in ["llama", "llama-sharded", "llama-bias-linear", "gpt2", "gpt_neox"] {
        case(family, "added", &added, 1e-4);
    }
    let embedded = |width: usize| Change::Add(vec![at(Site::Embed, width, 2)]);
    for family in ["llama", "qwen2", "gemma2", "gemma3", "olmo2", "olmo3", "gpt2"] {
        case(family, "added to the embedding", &embedded, 1e-4);
    }
    let file = dir.path().join("cases.json");
    std::fs::write(&file, serde_json::to_vec(&cases).unwrap()).unwrap();
    python("tests/edits/baked.py", &[&file]);
}

#[test]
#[ignore = "needs repeng; run by .ci/edits"]
fn control_vectors_and_logits_of_repeng_are_those_that_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("repeng");
    python("fixtures/make/repeng_vectors.py", &[Path::new(binary()), &out]);
    // What this program finds and exports is the same file; what repeng finds may differ in a last bit.
    let kept = root().join("fixtures/repeng");
    for name in ["step-7-ours.gguf", "logits.json"] {
        assert!(std::fs::read(kept.join(name)).unwrap() == std::fs::read(out.join(name)).unwrap(), "{name}");
    }
    let logits = |folder: &Path| {
        let bytes = std::fs::read(folder.join("logits.safetensors")).unwrap();
        let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names: Vec<String> = all.names().into_iter().map(str::to_owned).collect();
        names.sort();
        let values = |name: &String| -> Vec<f32> {
            let data = all.tensor(name).unwrap().data().to_vec();
            data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        names.iter().flat_map(values).collect::<Vec<f32>>()
    };
    let far = crate::support::relative(&logits(&out), &logits(&kept));
    println!("repeng's logits anew: within {far:.1e} of those that are kept");
    assert!(far < 1e-4);
}
