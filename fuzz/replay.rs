//! Runs fuzz targets without a fuzzer: on given inputs, and on random changes of them.
//!
//! `TRUENORTH_FUZZ_ROUNDS=100000 cargo test --release --test offline fuzzed::` looks longer, and
//! `TRUENORTH_FUZZ_TARGET` at one target only. An input that fails is kept in a folder that the failure
//! names; once it is understood it goes to the target's corpus.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Takes the bytes of an input, and says whether it read them as what they should be.
pub type Target = fn(&[u8]) -> bool;

/// Changed inputs of each target.
const ROUNDS: usize = 1500;

/// Runs each target on its seeds, and on changes of them. Those that read none of their seeds fail.
pub fn all(targets: &[(&str, Target)], seeds: impl Fn(&str) -> Vec<Vec<u8>>) {
    let rounds = std::env::var("TRUENORTH_FUZZ_ROUNDS").map_or(ROUNDS, |n| n.parse().unwrap());
    let only = std::env::var("TRUENORTH_FUZZ_TARGET").ok();
    for (i, (name, target)) in targets.iter().enumerate() {
        if only.as_ref().is_some_and(|o| o != name) {
            continue;
        }
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        let read = seeds.iter().filter(|bytes| run(name, *target, bytes)).count();
        assert!(read > 0, "{name} reads none of its seeds");
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        for _ in 0..rounds {
            let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
            change(&mut bytes, &seeds, &mut rng);
            run(name, *target, &bytes);
        }
    }
}

/// Whether the target read the bytes as what they should be.
fn run(name: &str, target: Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(bytes))).unwrap_or_else(|_| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzzed").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        // The same input again and again is one file.
        let mark = bytes.iter().fold(0_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        let file = folder.join(format!("{mark:016x}"));
        std::fs::write(&file, bytes).unwrap();
        panic!("{name} fails on {}", file.display());
    })
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
