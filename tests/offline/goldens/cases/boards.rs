//! `score` and `transfer`.

use super::Table;

pub const BOARDS: Table = &[
    (
        "direction",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "other-direction",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator lda --permutations 0 --out e.safetensors --quiet",
    ),
    (
        "stdout",
        "score --model llama.gguf --direction d.safetensors --probes prompts.txt --sequences sequences.jsonl",
    ),
    (
        "joined",
        "score --model llama.gguf --direction e.safetensors --probes prompts.txt --sequences sequences.jsonl --join '' --out other.jsonl --quiet",
    ),
    (
        "summary",
        "score --model llama.gguf --direction d.safetensors --probes prompts.txt --sequences sequences.jsonl --against other.jsonl --contrast thing,quality --ends 3 --draws 10000 --permutations 99 --out b.jsonl --summary s.json --report page",
    ),
    ("kept", "score summary b.jsonl --against other.jsonl --ends 3 --permutations 99 --out kept.json"),
    (
        "expected",
        "score --model llama.gguf --direction d.safetensors --probes prompts.txt --sequences sequences.jsonl --expect b.jsonl --quiet",
    ),
    ("boards", "transfer --board own=b.jsonl --board other.jsonl --permutations 99 --out boards.json"),
    (
        "dry-run",
        "score --model llama.gguf --direction d.safetensors --probes prompts.txt --sequences sequences.jsonl --dry-run",
    ),
];

pub const TRANSFER: Table = &[
    (
        "direction",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "gemma",
        "direction extract --model gemma.gguf --site resid_post.5 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out g.safetensors --quiet",
    ),
    (
        "two",
        "transfer --model llama.gguf --direction d.safetensors --model gemma.gguf --direction g.safetensors --probes prompts.txt --sequences sequences.jsonl --permutations 99",
    ),
    (
        "three",
        "transfer --model llama.gguf --direction d.safetensors --model gemma.gguf --direction g.safetensors --model random-init:llama.gguf#7 --direction d.safetensors --probes prompts.txt --sequences sequences.jsonl --kind kind --ends 3 --permutations 99 --seed 2 --out t.json --report page --quiet",
    ),
    (
        "dry-run",
        "transfer --model llama.gguf --direction d.safetensors --model gemma.gguf --direction g.safetensors --probes prompts.txt --sequences sequences.jsonl --dry-run",
    ),
];
