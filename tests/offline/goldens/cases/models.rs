//! `models`, `cache` and what of `bench` needs no clock.

use super::Table;

pub const MODELS: Table = &[
    ("list", "models list"),
    ("list-json", "models list --json"),
    ("show", "models show llama.gguf"),
    ("show-json", "models show llama.gguf --json"),
    ("show-untrained", "models show random-init:llama.gguf#7"),
    ("show-gemma", "models show gemma.gguf"),
    ("show-gemma-json", "models show gemma.gguf --json --transformers 4.57"),
    ("show-gpt2", "models show @/families/gpt2"),
    ("show-gpt_neox-json", "models show @/families/gpt_neox --json"),
    ("show-olmo3", "models show @/families/olmo3"),
    ("show-sharded", "models show @/families/llama-sharded"),
    ("show-bf16", "models show llama.gguf --dtype bf16"),
    ("pull-there", "models pull llama.gguf"),
    ("pull-offline", "models pull smollm2-135m --offline"),
    ("bench-dry-run", "bench --model llama.gguf --dry-run"),
    ("serve-dry-run", "serve --model llama.gguf --dry-run"),
];

pub const CACHE: Table = &[
    ("stats-empty", "cache stats"),
    ("stats-empty-json", "cache stats --json"),
    ("fill", "read --model llama.gguf --input prompts.txt --site resid_post.0..1 --out a.safetensors"),
    ("stats", "cache stats"),
    ("stats-json", "cache stats --json"),
    ("verify", "cache verify"),
    ("verify-json", "cache verify --json"),
    ("gc-dry-run", "cache gc --max-size 1B --dry-run"),
    ("gc-old", "cache gc --older-than 30d"),
    ("gc", "cache gc --max-size 200B --json"),
    ("gc-all", "cache gc --max-size 0B"),
    ("gc-nothing", "cache gc"),
    ("jobs-none", "jobs list"),
    ("jobs-none-json", "jobs list --json"),
];
