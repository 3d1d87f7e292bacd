//! `experiment`: arms that write here, arms that were written and rated elsewhere, and the sheet of people.

use super::Table;

pub const EXPERIMENT: Table = &[
    (
        "extract",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --permutations 9 --out arm.safetensors",
    ),
    ("given", "experiment given.toml --out given"),
    ("asked", "experiment arms.toml --out arms"),
    ("again", "experiment arms.toml --out arms"),
    ("no-model", "experiment nobody.toml --out nobody"),
    ("cited", "experiment given.toml --out given --seed 1 --judge-url http://127.0.0.1:1/v1"),
    ("sheet", "experiment sheet --run arms --question 'Which is longer?' --folder people"),
    ("sheet-again", "experiment sheet --run arms --question 'Which is longer?' --folder people"),
    ("unregistered", "experiment unblind --folder people --ratings ann=people/sheet.csv --out r.jsonl"),
    ("study", "study run arms-study.toml"),
    ("verify", "verify runs/arms-study"),
];
