use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::{Files, ModelsError, ProgressStage, ResolveOptions, resolve};
use super::{items, watched};

const INDEX: &str = "model.safetensors.index.json";

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn spec(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

struct Setting {
    _root: tempfile::TempDir,
    model: std::path::PathBuf,
    options: ResolveOptions,
}

fn setting(files: &[(&str, &str)]) -> Setting {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().canonicalize().unwrap();
    write(&path.join("toy"), files);
    let options = ResolveOptions::new(path.join("cache"));
    Setting { _root: root, model: path.join("toy"), options }
}

#[test]
fn a_folder_with_one_file_of_weights() {
    let set = setting(&[("config.json", "{}"), ("model.safetensors", "w"), ("notes.txt", "n")]);
    let found = resolve(&spec(&set.model), &set.options).unwrap();
    assert_eq!(found.files, Files::Folder(set.model.clone()));
    assert_eq!(found.weights, [set.model.join("model.safetensors")]);
    assert_eq!((found.name.as_str(), found.random_init_seed), ("toy", None));
}

#[test]
fn shards_are_those_of_the_index() {
    let index = r#"{"metadata": {}, "weight_map": {"b": "two.safetensors", "a": "one.safetensors", "c": "two.safetensors"}}"#;
    let set = setting(&[
        ("config.json", "{}"),
        (INDEX, index),
        ("one.safetensors", "1"),
        ("two.safetensors", "2"),
        ("consolidated.safetensors", "not in the index"),
    ]);
    let found = resolve(&spec(&set.model), &set.options).unwrap();
    assert_eq!(found.weights, ["one.safetensors", "two.safetensors"].map(|name| set.model.join(name)));

    fs::remove_file(set.model.join("two.safetensors")).unwrap();
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(
        matches!(&error, ModelsError::MissingShard { shard, .. } if shard == "two.safetensors"),
        "{error:?}"
    );
    assert!(error.is_bad_request());
}

#[test]
fn a_whole_file_wins_over_the_shards_of_an_index() {
    let index = r#"{"weight_map": {"a": "gone.safetensors"}}"#;
    let set = setting(&[("config.json", "{}"), (INDEX, index), ("model.safetensors", "w")]);
    let found = resolve(&spec(&set.model), &set.options).unwrap();
    assert_eq!(found.weights, [set.model.join("model.safetensors")]);
}

#[test]
fn adapters_and_stand_ins_are_named() {
    let set = setting(&[("adapter_config.json", "{}"), ("adapter_model.safetensors", "w")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(
        matches!(error, ModelsError::Adapter { whole: false, .. }) && error.is_bad_request(),
        "{error:?}"
    );
    let said = |error: &ModelsError| format!("{error} ({})", error.hint().unwrap());
    assert!(said(&error).contains("adapter_config.json); expected a whole model"), "{error}");
    // Beside a whole model it is not a whole model that is missing.
    let adapter = r#"{"base_model_name_or_path": "org/base", "peft_type": "LORA"}"#;
    let set = setting(&[("adapter_config.json", adapter), ("config.json", "{}"), ("model.safetensors", "w")]);
    let both = said(&resolve(&spec(&set.model), &set.options).unwrap_err());
    assert!(!both.contains("expected a whole model"), "{both}");
    for part in [
        "of the model org/base beside the config.json",
        "expected one of the two",
        "without adapter_config.json",
    ] {
        assert!(both.contains(part), "{part}: {both}");
    }
    // The remedy works.
    fs::remove_file(set.model.join("adapter_config.json")).unwrap();
    assert!(resolve(&spec(&set.model), &set.options).is_ok());
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
    let set = setting(&[("config.json", "{}"), ("model.safetensors", pointer), ("m.gguf", pointer)]);
    for path in [set.model.clone(), set.model.join("m.gguf")] {
        let error = resolve(&spec(&path), &set.options).unwrap_err();
        assert!(matches!(error, ModelsError::LfsPointer { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("git lfs pull"));
    }
}

#[test]
fn an_index_that_is_a_stand_in_and_a_folder_of_gguf_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
    let set = setting(&[("config.json", "{}"), (INDEX, pointer)]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(matches!(&error, ModelsError::LfsPointer { path } if path.ends_with(INDEX)), "{error:?}");
    let set = setting(&[("config.json", "{}"), ("model.gguf", "GGUF")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    let hint = error.hint().unwrap();
    assert_eq!(hint, format!("name the GGUF file itself: {}", set.model.join("model.gguf").display()));
}

#[test]
fn parts_of_a_gguf_file_are_all_part_of_it() {
    let set = setting(&[("m-00001-of-00002.gguf", "GGUFone"), ("m-00002-of-00002.gguf", "GGUFtwo")]);
    let first = set.model.join("m-00001-of-00002.gguf");
    let found = resolve(&spec(&first), &set.options).unwrap();
    assert_eq!(found.weights, [first.clone(), set.model.join("m-00002-of-00002.gguf")]);
    fs::write(set.model.join("m-00002-of-00002.gguf"), "GGUFother").unwrap();
    assert_ne!(resolve(&spec(&first), &set.options).unwrap().identity, found.identity);
    fs::remove_file(set.model.join("m-00002-of-00002.gguf")).unwrap();
    let error = resolve(&spec(&first), &set.options).unwrap_err();
    assert!(error.to_string().contains("m-00002-of-00002.gguf"), "{error}");
}

#[test]
fn an_index_may_not_lead_out_of_its_folder() {
    for name in ["../one.safetensors", "/etc/passwd", "a\\\\b", ""] {
        let index = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
        let set = setting(&[("config.json", "{}"), (INDEX, &index)]);
        let error = resolve(&spec(&set.model), &set.options).unwrap_err();
        assert!(matches!(error, ModelsError::BadIndex { .. }), "{name}: {error:?}");
    }
    for index in ["{", r#"{"weight_map": {}}"#, r#"{"weights": 1}"#] {
        let set = setting(&[("config.json", "{}"), (INDEX, index)]);
        let error = resolve(&spec(&set.model), &set.options).unwrap_err();
        assert!(matches!(error, ModelsError::BadIndex { .. }), "{index}: {error:?}");
    }
}

#[test]
fn what_is_missing_in_a_folder_is_named() {
    let set = setting(&[("model.safetensors", "w")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(matches!(error, ModelsError::NoConfig { gguf: None, .. }), "{error:?}");
    assert!(error.to_string().ends_with("toy has no config.json"), "{error}");

    let set = setting(&[("model-q4.gguf", "GGUF")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(error.hint().unwrap().ends_with("model-q4.gguf"), "{error:?}");

    let set = setting(&[("config.json", "{}"), ("pytorch_model.bin", "w")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(matches!(error, ModelsError::NoWeights { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("pytorch_model.bin is not read"));

    let set = setting(&[("config.json", "{}"), ("model.safetensors", "")]);
    let error = resolve(&spec(&set.model), &set.options).unwrap_err();
    assert!(matches!(error, ModelsError::EmptyFile { .. }), "{error:?}");
}

#[test]
fn a_gguf_is_known_by_its_first_bytes() {
    let set = setting(&[("tiny.gguf", "GGUF and more"), ("fake.gguf", "PK\u{3}\u{4}"), ("empty.gguf", "")]);
    let found = resolve(&spec(&set.model.join("tiny.gguf")), &set.options).unwrap();
    assert_eq!(found.files, Files::Gguf(set.model.join("tiny.gguf")));
    assert_eq!(found.name, "tiny");
    // printf 'GGUF and more' | sha256sum
    assert_eq!(found.identity, "sha256:144581c14596a699068df44aa4ca0ed507e2d4a875f409e78b6319ec468379b3");
    let error = resolve(&spec(&set.model.join("fake.gguf")), &set.options).unwrap_err();
    assert!(matches!(error, ModelsError::NotGguf { .. }), "{error:?}");
    let error = resolve(&spec(&set.model.join("empty.gguf")), &set.options).unwrap_err();
    assert!(matches!(error, ModelsError::EmptyFile { .. }), "{error:?}");
}

#[test]
fn random_init_needs_no_weights_and_has_an_identity_of_its_own() {
    let set = setting(&[("config.json", "{}"), ("tokenizer.json", "{}")]);
    let random =
        |seed: u64| resolve(&format!("random-init:{}#{seed}", spec(&set.model)), &set.options).unwrap();
    let zero = random(0);
    assert_eq!((zero.random_init_seed, zero.name.as_str()), (Some(0), "random-init:toy#0"));
    assert!(zero.weights.is_empty());
    assert_ne!(zero.identity, random(1).identity);
    assert_eq!(zero.identity, random(0).identity);
}

#[test]
fn the_identity_follows_content_and_not_place() {
    let files = [("config.json", "{}"), ("tokenizer.json", "{}"), ("model.safetensors", "w")];
    let identity = |set: &Setting| resolve(&spec(&set.model), &set.options).unwrap().identity;
    let set = setting(&files);
    let before = identity(&set);
    let moved = setting(&files);
    write(&moved.model, &[("README.md", "does not change numbers")]);
    assert_eq!(identity(&moved), before);
    for (name, text) in [("model.safetensors", "x"), ("config.json", "{ }"), ("tokenizer.json", "[]")] {
        let changed = setting(&files);
        write(&changed.model, &[(name, text)]);
        assert_ne!(identity(&changed), before, "{name}");
    }
}

#[test]
fn a_file_is_read_for_its_checksum_once_until_it_changes() {
    let set = setting(&[("tiny.gguf", "GGUF 1")]);
    let file = set.model.join("tiny.gguf");
    let age = |seconds: u64| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    let look = || {
        let (options, seen) = watched(&set.options.cache_dir);
        let identity = resolve(&spec(&file), &options).unwrap().identity;
        (identity, items(&seen, ProgressStage::Hashing).len())
    };
    age(100);
    let (first, reads) = look();
    assert_eq!(reads, 1);
    assert_eq!(look(), (first.clone(), 0));
    fs::write(&file, "GGUF 2").unwrap();
    age(50);
    let (second, reads) = look();
    assert_eq!(reads, 1);
    assert_ne!(second, first);
    // Written just now: it may change again without a new time, so it is not trusted yet.
    fs::write(&file, "GGUF 3").unwrap();
    assert_eq!((look().1, look().1), (1, 1));
}

#[test]
fn a_tokenizer_beside_a_file_counts_where_the_file_has_none() {
    let set = setting(&[("model.gguf", "GGUF")]);
    let file = set.model.join("model.gguf");
    let identity = || resolve(&spec(&file), &set.options).unwrap().identity;
    for (metadata, counts) in [("general.name", true), ("tokenizer.ggml.tokens", false)] {
        fs::write(&file, format!("GGUF{metadata}")).unwrap();
        fs::write(set.model.join("tokenizer.json"), "{}").unwrap();
        let before = identity();
        fs::write(set.model.join("tokenizer.json"), "{\"version\": 1}").unwrap();
        assert_eq!(identity() != before, counts, "{metadata}");
    }
}
