//! What is done with the bytes of a file that may be hostile, a function for each kind: an error or a value,
//! never a panic, an abort or more memory than the file's size explains.
//!
//! The fuzz targets call these under libFuzzer, and `tests/offline/fuzzed.rs` calls them on the kept corpus.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use truenorth::artifact::{Direction, DirectionFormat, ImportAs};
use truenorth::data::import::{ImportOptions, ImportSource as Table, Importer};
use truenorth::engine::config::Config;
use truenorth::engine::load::{LoadOptions, Source};
use truenorth::engine::tokenizer::Tokenizer;
use truenorth::engine::{Choices, Transformers};

/// Takes the bytes of a file, and says whether it read them as what they should be.
pub type Target = fn(&[u8]) -> bool;

/// The targets by name.
pub const TARGETS: [(&str, Target); 9] = [
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
fn read(source: &Source) -> bool {
    let _ = Config::parse(source.config(), &Choices::default());
    let _ = source.identity_note();
    let mut all = true;
    let kept = LoadOptions { keep_quantized: true, ..LoadOptions::default() };
    let names: Vec<String> = source.names().map(str::to_owned).collect();
    for name in names {
        let shape = source.shape(&name).map(<[usize]>::to_vec).unwrap_or_default();
        let _ = source.tensor(&name, &shape, DType::F16, &Device::Cpu);
        all &= source.weight(&name, &shape, &kept, &Device::Cpu).is_ok();
    }
    source.tokenizer(Transformers::default()).is_ok_and(|t| t.is_none_or(|t| turn(&t))) && all
}

/// Texts to ids and back.
fn turn(tokenizer: &Tokenizer) -> bool {
    let mut all = true;
    for text in ["", "the hat", " \u{fdfa}e\u{301}\n\t<|im_end|>aaaa", "\u{10ffff}"] {
        let ids = tokenizer.encode(text, true);
        all &= ids.is_ok_and(|ids| tokenizer.decode(&ids, true).len() < 1 << 20);
    }
    let _ = tokenizer.decode(&[0, 1, 5, u32::MAX], false);
    all
}

/// A GGUF file.
pub fn gguf(bytes: &[u8]) -> bool {
    let path = place(&[("m.gguf", bytes)]).join("m.gguf");
    Source::open_gguf(&path).is_ok_and(|source| read(&source))
}

/// A safetensors file beside a sound config.
pub fn safetensors(bytes: &[u8]) -> bool {
    let folder = place(&[("config.json", CONFIG.as_bytes()), ("model.safetensors", bytes)]);
    let _ = Direction::import_bytes(bytes, DirectionFormat::Safetensors, &stated());
    Source::open_folder(&folder).is_ok_and(|source| read(&source))
}

/// An index beside sound shards.
pub fn index(bytes: &[u8]) -> bool {
    let folder = fixtures().join("families/llama-sharded");
    let shards = [1, 2, 3].map(|n| format!("model-0000{n}-of-00003.safetensors"));
    let held = shards.each_ref().map(|name| std::fs::read(folder.join(name)).expect("the fixture"));
    let mut files = vec![("config.json", CONFIG.as_bytes()), ("model.safetensors.index.json", bytes)];
    files.extend(shards.iter().zip(&held).map(|(name, bytes)| (name.as_str(), &bytes[..])));
    Source::open_folder(&place(&files)).is_ok_and(|source| read(&source))
}

/// A `config.json`.
pub fn config(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|value| Config::parse(&value, &Choices::default()).is_ok())
}

/// A `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) -> bool {
    let path = place(&[("tokenizer.json", bytes)]).join("tokenizer.json");
    Tokenizer::from_json(&path, Transformers::default()).is_ok_and(|tokenizer| turn(&tokenizer))
}

fn stated() -> ImportAs {
    ImportAs {
        site: "resid_post.1".parse().ok(),
        sign: Some("chosen over rejected".into()),
        ..ImportAs::default()
    }
}

/// A NumPy array.
pub fn npy(bytes: &[u8]) -> bool {
    let Ok(direction) = Direction::import_bytes(bytes, DirectionFormat::Npy, &stated()) else { return false };
    let again = direction.export_bytes(DirectionFormat::Npy).expect("what was read can be written");
    Direction::import_bytes(&again, DirectionFormat::Npy, &stated()).is_ok()
}

/// An archive of NumPy arrays.
pub fn npz(bytes: &[u8]) -> bool {
    Direction::import_bytes(bytes, DirectionFormat::Npz, &stated()).is_ok()
}

/// Rows of a table, by the columns of the fixtures.
fn table(from: Table, columns: &str, bytes: &[u8]) -> bool {
    let options =
        ImportOptions { columns: columns.parse().expect("sound columns"), ..ImportOptions::new(from) };
    Importer::new(options).expect("sound options").read(bytes, "f").is_ok()
}

/// A Parquet file.
pub fn parquet(bytes: &[u8]) -> bool {
    table(Table::Parquet, "text=prompt,label=toxic,category=topic,group=meta.source", bytes)
}

/// A CSV file, plain or packed with gzip.
pub fn csv(bytes: &[u8]) -> bool {
    table(Table::Csv, "text=prompt,label=toxic,category=topic", bytes)
}
