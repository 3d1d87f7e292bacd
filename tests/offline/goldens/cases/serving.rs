//! Verbs on a server, its jobs, and a service that does not answer.

use super::Table;

pub const SERVER: Table = &[
    (
        "read",
        "read --model llama.gguf --on @url --input prompts.txt --site resid_post.0..1 --out a.safetensors",
    ),
    ("list-json", "jobs list --json"),
    ("list", "jobs list"),
    ("show", "jobs show @job"),
    ("show-json", "jobs show @job --json"),
    ("fetch", "jobs fetch @job"),
    ("forget", "jobs forget @job"),
    ("forgotten", "jobs list"),
    (
        "direction",
        "direction extract --model llama.gguf --on @url --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "steer",
        "steer --model llama.gguf --on @url --direction d.safetensors --input prompts.txt --alpha 0,1 --max-new-tokens 4 --out s.jsonl --quiet",
    ),
    (
        "dry-run",
        "read --model llama.gguf --config llama.gguf --on @url --input prompts.txt --site resid_post.0..1 --out b.safetensors --dry-run",
    ),
    (
        "other-model",
        "read --model gemma.gguf --on @url --input prompts.txt --site resid_post.1 --out b.safetensors",
    ),
];

/// Nobody listens at port 9 of this machine.
pub const UNREACHED: Table = &[
    ("status", "ndif status --host http://127.0.0.1:9"),
    ("env", "ndif env --host http://127.0.0.1:9 --json"),
    ("whoami", "ndif whoami --host http://127.0.0.1:9"),
    ("login", "ndif login --host http://127.0.0.1:9 <key.txt"),
    ("doctor", "ndif doctor --host http://127.0.0.1:9"),
    ("doctor-json", "ndif doctor --host http://127.0.0.1:9 --json"),
    ("fetch-all", "jobs fetch --all --host http://127.0.0.1:9"),
];
