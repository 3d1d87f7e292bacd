//! A baked folder computes what the original computes under the same edit.

use std::path::PathBuf;

use truenorth_protocol::graph::{Builder, Edit, Op, Sampling, Steps};
use truenorth_protocol::run::{Runner as _, Unwatched};
use truenorth_protocol::{Answer, ReadAt, Site, Tensor, WriteAt};

use super::*;
use crate::{Engine, EngineOptions};

fn family(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/families").join(name)
}

fn direction(width: usize, k: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..width).map(|i| ((i * (k + 3)) % 11) as f64 - 4.5).collect();
    let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
    raw.iter().map(|v| v / norm).collect()
}

fn tensor(v: &[f64]) -> Tensor {
    Tensor::vector(&v.iter().map(|v| *v as f32).collect::<Vec<_>>())
}

/// Logits and generated tokens, the edits of a change applied while it runs or not.
fn ask(folder: &Path, change: Option<&Change>) -> Answer {
    let engine = Engine::open(folder, &EngineOptions::default()).unwrap();
    let layers = engine.info().layers;
    let mut b = Builder::new();
    let group = b.tokens([vec![5, 9, 11, 3, 40], vec![7, 2], vec![1, 50, 8]]);
    match change {
        Some(Change::Ablate(d)) => {
            let d = b.constant(tensor(d));
            let each = (0..layers).flat_map(|l| [Site::AttnOut(l), Site::MlpOut(l)]);
            for site in std::iter::once(Site::Embed).chain(each) {
                b.write(group, site, WriteAt::All, Steps::ALL, Edit::Ablate { direction: d });
            }
        }
        Some(Change::Add(all)) => {
            for (site, v) in all {
                let d = b.constant(tensor(v));
                b.add(group, *site, WriteAt::All, Steps::ALL, d, &[1.0]);
            }
        }
        None => {}
    }
    let logits = b.read(group, Site::Logits, ReadAt::All);
    let generate = b.generate(group, Sampling::greedy(32));
    let p = b.node(Op::GeneratedLogProb { generate });
    for (name, node) in [("logits", logits), ("tokens", generate), ("p", p)] {
        b.save(name, node);
    }
    engine.ask(b.finish(), &Unwatched).unwrap()
}

fn far(a: &Answer, b: &Answer, name: &str) -> f32 {
    let of = |a: &Answer| a.tensor(name).unwrap().to_f32().unwrap();
    let (a, b) = (of(a), of(b));
    let size = b.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    a.iter().zip(&b).fold(0.0_f32, |m, (x, y)| m.max((x - y).abs())) / size
}

fn width(name: &str) -> usize {
    Engine::open(&family(name), &EngineOptions::default()).unwrap().info().hidden as usize
}

#[test]
fn what_is_ablated_from_weights_is_what_is_ablated_everywhere() {
    for (name, within) in [
        ("llama", 1e-4),
        ("llama-sharded", 1e-4),
        ("llama-bf16", 3e-2),
        ("llama-f16", 5e-3),
        ("mistral", 1e-4),
        ("qwen2", 1e-4),
        ("qwen3", 1e-4),
        ("gpt2", 1e-4),
        ("gpt2-bare", 1e-4),
        ("gpt_neox", 1e-4),
    ] {
        let to = tempfile::tempdir().unwrap();
        let change = Change::Ablate(direction(width(name), 1));
        let baked = bake(&family(name), to.path(), &change, "ablated").unwrap();
        let (want, got, plain) =
            (ask(&family(name), Some(&change)), ask(to.path(), None), ask(&family(name), None));
        assert!(far(&got, &want, "logits") < within, "{name}: {}", far(&got, &want, "logits"));
        assert!(far(&plain, &want, "logits") > 0.05, "{name}: the edit changes nothing");
        if within <= 1e-4 {
            let tokens = |a: &Answer| a.tensor("tokens").unwrap().to_i64().unwrap();
            assert_eq!(tokens(&got), tokens(&want), "{name}");
        }
        assert!(baked.changed.len() > 4, "{name}: {baked:?}");
        let card = std::fs::read_to_string(to.path().join("README.md")).unwrap();
        assert!(card.contains("ablated") && card.contains(&baked.changed[0]), "{card}");
        // Sharded in, sharded out.
        let count = |f: &Path| {
            let all = std::fs::read_dir(f).unwrap().map(|e| e.unwrap().path());
            all.filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
                .filter(|p| !p.ends_with("reference.safetensors"))
                .count()
        };
        assert_eq!(count(to.path()), count(&family(name)), "{name}");
    }
}

