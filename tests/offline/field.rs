//! The field's files at the command line: read to a result, and written so that they come back.

use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;

use crate::support::{ok, run};

pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");

pub(crate) fn field(name: &str) -> String {
    format!("{}/fixtures/field/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

pub(crate) fn code(dir: &Path, args: &[&str], expected: i32) -> String {
    let done = run(dir, args);
    assert_eq!(done.status.code(), Some(expected), "{args:?}: {}", said(&done));
    said(&done)
}

pub(crate) fn json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn boards_that_were_kept_are_compared_and_summed_up_without_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let [olmo, llama, gemma] = ["board-olmo.json", "board-llama.jsonl", "board-gemma.parquet"].map(field);
    let named = [format!("llama={llama}"), format!("gemma={gemma}")];
    let transfer = [
        "transfer",
        "--board",
        &olmo,
        "--score",
        "score",
        "--board",
        &named[0],
        "--board",
        &named[1],
        "--permutations",
        "199",
        "--out",
        "t.json",
        "--report",
        "page",
        "--tables",
        "tables",
    ];
    let done = said(&ok(dir.path(), &transfer));
    assert!(
        done.contains("6 clusters") && done.contains("Pearson's r") && done.contains("counted once:"),
        "{done}"
    );
    let found = &json(&dir.path().join("t.json"))["result"];
    assert_eq!(
        (found["sequences"].as_u64(), found["clusters"].as_array().map(Vec::len)),
        (Some(73), Some(6))
    );
    let names: Vec<&str> =
        found["boards"].as_array().unwrap().iter().map(|b| b["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["olmo", "llama", "gemma"]);
    // By kind, which one of the three says; who sent a sequence is no kind of it.
    let groups = found["pairs"][0]["agreement"].as_array().unwrap();
    let groups: Vec<&str> = groups.iter().map(|a| a["group"].as_str().unwrap()).collect();
    assert_eq!(groups, ["all", "top", "middle", "bottom", "kind=filler", "kind=value"]);
    assert!(dir.path().join("page/report.html").is_file());
    let signs = std::fs::read(dir.path().join("tables/transfer-signs-table-1.parquet")).unwrap();
    let signs = truenorth::data::read_table(signs.as_slice(), "signs.parquet").unwrap();
    assert_eq!(signs.rows.len(), found["pairs"][0]["agreement"].as_array().unwrap().len());
    assert!(dir.path().join("tables/transfer-signs-table-1.csv").is_file());
    // A second score of the same model is a board of its own where it is named; one alone is none to compare.
    let both = ["transfer", "--board", &olmo, "--score", "score", "--score", "score_alt"];
    ok(dir.path(), &[&both[..], &["--permutations", "99", "--out", "two.json"]].concat());
    let commas = ["transfer", "--board", &olmo, "--score", "score,score_alt", "--permutations", "99"];
    ok(dir.path(), &[&commas[..], &["--out", "commas.json"]].concat());
    assert_eq!(json(&dir.path().join("commas.json")), json(&dir.path().join("two.json")));
    let alone = code(dir.path(), &["transfer", "--board", &olmo], 2);
    assert!(alone.contains("`score_alt`") && alone.contains("no other model's"), "{alone}");
    assert!(code(dir.path(), &["transfer", "--board", &llama], 2).contains("transfer compares two or more"));
    assert!(code(dir.path(), &["transfer"], 2).contains("--model"));

    let summary =
        ["score", "summary", &olmo, "--against", &llama, "--permutations", "199", "--out", "s.json"];
    let done = said(&ok(dir.path(), &[&summary[..], &["--report", "board"]].concat()));
    assert!(done.contains("73 of 80 sequences count"), "{done}");
    assert_eq!(json(&dir.path().join("s.json"))["result"]["asymmetry"]["n"], 73);
    // The same board is as expected, another is not, and says where.
    let same = ok(dir.path(), &["score", "summary", &llama, "--expect", &llama]);
    let same: Json = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!((same["agrees"].as_bool(), same["inversions"].as_u64()), (Some(true), Some(0)));
    let other = code(dir.path(), &["score", "summary", &llama, "--expect", &gemma], 1);
    assert!(other.contains("\"agrees\": false") && other.contains("counts as none (--within)"), "{other}");
    let lacks = code(dir.path(), &["score", "summary", &field("transfer.csv")], 2);
    assert!(lacks.contains("no column of scores") && lacks.contains("--score NAME"), "{lacks}");
}

#[test]
fn sheets_and_verdicts_of_other_programs_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let ratings = ["ann", "ben"].map(|r| format!("{r}={}", field(&format!("sheet-{r}.csv"))));
    let (key, doses) = (field("key.json"), field("key-doses.json"));
    let unblind =
        ["rate", "unblind", "--ratings", &ratings[0], "--ratings", &ratings[1], "--permutations", "99"];
    let done = said(&ok(
        dir.path(),
        &[&unblind[..], &["--key", &key, "--out", "r.json", "--report", "page"]].concat(),
    ));
    assert!(done.contains("no predictions were registered for this key"), "{done}");
    let found = &json(&dir.path().join("r.json"))["result"];
    assert_eq!(found["raters"][0]["steered"]["value"].as_f64(), Some(14.0 / 18.0));
    assert!(found.get("registration_sha256").is_none());
    let open = code(dir.path(), &[&unblind[..], &["--key", &doses]].concat(), 2);
    assert!(
        open.contains("which of them is steered is not told") && open.contains("--steered NAME"),
        "{open}"
    );
    ok(dir.path(), &[&unblind[..], &["--key", &doses, "--steered", "0.1", "--out", "d.json"]].concat());
    assert!(code(dir.path(), &unblind, 2).contains("--folder"));

    let [one, two] = ["judge-one.json", "judge-two.json"].map(field);
    ok(
        dir.path(),
        &["judge", "agree", &one, &two, "--permutations", "99", "--out", "a.json", "--report", "agree"],
    );
    let found = &json(&dir.path().join("a.json"))["result"][0];
    assert_eq!((found["first"].as_str(), found["second"].as_str()), (Some("one"), Some("judge-two")));
    assert_eq!(found["n"], 20);
    // By hand: one says tie at 0, 5, 10, 15, else A, B by parity; two says A, B, T in turn.
    assert_eq!(found["same"]["value"].as_f64(), Some(8.0 / 20.0));
    assert!(code(dir.path(), &["judge", "agree", &one, &one], 2).contains("NAME=F"));
    assert!(code(dir.path(), &["judge", "agree", &one, &format!("x={one}")], 2).contains("there twice"));
    let copy = dir.path().join("copy.json");
    std::fs::write(&copy, std::fs::read_to_string(&one).unwrap().replace('\n', "\r\n")).unwrap();
    let copy = format!("x={}", copy.display());
    assert!(code(dir.path(), &["judge", "agree", &one, &copy], 2).contains("hold the same"));
    std::fs::write(dir.path().join("v.csv"), "id,verdict\n1,first\n").unwrap();
    let csv = code(dir.path(), &["judge", "agree", &one, "v.csv"], 2);
    assert!(csv.contains("it is CSV") && csv.contains("a JSON object a line"), "{csv}");
    let sheet = field("sheet-ann.csv");
    let copy = dir.path().join("ann-copy.csv");
    std::fs::write(&copy, std::fs::read_to_string(&sheet).unwrap().replace("\r\n", "\n")).unwrap();
    let two = [format!("ann={sheet}"), format!("ben={}", copy.display())];
    let twice = ["rate", "unblind", "--ratings", &two[0], "--ratings", &two[1], "--key", &key];
    assert!(code(dir.path(), &twice, 2).contains("have the same in every cell"));
}

#[test]
fn pairs_of_other_programs_reach_a_direction() {
    let dir = tempfile::tempdir().unwrap();
    let extract = |pairs: &str, more: &[&str]| {
        let args = [
            "direction",
            "extract",
            "--model",
            MODEL,
            "--no-cache",
            "--quiet",
            "--site",
            "resid_post.1",
            "--estimator",
            "mean-diff",
            "--permutations",
            "0",
            "--pairs",
            pairs,
            "--out",
            "d.safetensors",
        ];
        said(&ok(dir.path(), &[&args[..], more].concat()))
    };
    for name in ["caa.json", "caa.csv", "preferences.parquet"] {
        extract(&field(name), &[]);
    }
    let done = extract(&field("repeng.jsonl"), &["--template", "{response}"]);
    assert!(done.contains("`positive`, `negative` are read as `chosen`, `rejected`"), "{done}");
    // Whole texts are no conversations, and what the refusal says works: that template, without --chat.
    let chat = [
        "direction",
        "extract",
        "--model",
        MODEL,
        "--chat=chatml",
        "--site",
        "resid_post.1",
        "--out",
        "e.safetensors",
        "--pairs",
    ];
    let refused = code(dir.path(), &[&chat[..], &[&field("repeng.jsonl")]].concat(), 2);
    assert!(refused.contains("the user's turn of its conversation"), "{refused}");
    assert!(
        refused.contains("leave --chat (`chat` in a study) out and put in --template \"{response}\""),
        "{refused}"
    );
}

#[test]
fn concepts_of_a_file_are_probed_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let things = ["cats", "trains", "bread", "music", "chess", "rivers", "paint", "boats", "tea", "clocks"];
    let of = [
        ("weather", "with storms and clouds", "positive", 0),
        ("cooking", "boiled in a pot", "positive", 1),
        ("EEEEE", "as it is", "negative", -1),
    ];
    let mut csv =
        String::from("input,output,output_concept,concept_genre,category,dataset_category,concept_id\n");
    for (concept, words, label, number) in of {
        for (i, thing) in things.iter().enumerate() {
            csv += &format!(
                "Write of {thing} {i}.,\"So: {thing} {words}, {i}.\",{concept},text,{label},instruction,{number}\n"
            );
        }
    }
    std::fs::write(dir.path().join("own.csv"), &csv).unwrap();
    let probe = [
        "probe",
        "--model",
        MODEL,
        "--no-cache",
        "--quiet",
        "--chat=chatml",
        "--site",
        "resid_post.1",
        "--train",
        "own.csv",
    ];
    let few = ["--permutations", "19", "--controls", "bag-of-words", "--out", "p.json"];
    let done = said(&ok(dir.path(), &[&probe[..], &few].concat()));
    assert!(done.contains("a file of 2 concepts"), "{done}");
    let found = json(&dir.path().join("p.json"))["result"].to_string();
    assert!(found.contains("\"weather\"") && found.contains("\"cooking\""), "{found}");
    let extract = [
        "direction",
        "extract",
        "--model",
        MODEL,
        "--no-cache",
        "--quiet",
        "--chat=chatml",
        "--site",
        "resid_post.1",
    ];
    let how = [
        "--estimator",
        "mean-diff",
        "--permutations",
        "0",
        "--classes",
        "own.csv",
        "--positions",
        "mean:response",
    ];
    ok(dir.path(), &[&extract[..], &how, &["--out", "d.safetensors"]].concat());
    // Rows of no concept are negative for the one that there is, which can't be held out.
    let one: Vec<&str> = csv.lines().filter(|line| !line.contains("cooking")).collect();
    std::fs::write(dir.path().join("one.csv"), one.join("\n")).unwrap();
    let how = how.map(|arg| if arg == "own.csv" { "one.csv" } else { arg });
    let done = said(&ok(dir.path(), &[&extract[..], &how, &["--out", "one.safetensors"]].concat()));
    assert!(done.contains("one category, \"weather\", so no category is held out"), "{done}");
    assert!(!done.contains("held out by axis"), "{done}");
}

#[test]
fn tables_and_arrays_are_written_as_their_names_say() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "one text\nanother text here\n").unwrap();
    let tokens = |out: &str| {
        ok(dir.path(), &["tokens", "--model", MODEL, "--input", "in.txt", "--out", out]);
    };
    for out in ["t.jsonl", "t.csv", "t.parquet", "set/"] {
        tokens(out);
    }
    let lines = std::fs::read_to_string(dir.path().join("t.jsonl")).unwrap();
    let first: Json = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let head = std::fs::read_to_string(dir.path().join("t.csv")).unwrap();
    assert!(head.starts_with("id,"), "{head}");
    let columns = std::fs::read(dir.path().join("t.parquet")).unwrap();
    assert_eq!(std::fs::read(dir.path().join("set/data/train-00000-of-00001.parquet")).unwrap(), columns);
    let back = truenorth::data::read_table(columns.as_slice(), "t.parquet").unwrap();
    assert_eq!(back.rows[0].fields["ids"], first["ids"]);
    let card = std::fs::read_to_string(dir.path().join("set/README.md")).unwrap();
    assert!(card.contains("path: data/train-*.parquet") && card.contains("list: int64"), "{card}");
    // Again is no loss; somebody's own card is.
    tokens("set/");
    std::fs::write(dir.path().join("set/README.md"), "# Mine\n").unwrap();
    let args = ["tokens", "--model", MODEL, "--input", "in.txt", "--out", "set/"];
    assert!(code(dir.path(), &args, 2).contains("would be overwritten"));

    let read = |out: &str| {
        let args = [
            "read",
            "--model",
            MODEL,
            "--no-cache",
            "--quiet",
            "--input",
            "in.txt",
            "--site",
            "resid_post.1",
        ];
        ok(dir.path(), &[&args[..], &["--out", out]].concat());
    };
    read("a.npz");
    read("a.safetensors");
    let import = |file: &str, out: &str| {
        let args = [
            "direction",
            "import",
            file,
            "--row",
            "1",
            "--sign",
            "x",
            "--site",
            "resid_post.1",
            "--out",
            out,
        ];
        ok(dir.path(), &args);
        std::fs::read(dir.path().join(out)).unwrap()
    };
    let (npz, own) = (import("a.npz", "n.safetensors"), import("a.safetensors", "s.safetensors"));
    assert_eq!(npz[npz.len() - 64..], own[own.len() - 64..]);
}

