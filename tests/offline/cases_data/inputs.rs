//! Files that say something else than was meant: refused by line and name, with what helps.

use super::*;

/// Reads a file of prompts that must be refused.
fn prompts(name: &str, text: &str, words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    refused(dir.path(), &read(name, "o.safetensors"), &[&[name], words].concat());
    assert!(!dir.path().join("o.safetensors").exists());
}

#[test]
fn a_name_twice_is_refused_in_every_reader() {
    prompts("p.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\",\"text\":\"c\"}\n", &["line 2", "`text`", "hint"]);
    prompts("p.json", "[{\"text\":\"a\",\n\"text\":\"b\"}]", &["line 2", "`text`"]);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let twice = "\"label\":1,\"label\":0}\n";
    at("c.jsonl", &format!("{{\"id\":\"a\",\"text\":\"x\",{twice}"));
    refused(dir.path(), &at_site(&["probe"], &["--train", "c.jsonl"]), &["c.jsonl", "line 1", "`label`"]);
    at("t.jsonl", &format!("{{\"prompt\":\"x\",{twice}"));
    let convert = ["data", "convert", "--from", "jsonl", "t.jsonl", "--columns", "text=prompt,label=label"];
    refused(dir.path(), &[&convert[..], &["--out", "o.jsonl"]].concat(), &["line 1", "`label`"]);
    at("d.jsonl", "{\"id\":\"a\",\"prompt\":\"p\",\"first\":\"x\",\"second\":\"y\"}\n");
    at("v.jsonl", "{\"id\":\"a\",\"verdict\":\"first\",\"verdict\":\"second\"}\n");
    let judge = ["judge", "--judge", MODEL, "--duels", "d.jsonl", "--compare", "v.jsonl", "--no-cache"];
    refused(dir.path(), &judge, &["v.jsonl", "line 1", "`verdict`"]);
}

/// The labels of such a file are the responses', and the prompts alone say nothing of them.
#[test]
fn a_labelled_response_is_not_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let row = "{\"id\":\"a\",\"prompt\":\"p\",\"response\":\"r\",\"label\":1}\n";
    std::fs::write(dir.path().join("c.jsonl"), row).unwrap();
    refused(
        dir.path(),
        &at_site(&["probe"], &["--train", "c.jsonl"]),
        &["c.jsonl", "line 1", "`response`", "one `text`"],
    );
}

#[test]
fn what_a_row_lacks_is_told_by_what_it_is() {
    prompts("p.jsonl", "{\"id\":\"a\",\"text\":null}\n", &["line 1", "field `text` has no value"]);
    prompts("p.csv", "id,text\na,\nb,x\n", &["line 2", "field `text` has no value"]);
    prompts(
        "p.jsonl",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n",
        &["`messages`", "--chat", "`text`"],
    );
    prompts("p.jsonl", "{\"id\":\"a\",\"category\":\"c\"}\n", &["give every row a `text`"]);
    prompts(
        "p.csv",
        "hello there,1\ngood day,0\n",
        &["line 1", "no head", "`hello there`", "put a head above it"],
    );
    prompts("p.csv", "hello there|1\ngood day|0\n", &["line 1", "`hello there|1`", "put a head above it"]);
    prompts("p.csv", "id;text,label\na;b,1\n", &["line 2", "`id;text` may be two columns", "`;`"]);
    prompts("p.csv", "prompt,text\na,b\nc,\n", &["line 3", "field `text` has no value"]);
    prompts("p.json", "[3]", &["item 1", "a .json file holds one list"]);
    prompts(
        "p.jsonl",
        "{\"id\":\"2\",\"text\":\"a\"}\n{\"text\":\"b\"}\n",
        &["line 2", "`2`", "line 1", "or none"],
    );
    prompts(
        "p.jsonl",
        "{\"text\":\"a\"}\n{\"id\":1,\"text\":\"b\"}\n",
        &["line 2", "number of line 1", "or none"],
    );
}

#[test]
fn a_table_is_taken_apart_where_its_head_is() {
    let dir = tempfile::tempdir().unwrap();
    for (name, apart) in [("p.csv", '|'), ("p.csv", ';'), ("p.csv", '\t'), ("p.tsv", ','), ("p.tsv", ';')] {
        let text = "id,text\na,x\nb,y\n".replace(',', &apart.to_string());
        std::fs::write(dir.path().join(name), text).unwrap();
        let done = run(dir.path(), &read(name, "o.safetensors"));
        let (text, apart) = (said(&done), apart.escape_default().to_string());
        assert!(done.status.success() && text.contains(&format!("has `{apart}` between")), "{name}: {text}");
        assert!(text.contains("2 prompts"), "{text}");
    }
}