#[test]
fn what_is_added_to_weights_is_what_is_added_at_blocks() {
    for name in ["llama", "llama-sharded", "llama-bias-linear", "gpt2", "gpt2-bare", "gpt_neox"] {
        let to = tempfile::tempdir().unwrap();
        let width = width(name);
        let at =
            |layer, k: usize| (Site::ResidPost(layer), direction(width, k).iter().map(|v| v * 3.0).collect());
        let change = Change::Add(vec![at(0, 1), at(1, 4)]);
        bake(&family(name), to.path(), &change, "added").unwrap();
        let (want, got) = (ask(&family(name), Some(&change)), ask(to.path(), None));
        for value in ["logits", "p"] {
            assert!(far(&got, &want, value) < 1e-4, "{name} {value}: {}", far(&got, &want, value));
        }
    }
}

#[test]
fn one_channel_is_ablated_behind_any_norm() {
    for name in ["llama", "gemma2", "gemma3", "olmo2", "olmo3"] {
        let to = tempfile::tempdir().unwrap();
        let change = Change::Ablate((0..width(name)).map(|i| f64::from(u8::from(i == 5))).collect());
        bake(&family(name), to.path(), &change, "ablated").unwrap();
        let (want, got, plain) =
            (ask(&family(name), Some(&change)), ask(to.path(), None), ask(&family(name), None));
        assert!(far(&got, &want, "logits") < 1e-4, "{name}: {}", far(&got, &want, "logits"));
        assert!(far(&plain, &want, "logits") > 0.01, "{name}: the edit changes nothing");
    }
}

#[test]
fn what_is_added_to_the_embedding_is_what_is_added_at_it() {
    for name in ["llama", "qwen2", "mistral", "gemma2", "gemma3", "olmo2", "olmo3", "gpt2", "gpt2-bare"] {
        let to = tempfile::tempdir().unwrap();
        let v = direction(width(name), 2).iter().map(|v| v * 3.0).collect();
        let change = Change::Add(vec![(Site::Embed, v)]);
        let baked = bake(&family(name), to.path(), &change, "added").unwrap();
        assert_eq!(baked.changed.len(), 1, "{name}: {baked:?}");
        let (want, got, plain) =
            (ask(&family(name), Some(&change)), ask(to.path(), None), ask(&family(name), None));
        assert!(far(&got, &want, "logits") < 1e-4, "{name}: {}", far(&got, &want, "logits"));
        assert!(far(&plain, &want, "logits") > 0.01, "{name}: the edit changes nothing");
    }
}

#[test]
fn what_is_added_to_attention_is_what_is_added_at_it() {
    for name in ["gpt2", "gpt2-bare", "gpt_neox", "gpt_neox-sequential", "llama-bias-linear"] {
        let (width, to) = (width(name), tempfile::tempdir().unwrap());
        let at = |site, k: usize| (site, direction(width, k).iter().map(|v| v * 3.0).collect());
        let change = Change::Add(vec![at(Site::AttnOut(0), 1), at(Site::AttnOut(1), 4)]);
        let baked = bake(&family(name), to.path(), &change, "added").unwrap();
        assert_eq!((baked.changed.len(), baked.added.len()), (2, 0), "{name}: {baked:?}");
        let (want, got, plain) =
            (ask(&family(name), Some(&change)), ask(to.path(), None), ask(&family(name), None));
        assert!(far(&got, &want, "logits") < 1e-4, "{name}: {}", far(&got, &want, "logits"));
        assert!(far(&plain, &want, "logits") > 0.01, "{name}: the edit changes nothing");
    }
}

