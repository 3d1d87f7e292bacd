//! Boards as people keep them (`fixtures/make/field.py`), to what was planted in them.

use std::path::Path;

use truenorth_data::{NearCopies, read_table};
use truenorth_stats::math::Seeds;

use super::super::Params;
use super::*;
use crate::transfer::{self, OwnBoard, Transferred};
use truenorth_reading::AnalysisError;

fn boards(name: &str, wanted: &[&str]) -> Result<Vec<SavedBoard>, AnalysisError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field").join(name);
    let file = read_table(std::fs::read(&path).unwrap().as_slice(), name).unwrap();
    read(&file, (name, name), &wanted.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
}

fn only(name: &str) -> SavedBoard {
    boards(name, &[]).unwrap().swap_remove(0)
}

fn table(rows: &str) -> Result<Vec<SavedBoard>, AnalysisError> {
    read(&read_table(rows.as_bytes(), "t.jsonl").unwrap(), ("t.jsonl", "t.jsonl"), &[])
}

fn expected() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn compared(boards: &[SavedBoard]) -> Transferred {
    let aligned = align(boards, NearCopies::default()).unwrap();
    let of = |b: SavedBoard| OwnBoard { model: b.name, site: b.site, board: b.rows };
    let params = transfer::Params { permutations: 199, ..transfer::Params::default() };
    let boards = aligned.boards.into_iter().map(of).collect();
    transfer::Transfer::of(boards, &aligned.rows, &params, &Seeds::new(0)).unwrap()
}

#[test]
fn what_is_planted_under_three_models_comes_out() {
    let want = expected();
    for name in ["transfer.json", "transfer.csv"] {
        let wanted = match name {
            "transfer.csv" => ["olmo", "llama", "gemma"],
            // Else in the order of their names.
            _ => ["scores.olmo", "scores.llama", "scores.gemma"],
        };
        let found = compared(&boards(name, &wanted).unwrap());
        assert_eq!(found.transfer.sequences, 73);
        let clusters: Vec<Vec<String>> = serde_json::from_value(want["clusters"].clone()).unwrap();
        assert_eq!(found.clusters, clusters, "{name}");
        for (pair, want) in found.transfer.pairs.iter().zip(want["pairs"].as_array().unwrap()) {
            assert_eq!(
                (pair.first.as_str(), pair.second.as_str()),
                (want["first"].as_str().unwrap(), want["second"].as_str().unwrap())
            );
            let all = &pair.agreement[0];
            assert_eq!(
                (all.n as u64, all.agree as u64),
                (want["n"].as_u64().unwrap(), want["agree"].as_u64().unwrap())
            );
            let null = all.rate.null.as_ref().unwrap();
            for (own, key) in [
                (null.expected, "expected"),
                (null.p, "p"),
                (pair.spearman.value, "spearman"),
                (pair.pearson.value, "pearson"),
            ] {
                assert!((own - want[key].as_f64().unwrap()).abs() < 1e-9, "{name} {key} {own} {}", want[key]);
            }
        }
        // The shared signal stands, the lean alone does not.
        let stands: Vec<bool> = found.transfer.pairs.iter().map(|p| p.stands[0]).collect();
        assert_eq!(stands, [true, false, false]);
        // Top, middle and bottom, and both kinds.
        let groups: Vec<&str> = found.transfer.pairs[0].agreement.iter().map(|a| a.group.as_str()).collect();
        assert_eq!(groups, ["all", "top", "middle", "bottom", "kind=filler", "kind=value"]);
    }
}

#[test]
fn boards_of_three_forms_are_set_beside_each_other_by_their_texts() {
    let three = ["board-olmo.json", "board-llama.jsonl", "board-gemma.parquet"].map(only);
    assert_eq!(three[0].name, "olmo");
    let found = compared(&three);
    assert_eq!(found.transfer.sequences, 73);
    // Which of a cluster comes first is the order of the first board; who is in it is not.
    let mut sizes: Vec<usize> = found.clusters.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 2, 2, 2, 2, 3]);
    let want = expected();
    for (pair, want) in found.transfer.pairs.iter().zip(want["pairs"].as_array().unwrap()) {
        assert_eq!(pair.agreement[0].agree as u64, want["agree"].as_u64().unwrap());
        assert!((pair.pearson.value - want["pearson"].as_f64().unwrap()).abs() < 0.01);
    }
}

