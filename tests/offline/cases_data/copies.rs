//! One observation is one by its content: under another axis, category or file, in a board and before a judge.

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

#[test]
fn texts_of_the_training_file_are_no_test() {
    // Forty of the training file, one nearly so with its label, one with the other, and twelve of its own.
    let near = "{\"id\":\"n0\",\"text\":\"a b c d e\",\"label\":0}\n{\"id\":\"n1\",\"text\":\"f g h i j\",\"label\":1}\n";
    let train = classes(0, 40, "a") + near;
    let changed = near.replace("d e", "d").replace("\"label\":1", "\"label\":0").replace("i j", "i");
    let own = classes(50, 12, "a");
    let mixed = classes(0, 40, "a").replace("\"a", "\"t") + &changed.replace("\"n", "\"m") + &own;
    let kept = "{\"id\":\"m1\",\"text\":\"f g h i\",\"label\":0}\n".to_owned() + &own;
    let dir = folder(&[
        ("train.jsonl", &train),
        ("mixed.jsonl", &mixed),
        ("kept.jsonl", &kept),
        ("same.jsonl", &classes(0, 40, "a")),
        (
            "turned.jsonl",
            &classes(0, 40, "a").replace("\"label\":1", "\"label\":2").replace("\"label\":0", "\"label\":1"),
        ),
    ]);
    let probe = |test: &str| {
        let how =
            ["--train", "train.jsonl", "--permutations", "0", "--controls", "length", "--no-categories"];
        let test = format!("new={test}");
        let args = at_site(&["probe"], &[&how[..], &["--test", &test, "--out", "o.json"]].concat())
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        run(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let tested = || json(dir.path(), "o.json")["result"]["contrasts"][0]["tests"][0]["auroc"].clone();
    assert!(probe("kept.jsonl").status.success());
    let want = tested();
    let done = probe("mixed.jsonl");
    let text = said(&done);
    assert!(done.status.success(), "{text}");
    assert_eq!(tested(), want);
    for word in
        ["set new: 40 of 54 rows are copies", "1 of 54 rows are near copies", "`m0` of `n0`", "`m1` of `n1`"]
    {
        assert!(text.contains(word) && text.find(word) < text.find("AUROC"), "no `{word}` in {text}");
    }
    let apart = &json(dir.path(), "o.json")["result"]["apart"][0];
    assert!(apart["copies"] == 40 && apart["near"] == 1 && apart["kept_near"] == 1, "{apart}");
    // Nothing of its own, and labels that contradict each other.
    for (file, word) in [("same.jsonl", "40 of 40 rows are copies"), ("turned.jsonl", "another label")] {
        let done = probe(file);
        let text = said(&done);
        assert!(done.status.code() == Some(2) && text.contains(word) && text.contains(file), "{text}");
    }
}

#[test]
fn what_a_direction_was_fitted_on_says_nothing_in_an_audit() {
    let own = pairs("c", "z").replace('w', "e").replace('u', "f").replace("ask", "tell");
    let first = |n: usize| -> String {
        let copied = |l: &str| format!("{}\n", l.replace("\"id\":\"a", "\"id\":\"s").replace("w", "W"));
        pairs("a", "one").lines().take(n).map(copied).collect()
    };
    let dir =
        folder(&[("p.jsonl", &pairs("a", "one")), ("own.jsonl", &own), ("mixed.jsonl", &(first(3) + &own))]);
    let audit = |confound: &str, flips: &str| {
        let (set, flips) = (format!("x={confound}"), format!("value-flip={flips}"));
        let how = ["--pairs", "p.jsonl", "--estimator", "mean-diff", "--permutations", "9", "--no-agreement"];
        let few = ["--random-directions", "200", "--confound", &set, "--confound", &flips, "--out", "o.json"];
        let text = says(dir.path(), &at_site(&["audit"], &[&how[..], &few].concat()), &[]);
        (text, json(dir.path(), "o.json")["result"].clone())
    };
    let (_, plain) = audit("own.jsonl", "own.jsonl");
    let (text, mixed) = audit("mixed.jsonl", "mixed.jsonl");
    assert!(
        text.contains("set x: 3 of 15 rows are copies") && text.contains("`s0` of `a0/chosen`"),
        "{text}"
    );
    assert!(text.contains("set value-flip: 3 of 15 rows are copies"), "{text}");
    assert!(
        plain["rows"][0]["verdict"] != "circular" && mixed["rows"][0]["verdict"] == "circular",
        "{mixed}"
    );
    assert!(mixed["rows"][0]["says"].as_str().unwrap().contains("6 of its 30 texts say the same"), "{mixed}");
    assert_eq!(plain["flips"][0]["pairs"], mixed["flips"][0]["pairs"]);
    assert!(mixed["flips"][0]["apart"]["copies"] == 3 && plain["flips"][0]["apart"]["copies"] == 0);
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

#[test]
fn a_judge_counts_a_text_once() {
    let duel = |id: &str, first: &str, second: &str| {
        format!("{{\"id\":\"{id}\",\"prompt\":\"the hat\",\"first\":\"{first}\",\"second\":\"{second}\"}}\n")
    };
    let once: String =
        (0..6).map(|i| duel(&format!("d{i}"), &format!("a{i} b{i}"), &format!("c{i} e{i}"))).collect();
    let copies: String =
        (0..6).map(|i| duel(&format!("k{i}"), &format!("A{i}  b{i}"), &format!("c{i} e{i}"))).collect();
    let dir = folder(&[
        ("once.jsonl", &once),
        ("twice.jsonl", &(once.clone() + &copies)),
        ("turned.jsonl", &(once.clone() + &duel("t", "c1 e1", "a1 b1"))),
    ]);
    let judge = |file| {
        let how = [
            "--judge",
            MODEL,
            "--duels",
            file,
            "--permutations",
            "9",
            "--least-mass",
            "0",
            "--answers",
            "A,B",
            "--out",
            "o.json",
        ];
        [&["judge", "--no-cache", "--quiet"][..], &how].concat()
    };
    says(dir.path(), &judge("once.jsonl"), &[]);
    let want = json(dir.path(), "o.json");
    let text = says(dir.path(), &judge("twice.jsonl"), &["6 of 12 duels are copies", "`k0` of `d0`"]);
    let found = json(dir.path(), "o.json");
    for part in ["first", "abstained", "bias", "preference", "reasons", "consistency"] {
        assert_eq!(found["result"]["judgement"][part], want["result"]["judgement"][part], "{part}: {text}");
    }
    let judgement = &found["result"]["judgement"];
    assert!(judgement["copies"]["exact"] == 6 && judgement["rows"][6]["counted_with"] == "d0", "{judgement}");
    refused(dir.path(), &judge("turned.jsonl"), &["`t` is `d1` with its two texts exchanged", "hint"]);
}

#[test]
fn a_sheet_holds_a_text_once_and_an_answer_to_another_question_is_none() {
    let item = |id: &str, steered: &str, base: &str| {
        format!("{{\"id\":\"{id}\",\"prompt\":\"p\",\"steered\":\"{steered}\",\"base\":\"{base}\"}}\n")
    };
    let once: String =
        (0..6).map(|i| item(&format!("i{i}"), &format!("a{i} b{i}"), &format!("c{i} e{i}"))).collect();
    let dir = folder(&[
        ("items.jsonl", &(once.clone() + &item("k", "A1 B1", "c1  e1"))),
        ("turned.jsonl", &(once + &item("t", "c2 e2", "a2 b2"))),
        ("claims.json", "[{\"id\":\"c\",\"claim\":\"it wins\",\"share_above\":0.5}]"),
    ]);
    let sheet = |items, folder| {
        vec!["rate", "sheet", "--items", items, "--question", "Which is kinder?", "--folder", folder]
    };
    refused(dir.path(), &sheet("turned.jsonl", "other"), &["`t` is `i2` with its two texts exchanged"]);
    says(dir.path(), &sheet("items.jsonl", "f"), &["1 of 7 items are copies", "`k` of `i1`"]);
    for (claims, words) in [
        ("[{\"claim\":\"it wins\"}]", ["missing field `id`", "\"share_above\": 0.5"]),
        ("\n{\"id\":\"c\",\"claim\":\"x\",\"share\":1}\n", ["line 2", "share_below or both"]),
        ("[{\"id\":\"c\",\"claim\":\"it wins\"}]", ["`c` needs share_above", "from 0 to 1"]),
    ] {
        std::fs::write(dir.path().join("bad.json"), claims).unwrap();
        refused(dir.path(), &["rate", "register", "--folder", "f", "--predictions", "bad.json"], &words);
    }
    says(dir.path(), &["rate", "register", "--folder", "f", "--predictions", "claims.json"], &[]);
    let seal = json(dir.path(), "f/seal.json");
    assert!(seal["items"] == 6 && seal["copies"]["exact"] == 1, "{seal}");
    let filled =
        std::fs::read_to_string(dir.path().join("f/sheet.csv")).unwrap().replace(",\"\",", ",\"left\",");
    let rate = |name: &str, csv: &str| {
        std::fs::write(dir.path().join(name), csv).unwrap();
        format!("ann={name}")
    };
    let unblind = |ratings: &str, words: &[&str]| {
        refused(dir.path(), &["rate", "unblind", "--folder", "f", "--ratings", ratings], words);
    };
    let at = filled.rfind("Which is kinder?").unwrap();
    let asked = format!("{}Which is crueller?{}", &filled[..at], &filled[at + "Which is kinder?".len()..]);
    unblind(&rate("ann.csv", &asked), &["ann.csv", "row 7", "Which is crueller?", "Which is kinder?"]);
    let scale = filled.replacen("left, right or tie", "1 or 2", 1);
    unblind(&rate("ann.csv", &scale), &["ann.csv", "row 2", "1 or 2"]);
    // A blank row moves the others down, as a spreadsheet counts them.
    let lines: Vec<&str> = filled.split("\r\n").collect();
    let moved = [&lines[..2], &["\"\",\"\",\"\",\"\",\"\",\"\",\"\""], &lines[2..]].concat().join("\r\n");
    // The column itself is called `left`; the second answer is what is wrong.
    let wrong = moved.replacen(",\"left\",", ",\"north\",", 3).replacen(",\"north\",", ",\"left\",", 2);
    unblind(&rate("ann.csv", &wrong), &["ann.csv", "row 4", "north"]);
    unblind(&rate("ann.csv", "\"code"), &["ann.csv", "line 1", "never ends"]);
    let unblind =
        ["rate", "unblind", "--folder", "f", "--ratings", &rate("ann.csv", &filled), "--out", "o.json"];
    says(dir.path(), &unblind, &[]);
    assert_eq!(json(dir.path(), "o.json")["result"]["copies"]["exact"], 1);
}

#[test]
fn sentiment_is_not_projected_out_with_the_texts_that_a_direction_is_fitted_on() {
    let row = |id: usize, text: &str, label: usize| {
        format!("{{\"id\":\"s{id}\",\"text\":\"{text}\",\"label\":{label}}}\n")
    };
    let own: String = (0..8).map(|i| row(i, &format!("mood{i} day{i}"), i % 2)).collect();
    let whole: String = (0..6)
        .map(|i| {
            row(
                i,
                &if i % 2 == 0 {
                    format!("Ask{i} now{i} w{i} v{i}")
                } else {
                    format!("ask{i} now{i}  u{i} t{i}")
                },
                i % 2,
            )
        })
        .collect();
    // Responses alone are what tells the sides apart, too.
    let alone: String = (0..6)
        .map(|i| row(i, &if i % 2 == 0 { format!("w{i} v{i}") } else { format!("u{i} t{i}") }, i % 2))
        .collect();
    let mixed = format!("{own}{}", alone.replace("\"s", "\"t"));
    let dir = folder(&[
        ("p.jsonl", &pairs("a", "one")),
        ("c.jsonl", &classes(0, 12, "cat")),
        (
            "of-c.jsonl",
            &(0..6)
                .map(|i| row(i, &format!("x{i} y{i} {}", ["hat", "tin"][i % 2]), i % 2))
                .collect::<String>(),
        ),
        ("n.txt", "hi\nold tin\n"),
        ("own.jsonl", &own),
        ("whole.jsonl", &whole),
        ("alone.jsonl", &alone),
        ("mixed.jsonl", &mixed),
        ("confound.jsonl", &own.replace("mood", "mud")),
    ]);
    let dir = dir.path();
    let out = ["--project-out", "sentiment", "--sentiment"];
    let verbs: [(&[&str], &[&str]); 4] = [
        (
            &["direction", "extract"],
            &["--pairs", "p.jsonl", "--estimator", "lda", "--permutations", "0", "--out", "o.safetensors"],
        ),
        (
            &["direction", "extract"],
            &["--classes", "c.jsonl", "--estimator", "lda", "--permutations", "0", "--out", "o.safetensors"],
        ),
        (
            &["sweep"],
            &[
                "--pairs",
                "p.jsonl",
                "--neutral",
                "n.txt",
                "--permutations",
                "9",
                "--null-draws",
                "3",
                "--random-directions",
                "2",
                "--estimator",
                "mean-diff",
            ],
        ),
        (
            &["audit"],
            &[
                "--pairs",
                "p.jsonl",
                "--confound",
                "sentiment=confound.jsonl",
                "--permutations",
                "99",
                "--estimator",
                "mean-diff",
            ],
        ),
    ];
    for (verb, rest) in verbs {
        let with = |file| at_site(verb, &[rest, &out, &[file]].concat());
        let own = says(dir, &with("own.jsonl"), &[]);
        assert!(!own.contains("set sentiment"), "{own}");
        if rest.contains(&"c.jsonl") {
            refused(dir, &with("of-c.jsonl"), &["of-c.jsonl", "6 of 6", "`s0` of `cat0`", "both are needed"]);
            continue;
        }
        refused(
            dir,
            &with("whole.jsonl"),
            &["whole.jsonl", "6 of 6", "`s1` of `a1/rejected`", "both are needed"],
        );
        refused(
            dir,
            &with("alone.jsonl"),
            &["alone.jsonl", "6 of 6", "`s0` of `a0/chosen`", "both are needed"],
        );
        let args =
            [&with("mixed.jsonl")[..], if verb.len() == 1 { &["--out", "r.json"] } else { &[] }].concat();
        says(dir, &args, &["set sentiment: 6 of 14 rows are copies", "`t0` of `a0/chosen`"]);
        // What was left out is in the result, not on the terminal alone.
        let (out, key) = if verb.len() == 1 {
            ("r.json", "sentiment-apart")
        } else {
            ("o.safetensors", "sentiment_apart")
        };
        let result = String::from_utf8_lossy(&std::fs::read(dir.join(out)).unwrap()).replace(['\\', ' '], "");
        assert!(result.contains(key) && result.contains("\"copies\":6"), "{result}");
        // What is not projected out is held beside.
        let beside = at_site(verb, &[rest, &["--sentiment", "own.jsonl"]].concat());
        says(dir, &beside, &["the texts of own.jsonl reach alone", "sentiment alone"]);
    }
    // What is left gives the direction of the set without the copies.
    let direction = |file: &str, to: &str| {
        let args = ["--pairs", "p.jsonl", "--estimator", "lda", "--permutations", "0", "--out", to];
        says(dir, &at_site(&["direction", "extract"], &[&args[..], &out, &[file]].concat()), &[]);
        let bytes = std::fs::read(dir.join(to)).unwrap();
        let head = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        bytes[8 + head..].to_vec()
    };
    assert_eq!(direction("mixed.jsonl", "1.safetensors"), direction("own.jsonl", "2.safetensors"));
}