#[test]
fn pairs_need_no_axis_where_none_is_held_out() {
    let dir = tempfile::tempdir().unwrap();
    support::write_pairs(&dir.path().join("with.jsonl"), 24);
    let with = std::fs::read_to_string(dir.path().join("with.jsonl")).unwrap();
    let without: String = with
        .lines()
        .map(|l| {
            let mut row: Json = serde_json::from_str(l).unwrap();
            row.as_object_mut().unwrap().remove("axis");
            format!("{row}\n")
        })
        .collect();
    std::fs::write(dir.path().join("none.jsonl"), &without).unwrap();
    std::fs::write(dir.path().join("n.txt"), "the hat\nan old tin\n").unwrap();
    let said_once = |text: &str| text.matches("has an `axis`").count();
    let done = run(dir.path(), &extract("lda", "9", &["--pairs", "none.jsonl", "--out", "o.safetensors"]));
    let text = said(&done);
    assert!(done.status.success() && said_once(&text) == 1, "{text}");
    assert!(
        text.lines().any(|l| l.starts_with("pair ")) && !text.lines().any(|l| l.starts_with("axis ")),
        "{text}"
    );
    let sweep = ["--pairs", "none.jsonl", "--neutral", "n.txt", "--by", "axis"];
    refused(dir.path(), &at_site(&["sweep"], &sweep), &["none.jsonl", "`axis`", "--by axis", "hint"]);
    // Some with, some without: which is meant can't be known.
    let first = |text: &str, n: usize| text.lines().take(n).map(|l| format!("{l}\n")).collect::<String>();
    let rest = |text: &str| text.lines().skip(12).map(|l| format!("{l}\n")).collect::<String>();
    for (half, other, words) in
        [(&with, &without, "missing field `axis`"), (&without, &with, "those before it have none")]
    {
        std::fs::write(dir.path().join("half.jsonl"), first(half, 12) + &rest(other)).unwrap();
        let args = extract("lda", "0", &["--pairs", "half.jsonl", "--out", "o.safetensors"]);
        refused(dir.path(), &args, &["half.jsonl", "line 13", words, "`axis`"]);
    }
}

#[test]
fn labels_that_are_wanting_are_named() {
    let dir = tempfile::tempdir().unwrap();
    support::write_pairs(&dir.path().join("p.jsonl"), 24);
    std::fs::write(dir.path().join("s.csv"), "text,label\na b,0\nc d,negative\n").unwrap();
    let sentiment = ["--project-out", "sentiment", "--sentiment", "s.csv", "--pairs", "p.jsonl"];
    let args = extract("lda", "0", &[&sentiment[..], &["--out", "o.safetensors"]].concat());
    refused(dir.path(), &args, &["s.csv", "all 2 texts", "negative (or 0)", "hint"]);
    // Too few of both is not none of one, and one pair is not one fold.
    std::fs::write(dir.path().join("c.csv"), "text,label\na b,good\nc d,bad\n").unwrap();
    let few = ["--classes", "c.csv", "--positive", "good", "--out", "o.safetensors"];
    let words =
        ["c.csv", "1 texts labelled \"good\"", "1 with the other label", "add rows that are no copies"];
    refused(dir.path(), &extract("logistic", "0", &few), &words);
    let first = std::fs::read_to_string(dir.path().join("p.jsonl")).unwrap();
    std::fs::write(dir.path().join("one.jsonl"), first.lines().next().unwrap()).unwrap();
    let one = ["--pairs", "one.jsonl", "--out", "o.safetensors"];
    let text = refused(dir.path(), &extract("logistic", "0", &one), &["one.jsonl", "1 pairs", "add rows"]);
    assert!(!text.contains("got 1") && !text.contains("with --folds"), "{text}");
}