#[test]
fn what_a_row_has_is_kept_and_a_second_score_is_a_board_of_its_own() {
    let found = boards("board-olmo.json", &[]).unwrap();
    assert_eq!(found.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["olmo", "olmo (score_alt)"]);
    let (own, other) = (&found[0].rows[0], &found[1].rows[0]);
    assert_eq!((own.rank, own.z.is_some(), other.z.is_some()), (1, true, false));
    assert_eq!(own.extra["handle"].as_str().map(|h| h.starts_with("player")), Some(true));
    assert_eq!(own.extra["at"], "2026-11-01T00:00:00Z");
    // A handle that comes twice is no name of a row.
    assert_eq!(own.id, "1");
    assert_eq!(only("board-list.json").rows[0].text, own.text);
    let export = only("board-llama.jsonl");
    assert_eq!((export.rows[3].id.as_str(), export.rows[3].extra["token_count"].as_u64()), ("103", Some(20)));
    let names = boards("transfer.json", &[]).unwrap();
    assert_eq!(names.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["gemma", "llama", "olmo"]);
    let by_column = boards("transfer.csv", &["llama"]).unwrap();
    assert_eq!((by_column[0].name.as_str(), by_column[0].rows.len()), ("transfer.csv", 80));
}

#[test]
fn a_table_that_is_no_board_is_refused_by_what_it_lacks() {
    let said = |rows: &str| table(rows).unwrap_err().to_string();
    assert!(said(r#"{"text": "a", "olmo": 1.0}"#).contains("no column of scores; it has olmo, text"));
    let no_text = format!("{}\n{}", r#"{"id": "a", "text": "a", "score": 1}"#, r#"{"id": "b", "score": 2}"#);
    assert!(said(&no_text).contains("line 2: no text"), "{}", said(&no_text));
    let no_score = format!("{}\n{}", r#"{"text": "a", "score": 1}"#, r#"{"text": "b", "score": "high"}"#);
    assert!(
        said(&no_score).contains("line 2: sequence `2` has \"high\" as its `score`"),
        "{}",
        said(&no_score)
    );
    // Null, a comma for a point, and the first row of all: the row, the key and what to do are said.
    for (first, second, what, remedy) in [
        ("null", "1", "line 1: sequence `1` has none as its `score`", "take the row out"),
        ("1", "\"2,5\"", "line 2: sequence `2` has \"2,5\" as its `score`", "with a point, as in 2.5"),
        ("\"0,5\"", "\"2,5\"", "line 1: sequence `1` has \"0,5\"", "with a point, as in 0.5"),
    ] {
        let rows =
            format!("{{\"text\": \"a\", \"score\": {first}}}\n{{\"text\": \"b\", \"score\": {second}}}");
        let e = table(&rows).unwrap_err();
        assert!(e.to_string().contains(&format!("t.jsonl, {what}")), "{e}");
        assert!(e.hint().unwrap().contains(remedy), "{:?}", e.hint());
    }
    let some = r#"[{"text": "a", "score": 1, "score_b": null}, {"text": "b", "score": 2, "score_b": 3}]"#;
    let file = read_table(some.as_bytes(), "t.json").unwrap();
    assert_eq!(read(&file, ("t", "t.json"), &[]).unwrap().len(), 1);
    assert_eq!(partial(&file), [("score_b".to_owned(), "item 1 of the list".to_owned())]);
    assert!(
        read(&file, ("t", "t.json"), &["score_b".into()])
            .unwrap_err()
            .to_string()
            .contains("as its `score_b`")
    );
    let twice =
        format!("{}\n{}", r#"{"id": 1, "text": "a", "score": 1}"#, r#"{"id": 1, "text": "b", "score": 2}"#);
    assert!(said(&twice).contains("line 2: sequence `1` for the second time"), "{}", said(&twice));
    let error = boards("transfer.csv", &[]).unwrap_err();
    assert!(error.to_string().contains("no column of scores"), "{error}");
    let apart =
        [only("board-llama.jsonl"), table(r#"{"text": "another", "score": 1}"#).unwrap().swap_remove(0)];
    assert!(align(&apart, NearCopies::default()).unwrap_err().to_string().contains("no sequence in common"));
}

#[test]
fn a_board_is_summed_up_without_its_model() {
    let aligned =
        align(&[only("board-olmo.json"), only("board-llama.jsonl")], NearCopies::default()).unwrap();
    let params = Params { permutations: 199, ..Params::default() };
    let found = summarise(&aligned, &params, &Seeds::new(0)).unwrap();
    assert_eq!((found.sequences, found.distinct, found.copies.near_clusters), (80, 73, 6));
    let high = found.asymmetry.top.ids.len();
    assert_eq!(high, 7);
    assert!(found.asymmetry.top.z.is_some() && found.asymmetry.top.coherence.is_none());
    // Specificity of this board is a straight line of its score.
    assert!((found.score_and_z.as_ref().unwrap().correlation.value - 1.0).abs() < 1e-12);
    let changes = found.rank_changes.as_ref().unwrap();
    assert!((changes.correlation.value - expected()["pairs"][0]["spearman"].as_f64().unwrap()).abs() < 0.01);
    let bare =
        align(&[boards("transfer.csv", &["olmo"]).unwrap().swap_remove(0)], NearCopies::default()).unwrap();
    let kinds = Params { contrast: vec!["value".into(), "filler".into()], ..params };
    let found = summarise(&bare, &kinds, &Seeds::new(0)).unwrap();
    assert!(found.score_and_z.is_none() && found.asymmetry.top.z.is_none());
    assert_eq!(found.contrast.unwrap().n, 73);
    assert!(!page::findings(&summarise(&bare, &kinds, &Seeds::new(0)).unwrap()).is_empty());
}

#[test]
fn a_text_that_has_two_scores_is_told_with_both() {
    let mut board = only("board-olmo.json");
    let mut again = board.rows[3].clone();
    again.id = "again".into();
    board.rows.push(again.clone());
    align(std::slice::from_ref(&board), NearCopies::default()).unwrap();
    board.rows.last_mut().unwrap().score = again.score + 1.0;
    let e = align(&[board], NearCopies::default()).unwrap_err();
    assert!(e.to_string().contains("`again`") && e.hint().unwrap().contains("the row that is meant"), "{e}");
}

#[test]
fn a_new_board_is_held_against_the_expected_one() {
    let old = only("board-llama.jsonl");
    let same = expect(&old, &old, 0.01).unwrap();
    assert!(same.agrees && same.largest.gap == 0.0 && same.inversions == 0 && same.pairs == 80 * 79 / 2);
    assert_eq!((same.spearman, same.pearson), (Some(1.0), Some(1.0)));
    // One score moved far: every pair that it jumps over is turned.
    let mut moved = old.clone();
    let at = 17;
    let low = moved.rows.iter().map(|r| r.score).fold(f64::INFINITY, f64::min) - 1.0;
    let passed = moved.rows.iter().filter(|r| r.score < moved.rows[at].score).count();
    moved.rows[at].score = low;
    let found = expect(&moved, &old, 0.01).unwrap();
    assert!(!found.agrees && found.largest.id == "117" && found.inversions == passed);
    assert!((found.largest.gap - (low - old.rows[at].score)).abs() < 1e-12);
    assert!(found.clear_inversions <= passed && found.spearman.unwrap() < 1.0);
    // A sequence that is missing is no small gap.
    let mut fewer = old.clone();
    fewer.rows.pop();
    let found = expect(&fewer, &old, 0.01).unwrap();
    assert_eq!((found.agrees, found.not_on_both.as_slice()), (false, &["179".to_owned()][..]));
    // Noise of a hundredth of the allowed gap turns nothing clearly.
    let mut near = old.clone();
    for (i, row) in near.rows.iter_mut().enumerate() {
        row.score += if i % 2 == 0 { 0.5 } else { -0.5 } * found.within;
    }
    let found = expect(&near, &old, 0.01).unwrap();
    assert!(found.agrees && found.clear_inversions == 0, "{found:?}");
}

/// Boards of one table in the order of its rows and in the other.
fn both_ways(rows: &[&str]) -> [SavedBoard; 2] {
    let turned: Vec<&str> = rows.iter().rev().copied().collect();
    [table(&rows.join("\n")).unwrap().swap_remove(0), table(&turned.join("\n")).unwrap().swap_remove(0)]
}

#[test]
fn the_order_of_a_file_never_says_which_of_a_cluster_stands() {
    let by_id = [
        r#"{"id": "c10", "text": "a hello", "score": 3.0}"#,
        r#"{"id": "c9", "text": "A hello", "score": -1.0}"#,
        r#"{"id": "c1", "text": "river", "score": 0.5}"#,
    ];
    let by_number = [
        r#"{"text": "a hello", "score": 3.0}"#,
        r#"{"text": "A hello", "score": -1.0}"#,
        r#"{"text": "river", "score": 0.5}"#,
    ];
    // What the board itself says comes before that.
    let said = [
        r#"{"id": "c10", "text": "a hello", "score": 3.0}"#,
        r#"{"id": "c9", "text": "A hello", "score": -1.0, "counted_with": "c10"}"#,
        r#"{"id": "c1", "text": "river", "score": 0.5, "counted_with": ""}"#,
    ];
    for (rows, score) in [(by_id, -1.0), (by_number, -1.0), (said, 3.0)] {
        for board in both_ways(&rows) {
            let found = align(&[board], NearCopies::default()).unwrap();
            let stands: Vec<f64> = found.boards[0]
                .rows
                .iter()
                .filter(|r| r.counted_with.is_none() && r.text != "river")
                .map(|r| r.score)
                .collect();
            assert_eq!(stands, [score], "{rows:?}");
            let own = |i: &usize| found.firsts[*i] == *i;
            let firsts: Vec<usize> = (0..3).filter(own).collect();
            assert!(firsts.iter().all(|i| found.boards[0].rows[*i].counted_with.is_none()));
            assert_eq!(firsts.len(), 2);
        }
    }
}

#[test]
fn rows_that_differ_in_letter_case_are_matched_by_what_they_say() {
    let [board, turned] = both_ways(&[
        r#"{"text": "river", "score": 0.5}"#,
        r#"{"text": "Hello", "score": 2.0}"#,
        r#"{"text": "hello", "score": -2.0}"#,
    ]);
    let found = expect(&turned, &board, 0.01).unwrap();
    assert!(found.agrees && found.spearman.unwrap() > 0.999, "{found:?}");
    // One of them is the same; the other is what is left.
    let one = |rows: &str| table(rows).unwrap().swap_remove(0);
    let left = one("{\"text\": \"HELLO\", \"score\": 2.0}\n{\"text\": \"hello\", \"score\": -2.0}\n\
                    {\"text\": \"river\", \"score\": 0.5}");
    assert!(expect(&left, &board, 0.01).unwrap().agrees);
    // Where no text is the same, ids tell them apart.
    let named = |first: &str, second: &str| {
        one(&format!(
            "{{\"id\": \"a\", \"text\": \"{first}\", \"score\": 2.0}}\n{{\"id\": \"b\", \"text\": \"{second}\", \
             \"score\": -2.0}}\n{{\"id\": \"c\", \"text\": \"river\", \"score\": 0.5}}"
        ))
    };
    let mut other = named("HELLO", "heLLo");
    other.rows.reverse();
    assert!(expect(&other, &named("Hello", "hello"), 0.01).unwrap().agrees);
    // Row numbers are no ids.
    let unsure = expect(&other, &board, 0.01).unwrap_err();
    assert!(
        unsure.to_string().contains("\"HELLO\"") && unsure.to_string().contains("letter case"),
        "{unsure}"
    );
    assert!(unsure.hint().unwrap().contains("`id`"));
}
