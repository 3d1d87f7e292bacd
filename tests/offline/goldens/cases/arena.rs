//! The arena and the playground as they are without a season or a direction; `tests/offline/arena.rs` and `tests/offline/play.rs`
//! run them in full, where addresses, dates and salts are of one run alone.

use super::Table;

pub const ARENA: Table = &[
    ("season-new", "arena season new gone.toml --dir board"),
    ("season-list", "arena season list --dir board"),
    ("season-open", "arena season open values-1 --dir board"),
    ("season-close", "arena season close values-1 --dir board"),
    ("serve", "arena serve board"),
    ("check", "arena check --dir board"),
    ("rescore", "arena rescore values-1 --dir board"),
    ("import", "arena import gone.json --dir board"),
    ("export", "arena export --dir board --out entries.jsonl"),
    ("report", "arena report --dir board --out board.json"),
    ("backup", "arena backup --dir board --to copy"),
    ("play", "play --model llama.gguf --direction gone.safetensors"),
];
