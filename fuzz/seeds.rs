//! Inputs that fuzz targets begin with.

use std::path::{Path, PathBuf};

/// Files with the ends of names, of a folder and those in it.
pub fn files(folder: &Path, ends: &[&str], out: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, ends, out);
        } else if ends.iter().any(|e| path.to_string_lossy().ends_with(e)) {
            out.push(std::fs::read(path).unwrap());
        }
    }
}

/// The fixtures that a target begins with.
pub fn of(fixtures: &Path, target: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let from: &[(&str, &[&str])] = match target {
        "gguf" => &[("gguf", &[".gguf"])],
        "safetensors" => {
            &[("families/llama", &["model.safetensors"]), ("families/llama-bf16", &["model.safetensors"])]
        }
        "index" => &[("families/llama-sharded", &["index.json"])],
        "config" => &[("families", &["config.json"])],
        "tokenizer" => &[("gguf/llama-folder", &["tokenizer.json"])],
        "npy" => &[("directions", &[".npy"])],
        "npz" => &[("directions", &[".npz"])],
        "parquet" => &[("imports", &[".parquet"])],
        "csv" => &[("imports", &[".csv", ".gz"])],
        other => panic!("{other}"),
    };
    for (folder, ends) in from {
        files(&fixtures.join(folder), ends, &mut all);
    }
    all
}
