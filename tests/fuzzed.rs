//! The fuzz targets on their kept corpus, on the fixtures, and on random changes of both.
//!
//! `TRUENORTH_FUZZ_ROUNDS=100000 cargo test --release --test fuzzed` looks longer. An input that fails is kept
//! under `target/fuzzed/`; once it is understood it goes to `fuzz/corpus/TARGET/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Changed inputs of each target.
const ROUNDS: usize = 1500;
/// Bytes of address space that this process may have: an allocation that a file's size does not explain
/// fails. Threads and the test's own code take a part of it.
#[cfg(target_os = "linux")]
const MOST_MEMORY: libc::rlim_t = 6 << 30;

/// Files with the ends of names, of a folder and those in it.
fn files(folder: &Path, ends: &[&str], out: &mut Vec<Vec<u8>>) {
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

/// What a target begins with.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let fixtures = targets::fixtures();
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
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    if corpus.is_dir() {
        files(&corpus, &[""], &mut all);
    }
    assert!(!all.is_empty(), "{target}");
    all
}

/// A number that programs trip over, as its bytes.
fn edge(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let n: u64 = match rng.random_range(0..6) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => 1 << rng.random_range(0..64),
        4 => (1 << rng.random_range(0..63)) - 1,
        _ => rng.random(),
    };
    n.to_le_bytes()[..[1, 2, 4, 8][rng.random_range(0..4)]].to_vec()
}

/// A value that stands where another did in a text.
const WORDS: [&str; 14] = [
    "1e9",
    "-1",
    "0",
    "18446744073709551616",
    "1e308",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "[[1,2],[3]]",
    "\"a\"",
    "NaN",
];

/// Changes an input a little, in ways that text or bytes are likely to be changed in.
fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..64)).min(bytes.len());
        match rng.random_range(0..9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
            3 if at < bytes.len() => bytes[at] = rng.random(),
            4 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            5 | 6 => {
                let n = edge(rng);
                let to = (at + n.len()).min(bytes.len());
                bytes.splice(at..to, n);
            }
            7 => {
                // From one sign of a text to the next.
                let sign = |b: &u8| b",:[]{}=\n".contains(b);
                let from = bytes[at..].iter().position(sign).map_or(at, |n| at + n + 1);
                let to = bytes[from..].iter().position(sign).map_or(bytes.len(), |n| from + n);
                bytes.splice(from..to, WORDS[rng.random_range(0..WORDS.len())].bytes());
            }
            _ => {
                let other = &others[rng.random_range(0..others.len())];
                let from = rng.random_range(0..=other.len());
                let to = (from + rng.random_range(0..256)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
}

/// Whether the target read the bytes as what they should be.
fn run(name: &str, target: targets::Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(bytes))).unwrap_or_else(|_| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzzed").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(&truenorth::data::sha256_hex(bytes)[..16]);
        std::fs::write(&file, bytes).unwrap();
        panic!("{name} fails on {}", file.display());
    })
}

#[test]
fn whatever_a_file_holds_it_is_read_or_refused() {
    #[cfg(target_os = "linux")]
    // SAFETY: a plain system call with a value of its own.
    unsafe {
        let limit = libc::rlimit { rlim_cur: MOST_MEMORY, rlim_max: MOST_MEMORY };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
    let rounds = std::env::var("TRUENORTH_FUZZ_ROUNDS").map_or(ROUNDS, |n| n.parse().unwrap());
    let only = std::env::var("TRUENORTH_FUZZ_TARGET").ok();
    for (i, (name, target)) in targets::TARGETS.into_iter().enumerate() {
        if only.as_ref().is_some_and(|o| o != name) {
            continue;
        }
        let seeds = seeds(name);
        assert!(
            seeds.iter().filter(|bytes| run(name, target, bytes)).count() > 0,
            "{name} reads none of its seeds"
        );
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        for _ in 0..rounds {
            let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
            change(&mut bytes, &seeds, &mut rng);
            run(name, target, &bytes);
        }
    }
}