#[test]
fn an_index_says_how_large_the_shards_are() {
    let to = tempfile::tempdir().unwrap();
    let change = Change::Add(vec![(Site::ResidPost(0), direction(width("llama-sharded"), 1))]);
    let baked = bake(&family("llama-sharded"), to.path(), &change, "added").unwrap();
    assert!(!baked.added.is_empty());
    let (mut parameters, mut size) = (0, 0);
    for file in &baked.files {
        let bytes = std::fs::read(to.path().join(file)).unwrap();
        for (_, view) in safetensors::SafeTensors::deserialize(&bytes).unwrap().iter() {
            parameters += view.shape().iter().product::<usize>();
            size += view.data().len();
        }
    }
    let index = std::fs::read(to.path().join("model.safetensors.index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["metadata"]["total_parameters"], parameters);
    assert_eq!(index["metadata"]["total_size"], size);
}

#[test]
fn what_is_added_to_a_block_twice_is_added_together() {
    let (width, to) = (width("gpt2"), tempfile::tempdir().unwrap());
    let at = |site, k| (site, direction(width, k));
    let twice = Change::Add(vec![at(Site::ResidPost(1), 1), at(Site::MlpOut(1), 4), at(Site::Embed, 2)]);
    bake(&family("gpt2"), to.path(), &twice, "added").unwrap();
    let (want, got) = (ask(&family("gpt2"), Some(&twice)), ask(to.path(), None));
    assert!(far(&got, &want, "logits") < 1e-4, "{}", far(&got, &want, "logits"));
}

#[test]
fn what_weights_can_not_hold_is_refused_and_nothing_is_written() {
    let to = tempfile::tempdir().unwrap();
    let to = to.path().join("out");
    let refused = |name: &str, change: &Change| bake(&family(name), &to, change, "").unwrap_err();
    let ablate = |name: &str| Change::Ablate(direction(width(name), 1));
    for name in ["gemma2", "gemma3", "olmo2", "olmo3"] {
        assert!(matches!(refused(name, &ablate(name)), BakeError::Ablation { .. }), "{name}");
        let add = Change::Add(vec![(Site::ResidPost(0), direction(width(name), 1))]);
        assert!(matches!(refused(name, &add), BakeError::Addition { .. }), "{name}");
    }
    let add = Change::Add(vec![(Site::ResidPost(0), direction(width("qwen2"), 1))]);
    assert!(matches!(refused("qwen2", &add), BakeError::NoBias { family: "qwen2" }));
    let within = |name: &str, site| Change::Add(vec![(site, direction(width(name), 1))]);
    let attention = refused("llama", &within("llama", Site::AttnOut(0)));
    assert!(matches!(attention, BakeError::NoAttentionBias { family: "llama", site: Site::AttnOut(0) }));
    let attention = refused("gemma2", &within("gemma2", Site::AttnOut(0)));
    assert!(matches!(attention, BakeError::AttentionAddition { family: "gemma2" }));
    let middle = refused("gpt2", &within("gpt2", Site::ResidMid(0)));
    assert!(matches!(middle, BakeError::Site { site: Site::ResidMid(0) }));
    let deep = refused("gpt2", &within("gpt2", Site::AttnOut(9)));
    assert!(matches!(deep, BakeError::Layer { layer: 9, .. }));
    let far = Change::Add(vec![(Site::ResidPost(9), direction(width("llama"), 1))]);
    assert!(matches!(refused("llama", &far), BakeError::Layer { layer: 9, .. }));
    let narrow = Change::Ablate(vec![1.0, 0.0]);
    assert!(matches!(refused("llama", &narrow), BakeError::Width { direction: 2, .. }));
    assert!(!to.exists());
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("mine"), "x").unwrap();
    assert!(matches!(refused("llama", &ablate("llama")), BakeError::NotEmpty(_)));
}
