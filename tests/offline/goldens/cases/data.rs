//! `data`: public data sets and tables.

use super::Table;

pub const CASES: Table = &[
    ("advbench", "data convert --from advbench @/imports/advbench.csv --out a.jsonl"),
    ("alpaca", "data convert --from alpaca @/imports/alpaca.json --category general --out b.jsonl"),
    (
        "alpaca-parquet",
        "data convert --from alpaca @/imports/alpaca.parquet --category general --json --out c.jsonl",
    ),
    ("beavertails", "data convert --from beavertails @/imports/beavertails.jsonl --out d.jsonl"),
    (
        "beavertails-gz",
        "data convert --from beavertails @/imports/beavertails.jsonl.gz --take 3 --seed 2 --several first --disagree majority --out e.jsonl",
    ),
    (
        "harmbench",
        "data convert --from harmbench @/imports/harmbench.csv --split train=0.5,test=0.5 --seed 1 --out f.jsonl",
    ),
    ("malicious", "data convert --from maliciousinstruct @/imports/malicious.txt --out g.jsonl"),
    (
        "csv",
        "data convert --from csv @/imports/table.csv --columns text=prompt,label=toxic,group=topic --map label=0:safe,1:harmful --skip-empty --out h.jsonl",
    ),
    (
        "csv-json",
        "data convert --from csv @/imports/table.csv --columns text=prompt,label=toxic --json --out i.jsonl",
    ),
    (
        "parquet",
        "data convert --from parquet @/imports/table.zstd.parquet --columns text=prompt,label=toxic --out j.jsonl",
    ),
    (
        "jsonl",
        "data convert --from jsonl train.jsonl --columns text=text,label=label,category=category,group=group --out k.jsonl",
    ),
    (
        "check-pairs",
        "data check --pairs pairs.jsonl --model llama.gguf --out check.json --report page --quiet",
    ),
    ("check-classes", "data check --classes train.jsonl --positive bad --folds 4 --claim 0.7 --json"),
    ("check-one-label", "data check --classes train.jsonl"),
    ("check-claim", "data check --pairs pairs.jsonl --claim 0.4"),
    ("check-dry-run", "data check --pairs pairs.jsonl --dry-run"),
    ("unknown", "data convert --from nowhere @/imports/table.csv --out x.jsonl"),
    (
        "no-column",
        "data convert --from csv @/imports/table.csv --columns text=question,label=toxic --out x.jsonl",
    ),
];