/// Leaves a direction of the tiny model, `d.safetensors`.
pub(crate) fn direction(dir: &Path) {
    let vector = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama/config.json");
    let hidden = json(Path::new(vector))["hidden_size"].as_u64().unwrap();
    let values: Vec<f32> = (0..hidden).map(|i| (i as f32 * 0.7).sin()).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = [values.len()];
    let array = truenorth::data::out::NamedArray {
        name: "direction",
        shape: &shape,
        elements: truenorth::data::out::Elements::Floats,
        data: &bytes,
    };
    let meta = r#"{"site": "resid_post.1", "sign": "up"}"#;
    std::fs::write(dir.join("d.npz"), truenorth::data::out::npz(&[array], meta).unwrap()).unwrap();
    ok(dir, &["direction", "import", "d.npz", "--out", "d.safetensors"]);
}

#[test]
fn a_board_is_held_against_the_one_that_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("probes.txt", "the table\na letter came\n");
    write("sequences.txt", "one two\nthree four\nfive six\n");
    direction(dir.path());
    let score = |more: &[&str]| {
        let args = [
            "score",
            "--model",
            MODEL,
            "--no-cache",
            "--quiet",
            "--direction",
            "d.safetensors",
            "--probes",
            "probes.txt",
            "--sequences",
            "sequences.txt",
        ];
        run(dir.path(), &[&args[..], more].concat())
    };
    for out in ["b.jsonl", "b.csv", "b.parquet"] {
        assert!(score(&["--out", out]).status.success());
        let done = score(&["--expect", out]);
        assert_eq!(done.status.code(), Some(0), "{out}: {}", said(&done));
        let found: Json = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((found["agrees"].as_bool(), found["sequences"].as_u64()), (Some(true), Some(3)), "{out}");
    }
    let text = std::fs::read_to_string(dir.path().join("b.csv")).unwrap();
    write("c.csv", &text.replacen("three four", "three five", 1));
    let done = score(&["--expect", "c.csv", "--out", "again.jsonl"]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("not on both boards"), "{}", said(&done));
    assert!(dir.path().join("again.jsonl").is_file());
}
