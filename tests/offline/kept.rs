//! What the program wrote, read again: boards with their labels, data-set folders.

use serde_json::Value as Json;

use crate::field::{MODEL, code, direction, field, json, said};
use crate::support::{ok, run};

#[test]
fn a_board_keeps_what_its_sequences_were_given_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("probes.txt", "the table\na letter came\n");
    let words =
        ["north", "south", "river", "stone", "copper", "winter", "garden", "letter", "music", "bread"];
    let rows = words.iter().enumerate().map(|(i, w)| {
        let (kind, at) = (["thing", "quality"][i % 2], format!("2026-11-{:02}", i + 1));
        format!(
            "{{\"id\": \"s{i}\", \"text\": \"the {w} is {i}{i}\", \"kind\": \"{kind}\", \"pair\": {}, \"group\": \"g{}\", \
             \"axis\": \"a{}\", \"handle\": \"h{i}\", \"at\": \"{at}\", \"prompt\": \"p{i}\", \"rank\": 99, \"parts\": [{i}]}}\n",
            i / 2,
            i % 3,
            i % 4,
        )
    });
    write("s.jsonl", &rows.collect::<String>());
    direction(dir.path());
    let score = |sequences: &str, more: &[&str]| {
        let args = ["score", "--model", MODEL, "--no-cache", "--quiet", "--direction", "d.safetensors"];
        let files = ["--probes", "probes.txt", "--sequences", sequences];
        said(&ok(dir.path(), &[&args[..], &files, more].concat()))
    };
    let read = |name: &str| {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        truenorth::data::read_table(bytes.as_slice(), name).unwrap()
    };
    let given = read("s.jsonl");
    for out in ["b.json", "b.jsonl", "b.csv", "b.parquet"] {
        assert!(score("s.jsonl", &["--out", out]).contains("a rank of its own"), "{out}");
        let board = read(out);
        assert_eq!(board.rows.len(), words.len(), "{out}");
        for row in &given.rows {
            let own = board.rows.iter().find(|r| r.fields["id"] == row.fields["id"]).unwrap();
            for (name, was) in row.fields.iter().filter(|(name, _)| *name != "rank") {
                let cell = own.fields[name].as_str().map(str::to_owned);
                let is = cell.unwrap_or_else(|| own.fields[name].to_string());
                assert_eq!(is, was.as_str().map_or_else(|| was.to_string(), str::to_owned), "{out} {name}");
            }
            assert_ne!(
                own.fields["rank"].as_str().map_or(own.fields["rank"].to_string(), str::to_owned),
                "99"
            );
        }
        // Read back by all that take a board, kinds and pairs included.
        let summary = ["score", "summary", out, "--contrast", "thing,quality", "--permutations", "99"];
        let shown = said(&ok(dir.path(), &[&summary[..], &["--out", "sum.json"]].concat()));
        assert!(shown.contains("AUROC of thing above quality"), "{shown}");
        let found = &json(&dir.path().join("sum.json"))["result"];
        assert_eq!((&found["contrast"]["n"], &found["contrast"]["pairs"]["n"]), (&10.into(), &Json::Null));
        let labels = ["--label", "kind", "--label", "group", "--label", "axis", "--cluster", "pair"];
        // One board under two names is none beside itself: the other is of the same scores in another form.
        let other = if out == "b.csv" { "b.json" } else { "other.csv" };
        score("s.jsonl", &["--out", "other.csv"]);
        let two = ["transfer", "--board", out, "--board", other, "--permutations", "99", "--out", "t.json"];
        ok(dir.path(), &[&two[..], &labels].concat());
        let same = ["transfer", "--board", out, "--board", &format!("again={out}")];
        let same = run(dir.path(), &same);
        assert!(same.status.code() == Some(2) && said(&same).contains("is there twice"), "{}", said(&same));
        let groups = &json(&dir.path().join("t.json"))["result"]["pairs"][0]["agreement"];
        let groups: Vec<&str> =
            groups.as_array().unwrap().iter().map(|a| a["group"].as_str().unwrap()).collect();
        for group in ["kind=thing", "group=g2", "axis=a3"] {
            assert!(groups.contains(&group), "{out}: {groups:?}");
        }
        score("s.jsonl", &["--expect", out]);
        let whole =
            ["--against", out, "--summary", "whole.json", "--permutations", "99", "--null-draws", "99"];
        score("s.jsonl", &[&whole[..], &["--out", "again.jsonl"]].concat());
        // A board is a file of sequences, whose old numbers give way to new ones.
        let again = score(out, &["--expect", "b.json", "--out", "again.jsonl"]);
        assert!(again.contains("has a score, z, coherence"), "{again}");
        assert_eq!(read("again.jsonl").rows[0].fields["group"], read("b.json").rows[0].fields["group"]);
    }
}

