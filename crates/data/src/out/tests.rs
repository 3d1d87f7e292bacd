use serde_json::json;

use super::*;
use crate::read_table;

fn rows() -> Vec<OutRow> {
    let all = r#"[
        {"id": "a", "score": 1.5, "n": 3, "ok": true, "tokens": [1, 2], "odd": 1, "turns": [{"role": "user", "content": "é"}, {"role": "b"}]},
        {"id": "b \"x\",\ny", "score": 2, "n": null, "tokens": [], "odd": "one", "parts": ["x", null]},
        {"id": "", "score": -0.25, "ok": false, "tokens": null}
    ]"#;
    serde_json::from_str(all).unwrap()
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_comes_back_with_its_lists() {
    let bytes = parquet_bytes(&rows()).unwrap();
    let back = read_table(bytes.as_slice(), "t.parquet").unwrap();
    let got: Vec<Value> = back.rows.into_iter().map(|r| r.fields.into()).collect();
    assert_eq!(
        Value::from(got),
        json!([
            {"id": "a", "score": 1.5, "n": 3, "ok": true, "tokens": [1, 2], "odd": "1",
             "turns": [{"role": "user", "content": "é"}, {"role": "b", "content": null}], "parts": null},
            {"id": "b \"x\",\ny", "score": 2.0, "n": null, "ok": null, "tokens": [], "odd": "\"one\"", "turns": null,
             "parts": ["x", null]},
            {"id": "", "score": -0.25, "n": null, "ok": false, "tokens": null, "odd": null, "turns": null, "parts": null}
        ])
    );
    // The same rows are the same bytes.
    assert_eq!(parquet_bytes(&rows()).unwrap(), bytes);
}

#[test]
fn csv_comes_back() {
    let bytes = csv_bytes(&rows()).unwrap();
    let back = read_table(bytes.as_slice(), "t.csv").unwrap();
    assert!(bytes.starts_with(b"id,score,n,ok,tokens,odd,turns,parts\n"));
    assert_eq!(back.rows.len(), 3);
    assert_eq!(back.rows[1].fields["id"], "b \"x\",\ny");
    assert_eq!(back.rows[0].fields["tokens"], "[1,2]");
    assert_eq!(back.rows[2].fields["n"], Value::Null);
}

#[test]
fn a_card_names_files_columns_and_splits() {
    let all = rows();
    let splits = [("train", &all[..2]), ("test", &all[2..])];
    let text = card(&DataSetCard { title: "A set".into(), says: vec!["Made here.".into()] }, &splits);
    for line in [
        "  - split: test\n    path: data/test-*.parquet\n",
        "  - name: \"score\"\n    dtype: float64\n",
        "  - name: \"tokens\"\n    list: int64\n",
        "  - name: \"ok\"\n    dtype: bool\n",
        "  - name: \"turns\"\n    list:\n    - name: \"content\"\n      dtype: string\n    - name: \"role\"\n",
        "---\n\n# A set\n\nMade here.\n\n- `train`: 2 rows\n- `test`: 1 rows\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn arrays_are_read_as_numpy_writes_them() {
    use crate::artifact::{Direction, DirectionFormat, ImportAs};
    let values: Vec<u8> = [3.0_f32, 4.0, 0.0, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let meta = r#"{"model": "m", "site": "resid_post.2", "sign": "kind \u00e9"}"#;
    let arrays =
        [NamedArray { name: "resid_post.2", shape: &[2, 2], elements: Elements::Floats, data: &values }];
    let bytes = npz(&arrays, meta).unwrap();
    let stated = ImportAs { row: Some(0), ..ImportAs::default() };
    let found = Direction::import_bytes(&bytes, DirectionFormat::Npz, &stated).unwrap();
    assert_eq!(found.vector().to_vec(), [0.6, 0.8]);
    assert_eq!((found.metadata().model.as_deref(), found.metadata().sign.as_str()), (Some("m"), "kind é"));
}

/// A byte of value 0 is in no text that is read, and so in none that is written.
#[test]
fn a_table_of_texts_with_nul_bytes_is_read_again() {
    let row: OutRow = serde_json::from_str(r#"{"id": "a", "text": "x\u0000y"}"#).unwrap();
    let bytes = csv_bytes(&[row]).unwrap();
    let read = crate::read_prompts(&bytes[..], "t.csv").unwrap();
    assert!(
        matches!(&read.rows[0].input, crate::PromptInput::Text(text) if text == "x\u{2400}y"),
        "{:?}",
        read.rows[0]
    );
}
