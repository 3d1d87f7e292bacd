//! `sweep`, `probe`, `audit` and `geometry`.

use super::Table;

pub const SWEEP: Table = &[
    (
        "text",
        "sweep --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --neutral neutral.txt --alpha -0.2,0.2 --folds 4 --permutations 9 --null-draws 4 --random-directions 3 --damage-directions 1 --estimator mean-diff",
    ),
    (
        "whole",
        "sweep --model llama.gguf --site resid_post.0..1 --pairs pairs.jsonl --neutral neutral.txt --prompts prompts.txt --alpha -0.2,-0.1,0.1,0.2 --folds 4 --permutations 9 --null-draws 39 --random-directions 19 --damage-directions 2 --max-new-tokens 4 --keywords things=words.txt:+ --estimator lda --project-out length --steered-pairs 8 --by pair --out s.json --report page --quiet",
    ),
    (
        "dry-run",
        "sweep --model llama.gguf --site resid_post.0..1 --pairs pairs.jsonl --neutral neutral.txt --estimator mean-diff --permutations 9 --dry-run",
    ),
];

pub const PROBE: Table = &[
    (
        "text",
        "probe --model llama.gguf --train train.jsonl --positive bad --site resid_post.1 --estimator mean-diff --folds 4 --permutations 19 --no-categories",
    ),
    (
        "logistic",
        "probe --model llama.gguf --train train.jsonl --positive bad --site resid_post.1 --estimator logistic --folds 4 --permutations 9 --controls random-label --no-categories --out l.json",
    ),
    (
        "whole",
        "probe --model llama.gguf --train train.jsonl --positive bad --test other=test.jsonl --site resid_post.0..1 --estimator lda --folds 4 --permutations 19 --controls random-label,bag-of-words,length,truth=truth.jsonl,random-init --seed 6 --out p.json --report page --quiet",
    ),
    (
        "dry-run",
        "probe --model llama.gguf --train train.jsonl --positive bad --site resid_post.0..1 --estimator mean-diff --folds 4 --permutations 9 --dry-run",
    ),
];

pub const AUDIT: Table = &[
    (
        "direction",
        "direction extract --model llama.gguf --site resid_post.0 --pairs pairs.jsonl --estimator lda --project-out length --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "given",
        "audit --model llama.gguf --direction d.safetensors --pairs pairs.jsonl --confound action=action.jsonl --random-directions 199 --permutations 9 --no-agreement",
    ),
    (
        "whole",
        "audit --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --confound sentiment=tone.jsonl --confound action=action.jsonl --confound value-flip=flip.jsonl --confound mine=train.jsonl:bad --estimator mean-diff --project-out sentiment --sentiment tone.jsonl --random-directions 199 --permutations 19 --out a.json --report page",
    ),
    (
        "classes",
        "audit --model llama.gguf --site resid_post.1 --classes train.jsonl --positive bad --confound action=action.jsonl --estimator mean-diff --random-directions 199 --permutations 9 --folds 4 --margin 0.2 --seed 8 --out c.json",
    ),
    (
        "dry-run",
        "audit --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --confound action=action.jsonl --estimator mean-diff --random-directions 199 --permutations 9 --dry-run",
    ),
];

pub const GEOMETRY: Table = &[
    (
        "categories",
        "geometry --checkpoint llama.gguf --classes train.jsonl --positive bad --site resid_post.1 --folds 3 --permutations 49",
    ),
    (
        "course",
        "geometry --checkpoint random-init:llama.gguf#1 random-init:llama.gguf#2 llama.gguf --classes train.jsonl --positive bad --site resid_post.1 --positions mean --estimator lda --folds 3 --permutations 49 --seed 9 --out g.json --report page",
    ),
    (
        "no-probing",
        "geometry --checkpoint random-init:llama.gguf#1 llama.gguf --classes train.jsonl --positive bad --site resid_post.0 --folds 3 --permutations 49 --no-probing --quiet --out n.json",
    ),
    (
        "one",
        "direction extract --model llama.gguf --site resid_post.1 --classes train.jsonl --positive bad --estimator mean-diff --permutations 0 --out one.safetensors --quiet",
    ),
    (
        "two",
        "direction extract --model llama.gguf --site resid_post.1 --classes train.jsonl --positive bad --estimator lda --permutations 0 --out two.safetensors --quiet",
    ),
    ("files", "geometry --direction one.safetensors two.safetensors --out f.json"),
    (
        "dry-run",
        "geometry --checkpoint llama.gguf --classes train.jsonl --positive bad --site resid_post.1 --folds 3 --dry-run",
    ),
];
