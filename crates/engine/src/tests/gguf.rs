//! The same numbers out of GGUF files, and near ones from matrices that stay quantized.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Device;
use truenorth_protocol::Site;

use super::support::{Recorder, Reference, generate, logits, relative};
use crate::layout::{Need, TokenBatch};
use crate::load::{LoadOptions, Source};
use crate::model::Model;

fn load(path: &str, keep_quantized: bool) -> Model {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf").join(path);
    let source = Arc::new(Source::open_gguf(&path).unwrap());
    let options = LoadOptions { keep_quantized, ..LoadOptions::default() };
    Model::load(&source, &options, &Device::Cpu).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_file_computes_what_its_folder_does() {
    for name in ["gemma2", "gpt2", "gpt_neox", "mistral", "olmo3", "qwen3"] {
        let (mut model, reference) = (load(&format!("{name}.gguf"), false), Reference::of(name));
        if name == "gemma2" {
            // The one number that GGUF has no place for: published models have a usual one.
            model.config.blocks = super::support::load(name).config.blocks;
        }
        let prompts = reference.lists("prompts");
        let (all, row) = relative(&logits(&model, &prompts, None), &reference.rows("logits"));
        assert!(all < 1e-4 && row < 1e-4, "{name}: {all:.1e}, a row {row:.1e}");
        assert_eq!(generate(&model, &prompts, &[32; 4], None), reference.lists("greedy"), "{name}");
    }
}

#[test]
fn dequantized_weights_compute_what_transformers_does_and_quantized_ones_nearly() {
    for name in ["gemma3", "llama", "llama3", "olmo2", "qwen2"] {
        let reference = Reference::at(&format!("gguf/{name}"));
        let prompts = reference.lists("prompts");
        let batch = TokenBatch::of(&prompts).unwrap();
        let run = |model: &Model| {
            #[allow(clippy::cast_possible_truncation)]
            let mut seen = Recorder::of(Site::all(model.config().layers() as u32));
            model.forward(&batch, None, &Need::all(Site::Logits), &mut seen).unwrap();
            seen
        };
        let file = format!("{name}/model.gguf");
        let model = load(&file, false);
        let plain = run(&model);
        let mut compared = 0;
        for site in &plain.sites {
            if !reference.tensors.contains_key(&site.to_string()) {
                continue;
            }
            compared += 1;
            let (all, row) = relative(plain.values(*site), &reference.rows(&site.to_string()));
            assert!(all < 1e-4 && row < 1e-4, "{name}: {site} {all:.1e}, a row {row:.1e}");
        }
        assert!(compared > 1, "{name}");
        let greedy = reference.lists("greedy");
        let lengths: Vec<usize> = greedy.iter().map(Vec::len).collect();
        assert_eq!(generate(&model, &prompts, &lengths, None), greedy, "{name}");

        // Products of 8-bit blocks round the activations to 8 bits too.
        let kept = run(&load(&file, true));
        let (all, _) = relative(kept.values(Site::Logits), plain.values(Site::Logits));
        assert!(all < 0.05, "{name}: quantized {all:.1e}");
        let rounds = name != "llama3";
        assert_eq!(
            kept.values(Site::Logits) != plain.values(Site::Logits),
            rounds,
            "{name}: llama3 is all f32"
        );
    }
}
