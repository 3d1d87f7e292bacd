//! `judge`, by the tiny model, and `rate`.

use super::Table;

pub const JUDGE: Table = &[
    (
        "duels",
        "judge --judge llama.gguf --duels duels.jsonl --answers A,B --least-preference 0 --least-mass 0 --permutations 49",
    ),
    (
        "banded",
        "judge --judge llama.gguf --duels duels.jsonl --answers A,B --criterion 'Which is kinder?' --markup chatml --permutations 49 --out banded.json",
    ),
    (
        "direction",
        "direction extract --model llama.gguf --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out d.safetensors --quiet",
    ),
    (
        "steered",
        "steer --model llama.gguf --direction d.safetensors --input prompts.txt --alpha 0,2 --max-new-tokens 6 --ignore-eos --out steered.jsonl --quiet",
    ),
    (
        "doses",
        "judge --judge llama.gguf --steered steered.jsonl --prompts prompts.txt --alpha 2 --answers A,B --compare ann.jsonl --least-preference 0 --least-mass 0 --permutations 49 --out j.json --report page --quiet",
    ),
    ("agree", "judge agree ann.jsonl j.json --permutations 49 --out agree.json"),
    (
        "question",
        "judge --judge llama.gguf --steered steered.jsonl --prompts prompts.txt --question refusal --answers Yes,No --least-preference 0 --least-mass 0 --permutations 49 --out q.json --report page2 --quiet",
    ),
    (
        "replies",
        "judge --judge llama.gguf --replies replies.jsonl --question 'kind=Is it kind?|Is it unkind?' --template questions.txt --answers Yes,No --least-preference 0 --least-mass 0 --permutations 49 --seed 2",
    ),
    ("dry-run", "judge --judge llama.gguf --duels duels.jsonl --answers A,B --dry-run"),
];

/// A sheet is dealt by chance, so the one that is opened was dealt once; it lies beside the cases.
pub const RATE: Table = &[
    ("unregistered", "rate unblind --folder dealt --ratings ann=dealt/ann.csv --out u.json"),
    ("register", "rate register --folder dealt --predictions predictions.json"),
    ("registered", "rate register --folder dealt --predictions predictions.json"),
    (
        "unblind",
        "rate unblind --folder dealt --ratings ann=dealt/ann.csv --ratings ben=dealt/ben.csv --out u.json --report page",
    ),
    ("one-rater", "rate unblind --folder dealt --ratings ann=dealt/ann.csv --seed 3"),
    ("sheet", "rate sheet --items items.jsonl --question 'Which is kinder?' --folder new"),
    ("sheet-again", "rate sheet --items items.jsonl --question 'Which is kinder?' --folder new"),
    (
        "sheet-strength",
        "rate sheet --items items.jsonl --question 'Which is kinder?' --scale strength --folder strength",
    ),
];