#[test]
fn files_that_hold_no_direction_are_named_as_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    let head = "{\"ids\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]}}";
    let mut file = (head.len() as u64).to_le_bytes().to_vec();
    file.extend(head.as_bytes());
    file.extend([0; 16]);
    at("v.safetensors", &file);
    let legacy = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/torch/legacy.pt");
    at("v.pt", &std::fs::read(legacy).unwrap());
    let evil = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/torch/evil.pt");
    at("evil.pt", &std::fs::read(evil).unwrap());
    at("w.pt", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0]\x94(K\x01K\x02e.");
    at("v.json", b"[0.1, 0.2]");
    at("v.csv", b"0.1,0.2\n");
    for (name, words) in [
        ("v.safetensors", ["no floats", "`ids` (integers, i64)"]),
        ("v.pt", ["got shape [4, 6]", "--row N"]),
        ("w.pt", ["the file holds no arrays", "a dict of tensors"]),
        ("evil.pt", ["`__builtin__.print`", "save the vector alone as a tensor"]),
        ("v.json", ["can't tell the format of `v.json`", "json.load"]),
        ("v.csv", ["can't tell the format of `v.csv`", "numpy.loadtxt"]),
    ] {
        let import =
            ["direction", "import", name, "--site", "resid_post.1", "--sign", "x", "--out", "o.safetensors"];
        refused(dir.path(), &import, &words);
    }
    support::write_pairs(&dir.path().join("p.jsonl"), 24);
    ok(dir.path(), &extract("mean-diff", "0", &["--pairs", "p.jsonl", "--out", "d.safetensors"]));
    for (out, words) in
        [("d.xyz", "expected .safetensors, .npz, .npy or .gguf"), ("d.pt", "safetensors, npz, npy or gguf")]
    {
        let text =
            refused(dir.path(), &["direction", "export", "d.safetensors", "--out", out], &[words, "hint"]);
        assert!(!text.contains("or .pt"), "{text}");
    }
}

#[test]
fn texts_with_one_opening_are_told_what_joins_them_and_what_parts_them() {
    const WORDS: &str =
        "one two six ten old new red big sun sky sea tin hat cat dog cup pen box map key car bus jam pie";
    let words: Vec<&str> = WORDS.split(' ').collect();
    let opening = "a b c d e f g h j k l m n o p q r s t u";
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, row: &dyn Fn(usize) -> String| {
        let text: String = (0..24).map(|i| row(i) + "\n").collect();
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    let other = |i: usize, by: usize| words[(i + by) % 24];
    write("p.jsonl", &|i| {
        format!(
            "{{\"axis\":\"a\",\"prompt\":\"{opening} {} {}\",\"chosen\":\"{}\",\"rejected\":\"{}\"}}",
            other(i, 0),
            other(i, 1),
            other(i, 9),
            other(i, 5)
        )
    });
    write("c.jsonl", &|i| {
        format!("{{\"text\":\"{opening} {} {}\",\"label\":{}}}", other(i, 0), other(i, 3), i % 2)
    });
    write("end.jsonl", &|i| {
        format!("{{\"text\":\"{} {} {opening}\",\"label\":{}}}", other(i, 0), other(i, 3), i % 2)
    });
    write("own.jsonl", &|i| {
        format!("{{\"text\":\"{} {} z{i}\",\"label\":{}}}", other(i, 0), other(i, 8), i % 2)
    });
    let out = ["--out", "o.safetensors"];
    for (flag, file, what) in [
        ("--pairs", "p.jsonl", "24 pairs begin with the same 20 words (`a b c d e f …`)"),
        ("--classes", "c.jsonl", "24 texts begin with the same 20 words"),
        ("--classes", "end.jsonl", "24 texts end with the same 20 words"),
    ] {
        let asked = [&[flag, file][..], &out].concat();
        let text = refused(dir.path(), &extract("lda", "0", &asked), &[what, "--near-copies", "hint"]);
        let error = text.find("error:").unwrap();
        assert!(text[error..].contains(what) && text[error..].contains("--template"), "{text}");
        // The remedy is one.
        ok(dir.path(), &extract("lda", "0", &[&asked[..], &["--near-copies", "1"]].concat()));
    }
    let probe = ["--train", "own.jsonl", "--test", "t=c.jsonl"];
    refused(
        dir.path(),
        &at_site(&["probe"], &probe),
        &["24 rows of `t`", "c.jsonl: 24 texts begin", "--near-copies"],
    );
    // An error of another kind says nothing of it.
    let text = refused(
        dir.path(),
        &extract("lda", "0", &["--classes", "c.jsonl", "--folds", "1", "--out", "none/o"]),
        &[],
    );
    assert!(!text.contains("--near-copies"), "{text}");
}
