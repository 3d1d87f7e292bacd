//! What is done with the bytes of a file that may be hostile, a function for each kind: an error or a value,
//! never a panic, an abort or more memory than the file's size explains.
//!
//! The fuzz targets call these under libFuzzer, and `tests/fuzzed.rs` calls them on the kept corpus.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use truenorth::data::import::{ImportOptions, Importer, Source as Table};
use truenorth::engine::config::Config;
use truenorth::engine::load::{LoadOptions, Source};
use truenorth::engine::tokenizer::Tokenizer;
use truenorth::estimate::{Direction, Format, ImportAs};

/// The targets by name.
pub const TARGETS: [(&str, fn(&[u8])); 9] = [
    ("gguf", gguf),
    ("safetensors", safetensors),
    ("index", index),
    ("config", config),
    ("tokenizer", tokenizer),
    ("npy", npy),
    ("npz", npz),
    ("parquet", parquet),
    ("csv", csv),
];

/// The fixtures, which lie in the folder of the crate or in the one above.
pub fn fixtures() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    [here.join("fixtures"), here.join("../fixtures")].into_iter().find(|f| f.is_dir()).expect("fixtures")
}

/// A config with every tensor of a tiny Llama.
const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4}"#;

/// A folder of this process that files are written to, the same ones again and again.
fn place(files: &[(&str, &[u8])]) -> PathBuf {
    thread_local! {
        static PLACE: tempfile::TempDir = tempfile::tempdir().expect("a folder");
    }
    PLACE.with(|place| {
        for entry in std::fs::read_dir(place.path()).expect("the folder") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("a file of ours");
        }
        for (name, bytes) in files {
            std::fs::write(place.path().join(name), bytes).expect("a file");
        }
        place.path().to_owned()
    })
}

/// Reads all of a model's files that there are.
fn read(source: &Source) {
    let _ = Config::parse(source.config());
    let _ = source.identity_note();
    let kept = LoadOptions { keep_quantized: true, ..LoadOptions::default() };
    let names: Vec<String> = source.names().map(str::to_owned).collect();
    for name in names {
        let shape = source.shape(&name).map(<[usize]>::to_vec).unwrap_or_default();
        let _ = source.tensor(&name, &shape, DType::F16, &Device::Cpu);
        let _ = source.weight(&name, &shape, &kept, &Device::Cpu);
    }
    if let Ok(Some(tokenizer)) = source.tokenizer() {
        turn(&tokenizer);
    }
}

/// Texts to ids and back.
fn turn(tokenizer: &Tokenizer) {
    for text in ["", "the hat", " \u{fdfa}e\u{301}\n\t<|im_end|>aaaa", "\u{10ffff}"] {
        if let Ok(ids) = tokenizer.encode(text, true) {
            let _ = tokenizer.decode(&ids, true);
        }
    }
    let _ = tokenizer.decode(&[0, 1, 5, u32::MAX], false);
}

/// A GGUF file.
pub fn gguf(bytes: &[u8]) {
    let path = place(&[("m.gguf", bytes)]).join("m.gguf");
    if let Ok(source) = Source::open_gguf(&path) {
        read(&source);
    }
}

/// A safetensors file beside a sound config.
pub fn safetensors(bytes: &[u8]) {
    let folder = place(&[("config.json", CONFIG.as_bytes()), ("model.safetensors", bytes)]);
    if let Ok(source) = Source::open_folder(&folder) {
        read(&source);
    }
    let _ = Direction::import_bytes(bytes, Format::Safetensors, &stated());
}

/// An index of shards beside a sound one.
pub fn index(bytes: &[u8]) {
    let shard = fixtures().join("families/llama/model.safetensors");
    let shard = std::fs::read(shard).expect("the fixture");
    let files: [(&str, &[u8]); 3] = [
        ("config.json", CONFIG.as_bytes()),
        ("model.safetensors.index.json", bytes),
        ("a.safetensors", &shard),
    ];
    if let Ok(source) = Source::open_folder(&place(&files)) {
        read(&source);
    }
}

/// A `config.json`.
pub fn config(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        let _ = Config::parse(&value);
    }
}

/// A `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) {
    let path = place(&[("tokenizer.json", bytes)]).join("tokenizer.json");
    if let Ok(tokenizer) = Tokenizer::from_json(&path) {
        turn(&tokenizer);
    }
}

fn stated() -> ImportAs {
    ImportAs {
        site: "resid_post.1".parse().ok(),
        sign: Some("chosen over rejected".into()),
        ..ImportAs::default()
    }
}

/// A NumPy array.
pub fn npy(bytes: &[u8]) {
    if let Ok(direction) = Direction::import_bytes(bytes, Format::Npy, &stated()) {
        let again = direction.export_bytes(Format::Npy).expect("what was read can be written");
        Direction::import_bytes(&again, Format::Npy, &stated()).expect("reads back");
    }
}

/// An archive of NumPy arrays.
pub fn npz(bytes: &[u8]) {
    let _ = Direction::import_bytes(bytes, Format::Npz, &stated());
}

/// Rows of a table, by the columns of the fixtures.
fn table(from: Table, columns: &str, bytes: &[u8]) {
    let options =
        ImportOptions { columns: columns.parse().expect("sound columns"), ..ImportOptions::new(from) };
    if let Ok(mut importer) = Importer::new(options) {
        let _ = importer.read(bytes, "f");
    }
}

/// A Parquet file.
pub fn parquet(bytes: &[u8]) {
    table(Table::Parquet, "text=prompt,label=toxic,category=topic,group=meta.source", bytes);
}

/// A CSV file, plain or packed with gzip.
pub fn csv(bytes: &[u8]) {
    table(Table::Csv, "text=prompt,label=toxic,category=topic", bytes);
}
