//! What goes out of a season and comes back.

use std::sync::Arc;

use truenorth_protocol::run::Unwatched;

use super::*;
use crate::backend::ScoringModel;
use crate::live::{Live, Submission, Submitted, score_all};
use crate::season::tests::{Tiny, opened, written};
use crate::season::{Folder, new, open};
use crate::store::OperatorAction;

const TEXTS: [&str; 4] = ["a cat", "no", "the shelf is on the hat", "an old tin and a red cup"];

fn filled(dir: &std::path::Path) -> (Folder, Arc<Live>) {
    let (folder, season) = opened(dir, "one", "");
    let live = Live::new(season, Tiny::open()).unwrap();
    for (i, text) in TEXTS.iter().enumerate() {
        let submission = Submission {
            handle: format!("ada{}", i % 2),
            text: (*text).into(),
            kind: Some("words".into()),
            consent: Some("1".into()),
            client: i.to_string(),
        };
        assert!(matches!(live.submit(&submission).unwrap(), Submitted::Accepted(_)));
    }
    score_all(&live, &Unwatched).unwrap();
    (folder, live)
}

#[test]
fn what_goes_out_has_no_handle_and_comes_back_as_a_board() {
    let dir = tempfile::tempdir().unwrap();
    let (_, live) = filled(dir.path());
    live.season.store.act(OperatorAction::Hide, 2, "").unwrap();
    let found = export_rows(&live.season).unwrap();
    assert_eq!((found.rows.len(), found.without_consent), (3, 0));
    let text = String::from_utf8(json_lines(&found.rows).unwrap()).unwrap();
    assert!(!text.contains("ada") && !text.contains("\"client\"") && text.lines().count() == 3);
    let rows = truenorth_boards::board::read_board(text.as_bytes(), "export");
    // A row of the board but for what `score` alone knows.
    assert!(rows.is_err() || rows.unwrap().len() == 3);
    let table = truenorth_data::read_table(text.as_bytes(), "export.jsonl").unwrap();
    let board = truenorth_boards::board::saved::read(&table, ("one", "export.jsonl"), &[]).unwrap();
    let kept = saved_board(&live.season).unwrap();
    assert_eq!(
        board[0].rows.iter().map(|r| r.score).collect::<Vec<_>>(),
        kept.rows.iter().map(|r| r.score).collect::<Vec<_>>()
    );
    assert_eq!(kept.rows.iter().map(|r| r.rank).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(card(&live.season).unwrap().says[2].contains("I agree"));
}

#[test]
fn a_season_scores_as_it_did_and_another_direction_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (_, live) = filled(dir.path());
    let tiny = Tiny::open();
    for most in [None, Some(3)] {
        let found = check(&live.season, &*tiny, (most, 0.01), &Unwatched).unwrap();
        assert!(found.board.agrees && found.baselines == 0.0 && found.board.inversions == 0, "{found:?}");
        assert_eq!((found.entries, found.board.sequences), (4, most.unwrap_or(4)));
    }
    // A score that is not what the model says.
    live.season.store.write(|c| c.execute("UPDATE entries SET score = score + 1 WHERE id = 3", [])).unwrap();
    let found = check(&live.season, &*tiny, (None, 0.01), &Unwatched).unwrap();
    assert!(!found.board.agrees && found.board.largest.id == "3", "{found:?}");
    assert!((found.board.largest.gap + 1.0).abs() < 1e-9);
}

#[test]
fn entries_are_taken_over_once_with_their_dates_and_consent() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, live) = filled(dir.path());
    live.season.store.act(OperatorAction::Hide, 2, "").unwrap();
    live.season.store.write(|c| c.execute("UPDATE entries SET at = 1000 WHERE id = 1", [])).unwrap();
    assert!(rescore(&folder.season("one").unwrap(), &live).is_err());
    folder.close("one").unwrap();
    new(&folder, &written(dir.path(), "two", "")).unwrap();
    let tiny = Tiny::open();
    let to = Live::new(open(&folder, "two", &*tiny, &Unwatched).unwrap(), tiny.clone()).unwrap();
    let from = folder.season("one").unwrap();
    assert_eq!(rescore(&from, &to).unwrap(), 3);
    assert_eq!(rescore(&from, &to).unwrap(), 0);
    score_all(&to, &Unwatched).unwrap();
    let all = to.season.store.all().unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(
        (all[0].at, all[0].origin.as_deref(), all[0].consent.as_deref()),
        (1000, Some("one 1"), Some("1"))
    );
    assert_eq!((all[0].handle.as_str(), all[0].score), ("ada0", from.store.entry(1).unwrap().unwrap().score));
    // The text is known there.
    let again = Submission {
        handle: "eve".into(),
        text: "A cat".into(),
        consent: Some("1".into()),
        ..Submission::default()
    };
    assert!(matches!(to.submit(&again).unwrap(), Submitted::Copy(_)));
    let closed = Live::new(folder.season("one").unwrap(), tiny).unwrap();
    assert!(rescore(&to.season, &closed).unwrap_err().to_string().contains("takes nothing"));
}

#[test]
fn boards_of_elsewhere_are_scored_here() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "characters = 400");
    let live = Live::new(season, Tiny::open()).unwrap();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field");
    let board = std::fs::read(fixtures.join("board-olmo.json")).unwrap();
    let (taken, notes) = import(&board, "board-olmo.json", &live, None).unwrap();
    assert_eq!((taken, notes.len()), (80, 0));
    assert_eq!(import(&board, "board-olmo.json", &live, None).unwrap().0, 0);
    let export = std::fs::read(fixtures.join("board-llama.jsonl")).unwrap();
    import(&export, "board-llama.jsonl", &live, Some("1")).unwrap();
    score_all(&live, &Unwatched).unwrap();
    let all = live.season.store.all().unwrap();
    assert!(all.len() == 160 && all.iter().all(|e| e.score.is_some()));
    assert!(all[0].handle.starts_with("player") && all[0].at == 1_793_491_200);
    // Without a known consent nothing goes out.
    let found = export_rows(&live.season).unwrap();
    assert_eq!((found.rows.len(), found.without_consent), (80, 80));
    // Texts without scores are scored like the others; a row without a text is refused by what it lacks.
    let texts = b"{\"text\": \"a hat\"}\n{\"text\": \"a red cup\", \"score\": null}\n";
    assert_eq!(import(texts, "x.jsonl", &live, None).unwrap(), (2, vec![]));
    score_all(&live, &Unwatched).unwrap();
    let all = live.season.store.all().unwrap();
    assert!(all.len() == 162 && all.iter().all(|e| e.score.is_some()));
    let e = import(b"{\"score\": 1}", "x.jsonl", &live, None).unwrap_err().to_string();
    assert!(e.contains("no text"), "{e}");
}

#[test]
fn a_copy_that_is_made_while_it_is_served_is_the_season() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, live) = filled(dir.path());
    let to = dir.path().join("backup");
    assert_eq!(backup(&folder, &to).unwrap(), 1);
    let copy = Folder::at(&to).season("one").unwrap();
    assert_eq!(copy.store.all().unwrap(), live.season.store.all().unwrap());
    assert!(check(&copy, &*Tiny::open(), (None, 0.01), &Unwatched).unwrap().board.agrees);
    assert!(backup(&folder, &to).unwrap_err().to_string().contains("holds something already"));
    assert_eq!(Tiny::open().runner().info().name, "tiny");
}
