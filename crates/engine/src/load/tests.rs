use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

use super::*;

/// Writes a safetensors file of tensors given as f32 values, stored as `dtype`.
fn write(path: &Path, dtype: Dtype, tensors: &[(&str, &[usize], &[f32])]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| {
            values
                .iter()
                .flat_map(|v| match dtype {
                    Dtype::F32 => v.to_le_bytes().to_vec(),
                    Dtype::F16 => f16::from_f32(*v).to_le_bytes().to_vec(),
                    Dtype::BF16 => bf16::from_f32(*v).to_le_bytes().to_vec(),
                    Dtype::F64 => f64::from(*v).to_le_bytes().to_vec(),
                    other => panic!("no writer for {other:?}"),
                })
                .collect()
        })
        .collect();
    let views: HashMap<String, TensorView> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| {
            let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
            ((*name).to_owned(), view)
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn folder(dtype: Dtype, tensors: &[(&str, &[usize], &[f32])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
    write(&dir.path().join("model.safetensors"), dtype, tensors);
    dir
}

fn values(source: &Source, name: &str, shape: &[usize], dtype: DType) -> Vec<f32> {
    source
        .tensor(name, shape, dtype, &Device::Cpu)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

const W: (&str, &[usize], &[f32]) =
    ("model.embed_tokens.weight", &[2, 3], &[0.5, -1.0, 2.0, 3.25, -4.5, 0.0]);

fn message(error: &LoadError) -> String {
    assert!(error.hint().is_some(), "{error} has no remedy");
    error.to_string()
}

#[test]
fn every_stored_type_reads_into_every_compute_type() {
    for stored in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16] {
        let dir = folder(stored, &[W]);
        let source = Source::open_folder(dir.path()).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            // The values are exact in all three types.
            assert_eq!(values(&source, W.0, W.1, dtype), W.2, "{stored:?} {dtype:?}");
        }
    }
}

#[test]
fn a_large_tensor_crosses_tasks_and_stretches() {
    let n = (1 << 16) * 130 + 7;
    let big: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let dir = folder(Dtype::F32, &[("lm_head.weight", &[n], &big)]);
    let source = Source::open_folder(dir.path()).unwrap();
    assert!(values(&source, "lm_head.weight", &[n], DType::F32) == big);
}

#[test]
fn names_saved_without_their_prefix_are_found_and_buffers_are_not() {
    let dir = folder(
        Dtype::F32,
        &[
            ("wte.weight", &[1], &[1.0]),
            ("h.0.attn.c_attn.bias", &[1], &[2.0]),
            ("h.0.attn.bias", &[1], &[3.0]),
        ],
    );
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(
        source.names().collect::<Vec<_>>(),
        ["transformer.h.0.attn.c_attn.bias", "transformer.wte.weight"]
    );
}

#[test]
fn shards_are_read_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("config.json"), "{}").unwrap();
    let other: (&str, &[usize], &[f32]) = ("lm_head.weight", &[2], &[7.0, 8.0]);
    write(&at("a.safetensors"), Dtype::F32, &[W]);
    write(&at("b.safetensors"), Dtype::F32, &[other]);
    let index =
        |b: &str| format!(r#"{{"weight_map": {{"{}": "a.safetensors", "lm_head.weight": "{b}"}}}}"#, W.0);
    fs::write(at(folder_index()), index("b.safetensors")).unwrap();
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(values(&source, other.0, other.1, DType::F32), other.2);
    assert_eq!(source.files().count(), 2);
    drop(source);

    // A tensor that the index places in the wrong shard is read where it is, as in transformers, which is said.
    let swapped =
        format!(r#"{{"weight_map": {{"{}": "b.safetensors", "lm_head.weight": "a.safetensors"}}}}"#, W.0);
    fs::write(at(folder_index()), swapped).unwrap();
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(values(&source, other.0, other.1, DType::F32), other.2);
    assert!(source.notes()[0].contains("places 2 of its tensors in the wrong shard"), "{:?}", source.notes());
    drop(source);

    // One that is in no shard is left out, which is said, and missed where it is needed.
    fs::write(at(folder_index()), index("a.safetensors")).unwrap();
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(values(&source, W.0, W.1, DType::F32), W.2);
    let note = &source.notes()[0];
    assert!(
        note.contains("`lm_head.weight` is not in `a.safetensors`") && note.contains("1 in all"),
        "{note}"
    );
    let error = source.tensor(other.0, other.1, DType::F32, &Device::Cpu).unwrap_err();
    let said = message(&error);
    assert!(said.contains("`lm_head.weight` is missing from") && said.contains("a.safetensors"), "{said}");
    assert!(matches!(source.absent(other.0), Some(LoadError::MissingTensor { .. })));
    assert!(source.absent(W.0).is_none());
    drop(source);

    fs::write(at(folder_index()), index("../b.safetensors")).unwrap();
    let error = Source::open_folder(dir.path()).err().unwrap();
    assert!(matches!(error, LoadError::Json { .. }), "{error}");

    fs::write(at(folder_index()), index("c.safetensors")).unwrap();
    let error = Source::open_folder(dir.path()).err().unwrap();
    assert!(message(&error).contains("c.safetensors"), "{error}");
    assert!(matches!(error, LoadError::MissingFile { .. }));
}

#[test]
fn an_adapter_is_told_from_one_beside_a_whole_model() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = r#"{"base_model_name_or_path": "org/base", "peft_type": "LORA"}"#;
    fs::write(dir.path().join("adapter_config.json"), adapter).unwrap();
    let alone = Source::open_folder(dir.path()).err().unwrap();
    assert!(message(&alone).contains("of the model `org/base`; expected a whole model"), "{alone}");

    fs::write(dir.path().join("config.json"), "{}").unwrap();
    write(&dir.path().join("model.safetensors"), Dtype::F32, &[W]);
    let both = Source::open_folder(dir.path()).err().unwrap();
    let (said, hint) = (message(&both), both.hint().unwrap());
    assert!(said.contains("beside the weights of a whole model") && said.contains("peft"), "{said}");
    assert!(hint.contains("move `adapter_config.json`") && hint.contains("merge_and_unload"), "{hint}");
    // The remedy works.
    fs::remove_file(dir.path().join("adapter_config.json")).unwrap();
    assert!(Source::open_folder(dir.path()).is_ok());
}

