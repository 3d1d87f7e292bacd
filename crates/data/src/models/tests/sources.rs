//! What a model is read from is known by name, and the list of names is whole.

use std::fs;
use std::path::Path;

use super::super::sources::{TOKENIZERS, hub_repository};
use super::super::{MODEL_FILES, files_with, read_from};

const TEMPLATE: &str = "additional_chat_templates/tool.jinja";
const INDEX: &str = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#;

/// Every name that the engine's loader reads is in the list.
#[test]
fn the_list_has_every_name_that_the_loader_reads() {
    assert!(TOKENIZERS.iter().all(|name| MODEL_FILES.contains(name)));
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src");
    let mut seen = Vec::new();
    for (file, names) in [
        ("load/folder.rs", 4),
        ("tokenizer/chat.rs", 2),
        ("tokenizer/files.rs", 4),
        ("tokenizer/json.rs", 1),
        ("tokenizer/mod.rs", 1),
        ("tokenizer/parts.rs", 2),
    ] {
        let text = fs::read_to_string(engine.join(file)).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let quoted = code.flat_map(|line| line.split('"').skip(1).step_by(2));
        let is_file = |name: &&str| {
            let ends = [".json", ".jinja", ".txt", ".model", ".safetensors"];
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
            plain && ends.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        };
        let found: Vec<String> = quoted.filter(is_file).map(str::to_owned).collect();
        assert!(found.len() >= names, "{file}: {found:?}");
        seen.extend(found);
    }
    for name in seen {
        assert!(MODEL_FILES.contains(&name.as_str()), "{name} is read and not in the list");
    }
}

#[test]
fn a_folder_is_read_from_every_name_of_the_list() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("additional_chat_templates")).unwrap();
    for name in MODEL_FILES.into_iter().chain([TEMPLATE]) {
        let file = dir.path().join(name);
        // Alone it makes no model.
        assert_eq!(read_from(&file), None, "{name}");
        let mark = if name == "config.json" { "model.safetensors" } else { "config.json" };
        fs::write(dir.path().join(mark), "{}").unwrap();
        assert_eq!(read_from(&file).as_deref(), Some(dir.path()), "{name}");
        fs::write(&file, "{}").unwrap();
        assert_eq!(read_from(&file).as_deref(), Some(dir.path()), "{name}");
        assert!(files_with(dir.path()).contains(&file), "{name}");
        fs::remove_file(&file).unwrap();
        fs::remove_file(dir.path().join(mark)).unwrap();
    }
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    fs::write(dir.path().join("model.safetensors.index.json"), INDEX).unwrap();
    let shard = dir.path().join("model-00001-of-00002.safetensors");
    assert_eq!(read_from(&shard).as_deref(), Some(dir.path()));
    fs::remove_file(dir.path().join("model.safetensors.index.json")).unwrap();
    fs::remove_file(dir.path().join("config.json")).unwrap();
    fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    let map = dir.path().join("special_tokens_map.json");
    assert_eq!(read_from(&map).as_deref(), Some(dir.path()));
    assert_eq!(read_from(&dir.path().join("model.safetensors")), None);
    for other in ["read.safetensors", "report.json", "notes.jinja"] {
        assert_eq!(read_from(&dir.path().join(other)), None, "{other}");
    }
}

#[test]
fn a_gguf_file_without_a_tokenizer_is_read_from_the_files_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("additional_chat_templates")).unwrap();
    let gguf = dir.path().join("m.gguf");
    for (text, reads) in [
        ("GGUF general.architecture llama", true),
        ("GGUF tokenizer.ggml.tokens", false),
        ("GGUF general.architecture controlvector", false),
        ("no such file", false),
    ] {
        fs::write(&gguf, text).unwrap();
        for name in MODEL_FILES.into_iter().chain([TEMPLATE]) {
            let file = dir.path().join(name);
            let weights = ["adapter_config.json", "model.safetensors", "model.safetensors.index.json"];
            let expected = (reads && !weights.contains(&name)).then_some(&*gguf);
            assert_eq!(read_from(&file).as_deref(), expected, "{name}");
            fs::write(&file, "{}").unwrap();
            assert_eq!(read_from(&file).as_deref(), expected, "{name}");
            assert_eq!(files_with(&gguf).contains(&file), expected.is_some(), "{name}");
            fs::remove_file(&file).unwrap();
        }
        assert_eq!(read_from(&dir.path().join("found.jsonl")), None);
    }
}

#[test]
fn files_of_the_hubs_cache_are_known_by_how_it_is_laid_out() {
    let repository = Path::new("/h/hub/models--org--toy");
    for inside in ["blobs/ab", "snapshots/c/config.json", "refs/main"] {
        assert_eq!(hub_repository(&repository.join(inside)), Some(repository), "{inside}");
    }
    for other in ["/h/hub/models--org--toy/found.json", "/h/snapshots/c/config.json", "/h/models--x"] {
        assert_eq!(hub_repository(Path::new(other)), None, "{other}");
    }
}
