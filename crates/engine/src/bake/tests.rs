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
fn what_the_type_of_the_weights_has_no_room_for_is_not_written() {
    let to = tempfile::tempdir().unwrap();
    let large = direction(width("llama-f16"), 1).iter().map(|v| v * 1e6).collect();
    let change = Change::Add(vec![(Site::Embed, large)]);
    let error = bake(&family("llama-f16"), to.path(), &change, "added").unwrap_err();
    assert!(matches!(error, BakeError::Beyond { .. }) && error.to_string().contains("F16"), "{error}");
    assert!(error.hint().is_some());
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

/// A copy of a family's folder with other tensors: their names and bytes as `each` gives them.
fn rewritten(
    name: &str,
    each: impl Fn(&str, Vec<u8>) -> Option<(String, Vec<u8>)>,
    config: impl Fn(&mut Value),
) -> tempfile::TempDir {
    let (from, to) = (family(name), tempfile::tempdir().unwrap());
    let mut stated: Value =
        serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    config(&mut stated);
    std::fs::write(to.path().join("config.json"), stated.to_string()).unwrap();
    let bytes = std::fs::read(from.join("model.safetensors")).unwrap();
    let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut kept = Vec::new();
    for (name, view) in all.iter() {
        if let Some((name, data)) = each(name, view.data().to_vec()) {
            kept.push((name, view.dtype(), view.shape().to_vec(), data));
        }
    }
    let views = kept.iter().map(|(name, dtype, shape, data)| {
        (name.clone(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    std::fs::write(to.path().join("model.safetensors"), bytes).unwrap();
    to
}

fn as_it_is(name: &str, data: Vec<u8>) -> Option<(String, Vec<u8>)> {
    Some((name.to_owned(), data))
}

#[test]
fn what_the_loader_refuses_is_not_baked() {
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("out");
    let change = Change::Ablate(direction(width("llama"), 1));
    let refused = |folder: &tempfile::TempDir, said: &str| {
        let error = bake(folder.path(), &to, &change, "").unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert!(error.hint().is_some(), "{error}");
        assert!(!to.exists(), "{said}");
        error
    };
    for prefix in ["module.", "_orig_mod."] {
        let folder = rewritten("llama", |name, data| Some((format!("{prefix}{name}"), data)), |_| {});
        assert!(matches!(refused(&folder, prefix), BakeError::Model(_)));
    }
    let without = |part: &'static str| {
        rewritten("llama", move |name, data| as_it_is(name, data).filter(|_| !name.contains(part)), |_| {})
    };
    for part in ["layers.1.self_attn.o_proj", "mlp.down_proj"] {
        assert!(matches!(refused(&without(part), part), BakeError::Model(_)));
    }
    let adapted = rewritten(
        "llama",
        |name, data| {
            Some((name.replace("0.self_attn.o_proj.weight", "0.self_attn.o_proj.lora_A.weight"), data))
        },
        |_| {},
    );
    refused(&adapted, "lora_A");
    let more = rewritten("llama", as_it_is, |config| config["num_hidden_layers"] = 9.into());
    refused(&more, "layers.");
    let quantized = |config: &mut Value| {
        config["quantization_config"] = serde_json::json!({"quant_method": "gptq", "bits": 4})
    };
    refused(&rewritten("llama", as_it_is, quantized), "quantiz");
    let pointer = rewritten("llama", as_it_is, |_| {});
    let lfs = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n", "0".repeat(64));
    std::fs::write(pointer.path().join("model.safetensors"), &lfs).unwrap();
    refused(&pointer, "LFS");
    std::fs::write(pointer.path().join("config.json"), &lfs).unwrap();
    refused(&pointer, "LFS");
    // A number of a block, which the loader reads when the block is first run.
    let damaged = rewritten(
        "llama",
        |name, mut data| {
            if name == "model.layers.1.mlp.down_proj.weight" {
                data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            }
            Some((name.to_owned(), data))
        },
        |_| {},
    );
    assert!(matches!(refused(&damaged, "NaN"), BakeError::NotFinite { index: 0, .. }));
    // The loader takes the output matrix for the embedding that is not there; a change would pass it over.
    let renamed = rewritten(
        "llama",
        |name, data| match name {
            "lm_head.weight" => None,
            "model.embed_tokens.weight" => Some(("lm_head.weight".to_owned(), data)),
            other => Some((other.to_owned(), data)),
        },
        |config| config["tie_word_embeddings"] = true.into(),
    );
    let error = refused(&renamed, "model.embed_tokens.weight");
    assert!(
        matches!(error, BakeError::Unchanged { found, expected, .. } if found + 1 == expected),
        "{error}"
    );
}

#[test]
fn a_key_of_the_config_that_is_not_known_is_refused_or_accepted() {
    let out = tempfile::tempdir().unwrap();
    let folder = rewritten("llama", as_it_is, |config| config["klingon"] = 7.into());
    let change = Change::Ablate(direction(width("llama"), 1));
    let error = bake(folder.path(), out.path(), &change, "").unwrap_err();
    assert!(error.to_string().contains("klingon"), "{error}");
    assert!(error.hint().unwrap().contains("--accept-config-key klingon"), "{error}");
    let accepted = Choices { accept_config_keys: vec!["klingon".into()], ..Choices::default() };
    bake_as(folder.path(), out.path(), &change, "", &accepted).unwrap();
}

#[test]
fn names_with_a_prefix_that_the_loader_takes_are_changed() {
    let to = tempfile::tempdir().unwrap();
    let folder = rewritten("llama", |name, data| Some((format!("language_model.{name}"), data)), |_| {});
    let change = Change::Ablate(direction(width("llama"), 1));
    bake(folder.path(), to.path(), &change, "").unwrap();
    let (want, got) = (ask(&family("llama"), Some(&change)), ask(to.path(), None));
    assert!(far(&got, &want, "logits") < 1e-4, "{}", far(&got, &want, "logits"));
}