#[test]
fn names_of_wrappers_and_adapters_are_said_to_be_such() {
    for (name, what, remedy) in [
        ("_orig_mod.model.norm.weight", "torch.compile put `_orig_mod.`", "model._orig_mod.save_pretrained"),
        ("module.model.norm.weight", "DistributedDataParallel put `module.`", "model.module.save_pretrained"),
        ("module._orig_mod.model.norm.weight", "`_orig_mod.`", "_orig_mod"),
        ("model.layers.0._fsdp_wrapped_module.mlp.up_proj.weight", "FullyShardedDataParallel", "state dict"),
        ("model.layers.0.self_attn.q_proj.lora_A.weight", "not merged", "merge_and_unload()"),
        ("model.layers.0.self_attn.q_proj.base_layer.weight", "not merged", "merge_and_unload()"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        write(&dir.path().join("model.safetensors"), Dtype::F32, &[W, (name, &[1], &[1.0])]);
        let error = Source::open_folder(dir.path()).err().unwrap();
        let (said, hint) = (error.to_string(), error.hint().unwrap());
        assert!(
            said.contains(&format!("`{name}`")) && said.contains(what) && hint.contains(remedy),
            "{said}; {hint}"
        );
    }
}

#[test]
fn a_tensor_of_two_shards_is_read_where_both_agree_and_else_refused_with_both() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("config.json"), "{}").unwrap();
    let other: (&str, &[usize], &[f32]) = ("lm_head.weight", &[2], &[7.0, 8.0]);
    write(&at("a.safetensors"), Dtype::F32, &[W]);
    write(&at("b.safetensors"), Dtype::F32, &[W, other]);
    let map =
        format!(r#"{{"weight_map": {{"{}": "a.safetensors", "lm_head.weight": "b.safetensors"}}}}"#, W.0);
    fs::write(at(folder_index()), map).unwrap();
    // The same numbers twice are one tensor, as in transformers.
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(values(&source, W.0, W.1, DType::F32), W.2);
    assert_eq!(source.names().count(), 2);
    drop(source);
    // Where they differ, transformers takes the last file in silence.
    let mut theirs = W.2.to_vec();
    theirs[W.2.len() - 1] += 1.0;
    for changed in [(W.0, W.1, &theirs[..]), (W.0, &[W.2.len()][..], W.2)] {
        write(&at("b.safetensors"), Dtype::F32, &[changed, other]);
        let said = message(&Source::open_folder(dir.path()).err().unwrap());
        for word in [W.0, "a.safetensors", "b.safetensors"] {
            assert!(said.contains(word), "{said}");
        }
    }
    // So are two spellings of a name that stand for one tensor.
    write(&at("b.safetensors"), Dtype::F32, &[("embed_tokens.weight", W.1, W.2), other]);
    let source = Source::open_folder(dir.path()).unwrap();
    assert_eq!(values(&source, W.0, W.1, DType::F32), W.2);
}

