//! `direction`: every estimator, and every format.

use super::Table;

pub const EXTRACT: Table = &[
    (
        "logistic",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --folds 3 --permutations 4 --out logistic.safetensors",
    ),
    (
        "mean-diff",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 19 --out mean.safetensors",
    ),
    (
        "lda",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator lda --permutations 19 --seed 4 --out lda.safetensors",
    ),
    (
        "pca",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator pca --permutations 19 --out pca.safetensors",
    ),
    (
        "projected",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --project-out length,sentiment --sentiment tone.jsonl --permutations 19 --out projected.safetensors",
    ),
    (
        "neutral",
        "direction extract --model llama.gguf --site resid_post.0 --pairs pairs.jsonl --estimator mean-diff --neutral neutral.txt --positions mean --folds 4 --permutations 0 --out neutral.safetensors",
    ),
    (
        "template",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --template '{response}' --positions -2 --permutations 0 --out template.safetensors --quiet",
    ),
    (
        "classes",
        "direction extract --model llama.gguf --site resid_post.1 --classes train.jsonl --positive bad --estimator lda --permutations 19 --out classes.safetensors",
    ),
    (
        "near-copies",
        "direction extract --model llama.gguf --site resid_post.1 --classes train.jsonl --positive bad --estimator mean-diff --near-copies 0.95 --permutations 0 --out copies.safetensors",
    ),
    (
        "gemma",
        "direction extract --model gemma.gguf --site resid_post.5 --pairs pairs.jsonl --estimator mean-diff --permutations 19 --out gemma.safetensors",
    ),
    (
        "dry-run",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out x.safetensors --dry-run",
    ),
    ("show", "direction show mean.safetensors"),
    ("show-json", "direction show projected.safetensors --json"),
    ("compare", "direction compare logistic.safetensors mean.safetensors lda.safetensors pca.safetensors"),
    ("compare-json", "direction compare logistic.safetensors mean.safetensors classes.safetensors --json"),
];

pub const FORMATS: Table = &[
    ("from-npz", "direction import @/directions/one.npz --site resid_post.1 --sign up --out d.safetensors"),
    ("from-npy", "direction import @/directions/f8.npy --site resid_post.1 --sign up --out npy.safetensors"),
    (
        "from-pt",
        "direction import @/directions/plain.pt --site resid_post.1 --sign up --model m --revision r --out pt.safetensors",
    ),
    (
        "from-nested",
        "direction import @/directions/nested.pt --array layers.12 --site resid_post.12 --sign up --out nested.safetensors",
    ),
    (
        "from-several",
        "direction import @/directions/several.npz --array b --site resid_post.1 --sign up --out several.safetensors",
    ),
    (
        "from-stack",
        "direction import @/directions/stack.npy --row 1 --site resid_post.1 --sign up --out stack.safetensors",
    ),
    (
        "from-gguf",
        "direction import @/directions/control.gguf --site resid_post.1 --sign up --out gguf.safetensors",
    ),
    ("to-npz", "direction export d.safetensors --out e.npz"),
    ("to-npy", "direction export d.safetensors --out e.npy"),
    ("to-gguf", "direction export d.safetensors --out e.gguf"),
    ("to-stdout", "direction export d.safetensors --out - --format gguf"),
    ("back-npz", "direction import e.npz --out back-npz.safetensors"),
    ("back-npy", "direction import e.npy --site resid_post.1 --sign up --out back-npy.safetensors"),
    ("back-gguf", "direction import e.gguf --sign up --site resid_post.1 --out back-gguf.safetensors"),
    (
        "no-array",
        "direction import @/directions/several.npz --site resid_post.1 --sign up --out x.safetensors",
    ),
    ("show", "direction show d.safetensors"),
    (
        "compare",
        "direction compare d.safetensors back-npz.safetensors back-npy.safetensors back-gguf.safetensors",
    ),
    ("no-site", "direction import @/directions/f4.npy --out x.safetensors"),
    ("to-pt", "direction export d.safetensors --out e.pt"),
];
