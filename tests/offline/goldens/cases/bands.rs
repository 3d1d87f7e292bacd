//! Directions of several sites and all that takes them, edits under conditions, and projections token by token.

use super::Table;

pub const BANDS: Table = &[
    (
        "extract",
        "direction extract --model llama.gguf --site resid_mid.0,resid_post.0..1 --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out band.safetensors --quiet",
    ),
    (
        "shared",
        "direction extract --model llama.gguf --site resid_mid.0,resid_post.0..1 --shared --shared-at resid_post.0 --project-out length --pairs pairs.jsonl --estimator mean-diff --permutations 0 --out shared.safetensors --quiet",
    ),
    (
        "shared-elsewhere",
        "direction extract --model llama.gguf --site resid_post.0..1 --shared --shared-at embed --pairs pairs.jsonl --out x.safetensors",
    ),
    ("show", "direction show shared.safetensors"),
    ("compare", "direction compare band.safetensors"),
    ("export", "direction export band.safetensors@resid_post.1 --out one.gguf"),
    ("import", "direction import one.gguf --out one.safetensors"),
    ("export-refused", "direction export band.safetensors --out band.gguf"),
    (
        "steer",
        "steer --model llama.gguf --direction band.safetensors --input prompts.txt --alpha -0.5,0.5 --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "defaults",
        "steer --model llama.gguf --direction band.safetensors --input prompts.txt --max-new-tokens 2 --no-damage --out s.jsonl",
    ),
    (
        "everywhere",
        "steer --model llama.gguf --direction shared.safetensors --at everywhere --ablate --input prompts.txt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "several",
        "steer --model llama.gguf --direction band.safetensors@resid_post.0 --direction shared.safetensors@resid_post.1 --coefficient 1,-0.5 --alpha 0.5 --decay 0.5 --schedule 0,1 --input prompts.txt --max-new-tokens 4 --no-damage",
    ),
    (
        "clamp",
        "steer --model llama.gguf --direction band.safetensors@resid_post.1 --clamp -0.1..0.1 --input prompts.txt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "clamp-neutral",
        "steer --model llama.gguf --direction band.safetensors@resid_post.1 --clamp neutral --neutral neutral.txt --input prompts.txt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "when",
        "steer --model llama.gguf --direction band.safetensors@resid_post.1 --alpha 0.5 --when band.safetensors@resid_post.0 --when-above 0.05 --input prompts.txt --max-new-tokens 4 --out s.jsonl",
    ),
    (
        "when-last",
        "steer --model llama.gguf --direction band.safetensors@resid_post.1 --alpha 0.5 --when band.safetensors@resid_post.0 --when-by last --input prompts.txt --max-new-tokens 4 --no-damage",
    ),
    (
        "when-late",
        "steer --model llama.gguf --direction band.safetensors@resid_post.0 --alpha 0.5 --when band.safetensors@resid_post.1 --input prompts.txt",
    ),
    (
        "no-such-site",
        "steer --model llama.gguf --direction band.safetensors@resid_post.7 --alpha 0.5 --input prompts.txt",
    ),
    (
        "score",
        "score --model llama.gguf --direction band.safetensors --probes prompts.txt --sequences neutral.txt",
    ),
    (
        "score-worst",
        "score --model llama.gguf --direction band.safetensors --over worst --probes prompts.txt --sequences neutral.txt",
    ),
    (
        "score-summary",
        "score --model llama.gguf --direction band.safetensors --probes prompts.txt --sequences train.jsonl --summary s.json --null-draws 99 --permutations 199",
    ),
    (
        "score-worst-summary",
        "score --model llama.gguf --direction band.safetensors --over worst --probes prompts.txt --sequences train.jsonl --out worst.jsonl --summary s.json --report board --null-draws 99 --permutations 199",
    ),
    (
        "score-expect",
        "score --model llama.gguf --direction band.safetensors --over worst --probes prompts.txt --sequences train.jsonl --expect worst.jsonl",
    ),
    (
        "audit",
        "audit --model llama.gguf --direction band.safetensors --pairs pairs.jsonl --confound action=action.jsonl --estimator mean-diff --no-agreement --permutations 9 --random-directions 199 --out audit.json --report audited",
    ),
    (
        "geometry",
        "geometry --direction band.safetensors shared.safetensors --permutations 19 --out g.json --report lie",
    ),
    ("geometry-sites", "geometry --direction band.safetensors band.safetensors@resid_post.1"),
    ("bake-norms", "direction bake shared.safetensors --model @/families/olmo2 --ablate --out other"),
    ("bake-gguf", "direction bake shared.safetensors --model llama.gguf --ablate --out other"),
    ("bake-several", "direction bake band.safetensors --model @/families/llama --ablate --out other"),
    (
        "monitor",
        "monitor --model llama.gguf --direction band.safetensors@resid_post.0 --direction shared.safetensors@resid_post.1 --input prompts.txt --max-new-tokens 2 --out m.json --report page",
    ),
];

/// A direction in the weights of a model, and that model against its origin.
pub const BAKED: Table = &[
    (
        "extract",
        "direction extract --model @/ladder/step-7 --classes @/ladder/classes.jsonl --positive refused --near-copies 1 --site resid_post.1 --estimator mean-diff --permutations 0 --out refusal.safetensors --quiet",
    ),
    ("bake", "direction bake refusal.safetensors --model @/ladder/step-7 --ablate --out baked --json"),
    ("bake-again", "direction bake refusal.safetensors --model @/ladder/step-7 --ablate --out baked"),
    (
        "audit",
        "direction audit --model baked --against @/ladder/step-7 --direction refusal.safetensors --site resid_post.0..2 --classes @/ladder/classes.jsonl --positive refused --near-copies 1 --neutral @/ladder/prompts.jsonl --out audit.json --report page",
    ),
    (
        "audit-other",
        "direction audit --model baked --against @/families/llama --direction refusal.safetensors --classes @/ladder/classes.jsonl --positive refused --neutral @/ladder/prompts.jsonl",
    ),
];