fn folder_index() -> &'static str {
    "model.safetensors.index.json"
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let dir = folder(Dtype::F32, &[W]);
    let source = Source::open_folder(dir.path()).unwrap();
    let read = |name, shape: &[usize], dtype| {
        let error = source.tensor(name, shape, dtype, &Device::Cpu).unwrap_err();
        message(&error)
    };
    assert_eq!(
        read(W.0, &[3, 2], DType::F32),
        "tensor `model.embed_tokens.weight` has shape [2, 3], expected [3, 2]"
    );
    assert!(read("model.norm.weight", &[2], DType::F32).contains("`model.norm.weight`"));
    assert!(read(W.0, W.1, DType::U8).contains("u8"));

    let dir = folder(Dtype::F32, &[W]);
    let bytes = [1_u8, 2, 3, 4, 5, 6];
    let view = TensorView::new(Dtype::U8, vec![2, 3], &bytes).unwrap();
    safetensors::serialize_to_file([(W.0, view)], None, &dir.path().join("model.safetensors")).unwrap();
    let source = Source::open_folder(dir.path()).unwrap();
    let error = source.tensor(W.0, W.1, DType::F32, &Device::Cpu).unwrap_err();
    assert!(message(&error).contains("U8") && message(&error).contains("F64"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let dir = folder(Dtype::BF16, &[("model.norm.weight", &[3], &[1.0, bad, bad])]);
        let source = Source::open_folder(dir.path()).unwrap();
        let error = source.tensor("model.norm.weight", &[3], DType::F32, &Device::Cpu).unwrap_err();
        let text = message(&error);
        assert!(text.contains("`model.norm.weight`"), "{text}");
        assert!(matches!(error, LoadError::NotFinite { index: 1, .. }));
    }
    // Finite in the file, too large for f16.
    let dir = folder(Dtype::F32, &[("model.norm.weight", &[2], &[1.0, 1e6])]);
    let source = Source::open_folder(dir.path()).unwrap();
    let read = |dtype| source.tensor("model.norm.weight", &[2], dtype, &Device::Cpu);
    assert!(read(DType::BF16).is_ok());
    assert!(matches!(read(DType::F16), Err(LoadError::NotFinite { index: 1, .. })));
}

#[test]
fn a_truncated_file_says_so_wherever_it_ends() {
    let dir = folder(Dtype::F32, &[W]);
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for end in [0, 4, 8, 20, whole.len() - 1] {
        fs::write(&path, &whole[..end]).unwrap();
        let error = Source::open_folder(dir.path()).err().unwrap();
        assert!(matches!(error, LoadError::Truncated { .. }), "{end}: {error}");
        message(&error);
    }
}

#[test]
fn folders_without_readable_weights_say_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Source::open_folder(dir.path()).err().unwrap();
    assert!(message(&open()).contains("config.json"));
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    assert!(message(&open()).contains("model.safetensors"));
    fs::write(dir.path().join("pytorch_model.bin"), "x").unwrap();
    let error = open();
    assert!(message(&error).contains("pytorch_model.bin"), "{error}");
    assert!(error.hint().unwrap().contains("save_pretrained"));
    fs::write(dir.path().join("config.json"), "[]").unwrap();
    assert!(matches!(open(), LoadError::Json { .. }));
    let error = Source::open_folder(Path::new("/no/such/folder")).err().unwrap();
    assert!(matches!(error, LoadError::Io { .. }), "{error}");
}

#[test]
fn a_conv_matrix_can_be_had_either_way_round() {
    let dir = folder(Dtype::F32, &[W]);
    let source = Source::open_folder(dir.path()).unwrap();
    let weight = source.weight_transposed(W.0, &[2, 3], &LoadOptions::default(), &Device::Cpu).unwrap();
    let Weight::Plain(tensor) = weight else {
        panic!("safetensors are not quantized");
    };
    assert_eq!(tensor.to_vec2::<f32>().unwrap(), [[0.5, 3.25], [-1.0, -4.5], [2.0, 0.0]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever is damaged: an error or tensors that can be read, never a panic.
    #[test]
    fn damage_never_panics(
        edits in prop::collection::vec((0usize..300, any::<u8>()), 1..8),
        cut in prop::option::of(0usize..300),
    ) {
        let dir = folder(Dtype::F16, &[W, ("lm_head.weight", &[4], &[1.0, 2.0, 3.0, 4.0])]);
        let path = dir.path().join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        for (at, value) in edits {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(source) = Source::open_folder(dir.path()) {
            let names: Vec<String> = source.names().map(str::to_owned).collect();
            for name in names {
                let shape = source.shape(&name).unwrap().to_vec();
                let _ = source.tensor(&name, &shape, DType::F32, &Device::Cpu);
            }
        }
    }
}

#[test]
fn weights_that_are_cut_while_they_are_read_are_an_error() {
    let values: Vec<f32> = (0..1 << 20).map(|i| i as f32).collect();
    let shape: &[usize] = &[1 << 10, 1 << 10];
    let dir = folder(Dtype::F32, &[("model.embed_tokens.weight", shape, &values)]);
    let path = dir.path().join("model.safetensors");
    let source = Source::open_folder(dir.path()).unwrap();
    assert!(source.tensor(W.0, shape, DType::F32, &Device::Cpu).is_ok());
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let error = source.tensor(W.0, shape, DType::F32, &Device::Cpu).unwrap_err();
    assert!(matches!(&error, LoadError::Truncated { found, .. } if *found == 1 << 20), "{error}");
    assert!(message(&error).contains(W.0), "{error}");
}

#[test]
fn weights_by_other_names_are_named() {
    for (lies, expected, remedy) in [
        ("weights.safetensors", "model.safetensors", "give it that name"),
        ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "download the index"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        write(&dir.path().join(lies), Dtype::F32, &[W]);
        let error = Source::open_folder(dir.path()).err().unwrap();
        let hint = error.hint().unwrap();
        let said = message(&error);
        assert!(said.contains(&format!("no `{expected}`")) && said.contains(lies), "{said}");
        assert!(hint.contains(remedy), "{hint}");
    }
}
