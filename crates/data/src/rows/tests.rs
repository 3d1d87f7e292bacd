use std::error::Error as _;
use std::io::Cursor;

use super::super::{
    DataError, PromptInput, Template, read_classes, read_duels, read_pairs, read_prompts, read_sentiment,
    read_sequences,
};

fn prompts(name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, DataError> {
    let loaded = read_prompts(Cursor::new(bytes.to_vec()), name)?;
    let text = |input| match input {
        PromptInput::Text(t) | PromptInput::Said(t, _) => t,
        PromptInput::Tokens(t) => format!("{t:?}"),
        PromptInput::Messages(t) => format!("{t:?}"),
    };
    Ok(loaded.rows.into_iter().map(|r| (r.id, text(r.input))).collect())
}

fn rows(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// The whole error with its cause and its remedy.
fn said(e: &DataError) -> String {
    format!("{e}: {} ({})", e.source().unwrap(), e.hint().unwrap_or_default())
}

#[test]
fn every_form_gives_the_same_texts() {
    let texts = [("1", "a b"), ("2", "c, \"d\"")];
    for (name, file) in [
        ("p.txt", "a b\nc, \"d\"\n"),
        ("p.txt", "a b\rc, \"d\"\r"),
        ("p", "\u{feff}a b\r\nc, \"d\"\r\n"),
        ("p.json", "[\"a b\",\n \"c, \\\"d\\\"\"]"),
        ("p.txt", "  [\"a b\", \"c, \\\"d\\\"\"]"),
        ("stdin", "{\"prompts\": [\"a b\", {\"text\": \"c, \\\"d\\\"\"}]}"),
        ("p.json", "{\"name\": \"x\", \"texts\": [{\"prompt\": \"a b\"}, \"c, \\\"d\\\"\"]}"),
        ("p.jsonl", "\"a b\"\n\"c, \\\"d\\\"\"\n"),
        ("p.jsonl", "{\"prompt\": \"a b\"}\n{\"text\": \"c, \\\"d\\\"\"}\n"),
        ("p.jsonl", "{\"Prompt\": \"a b\"}\n{\"text\": \"c, \\\"d\\\"\", \"Text\": \"x\"}\n"),
        ("p.json", "[{\"TEXT \": \"a b\"}, {\"Text\": \"c, \\\"d\\\"\"}]"),
        ("p.json", "{\"text\": \"a b\"}\n{\"text\": \"c, \\\"d\\\"\"}\n"),
        ("p.ndjson", "[{\"id\": 1, \"text\": \"a b\"},\n{\"id\": 2, \"text\": \"c, \\\"d\\\"\"}]"),
    ] {
        assert_eq!(prompts(name, file.as_bytes()).unwrap(), rows(&texts), "{name}: {file}");
    }
    // The head is a line too, so that the number finds the row.
    for (name, file) in [
        ("p.csv", "text,x\na b,1\n\"c, \"\"d\"\"\",2\n"),
        ("p.csv", "x;Prompt\n1;a b\n2;\"c, \"\"d\"\"\"\n"),
        ("p.tsv", "x\tprompt\n1\ta b\n2\t\"c, \"\"d\"\"\"\n"),
        ("P.CSV", "\u{feff}id, text\r\n,a b\r\n,\"c, \"\"d\"\"\"\r\n"),
    ] {
        let expected = [("2", texts[0].1), ("3", texts[1].1)];
        assert_eq!(prompts(name, file.as_bytes()).unwrap(), rows(&expected), "{name}: {file}");
    }
    let quoted = prompts("p.csv", b"text\na 5\" pipe\n\"two\nlines\"\n").unwrap();
    assert_eq!(quoted, rows(&[("2", "a 5\" pipe"), ("3", "two\nlines")]));
}

#[test]
fn a_first_line_may_name_what_is_between_the_columns() {
    for (name, text) in [
        ("p.csv", "\u{feff}sep=;\r\nx;Prompt\r\n1;a b\r\n2;\"c, \"\"d\"\"\"\r\n"),
        ("p.csv", "SEP=,\ntext,x\na b,1\n\"c, \"\"d\"\"\",2\n"),
        ("p.tsv", "\"sep=^\"\nx^text\n1^a b\n2^\"c, \"\"d\"\"\"\n"),
    ] {
        // Lines count as an editor counts them.
        let expected = rows(&[("3", "a b"), ("4", "c, \"d\"")]);
        assert_eq!(prompts(name, text.as_bytes()).unwrap(), expected, "{text}");
    }
}

#[test]
fn plain_text_may_look_a_little_like_something_else() {
    for line in
        ["[INST] hi [/INST]", "{name} walked in", "# a heading", "\"Hello,\" she said", "a,b,c", "// x"]
    {
        assert_eq!(prompts("p.txt", line.as_bytes()).unwrap(), rows(&[("1", line)]), "{line}");
    }
    assert_eq!(prompts("p.txt", b"text").unwrap(), rows(&[("1", "text")]));
}

#[test]
fn what_is_no_text_is_named_with_a_remedy() {
    for (name, file, what, remedy) in [
        (
            "p.jsonl",
            &b"# c\n{\"text\":\"a\"}\n"[..],
            "line 1, column 1: `# c` is a comment",
            "take the line out",
        ),
        ("p.jsonl", b"{\"text\":\"a\"}\n// c\n", "line 2", "take the line out"),
        ("p.json", b"['a', 'b']", "Python", "json.dump"),
        ("p.txt", b"[\"a\", ", "line 1", "JSONL"),
        ("p.txt", b"{\"text\": \"a\"", "not JSON", "JSONL"),
        ("p.json", b"{\"things\": [1], \"n\": 2}", "`n` (a number), `things` (an array)", "prompts, texts"),
        ("p.json", b"{\"text\": [\"a\", \"b\"]}", "`text` (an array)", "prompts, texts"),
        ("p.json", b"[]", "no rows", ""),
        ("p.json", b"[\"a\", 3]", "item 2 of the list, column 1: expected a JSON object, got a number", ""),
        ("p.json", b"3", "got a number", ""),
        ("p.txt", b"id,text\n1,a\n", "looks like CSV with a head", ".csv"),
        ("p.txt", b"prompt\nhello\n", "looks like CSV with a head", ".csv"),
        ("p.txt", b"text, label\na, b\n", "looks like CSV with a head", "put another line first"),
        ("p.jsonl", b"id,text\n1,a\n", "looks like CSV with a head", ".csv"),
        ("p.json", b"text\na\n", "looks like CSV with a head", ".csv"),
        ("p.json", b"id\ttext\n1\ta\n", "looks like a table with tabs", ".tsv"),
        ("p.txt", b"id\ttext\n1\ta\n", "looks like a table with tabs", ".tsv"),
        ("p.csv", b"{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "looks like JSON lines", ".jsonl"),
        (
            "p.csv",
            b"question,answer\na,b\n",
            "`question`, `answer`, neither `text`",
            "the column that is meant `text`",
        ),
        ("p.csv", b"text,label\n,b\n", "line 2: field `text` has no value", "give it one"),
        ("p.txt", b"{\"text\":\"a\",\"text\":\"b\"}\n", "line 1", "keep one of the two"),
        ("p.csv", b"sep=;\nid;text\n1;a\n2\n", "line 4", "a field for every column"),
        ("p.txt", b"sep=;\nid;text\n1;a\n", "names what is between its columns", ".csv"),
        ("p.txt", b"id|text\n1|a\n", "looks like CSV with a head", ".csv"),
        ("p.csv", b"text,text\na,b\n", "two columns are called `text`", "another name"),
        ("p.csv", b"text,x\na,b,c\n", "line 2: 3 fields where the head has 2", "quote"),
        ("p.csv", b"text\n\"a\n", "line 2: a quoted field is never closed", "quote"),
        (
            "p.jsonl",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "Git LFS",
            "git lfs pull",
        ),
        ("p.txt", b"\x1f\x8b\x08\0", "packed with gzip", "gunzip"),
        ("p.txt", b"\x28\xb5\x2f\xfd\0", "packed with zstd", "unzstd"),
        ("p.jsonl.br", b"\x0b\x02\x80", "brotli", "brotli -d"),
        ("p.csv", b"PK\x03\x04", ".xlsx", "export"),
        ("p.json", b" <!DOCTYPE html><html>", "a web page", "signed in"),
        ("p.txt", b"GGUF\x03\0\0\0", "a GGUF model", "--model"),
        ("p.yaml", b"- a\n- b\n", "YAML", "JSONL"),
        ("p.py", b"import os\nprint(1)\n", "Python source", ".txt"),
        ("a.TEX", b"\\documentclass{article}\nhello\n", "LaTeX", "JSONL"),
        ("a.ipynb", b"{\"cells\": [], \"nbformat\": 4}", "a Jupyter notebook", "JSONL"),
        ("p.json", b"{}", "the object is empty", "rows under one of"),
        ("p.txt", b"\xff\xfeh\0i\0", "UTF-16", "UTF-8"),
        ("p.txt", b"h\0i\0", "column 2: a byte of value 0", "UTF-8"),
        ("p.txt", b"ok\nm\xe9\n", "line 2, column 2: byte 0xe9 is not UTF-8", "UTF-8"),
        (
            "p.jsonl",
            b"{\"id\": \"2\", \"text\": \"a\"}\n{\"text\": \"b\"}\n",
            "id `2` was used on line 1",
            "own",
        ),
    ] {
        let e = said(&prompts(name, file).unwrap_err());
        assert!(e.contains(name) && e.contains(what) && e.contains(remedy), "{e}");
    }
}

#[test]
fn a_comment_over_json_is_no_text() {
    for file in ["# made in May\n[\"a\", \"b\"]\n", "// two\n# lines\n{\"text\": \"a\"}\n{\"text\": \"b\"}\n"]
    {
        let e = prompts("p.txt", file.as_bytes()).unwrap_err();
        assert!(said(&e).contains("comment"), "{e:?}: {}", said(&e));
    }
    let texts = prompts("p.txt", b"# a heading\nsome [words]\n").unwrap();
    assert_eq!(texts.len(), 2, "a heading over text is a text");
}

#[test]
fn lines_that_end_in_a_carriage_return_alone_have_numbers() {
    let file = "text,n\na one,1\nb two,2\n\nc three,3\n";
    let rows = prompts("p.csv", file.as_bytes()).unwrap();
    assert_eq!(prompts("p.csv", file.replace('\n', "\r").as_bytes()).unwrap(), rows);
    let e = said(&prompts("p.csv", b"text,n\ra one,1\r\rb two\r").unwrap_err());
    assert!(e.contains("line 4"), "{e}");
    // A comment over a table is named as what it is.
    let e = said(&prompts("p.csv", b"# made in May\ntext,n\na one,1\n").unwrap_err());
    assert!(e.contains("line 1") && e.contains("comment"), "{e}");
}

#[test]
fn a_sentence_with_a_comma_is_no_head() {
    for text in
        ["text, please\nthe cat\n", "text, please\n", "prompt, and then some\nno\n", "say it\ntext, please\n"]
    {
        let found = prompts("p.txt", text.as_bytes()).unwrap();
        assert_eq!(found.len(), text.lines().count(), "{text}");
    }
}

#[test]
fn every_reader_takes_every_form() {
    let row = |fields: &str| format!("{{\"id\": \"x\", {fields}}}");
    let pair = "\"axis\":\"a\",\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"";
    let class = "\"prompt\":\"t\",\"label\":\"1\"";
    for (json, csv) in [
        (row(pair), "id,axis,prompt,chosen,rejected\nx,a,p,c,r\n"),
        (row(class), "id,prompt,label\nx,t,1\n"),
        (row("\"first\":\"f\",\"second\":\"s\""), "id,first,second\nx,f,s\n"),
    ] {
        let forms = [
            ("f.jsonl", format!("{json}\n")),
            ("f.json", format!("[{json}]")),
            ("f", format!("{{\"rows\": [{json}]}}")),
            ("f.csv", csv.to_owned()),
        ];
        for (name, text) in &forms {
            let bytes = || Cursor::new(text.clone());
            let ids: Vec<String> = match csv {
                _ if csv.contains("chosen") => {
                    assert!(super::holds_pairs(bytes(), name).unwrap());
                    read_pairs(bytes(), name, &Template::default())
                        .unwrap()
                        .rows
                        .into_iter()
                        .map(|r| r.id)
                        .collect()
                }
                _ if csv.contains("first") => {
                    read_duels(bytes(), name).unwrap().rows.into_iter().map(|r| r.id).collect()
                }
                _ => {
                    assert_eq!(read_sequences(bytes(), name).unwrap().rows[0].text, "t");
                    assert!(read_sentiment(bytes(), name).unwrap().rows[0].positive);
                    assert!(!super::holds_pairs(bytes(), name).unwrap());
                    read_classes(bytes(), name).unwrap().rows.into_iter().map(|r| r.id).collect()
                }
            };
            assert_eq!(ids, ["x"], "{name}: {text}");
        }
    }
    let e = said(&read_pairs(Cursor::new("just text\n"), "f.txt", &Template::default()).unwrap_err());
    assert!(e.contains("line 1: `just text` is plain text") && e.contains(".jsonl"), "{e}");
    let e = said(&read_classes(Cursor::new("{\"question\":\"q\",\"label\":1}"), "f.jsonl").unwrap_err());
    assert!(e.contains("missing field `text`") && e.contains("`question`"), "{e}");
}

#[test]
fn missing_ids_are_said_once() {
    let file = "{\"text\":\"a\"}\n\n{\"id\":\"x\",\"text\":\"b\"}\n{\"id\":null,\"text\":\"c\"}\n";
    let loaded = read_prompts(Cursor::new(file), "f.jsonl").unwrap();
    assert_eq!(loaded.rows.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["1", "x", "4"]);
    assert_eq!(loaded.notes, ["2 of 3 rows of f.jsonl have no `id`; each goes by its line number"]);
    assert!(read_prompts(Cursor::new("a\nb\n"), "f.txt").unwrap().notes.is_empty());
}

#[test]
fn a_space_before_a_quoted_field_is_no_part_of_it() {
    let csv = "id, text\na, \"hello, \"\"there\"\"\"\nb,   \"two\"\nc, plain\nd, \"Yes\" she said\ne,\"kept \"\n \"f\", \"x\"";
    let read = prompts("p.csv", csv.as_bytes()).unwrap();
    let expected = [
        ("a", "hello, \"there\""),
        ("b", "two"),
        ("c", " plain"),
        // A field that goes on behind the quote is none that is quoted.
        ("d", " \"Yes\" she said"),
        ("e", "kept "),
        ("f", "x"),
    ];
    assert_eq!(read, rows(&expected));
    // A quote that its line does not close takes in no other line; one inside of a quoted field is part of it.
    let open = prompts("p.csv", b"id,text\na, \"open\nb, shut\"\n\"c\",\"x, \"\"y\"\"\"\n").unwrap();
    assert_eq!(open, rows(&[("a", " \"open"), ("b", " shut\""), ("c", "x, \"y\"")]));
}

#[test]
fn a_quote_that_is_never_closed_takes_in_no_rows() {
    let read = |bytes: &[u8]| read_prompts(Cursor::new(bytes.to_vec()), "p.csv").map(|l| l.rows.len());
    let e = read(b"id,text\n1,\"open\n2,plain\n3,\"open too\n").unwrap_err();
    assert!(said(&e).contains("line 2"), "{}", said(&e));
    // A field of several lines, and a quote within one, are what they are.
    assert_eq!(read(b"id,text\n1,\"two\nlines\"\n2,\"a \"\"word\"\"\nmore\"\n3,5\" disk\n").unwrap(), 3);
}

#[test]
fn what_python_writes_for_no_number_is_named() {
    for (file, name) in [
        ("{\"text\": \"a\", \"score\": 1}\n{\"text\": \"b\", \"score\": NaN}\n", "b.jsonl"),
        ("[{\"text\": \"a\", \"score\": 1},\n {\"text\": \"b\", \"score\": -Infinity}]", "b.json"),
    ] {
        let e = crate::read_table(file.as_bytes(), name).unwrap_err();
        assert_eq!(e.line, Some(2), "{name}");
        assert!(e.problem.to_string().contains("is no number, and no JSON"), "{name}: {}", e.problem);
        assert!(e.hint().unwrap().contains("or null where"), "{:?}", e.hint());
    }
}