#[test]
fn a_data_set_folder_is_taken_wherever_a_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let set = field("set");
    // Pairs in two parts and prompts, as `datasets` and the hub keep them.
    let extract = |pairs: &str, out: &str| {
        let args =
            ["direction", "extract", "--model", MODEL, "--no-cache", "--quiet", "--site", "resid_post.1"];
        let how = ["--estimator", "mean-diff", "--permutations", "0", "--pairs", pairs, "--out", out];
        said(&ok(dir.path(), &[&args[..], &how].concat()));
        let file = std::fs::read(dir.path().join(out)).unwrap();
        file[file.len() - 64..].to_vec()
    };
    let two = code(dir.path(), &["data", "check", "--pairs", &set], 2);
    assert!(two.contains("has the configurations pairs, prompts") && two.contains("set/pairs"), "{two}");
    assert_eq!(
        extract(&format!("{set}/pairs"), "d.safetensors"),
        extract(&field("set.jsonl"), "e.safetensors")
    );
    let tokens = ["tokens", "--model", MODEL, "--input", &format!("{set}/prompts"), "--out", "t/"];
    ok(dir.path(), &tokens);
    let gone = code(dir.path(), &["tokens", "--model", MODEL, "--input", &format!("{set}/pairs/test")], 2);
    assert!(gone.contains("no split `test`") && gone.contains("set/pairs/train"), "{gone}");

    // A board and classes that this program leaves in a folder come back from it.
    let prompts = format!("{set}/prompts/test");
    let sequences: String = (0..9).map(|i| format!("a text of number {i}{i}{i}\n")).collect();
    std::fs::write(dir.path().join("s.txt"), sequences).unwrap();
    let score = ["score", "--model", MODEL, "--no-cache", "--quiet", "--direction", "d.safetensors"];
    let files = ["--probes", &prompts, "--sequences", "s.txt"];
    let score = |more: &[&str]| run(dir.path(), &[&score[..], &files, more].concat());
    assert!(score(&["--out", "board/"]).status.success());
    let done = score(&["--expect", "board", "--out", "board.csv"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    ok(dir.path(), &["score", "summary", "board", "--against", "board.csv", "--out", "s.json"]);
    let record = json(&dir.path().join("s.json"));
    let same = record["result"]["rank_changes"]["correlation"]["value"].as_f64().unwrap();
    assert!((same - 1.0).abs() < 1e-9, "{same}");
    ok(dir.path(), &["transfer", "--board", "a=board", "--board", "b=board/train", "--permutations", "99"]);
    // What is read stays as it is.
    let same = ["score", "summary", "board", "--out", "board/data/train-00000-of-00001.parquet"];
    assert!(code(dir.path(), &same, 2).contains("is read and would be overwritten"));
    let again = score(&["--sequences", "board", "--out", "board/"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));

    let convert = [
        "data",
        "convert",
        "--from",
        "parquet",
        "--columns",
        "text=chosen,label=axis",
        "--map",
        "label=a1:yes,a3:yes,*:no",
        "--split",
        "train=0.5,test=0.5",
    ];
    ok(dir.path(), &[&convert[..], &["--out", "classes/", &format!("{set}/pairs")]].concat());
    let both = code(dir.path(), &["data", "check", "--classes", "classes", "--positive", "yes"], 2);
    assert!(both.contains("has the splits train, test") && both.contains("classes/train"), "{both}");
    ok(dir.path(), &["data", "check", "--classes", "classes/test", "--positive", "yes", "--out", "c.json"]);
    let steered = ["steer", "--model", MODEL, "--no-cache", "--quiet", "--direction", "d.safetensors"];
    let doses =
        ["--input", &prompts, "--alpha", "0,0.1", "--max-new-tokens", "3", "--alpha-unit", "absolute"];
    for out in ["steered/", "steered.parquet"] {
        ok(dir.path(), &[&steered[..], &doses, &["--out", out]].concat());
        let sheet = [
            "rate",
            "sheet",
            "--steered",
            out,
            "--alpha",
            "0.1",
            "--question",
            "Which?",
            "--leave-out-empty",
        ];
        let folder = out.replace(['/', '.'], "-");
        let done = run(dir.path(), &[&sheet[..], &["--folder", &folder]].concat());
        let words = said(&done);
        // A tiny model may say the same at both doses, which is no fault of the file.
        assert!(done.status.success() || words.contains("0 items") || words.contains("no item"), "{words}");
    }
    assert!(code(dir.path(), &["data", "check", "--pairs", "."], 2).contains("is a folder of several files"));
}
