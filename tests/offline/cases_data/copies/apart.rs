//! Texts that a direction or a probe was fitted on are no test of it, in whatever file they stand.

use super::*;

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
    for (file, word) in [("same.jsonl", "40 of 40 rows are copies"), ("turned.jsonl:1", "another label")] {
        let done = probe(file);
        let text = said(&done);
        assert!(
            done.status.code() == Some(2)
                && text.contains(word)
                && text.contains(file.trim_end_matches(":1")),
            "{text}"
        );
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
