//! `read` and `steer`, and the models of every family.

use super::Table;

/// Without bf16, whose kernels lie further apart than a golden may.
pub const READ: Table = &[
    ("last", "read --model llama.gguf --input prompts.txt --site resid_post.0..1 --out a.safetensors"),
    ("again", "read --model llama.gguf --input prompts.txt --site resid_post.0..1 --out b.safetensors"),
    (
        "mean",
        "read --model llama.gguf --input prompts.txt --site mlp_out.1 --positions mean --out m.safetensors",
    ),
    (
        "mean-sink",
        "read --model llama.gguf --input prompts.txt --site attn_out.0 --positions mean+sink --out m.safetensors",
    ),
    (
        "index",
        "read --model llama.gguf --input tokens.jsonl --site resid_mid.0 --positions -2 --out i.safetensors",
    ),
    (
        "all",
        "read --model llama.gguf --input tokens.jsonl --site embed --positions all --out all.safetensors",
    ),
    (
        "turns",
        "read --model llama.gguf --chat=chatml --system Short. --input talk.jsonl --site embed --positions last-response --out t.safetensors",
    ),
    (
        "part",
        "read --model llama.gguf --chat=chatml --input prompts.txt --site embed --positions user --out u.safetensors",
    ),
    (
        "tokens",
        "tokens --model llama.gguf --chat=chatml --input talk.jsonl --positions last,response,mean:system",
    ),
    (
        "tokens-raw",
        "tokens --model llama.gguf --special-tokens none --input tokens.jsonl --positions -1,0..1",
    ),
    ("stdin", "read --model llama.gguf --input - --site final_norm --out s.safetensors <prompts.txt"),
    (
        "logits",
        "read --model llama.gguf --input tokens.jsonl --site logits --out l.safetensors --no-cache --quiet",
    ),
    (
        "f16",
        "read --model llama.gguf --input prompts.txt --site resid_post.1 --dtype f16 --out h.safetensors",
    ),
    (
        "quantized",
        "read --model llama.gguf --input prompts.txt --site resid_post.1 --keep-quantized --out q.safetensors",
    ),
    (
        "untrained",
        "read --model random-init:llama.gguf#7 --input prompts.txt --site resid_post.1 --out r.safetensors",
    ),
    ("gemma", "read --model gemma.gguf --input prompts.txt --site resid_post.6 --out g.safetensors"),
    (
        "gemma-4.57",
        "read --model gemma.gguf --transformers 4.57 --input prompts.txt --site resid_post.6 --out g.safetensors",
    ),
    (
        "dry-run",
        "read --model llama.gguf --input prompts.txt --site resid_post.0..1 --out d.safetensors --dry-run",
    ),
    (
        "dry-run-json",
        "read --model llama.gguf --input prompts.txt --site resid_post.0..1 --out d.safetensors --dry-run=json",
    ),
];

pub const STEER: Table = &[
    (
        "direction",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "doses",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "stdout",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha -2,0,2 --max-new-tokens 4 --no-damage --quiet",
    ),
    (
        "sampled",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha 0.5 --max-new-tokens 6 --temperature 1 --top-p 0.9 --seed 3 --no-damage --ignore-eos",
    ),
    (
        "absolute",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha 3 --alpha-unit absolute --positions last --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "neutral",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha 0.5 --neutral neutral.txt --positions prompt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "generated",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha 0.5 --positions generated --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "ablate",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --ablate --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "dry-run",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --max-new-tokens 4 --dry-run",
    ),
];

/// One line a family; the cases of [`super::models`] say what each of these is.
pub const FAMILIES: Table = &[
    ("gemma2", "read --model @/families/gemma2 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    ("gemma3", "read --model @/families/gemma3 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "gemma3-layer-types",
        "read --model @/families/gemma3-layer-types --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("gpt2", "read --model @/families/gpt2 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "gpt2-bare",
        "read --model @/families/gpt2-bare --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gpt_neox",
        "read --model @/families/gpt_neox --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gpt_neox-sequential",
        "read --model @/families/gpt_neox-sequential --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("llama", "read --model @/families/llama --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "llama-bf16",
        "read --model @/families/llama-bf16 --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "llama-bias-linear",
        "read --model @/families/llama-bias-linear --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "llama-f16",
        "read --model @/families/llama-f16 --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "llama-sharded",
        "read --model @/families/llama-sharded --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("llama3", "read --model @/families/llama3 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "llama3-v5",
        "read --model @/families/llama3-v5 --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "mistral",
        "read --model @/families/mistral --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("olmo2", "read --model @/families/olmo2 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    ("olmo3", "read --model @/families/olmo3 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "olmo3-v5",
        "read --model @/families/olmo3-v5 --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("qwen2", "read --model @/families/qwen2 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "qwen2-sliding",
        "read --model @/families/qwen2-sliding --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    ("qwen3", "read --model @/families/qwen3 --input tokens.jsonl --site resid_post.1 --out o.safetensors"),
    (
        "gguf-llama3",
        "read --model @/gguf/llama3/model.gguf --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gguf-olmo2",
        "read --model @/gguf/olmo2/model.gguf --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gguf-qwen2",
        "read --model @/gguf/qwen2/model.gguf --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gguf-split",
        "read --model @/gguf/split/mistral-00001-of-00003.gguf --input tokens.jsonl --site resid_post.1 --out o.safetensors",
    ),
    (
        "gguf-folder",
        "read --model @/gguf/llama-folder --input prompts.txt --site resid_post.1 --out o.safetensors",
    ),
    (
        "site-list",
        "read --model llama.gguf --input prompts.txt --site embed,resid_post.0..1 --out sites.safetensors",
    ),
];
