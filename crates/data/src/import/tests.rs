use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Cursor;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::*;
use crate::{ClassRow, read_classes};

mod drawn;
mod forms;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/imports");

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{name}")).unwrap()
}

/// Streams that differ by seed and label.
fn streams(seed: u64) -> impl Fn(&str) -> ChaCha8Rng {
    move |label| {
        let sum = label.bytes().fold(seed, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
        ChaCha8Rng::seed_from_u64(sum)
    }
}

fn import(options: ImportOptions, files: &[(&str, &[u8])]) -> Result<Imported, ImportError> {
    let mut importer = Importer::new(options).unwrap();
    for (name, bytes) in files {
        importer.read(bytes, name)?;
    }
    importer.finish(&streams(0))
}

/// Place, column and problem of an error, as words.
fn refused(options: ImportOptions, name: &str, bytes: &[u8]) -> String {
    let e = import(options, &[(name, bytes)]).unwrap_err();
    format!("{e}: {}", e.source().unwrap())
}

fn plain(source: ImportSource, columns: &str) -> ImportOptions {
    ImportOptions { columns: columns.parse().unwrap(), ..ImportOptions::new(source) }
}

fn lines(rows: &[ClassRow]) -> Vec<Value> {
    rows.iter().map(|r| serde_json::to_value(r).unwrap()).collect()
}

#[test]
fn rows_are_those_that_pandas_and_pyarrow_read() {
    let expected: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert!(cases.len() >= 16, "{}", cases.len());
    for case in cases {
        let file = case["file"].as_str().unwrap();
        if !cfg!(feature = "parquet") && file.ends_with(".parquet") {
            continue;
        }
        let asked = |key: &str| case["options"][key].as_str().map(str::to_owned);
        let mut options = ImportOptions::new(case["from"].as_str().unwrap().parse().unwrap());
        options.columns = asked("columns").map(|c| c.parse().unwrap()).unwrap_or_default();
        options.label = asked("label");
        options.category = asked("category");
        options.labels = asked("map").map(|m| m.parse().unwrap()).unwrap_or_default();
        options.several =
            if asked("several").is_some() { MultiCategoryRule::First } else { MultiCategoryRule::Drop };
        options.disagree = if asked("disagree").is_some() { Disagree::Majority } else { Disagree::Drop };
        let made = import(options, &[(&format!("some/folder/{file}"), &fixture(file))]).unwrap();
        assert_eq!(Value::Array(lines(&made.rows)), case["rows"], "{case:#}");
        let dropped: BTreeMap<String, usize> =
            made.tally.dropped.iter().map(|(why, n)| (why.to_string(), *n)).collect();
        assert_eq!(serde_json::to_value(dropped).unwrap(), case["dropped"], "{file}");
        let lost: usize = made.tally.dropped.values().sum();
        assert_eq!(made.tally.read(), made.tally.kept() + lost, "{file}");

        // What is written is read back the same.
        let written: String = lines(&made.rows).iter().map(|row| format!("{row}\n")).collect();
        assert_eq!(read_classes(Cursor::new(written), "-").unwrap().rows, made.rows);
    }
}

#[test]
fn bad_files_are_refused_by_name() {
    use ImportSource as S;
    let gz = fixture("beavertails.jsonl.gz");
    let parquet = fixture("table.zstd.parquet");
    let alpaca = || ImportOptions::new(S::Alpaca);
    let csv = || plain(S::Csv, "text=t,label=l");
    let jsonl = || plain(S::Jsonl, "text=t,label=l");
    let table = |columns| plain(S::Parquet, columns);
    let beaver = |edit: &dyn Fn(String) -> String| {
        let first =
            String::from_utf8(fixture("beavertails.jsonl")).unwrap().lines().next().unwrap().to_owned();
        edit(first).into_bytes()
    };
    let with_id = || plain(S::Csv, "text=t,label=l,id=i");
    let renaming = || ImportOptions { labels: "a:b".parse().unwrap(), ..csv() };
    let cases: Vec<(ImportOptions, Vec<u8>, &str)> = vec![
        (csv(), b"".to_vec(), "can't import `f`: no rows"),
        (csv(), b"t,l\n".to_vec(), "can't import `f`: no rows"),
        (csv(), b"t,l\nx,1\ny\n".to_vec(), "`f`, line 3: 1 fields where the head has 2"),
        (csv(), b"t,l\n\nx,1\n\ny,2,3\n".to_vec(), "`f`, line 5: 3 fields where the head has 2"),
        (csv(), b"t,k\nx,1\n".to_vec(), "`f`: there is no column `l`; the columns are `t`, `k`"),
        (csv(), b"t,l,t\nx,1,y\n".to_vec(), "`f`, line 1, column `t`: two columns have this name"),
        (csv(), b"t,l\nx,1\ncaf\xe9,2\n".to_vec(), "`f`, line 3, column `t`: byte 0xe9 is not UTF-8"),
        (csv(), b"\xff\xfet\0,\0l\0".to_vec(), "UTF-16"),
        (csv(), b"t,l\nx,1\n\"y,2\nz,3\nw,4\n".to_vec(), "`f`, line 3: a quoted field is never closed"),
        (csv(), b"t,l\nx,1\n ,2\n".to_vec(), "`f`, line 3, column `t`: the row has no text"),
        (csv(), b"t,l\nx,1\ny,\n".to_vec(), "`f`, line 3, column `l`: the row has no label"),
        (csv(), parquet.clone(), "`f`: the file looks like Parquet; csv comes as CSV"),
        (with_id(), b"t,l,i\nx,1,7\ny,1,7\n".to_vec(), "`f`, line 3: id `7` was used in `f`, line 2 already"),
        (with_id(), b"t,l,i\nx,1,\n".to_vec(), "`f`, line 2, column `i`: the value is blank; expected an id"),
        (
            renaming(),
            b"t,l\nx,a\ny,c\n".to_vec(),
            "`f`, line 3, column `label`: `c` has no new name; those with one are a",
        ),
        (
            jsonl(),
            b"{\"t\":\"x\",\"l\":1}\n{\"t\":\"y\",\"l\":\"1\"}".to_vec(),
            "`f`, line 2, column `l`: the value is \"1\", a string, but an integer in line 1",
        ),
        (
            jsonl(),
            b"{\"t\":\"x\",\"l\":1.5}".to_vec(),
            "`f`, line 1, column `l`: the value is 1.5, a fraction; expected a string, an integer",
        ),
        (
            jsonl(),
            b"{\"t\":7,\"l\":1}".to_vec(),
            "`f`, line 1, column `t`: the value is 7; expected a string",
        ),
        (
            jsonl(),
            b"{\"t\":[\"x\"],\"l\":1}".to_vec(),
            "`f`, line 1, column `t`: the value is an array; expected a string",
        ),
        (
            jsonl(),
            b"{\"t\":\"x\",\"l\":1}\n{\"t\":\"y\"}".to_vec(),
            "`f`, line 2: there is no column `l`; the columns are `t`",
        ),
        (jsonl(), b"{\"t\":\"x\",\"l\":1}\n{\"t\":".to_vec(), "`f`, line 2, byte 5: not JSON"),
        (
            jsonl(),
            b"{\"t\":\"x\",\"l\":1}\n[1]".to_vec(),
            "`f`, line 2: expected a JSON object, got an array",
        ),
        (jsonl(), b"[1]".to_vec(), "`f`, row 1: expected a JSON object, got a number"),
        (jsonl(), b"[1]\n[2]".to_vec(), "`f`, line 1: expected a JSON object, got an array"),
        (jsonl(), b"{\"t\":\"\xe9\"}".to_vec(), "`f`, line 1, byte 7: byte 0xe9 is not UTF-8"),
        (alpaca(), b"[]".to_vec(), "`f`: no rows"),
        (
            alpaca(),
            b"[{\"instruction\":\"x\",\"input\":\"\"},3]".to_vec(),
            "`f`, row 2: expected a JSON object, got a number",
        ),
        (alpaca(), b"[{\"instruction\":\"x\",".to_vec(), "`f`, line 1, byte 20: not JSON"),
        (
            alpaca(),
            b"[{\"instruction\":\"x\"}]".to_vec(),
            "`f`, row 1: there is no column `input`; the columns are `instruction`",
        ),
        (
            alpaca(),
            b"[{\"instruction\":null,\"input\":\"x\"}]".to_vec(),
            "`f`, row 1, column `instruction`: the row has no text",
        ),
        (
            ImportOptions::new(S::BeaverTails),
            beaver(&|r| r.replace("self_harm", "self harm")),
            "`f`, line 1: there is no column `category.self_harm`; the columns are `category`, `is_safe`",
        ),
        (
            ImportOptions::new(S::BeaverTails),
            beaver(&|r| r.replace("\"self_harm\"", "\"new\": true, \"self_harm\"")),
            "`f`, line 1, column `category.new`: BeaverTails has no such category",
        ),
        (
            ImportOptions::new(S::BeaverTails),
            beaver(&|r| r.replace("\"self_harm\": false", "\"self_harm\": 0")),
            "`f`, line 1, column `category.self_harm`: the value is 0; expected true or false",
        ),
        (
            ImportOptions::new(S::BeaverTails),
            beaver(&|r| r.replace("\"is_safe\": false", "\"is_safe\": true")),
            "`f`: none of 1 rows is left: 1 is_safe contradicts its categories",
        ),
        (
            ImportOptions::new(S::BeaverTails),
            gz[..gz.len() / 2].to_vec(),
            "`f`: the gzip stream is cut short or damaged",
        ),
        (ImportOptions::new(S::BeaverTails), b"\xfd7zXZ\0rest".to_vec(), "`f`: the file is packed with xz"),
        (ImportOptions::new(S::MaliciousInstruct), b" \n\n".to_vec(), "`f`: no rows"),
        (
            table("text=prompt,label=toxic"),
            b"prompt,toxic\n".to_vec(),
            "`f`: the file looks like text; parquet comes as Parquet",
        ),
        (
            table("text=prompt,label=toxic"),
            parquet[..parquet.len() - 9].to_vec(),
            "`f`: the Parquet file is cut short or damaged",
        ),
        (
            table("text=prompt,label=gone"),
            parquet.clone(),
            "`f`: there is no column `gone`; the columns are `prompt`, `toxic`",
        ),
        (table("text=words,label=toxic"), parquet.clone(), "`f`, column `words`: the column holds lists"),
        (
            table("text=prompt,label=share"),
            parquet.clone(),
            "`f`, row 1, column `share`: the value is 0.5, a fraction; expected a string",
        ),
        (
            table("text=prompt,label=when"),
            parquet.clone(),
            "`f`, row 1, column `when`: the value is a date or time",
        ),
        (
            table("text=text,label=half"),
            fixture("decimals.parquet"),
            "`f`, row 1, column `half`: the value is 0.5, a fraction; expected a string, an integer",
        ),
        (table("text=prompt,label=toxic"), vec![], "`f`: the file is empty"),
        (
            table("text=prompt,label=took"),
            fixture("durations.parquet"),
            "`f`, row 1, column `took`: the value is a duration",
        ),
        (
            table("text=prompt,label=inner.took"),
            fixture("durations.parquet"),
            "`f`, row 1, column `inner.took`: the value is a duration",
        ),
        (table("text=prompt,label=flag"), parquet.clone(), "`f`, row 4, column `flag`: the row has no label"),
        (
            table("text=toxic,label=toxic"),
            parquet,
            "`f`, row 1, column `toxic`: the value is 0; expected a string",
        ),
        (
            table("text=prompt,label=toxic"),
            fixture("table.brotli.parquet"),
            "`f`, column `prompt`: the column is compressed with brotli, which is not read here",
        ),
    ];
    let read_here = |o: &ImportOptions| cfg!(feature = "parquet") || o.source != S::Parquet;
    for (options, bytes, expected) in cases.into_iter().filter(|(o, ..)| read_here(o)) {
        let said = refused(options, "f", &bytes);
        assert!(said.contains(expected), "expected {expected}\n     got {said}");
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let new = |options| Importer::new(options).map(|_| ()).unwrap_err().to_string();
    let of = ImportOptions::new;
    let some = |s: &str| Some(s.to_owned());
    let both = ImportOptions { label: some("x"), ..plain(ImportSource::Csv, "text=t,label=l") };
    assert!(new(both).contains("`label` is given both"));
    let own = ImportOptions { label: some("x"), ..of(ImportSource::BeaverTails) };
    assert!(new(own).contains("beavertails has a label of its own"));
    assert!(new(plain(ImportSource::MaliciousInstruct, "text=t")).contains("no columns to name"));
    assert!(new(ImportOptions { take: Some(0), ..of(ImportSource::Alpaca) }).contains("leaves nothing"));
    let several = ImportOptions { several: MultiCategoryRule::First, ..of(ImportSource::Alpaca) };
    assert!(new(several).contains("one category a row"));
    assert!(
        "beaver"
            .parse::<ImportSource>()
            .unwrap_err()
            .to_string()
            .contains("expected one of beavertails, alpaca")
    );
    for bad in ["", "text", "text=", "text=a+", "text=a,text=b", "lable=x", "label=a,label=b"] {
        assert!(bad.parse::<ColumnChoice>().is_err(), "{bad}");
    }
    for bad in ["", "a", "a:", ":b", "a:b,a:c", "*:b,*:c"] {
        assert!(bad.parse::<Renames>().is_err(), "{bad}");
    }
    for bad in [
        "",
        "a",
        "a=1",
        "a=0.5",
        "a=0.5,a=0.5",
        "a=0.5,b=0.6",
        "a=x,b=0.5",
        "a=NaN,b=0.5",
        "a/b=0.5,c=0.5",
        "a=-1,b=2",
    ] {
        assert!(bad.parse::<SplitShares>().is_err(), "{bad}");
    }
}

#[test]
fn renaming_knows_one_all_or_the_rest() {
    let of = |s: &str, value: &str| s.parse::<Renames>().unwrap().apply(value);
    assert_eq!(of("0:safe,1:harmful", "1").as_deref(), Some("harmful"));
    assert_eq!(of("0:safe,1:harmful", "2"), None);
    assert_eq!(of("0:safe,*:harmful", "2").as_deref(), Some("harmful"));
    assert_eq!(of("0:safe,*:*", "2").as_deref(), Some("2"));
    assert_eq!(Renames::default().apply("2").as_deref(), Some("2"));
}

#[test]
fn files_with_one_name_get_ids_of_their_own_and_texts_are_kept_once() {
    let options = || ImportOptions { label: Some("l".into()), ..plain(ImportSource::Csv, "text=t") };
    let (one, two) = (&b"t\nOne\ntwo\n"[..], &b"t\nthree\n one \n"[..]);
    let made = import(options(), &[("a/train.csv", one), ("b/train.csv.gz", two)]).unwrap();
    let ids: Vec<&str> = made.rows.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["train-2", "train-3", "train.2-2"]);
    assert_eq!(made.tally.dropped, [(Dropped::Duplicate, 1)].into());
    let blank = ImportOptions { skip_empty: true, ..options() };
    let made = import(blank, &[("x.csv", b"t,u\nx,1\n,2\n")]).unwrap();
    assert_eq!(made.tally.dropped, [(Dropped::Empty, 1)].into());
    let split = ImportOptions { split: Some("a=0.9,b=0.1".parse().unwrap()), ..options() };
    let e = import(split, &[("x.csv", b"t\nx\n")]).unwrap_err();
    assert!(e.source().unwrap().to_string().contains("1 groups leave nothing for the part `b`"));
}

#[test]
fn rows_keep_their_ids_and_only_those_without_one_are_numbered() {
    let rows = br#"{"id": "a7", "text": "one word", "label": "x"}
{"id": 12, "text": "two trees", "label": "y"}
{"text": "three birds", "label": "y"}
"#;
    let ids = |made: Imported| made.rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    let made = import(ImportOptions::new(ImportSource::Jsonl), &[("d.jsonl", &rows[..])]).unwrap();
    assert_eq!(ids(made), ["a7", "12", "d-3"]);
    let table = b"id,text,label\nb1,one word,x\n,two trees,y\n";
    assert_eq!(
        ids(import(ImportOptions::new(ImportSource::Csv), &[("d.csv", &table[..])]).unwrap()),
        ["b1", "d-3"]
    );
    let twice = br#"[{"id": 1, "text": "one", "label": "x"}, {"id": 1, "text": "two", "label": "x"}]"#;
    assert!(refused(ImportOptions::new(ImportSource::Jsonl), "d.jsonl", twice).contains("`1`"));
}

/// Labels 0 and 1 are labels 0 and 1 in every way that Parquet holds a decimal, to `data convert` and to a verb that
/// reads the file itself.
#[cfg(feature = "parquet")]
#[test]
fn decimals_are_labels_as_integers_are() {
    for name in ["decimals.parquet", "decimals.integers.parquet"] {
        let bytes = fixture(name);
        for column in ["label", "small", "large", "scaled", "long"] {
            let options = plain(ImportSource::Parquet, &format!("text=text,label={column}"));
            let made = import(options, &[("f", &bytes)]).unwrap();
            let labels: Vec<&str> = made.rows.iter().map(|r| r.label.as_str()).collect();
            assert_eq!(labels, ["0", "1", "1", "0"], "{name} {column}");
        }
        let read = read_classes(Cursor::new(bytes), name).unwrap();
        let labels: Vec<&str> = read.rows.iter().map(|r| r.label.as_str()).collect();
        assert_eq!(labels, ["0", "1", "1", "0"], "{name}");
        let extra = |row: usize, column: &str| read.rows[row].extra[column].clone();
        assert_eq!((extra(1, "small"), extra(2, "scaled")), (Value::from(1), Value::from(1)), "{name}");
        assert_eq!((extra(1, "half"), extra(2, "half")), (Value::from(-1.5), Value::from(12)), "{name}");
    }
}

/// Cut anywhere, a file is refused; changed anywhere, it is read or refused.
#[cfg(feature = "parquet")]
#[test]
fn damaged_parquet_never_panics() {
    let asked = || plain(ImportSource::Parquet, "text=prompt,label=toxic,category=topic,group=meta.source");
    for name in ["table.zstd.parquet", "table.v2.parquet", "table.snappy.parquet"] {
        let whole = fixture(name);
        for end in (0..whole.len()).step_by(37) {
            assert!(import(asked(), &[("f", &whole[..end])]).is_err(), "{name} cut at {end}");
        }
        for at in (0..whole.len()).step_by(11) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                let _ = import(asked(), &[("f", &changed)]);
            }
        }
    }
}

#[test]
fn gzip_that_is_cut_short_is_refused() {
    let packed = fixture("beavertails.jsonl.gz");
    for end in 2..packed.len() {
        assert!(
            import(ImportOptions::new(ImportSource::BeaverTails), &[("f", &packed[..end])]).is_err(),
            "{end}"
        );
    }
}

#[test]
fn a_packed_file_is_unpacked_up_to_a_bound() {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'a'; 1 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 2000);
    assert_eq!(container::unpack(&packed, 1 << 20).unwrap().len(), 1 << 20);
    let fault = container::unpack(&packed, (1 << 20) - 1).unwrap_err().in_file("f");
    assert!(matches!(*fault.problem, ImportProblem::Unpacked { .. }) && fault.hint().is_some(), "{fault}");
}

proptest! {
    #[test]
    fn any_bytes_are_imported_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..8_usize) {
        let source = ImportSource::ALL[which];
        let options = match source {
            ImportSource::Jsonl | ImportSource::Csv | ImportSource::Parquet => plain(source, "text=t,label=l"),
            _ => ImportOptions::new(source),
        };
        let _ = import(options, &[("f", &bytes)]);
    }
}
