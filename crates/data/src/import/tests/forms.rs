//! Files in every form that all readers take.

use super::*;

/// The rows of a file, without their ids.
fn rows(source: ImportSource, name: &str, bytes: &[u8]) -> Vec<(String, String)> {
    let made =
        import(plain(source, "text=t,label=l"), &[(name, bytes)]).unwrap_or_else(|e| panic!("{name}: {e}"));
    made.rows.into_iter().map(|r| (r.text, r.label)).collect()
}

#[test]
fn a_table_is_read_by_the_sign_between_its_columns() {
    let expected = rows(ImportSource::Csv, "f.csv", b"t,l\nx,1\ny,0\n");
    for (name, bytes) in [
        ("f.csv", &b"t;l\nx;1\ny;0\n"[..]),
        ("f.csv", b"\xef\xbb\xbft\tl\nx\t1\ny\t0\n"),
        ("f.tsv", b"t\tl\nx\t1\ny\t0\n"),
        ("f.tsv.gz", b"t\tl\nx\t1\ny\t0\n"),
        ("f.tsv", b"t,l\nx,1\ny,0\n"),
        ("f", b"l| t \n1|x\n0|y\n"),
        ("f.csv", b" t , l\nx,1\ny,0\n"),
        ("f.csv", b"T, L\nx,1\ny,0\n"),
        // The column of the very name wins over one in other letters.
        ("f.csv", b"T,t,l\nu,x,1\nv,y,0\n"),
        ("f.csv", b"t,l\n\" x\",1\ny ,0\n"),
    ] {
        assert_eq!(rows(ImportSource::Csv, name, bytes), expected, "{name}");
    }
    let made =
        import(plain(ImportSource::Csv, "text=t,label=l"), &[("f.csv", b"t,l\n\" x\",1\ny,0\n")]).unwrap();
    assert_eq!(made.tally.trimmed, 1);
    let short = import(plain(ImportSource::Csv, "text=t,label=l"), &[("f.csv", b"t,l\nx\n")]).unwrap_err();
    assert!(short.hint().unwrap().contains("a field for every column"), "{short}");
    let between = |name, bytes: &[u8]| {
        import(plain(ImportSource::Csv, "text=t,label=l"), &[(name, bytes)]).unwrap().tally.files[0].between
    };
    assert_eq!(between("f.csv", b"t;l\nx;1\n"), Some(';'));
    assert_eq!(between("f.tsv", b"t\tl\nx\t1\n"), None);
    // A comma in the text of a file that has semicolons parts nothing.
    assert_eq!(rows(ImportSource::Csv, "f.csv", b"t;l\nx, z;1\n"), [("x, z".to_owned(), "1".to_owned())]);
}

#[test]
fn json_is_read_as_lines_a_list_or_an_object_with_a_list() {
    let expected = rows(ImportSource::Jsonl, "f.jsonl", b"{\"t\":\"x\",\"l\":1}\n{\"t\":\"y\",\"l\":0}\n");
    for (name, bytes) in [
        ("f.json", &b" [{\"t\":\"x\",\"l\":1},\n{\"t\":\"y\",\"l\":0}]"[..]),
        ("f.json", b"{\"data\":[{\"t\":\"x\",\"l\":1},{\"t\":\"y\",\"l\":0}], \"version\": 1}"),
        ("f.jsonl", b"{\n \"rows\": [\n{\"t\":\"x\",\"l\":1},\n{\"t\":\"y\",\"l\":0}\n]}"),
    ] {
        assert_eq!(rows(ImportSource::Jsonl, name, bytes), expected, "{name}");
    }
    // A row may itself hold a list of such a name.
    let row = b"{\"t\":\"x\",\"l\":1,\"examples\":[1,2]}";
    assert_eq!(rows(ImportSource::Jsonl, "f.jsonl", row), [("x".to_owned(), "1".to_owned())]);
    let beaver = String::from_utf8(fixture("beavertails.jsonl")).unwrap();
    let list = format!("[{}]", beaver.lines().collect::<Vec<_>>().join(","));
    let of = |bytes: &[u8]| {
        lines(&import(ImportOptions::new(ImportSource::BeaverTails), &[("b", bytes)]).unwrap().rows)
    };
    assert_eq!(of(list.as_bytes()).len(), of(beaver.as_bytes()).len());
    // Texts alone are rows with one label.
    let texts = ImportOptions { label: Some("bad".into()), ..ImportOptions::new(ImportSource::Jsonl) };
    for bytes in [&b"[\"x\", \"y\"]"[..], b"\"x\"\n\"y\"\n", b"{\"prompts\":[\"x\",\"y\"]}"] {
        assert_eq!(import(texts.clone(), &[("f.json", bytes)]).unwrap().rows.len(), 2);
    }
    for (bytes, expected) in [
        (&b"{\n\"lists\": [{\"t\":\"x\",\"l\":1}]}"[..], "`f`: expected a list of rows under one name"),
        (b"{'t': 'x', 'l': 1}", "`f`, line 1, byte 2: a list or dict as Python prints it"),
        (b"# made by hand\n{\"t\":\"x\",\"l\":1}", "`f`, line 1, byte 1: `# made by hand` is a comment"),
    ] {
        let said = refused(plain(ImportSource::Jsonl, "text=t,label=l"), "f", bytes);
        assert!(said.contains(expected), "expected {expected}\n     got {said}");
    }
    let said = refused(plain(ImportSource::Csv, "text=t,label=l"), "f", b"{\"t\":\"x\",\"l\":1}");
    assert!(said.contains("looks like JSONL; csv comes as CSV"), "{said}");
}

