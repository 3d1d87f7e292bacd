use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use proptest::prelude::*;
use serde_json::json;

mod writer;

use super::*;
use crate::load::{Kernels, LoadOptions, Source, Weight};
use writer::{Writer, f32s, open_bytes, tiny};

mod keys;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn open(path: &str) -> Source {
    Source::open_gguf(&fixture(path)).unwrap()
}

fn plain(source: &Source, name: &str) -> Vec<f32> {
    let shape = source.shape(name).unwrap().to_vec();
    let tensor = source.tensor(name, &shape, DType::F32, &Device::Cpu);
    tensor.unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

const KEEP: LoadOptions = LoadOptions { dtype: None, keep_quantized: true, kernels: Kernels::Best };

/// Every type, against gguf-py's dequantization.
#[test]
fn every_type_dequantizes_as_the_format_says() {
    dequantizes("gguf/quants");
    dequantizes("gguf/iq4");
}

fn dequantizes(name: &str) {
    let file = DiskFile::open(&fixture(&format!("{name}.gguf"))).unwrap();
    let header = header(&file).unwrap();
    let golden = candle_core::safetensors::load(fixture(&format!("{name}.safetensors")), &Device::Cpu);
    let golden: HashMap<String, Tensor> = golden.unwrap();
    let mut index = TensorIndex::default();
    index.files.push(file);
    assert_eq!(header.tensors.len(), golden.len());
    for tensor in &header.tensors {
        let expected: Vec<f32> = golden[&tensor.name].flatten_all().unwrap().to_vec1().unwrap();
        let found = read_vector(&index, 0, tensor).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // Products of an f16 scale: exact but for the order of a sum.
            let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3);
            assert!(close, "{}: {found} {expected}", tensor.name);
        }
    }
}

