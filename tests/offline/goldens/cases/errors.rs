//! What is said of bad input.

use super::Table;

pub const CASES: Table = &[
    ("no-verb", "raed --model llama.gguf"),
    ("no-flag", "read --model llama.gguf --inptu prompts.txt"),
    ("flag-missing", "read --model llama.gguf --input prompts.txt --out a.safetensors"),
    ("no-model", "read --model lama.gguf --input prompts.txt --site embed --out a.safetensors"),
    ("no-hub", "read --model hf:a/b --offline --input prompts.txt --site embed --out a.safetensors"),
    ("no-file", "read --model llama.gguf --input promts.txt --site embed --out a.safetensors"),
    ("no-site", "read --model llama.gguf --input prompts.txt --site resid_pst.1 --out a.safetensors"),
    (
        "hook-site",
        "read --model llama.gguf --input prompts.txt --site blocks.1.hook_resid_post --out a.safetensors",
    ),
    (
        "hidden-states",
        "read --model llama.gguf --input prompts.txt --site hidden_states[2] --out a.safetensors",
    ),
    ("two-sites", "direction import d.npy --site embed,resid_post.1 --sign kind --out d.safetensors"),
    ("site-too-high", "read --model llama.gguf --input prompts.txt --site resid_post.9 --out a.safetensors"),
    (
        "no-position",
        "read --model llama.gguf --input prompts.txt --site embed --positions first --out a.safetensors",
    ),
    (
        "position-too-far",
        "read --model llama.gguf --input tokens.jsonl --site embed --positions -4 --out a.safetensors",
    ),
    ("row-without-text", "read --model llama.gguf --input bad.jsonl --site embed --out a.safetensors"),
    ("id-twice", "read --model llama.gguf --input twice.jsonl --site embed --out a.safetensors"),
    ("conversation", "read --model llama.gguf --input chat.jsonl --site embed --out a.safetensors"),
    ("token-too-high", "read --model @/families/llama --input prompts.txt --site embed --out a.safetensors"),
    ("over-input", "read --model llama.gguf --input prompts.txt --site embed --out prompts.txt"),
    ("no-folder", "read --model llama.gguf --input prompts.txt --site embed --out none/a.safetensors"),
    ("no-direction", "direction show prompts.txt"),
    (
        "no-estimator",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator svm --out d.safetensors",
    ),
    (
        "no-sentiment",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --project-out sentiment --out d.safetensors",
    ),
    (
        "not-pairs",
        "direction extract --model llama.gguf --site resid_post.1 --pairs train.jsonl --out d.safetensors",
    ),
    (
        "too-few",
        "direction extract --model llama.gguf --site resid_post.1 --classes few.csv --out d.safetensors",
    ),
    (
        "no-label",
        "direction extract --model llama.gguf --site resid_post.1 --classes train.jsonl --positive ugly --out d.safetensors",
    ),
    ("wide", "direction import @/directions/f4.npy --site resid_post.1 --sign up --out wide.safetensors"),
    ("width", "steer --model llama.gguf --direction wide.safetensors --input prompts.txt --alpha 1"),
    ("play-open", "play --model llama.gguf --direction d.safetensors --listen 0.0.0.0:0"),
    ("play-width", "play --model llama.gguf --direction wide.safetensors --alpha-unit absolute --alpha 1"),
    ("no-dose", "steer --model llama.gguf --direction wide.safetensors --input prompts.txt --alpha much"),
    (
        "no-control",
        "probe --model llama.gguf --train train.jsonl --positive bad --site resid_post.1 --controls luck",
    ),
    (
        "leak",
        "probe --model llama.gguf --train train.jsonl --positive bad --site resid_post.1 --test same=train.jsonl",
    ),
    ("no-confound", "audit --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --confound action"),
    ("nothing-to-judge", "judge --judge llama.gguf"),
    ("no-study", "study run nowhere.toml"),
    ("bad-study", "study run bad.toml"),
    ("no-run", "study status study.toml"),
    ("no-job", "jobs show 3f9a"),
    ("no-size", "cache gc --max-size huge"),
    ("no-place", "doctor --offline --on nowhere"),
    ("no-shell", "completions tcsh"),
    ("no-man", "man --out study.toml"),
    ("no-peer", "bench --model nowhere.gguf --rounds 1 --json"),
];