#[test]
fn texts_are_no_brackets_and_quotes() {
    let of = |bytes: &[u8]| {
        let made = import(ImportOptions::new(ImportSource::MaliciousInstruct), &[("m", bytes)]).unwrap();
        made.rows.into_iter().map(|r| r.text).collect::<Vec<_>>()
    };
    for bytes in
        [&b"do x\ndo y\n"[..], b"[\"do x\",\n\"do y\"]", b"{\"text\":\"do x\"}\n{\"prompt\":\"do y\"}\n"]
    {
        assert_eq!(of(bytes), ["do x", "do y"]);
    }
    assert_eq!(of(b"[INST] do x\n{y} do\n"), ["[INST] do x", "{y} do"]);
    let said = refused(ImportOptions::new(ImportSource::MaliciousInstruct), "m", b"prompt,label\nx,1\n");
    assert!(said.contains("looks like CSV with a head"), "{said}");
}

#[test]
fn all_missing_columns_are_named_at_once() {
    let bare = || ImportOptions::new(ImportSource::Csv);
    let of = |options: ImportOptions, bytes: &[u8]| {
        let e = import(options, &[("f.csv", bytes)]).unwrap_err();
        let hint = e.hint().unwrap();
        assert!(hint.contains("--columns") && hint.contains("--label"), "{hint}");
        e.source().unwrap().to_string()
    };
    let both = "there are no columns `text`, `label`; the columns are `q`, `a`";
    assert_eq!(of(bare(), b"q,a\nx,1\n"), both);
    assert_eq!(of(bare(), b"q;a\nx;1\n"), both);
    let ids = plain(ImportSource::Csv, "text=p,label=l,id=i,group=g");
    assert_eq!(of(ids, b"p,a\nx,1\n"), "there are no columns `l`, `g`, `i`; the columns are `p`, `a`");
    let labelled = ImportOptions { label: Some("x".into()), ..bare() };
    assert_eq!(of(labelled, b"q,a\nx,1\n"), "there is no column `text`; the columns are `q`, `a`");
    let json =
        import(ImportOptions::new(ImportSource::Jsonl), &[("f", b"{\"q\":\"x\",\"a\":1}")]).unwrap_err();
    assert!(
        json.source()
            .unwrap()
            .to_string()
            .starts_with("there are no columns `text`, `label`; the columns are `")
    );
    if cfg!(feature = "parquet") {
        let parquet = refused(ImportOptions::new(ImportSource::Parquet), "f", &fixture("table.zstd.parquet"));
        assert!(
            parquet.contains("there are no columns `text`, `label`; the columns are `prompt`, `toxic`"),
            "{parquet}"
        );
    }
    // The names that all readers have need no word.
    let made = import(bare(), &[("f.csv", b"label,text\n1,x\n")]).unwrap();
    assert_eq!((made.rows[0].text.as_str(), made.rows[0].label.as_str()), ("x", "1"));
}

#[test]
fn groups_and_categories_are_kept_where_a_file_has_them() {
    let bytes = b"text,label,group,category\nx,1,a,c\ny,0,a,d\n";
    let made = import(ImportOptions::new(ImportSource::Csv), &[("f.csv", &bytes[..])]).unwrap();
    let kept: Vec<_> = made.rows.iter().map(|r| (r.group.as_deref(), r.category.as_deref())).collect();
    assert_eq!(kept, [(Some("a"), Some("c")), (Some("a"), Some("d"))]);
    let made =
        import(ImportOptions::new(ImportSource::Csv), &[("f.csv", &b"text,label\nx,1\ny,0\n"[..])]).unwrap();
    assert!(made.rows.iter().all(|r| r.group.is_none() && r.category.is_none()));
}
