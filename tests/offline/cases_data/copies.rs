//! One observation is one by its content: under another axis, category or file, in a board and before a judge.

mod apart;
mod judged;

use super::*;

/// Twelve pairs that have no word in common, each on a line.
fn pairs(prefix: &str, axis: &str) -> String {
    (0..12)
        .map(|i| {
            format!(
                "{{\"id\":\"{prefix}{i}\",\"axis\":\"{axis}\",\"prompt\":\"ask{i} now{i}\",\
                 \"chosen\":\"w{i} v{i}\",\"rejected\":\"u{i} t{i}\"}}\n"
            )
        })
        .collect()
}

/// So many texts a class that have no word in common, from a number on.
fn classes(from: usize, count: usize, category: &str) -> String {
    (from..from + count)
        .map(|i| {
            format!(
                "{{\"id\":\"{category}{i}\",\"text\":\"x{i} y{i} {}\",\"label\":{},\"category\":\"{category}\"}}\n",
                if i % 2 == 0 { "hat" } else { "tin" },
                i % 2
            )
        })
        .collect()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// What a verb that goes well says.
fn says(dir: &Path, args: &[&str], words: &[&str]) -> String {
    let done = run(dir, args);
    let text = said(&done);
    assert!(done.status.success(), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no `{word}` in {text}");
    }
    text
}

fn json(dir: &Path, file: &str) -> Json {
    serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap()
}

fn rows(dir: &Path, file: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_pair_under_another_axis_is_no_second_one() {
    let twice = pairs("a", "one") + &pairs("b", "two").replace("w0 v0", "W0  v0");
    let dir =
        folder(&[("once.jsonl", &pairs("a", "one")), ("twice.jsonl", &twice), ("n.txt", "hi\nold tin\n")]);
    let of = |file| {
        let args = extract("lda", "9", &["--pairs", file, "--out", "o.safetensors"]);
        let text = says(dir.path(), &args, &[]);
        let table: Vec<String> = text.lines().filter(|l| l.starts_with("pair ")).map(str::to_owned).collect();
        (text, table)
    };
    let ((_, once), (text, twice)) = (of("once.jsonl"), of("twice.jsonl"));
    assert_eq!((once.len(), &once), (1, &twice), "{text}");
    for word in ["12 of 24 pairs are copies", "`b0` of `a0`", "12 of these copies stand under another axis"] {
        assert!(text.contains(word) && text.find(word) < text.find("AUROC"), "no `{word}` in {text}");
    }
    // Nothing is left of the other axis that could be held out.
    assert!(!text.contains("axis  "), "{text}");
    let sweep = |file, out| {
        let asked = ["--pairs", file, "--neutral", "n.txt", "--permutations", "9", "--null-draws", "3"];
        let few = ["--random-directions", "2", "--estimator", "mean-diff", "--out", out];
        says(dir.path(), &at_site(&["sweep"], &[&asked[..], &few].concat()), &[]);
        json(dir.path(), out)
    };
    let (a, b) = (sweep("once.jsonl", "a.json"), sweep("twice.jsonl", "b.json"));
    assert_eq!(a["result"]["sites"], b["result"]["sites"]);
    let copies = &b["result"]["copies"];
    assert!(b["result"]["pairs"] == 12 && copies["exact"] == 12 && copies["elsewhere"] == 12, "{copies}");
}

#[test]
fn a_text_of_two_categories_counts_once_and_in_each() {
    let twice = classes(0, 48, "a") + &classes(0, 24, "b") + &classes(48, 24, "b");
    let dir = folder(&[("c.jsonl", &twice)]);
    let how = ["--train", "c.jsonl", "--permutations", "0", "--controls", "length", "--out", "o.json"];
    let words = ["24 of 96 texts are copies", "24 of these copies stand under another category"];
    says(dir.path(), &at_site(&["probe"], &how), &words);
    let found = json(dir.path(), "o.json");
    let n = |name: &str| {
        let all = found["result"]["contrasts"].as_array().unwrap();
        all.iter().find(|c| c["category"] == name).unwrap()["n"].clone()
    };
    assert_eq!((n("all"), n("a"), n("b")), ([36, 36].into(), [24, 24].into(), [24, 24].into()));
    let geometry = ["--checkpoint", MODEL, "--classes", "c.jsonl", "--site", "resid_post.1", "--no-cache"];
    let args = [&["geometry"][..], &geometry, &["--out", "g.json"]].concat();
    says(dir.path(), &args, &words);
    let found = json(dir.path(), "g.json");
    assert_eq!(found["result"]["categories"][0]["n"], Json::from([36, 36]), "{found}");
}

/// A board of twelve sequences before three probes; what is added are copies.
fn board(dir: &Path, probes: &str, sequences: &str) -> (String, Vec<Json>, Json) {
    std::fs::write(dir.join("probes.txt"), probes).unwrap();
    std::fs::write(dir.join("s.txt"), sequences).unwrap();
    let files = ["--direction", "d.safetensors", "--probes", "probes.txt", "--sequences", "s.txt"];
    let out = ["--draws", "0", "--out", "b.jsonl", "--summary", "b.json", "--permutations", "99"];
    let text = says(dir, &on_model(&["score"], &[&files[..], &out].concat()), &[]);
    (text, rows(dir, "b.jsonl"), json(dir, "b.json"))
}

#[test]
fn copies_on_a_board_take_no_rank_and_copied_probes_count_once() {
    let dir = folder(&[("p.jsonl", &pairs("a", "one"))]);
    ok(dir.path(), &extract("mean-diff", "0", &["--pairs", "p.jsonl", "--out", "d.safetensors"]));
    let probes = "the hat\nan old tin\nred cup\n";
    let sequences: String = (0..12).map(|i| format!("s{i} q{i}\n")).collect();
    let (_, plain, summary) = board(dir.path(), probes, &sequences);
    let more = format!("{sequences}S0  q0\nq3 s3\n");
    let (text, copied, other) = board(dir.path(), &format!("{probes}The hat\nred  cup\n"), &more);
    for word in ["1 of 14 sequences are copies", "`13` of `1`", "2 of 5 prompts are copies", "`4` of `1`"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    let own: Vec<Json> = copied.iter().filter(|r| r.get("counted_with").is_none()).cloned().collect();
    assert_eq!(own, plain);
    let with: Vec<&Json> = copied.iter().filter_map(|r| r.get("counted_with")).collect();
    assert!(
        with.len() == 2 && with.contains(&&Json::from("1")) && with.contains(&&Json::from("4")),
        "{with:?}"
    );
    for part in ["asymmetry", "score_and_z", "family", "probes", "coherence"] {
        assert_eq!(summary["result"][part], other["result"][part], "{part}");
    }
    assert!(other["result"]["distinct"] == 12 && other["result"]["sequences"] == 14);
    let recorded = other.to_string();
    assert!(recorded.contains("\"exact_ids\":[[\"4\",\"1\"],[\"5\",\"3\"]]"), "{recorded}");
}