/// The names of the parts of a file that was split, from any of them.
#[test]
fn a_file_in_parts_is_one_file() {
    let whole = open("gguf/mistral.gguf");
    for part in 1..=3 {
        let parts = open(&format!("gguf/split/mistral-0000{part}-of-00003.gguf"));
        assert_eq!(parts.config(), whole.config());
        assert_eq!(parts.files().count(), 3);
        assert!(parts.names().eq(whole.names()));
        for name in whole.names() {
            assert_eq!(plain(&parts, name), plain(&whole, name), "{name}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let part = |n: u32| format!("mistral-0000{n}-of-00003.gguf");
    let copy = |from: u32, to: &str| {
        fs::copy(fixture(&format!("gguf/split/{}", part(from))), dir.path().join(to)).unwrap();
    };
    let refused = |name: &str| Source::open_gguf(&dir.path().join(name)).err().unwrap().to_string();
    copy(1, &part(1));
    copy(2, &part(2));
    assert!(refused(&part(1)).contains(&part(3)), "{}", refused(&part(1)));
    copy(2, &part(3));
    assert!(refused(&part(1)).contains("part 3 of 3"), "{}", refused(&part(1)));
    copy(3, "alone.gguf");
    assert!(refused("alone.gguf").contains("NAME-00001-of-00003.gguf"), "{}", refused("alone.gguf"));
}

/// The keys of a family's configuration that a GGUF file determines.
fn same_config(family: &str, found: &Value, expected: &Value) {
    // Not in the file: Gemma's query scale; which of two keys Gemma 2 names its activation by;
    // Mistral and Qwen say what they leave at null.
    let given = expected.as_object().unwrap().iter().filter(|(key, value)| {
        let training = ["dropout", "pdrop", "summary", "initializer", "token_id", "transformers"];
        !value.is_null()
            && !training.iter().any(|part| key.contains(part))
            && ![
                "cache_implementation",
                "task_specific_params",
                "torch_dtype",
                "use_cache",
                "query_pre_attn_scalar",
                "hidden_act",
                "max_window_layers",
                "pretraining_tp",
            ]
            .contains(&key.as_str())
    });
    for (key, value) in given {
        let found = &found[key];
        let same = match (found.as_f64(), value.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => found == value,
        };
        assert!(same || key == "rope_scaling", "{family} {key}: {found} {value}");
    }
    if let Some(scaling) = expected["rope_scaling"].as_object() {
        for (key, value) in scaling {
            let found = &found["rope_scaling"][key];
            match (found.as_f64(), value.as_f64()) {
                // Written as f32.
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-6 * b, "{family} {key}"),
                _ => assert_eq!(found, value, "{family} {key}"),
            }
        }
    }
}

#[test]
fn a_file_has_the_tensors_and_the_configuration_of_its_folder() {
    for family in ["gpt2", "gpt_neox", "gemma2", "qwen3", "olmo3", "mistral"] {
        let file = open(&format!("gguf/{family}.gguf"));
        let folder = Source::open_folder(&fixture(&format!("families/{family}"))).unwrap();
        same_config(family, file.config(), folder.config());
        let names: Vec<&str> = folder.names().collect();
        assert_eq!(file.names().collect::<Vec<_>>(), names, "{family}");
        for name in names {
            assert_eq!(file.shape(name), folder.shape(name), "{family} {name}");
            let (found, expected) = (plain(&file, name), plain(&folder, name));
            for (found, expected) in found.iter().zip(&expected) {
                // One added and taken away costs a rounding at one.
                let slack = if family == "gemma2" { 1.2e-7 } else { 0.0 };
                assert!((found - expected).abs() <= slack, "{family} {name}");
            }
        }
    }
}

#[test]
fn the_real_llama_fixture_equals_its_folder() {
    let (file, folder) =
        (open("gguf/llama/model.gguf"), Source::open_folder(&fixture("gguf/llama-folder")).unwrap());
    same_config("llama", file.config(), folder.config());
    for name in folder.names() {
        assert_eq!(plain(&file, name), plain(&folder, name), "{name}");
    }
    assert_eq!(file.file_dtypes()["Q8_0"], 6);
    assert!(file.identity_note().starts_with("gguf, 1 file, "));
}

#[test]
fn matrices_kept_quantized_hold_the_same_rows() {
    for (path, name) in [
        ("gguf/llama/model.gguf", "model.layers.0.mlp.up_proj.weight"),
        ("gguf/qwen2/model.gguf", "model.layers.1.mlp.down_proj.weight"),
    ] {
        let source = open(path);
        let shape = source.shape(name).unwrap().to_vec();
        let kept = source.weight(name, &shape, &KEEP, &Device::Cpu).unwrap();
        let Weight::Quantized(kept) = kept else {
            panic!("{name} is stored in blocks");
        };
        let values = kept.dequantize(&Device::Cpu).unwrap();
        let values: Vec<f32> = values.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values, plain(&source, name));
        let options = LoadOptions::default();
        let loose = source.weight(name, &shape, &options, &Device::Cpu);
        assert!(matches!(loose, Ok(Weight::Plain(_))));
    }
}

#[test]
fn rotary_factors_are_handed_on() {
    let config = open("gguf/llama3/model.gguf").config().clone();
    let factors = config["truenorth_rope_freqs"].as_array().unwrap();
    assert_eq!(factors.len(), 8);
    assert_eq!(factors[0], json!(1.0));
    assert!(factors[7].as_f64().unwrap() > 1.0);
    assert!(!open("gguf/llama3/model.gguf").has("rope_freqs.weight"));
}

const Q: &str = "model.layers.0.self_attn.q_proj.weight";

#[test]
fn rotated_rows_are_put_back_also_where_they_stay_quantized() {
    let source = tiny().open().unwrap();
    // Each head's pairs (0 1)(2 3) are halves 0 2 | 1 3 of the hub's file.
    let order = [0, 2, 1, 3, 4, 6, 5, 7];
    let expected: Vec<f32> =
        order.iter().flat_map(|row| (0..32).map(move |i| (row * 10 + i % 10) as f32)).collect();
    assert_eq!(plain(&source, Q), expected);
    let Weight::Quantized(kept) = source.weight(Q, &[8, 32], &KEEP, &Device::Cpu).unwrap() else {
        panic!("Q8_0 stays quantized");
    };
    let kept = kept.dequantize(&Device::Cpu).unwrap();
    assert_eq!(kept.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
    assert_eq!(source.config()["rms_norm_eps"], json!(1e-5));
    assert_eq!(source.config()["tie_word_embeddings"], json!(true));
}

#[test]
fn what_would_be_computed_wrongly_is_refused_by_name() {
    let refused = |writer: Writer, part: &str| {
        let error = writer.open().err().unwrap_or_else(|| panic!("{part} was taken"));
        assert!(error.hint().is_some());
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(tiny().name("general.architecture", "mamba"), "`mamba`");
    refused(tiny().name("general.type", "adapter"), "a LoRA adapter (`general.type` is `adapter`)");
    refused(tiny().int("llama.block_count", 0), "`llama.block_count`");
    refused(tiny().int("llama.block_count", u32::MAX), "`llama.block_count`");
    refused(tiny().float("llama.rope.freq_base", f32::NAN), "`llama.rope.freq_base`");
    refused(tiny().name("llama.rope.scaling.type", "longrope"), "`longrope`");
    refused(tiny().int("llama.attention.value_length", 5), "value_length");
    refused(tiny().int("llama.attention.head_count", 3), "attn_q");
    refused(tiny().int("split.count", 2), "parts");
    let vector = f32s([0.0; 32]);
    refused(tiny().tensor("blk.0.attn_sinks.weight", &[32], 0, vector.clone()), "`blk.0.attn_sinks.weight`");
    refused(tiny().tensor("blk.1.attn_norm.weight", &[32], 0, vector), "`blk.1.attn_norm.weight`");
    let mut writer = tiny();
    writer.tensors.retain(|(name, ..)| name != "token_embd.weight");
    refused(writer, "`token_embd.weight`");
    // A tensor that is missing goes by the name that it has in such files.
    let error = tiny().open().unwrap().tensor(
        "model.layers.0.mlp.up_proj.weight",
        &[8, 32],
        DType::F32,
        &Device::Cpu,
    );
    let error = error.err().unwrap();
    assert!(error.to_string().contains("`blk.0.ffn_up.weight`"), "{error}");
    assert!(error.hint().unwrap().contains("the file lacks a tensor"), "{error}");
}

#[test]
fn blocks_that_are_not_finite_or_not_read_are_refused_on_reading() {
    // The scale of the third row is NaN.
    let mut writer = tiny();
    writer.tensors[2].3[2 * 34 + 1] = 0x7e;
    let source = writer.open().unwrap();
    for error in [
        source.tensor(Q, &[8, 32], DType::F32, &Device::Cpu).map(drop),
        source.weight(Q, &[8, 32], &KEEP, &Device::Cpu).map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(matches!(error, LoadError::NotFinite { index: 64, .. }), "{error}");
    }
    let mut writer = tiny();
    writer.tensors[2].2 = 21;
    let source = writer.open().unwrap();
    let error = source.tensor(Q, &[8, 32], DType::F32, &Device::Cpu).unwrap_err();
    assert!(error.to_string().contains("IQ3_S"), "{error}");
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    let whole = tiny().bytes();
    fs::write(&path, &whole).unwrap();
    let source = Source::open_gguf(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(whole.len() as u64 / 2).unwrap();
    for error in [
        source.tensor(Q, &[8, 32], DType::F32, &Device::Cpu).map(drop),
        source.weight(Q, &[8, 32], &KEEP, &Device::Cpu).map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(matches!(error, LoadError::Truncated { .. }), "{error}");
        assert!(error.to_string().contains(Q), "{error}");
    }
}

#[test]
fn truncation_is_named_wherever_it_is() {
    let whole = tiny().bytes();
    for end in [1, 10, 30, 200, whole.len() - 300, whole.len() - 40] {
        let error = open_bytes(&whole[..end]).err().unwrap();
        assert!(matches!(error, LoadError::Truncated { .. }), "{end}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever is damaged: an error or tensors that can be read, never a panic.
    #[test]
    fn damage_never_panics(
        edits in prop::collection::vec((0usize..4000, any::<u8>()), 1..8),
        cut in prop::option::of(0usize..4000),
    ) {
        let mut bytes = tiny().bytes();
        for (at, value) in edits {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        if let Ok(source) = open_bytes(&bytes) {
            let names: Vec<String> = source.names().map(str::to_owned).collect();
            for name in names {
                let shape = source.shape(&name).unwrap().to_vec();
                let _ = source.tensor(&name, &shape, DType::F16, &Device::Cpu);
                let _ = source.weight(&name, &shape, &KEEP, &Device::Cpu);
            }
            let _ = source.tokenizer(crate::Transformers::default());
        }
    }
}

/// Peak resident memory of this process in bytes, by the kernel.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Reads all of a model and returns the bytes of its weights in f32.
#[cfg(target_os = "linux")]
fn read_all(source: &Source) -> usize {
    let names: Vec<String> = source.names().map(str::to_owned).collect();
    let tensors: Vec<Tensor> = names
        .iter()
        .map(|name| {
            let shape = source.shape(name).unwrap().to_vec();
            let tensor = source.tensor(name, &shape, DType::F32, &Device::Cpu);
            tensor.unwrap()
        })
        .collect();
    tensors.iter().map(|t| t.elem_count() * 4).sum()
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs a process of its own and SmolLM2; set TRUENORTH_TEST_MODELS to its folder"]
fn peak_memory_stays_near_the_weights() {
    let models = PathBuf::from(std::env::var_os("TRUENORTH_TEST_MODELS").unwrap());
    let started = std::time::Instant::now();
    let source = Source::open_gguf(&models.join("smollm2-135m.gguf")).unwrap();
    let weights = read_all(&source);
    println!("{weights} bytes of weights, peak {}, {:?}", peak(), started.elapsed());
    assert!(peak() < weights + weights / 4);
    // The same from a folder of f32, whose mapped pages would double it.
    let dir = tempfile::tempdir_in(&models).unwrap();
    let all: HashMap<String, Tensor> = source
        .names()
        .map(|name| {
            let shape = source.shape(name).unwrap().to_vec();
            let tensor = source.tensor(name, &shape, DType::F32, &Device::Cpu);
            (name.to_owned(), tensor.unwrap())
        })
        .collect();
    candle_core::safetensors::save(&all, dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    drop((source, all));
    // The peak starts again from here.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let started = std::time::Instant::now();
    let before = peak();
    let weights = read_all(&Source::open_folder(dir.path()).unwrap());
    println!("folder: {before} before, peak {}, {:?}", peak(), started.elapsed());
    assert!(peak() < weights + weights / 4);
}
