//! Submissions that are taken, scored once, and never lost.

use truenorth_protocol::clock;

use super::*;
use crate::season::Rules;

fn store(dir: &Path) -> SeasonStore {
    SeasonStore::create(dir, "seal", "2026-11-01T00:00:00Z").unwrap()
}

fn submission(text: &str, client: &str) -> NewSubmission {
    NewSubmission {
        handle: "ada".into(),
        text: text.into(),
        kind: None,
        tokens: Some(3),
        consent: Some("1".into()),
        at: clock::seconds(),
        client: Some(client.into()),
        origin: None,
    }
}

fn taken(store: &SeasonStore, text: &str) -> i64 {
    match store.submit(&submission(text, text), &Rules::default()).unwrap() {
        SubmitResult::Accepted(a) => a.id,
        other => panic!("{other:?}"),
    }
}

fn scores(score: f64) -> ScoringOutcome {
    ScoringOutcome::Scored(Box::new(Scores {
        score,
        low: score,
        score_alt: None,
        z: 2.0 * score,
        coherence: 0.5,
        shift_norm: 0.1,
        p_random: 0.2,
        along: vec![score, score],
    }))
}

#[test]
fn each_limit_is_held_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let rules = Rules {
        per_minute: 2,
        per_day: 3,
        per_client: 4,
        season_per_day: 6,
        season: 7,
        queue: 100,
        ..Rules::default()
    };
    let at = |ago: i64, client: &str| NewSubmission { at: clock::seconds() - ago, ..submission("x", client) };
    let take = |new: &NewSubmission| store.submit(new, &rules).unwrap();
    let limited = |new: &NewSubmission, says: &str, wait: Option<i64>| match take(new) {
        SubmitResult::Limit(what, seconds) => {
            assert!(what.contains(says) && seconds == wait, "{what} {seconds:?}")
        }
        other => panic!("{says}: {other:?}"),
    };
    assert!(matches!(take(&at(0, "a")), SubmitResult::Accepted(Accepted { place: 1, .. })));
    assert!(matches!(take(&at(0, "a")), SubmitResult::Accepted(Accepted { place: 2, .. })));
    limited(&at(0, "a"), "2 submissions a minute", Some(60));
    assert!(matches!(take(&at(-61, "a")), SubmitResult::Accepted(_)));
    limited(&at(-130, "a"), "3 submissions a day from one", Some(86_400));
    assert!(matches!(take(&at(-86_500, "a")), SubmitResult::Accepted(_)));
    limited(&at(-200_000, "a"), "4 submissions from one place in all", None);
    assert!(matches!(take(&at(0, "b")), SubmitResult::Accepted(_)));
    assert!(matches!(take(&at(0, "c")), SubmitResult::Accepted(_)));
    limited(&at(0, "d"), "6 submissions a day from all", Some(86_400));
    assert!(matches!(take(&at(-200_000, "e")), SubmitResult::Accepted(_)));
    limited(&at(-400_000, "f"), "7 submissions of the season", None);
    let full = Rules { queue: 7, ..Rules::default() };
    assert_eq!(store.submit(&at(0, "g"), &full).unwrap(), SubmitResult::Full(7));
    store.close().unwrap();
    assert_eq!(store.submit(&at(0, "g"), &Rules::default()).unwrap(), SubmitResult::Closed);
    assert_eq!(store.state().unwrap(), SeasonState::Closed);
}

#[test]
fn a_batch_is_written_down_and_taken_up_again_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let ids: Vec<i64> = {
        let store = store(path);
        (0..5).map(|i| taken(&store, &format!("text {i}"))).collect()
    };
    let of = |batch: &[Queued]| batch.iter().map(|q| q.id).collect::<Vec<_>>();
    let store = SeasonStore::open_if_there(path).unwrap().unwrap();
    let first = store.next_batch(3).unwrap();
    assert_eq!(of(&first), ids[..3]);
    drop(store);
    // As after a kill: what comes in between does not join it.
    let store = SeasonStore::open_if_there(path).unwrap().unwrap();
    taken(&store, "later");
    assert_eq!(store.next_batch(10).unwrap(), first);
    assert_eq!(
        store.finish(&[(ids[0], scores(1.0)), (ids[1], ScoringOutcome::Failed("no".into()))], 5).unwrap(),
        2
    );
    assert_eq!(of(&store.next_batch(10).unwrap()), [ids[2]]);
    // A score that is there stays, whoever comes with another.
    assert_eq!(
        store.finish(&[(ids[0], scores(9.0)), (ids[1], scores(9.0)), (ids[2], scores(-1.0))], 6).unwrap(),
        1
    );
    assert_eq!(store.entry(ids[0]).unwrap().unwrap().score, Some(1.0));
    assert_eq!(store.entry(ids[1]).unwrap().unwrap().status, SubmissionStatus::Failed);
    assert_eq!(store.next_batch(10).unwrap().len(), 3);
    assert_eq!(store.place(ids[4]).unwrap(), 2);
}

#[test]
fn what_ends_the_program_each_time_is_set_aside_and_the_rest_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ids: Vec<i64> = (0..3).map(|i| taken(&store, &format!("text {i}"))).collect();
    // Every batch with the second in it ends the program.
    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(rounds < 40);
        let batch = store.next_batch(10).unwrap();
        if batch.is_empty() {
            break;
        }
        if !batch.iter().any(|q| q.id == ids[1]) {
            let all: Vec<_> = batch.iter().map(|q| (q.id, scores(1.0))).collect();
            store.finish(&all, 1).unwrap();
        }
    }
    let status: Vec<SubmissionStatus> =
        ids.iter().map(|id| store.entry(*id).unwrap().unwrap().status).collect();
    assert_eq!(status, [SubmissionStatus::Scored, SubmissionStatus::Failed, SubmissionStatus::Scored]);
    // A service that is away is nobody's fault, however often it is tried.
    let id = taken(&store, "patient");
    for _ in 0..30 {
        let batch = store.next_batch(10).unwrap();
        assert_eq!(batch.len(), 1);
        store.untried(&batch).unwrap();
    }
    assert_eq!(store.entry(id).unwrap().unwrap().status, SubmissionStatus::Queued);
}

#[test]
fn places_are_counted_from_both_ends_and_without_what_is_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let ids: Vec<i64> = (0..5).map(|i| taken(&store, &format!("text {i}"))).collect();
    let all = store.next_batch(10).unwrap();
    let given = [0.5, -1.0, 0.5, 2.0, 0.1];
    store.finish(&all.iter().zip(given).map(|(q, s)| (q.id, scores(s))).collect::<Vec<_>>(), 1).unwrap();
    let ranks = |end, offset, limit| -> Vec<(u64, i64)> {
        store.board(end, offset, limit).unwrap().iter().map(|r| (r.rank, r.entry.id)).collect()
    };
    assert_eq!(ranks(BoardEnd::Top, 0, 9), [(1, ids[3]), (2, ids[0]), (2, ids[2]), (4, ids[4]), (5, ids[1])]);
    assert_eq!(ranks(BoardEnd::Bottom, 0, 2), [(1, ids[1]), (2, ids[4])]);
    assert_eq!(ranks(BoardEnd::Top, 2, 2), [(2, ids[2]), (4, ids[4])]);
    let entry = |id: i64| store.entry(id).unwrap().unwrap();
    assert_eq!(store.places(&entry(ids[2])).unwrap(), Some([2, 3]));
    assert_eq!(entry(ids[0]).along, [0.5, 0.5]);
    assert!(store.act(OperatorAction::Hide, ids[3], "rude").unwrap());
    assert!(!store.act(OperatorAction::Hide, 999, "").unwrap());
    assert_eq!(ranks(BoardEnd::Top, 0, 2), [(1, ids[0]), (1, ids[2])]);
    assert_eq!(
        store.counts().unwrap(),
        SeasonCounts { scored: 4, queued: 0, failed: 0, hidden: 1, handles: 1 }
    );
    assert!(store.act(OperatorAction::Unhide, ids[3], "").unwrap());
    assert_eq!(ranks(BoardEnd::Top, 0, 1), [(1, ids[3])]);
    let done = store.actions(10).unwrap();
    assert_eq!((done.len(), done[1].what.as_str(), done[1].why.as_str()), (2, "hide", "rude"));
}

#[test]
fn a_copy_is_whole_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).map(|i| taken(&store, &format!("text {i}"))).max());
        for k in 0..5 {
            let folder = dir.path().join(format!("copy{k}"));
            std::fs::create_dir(&folder).unwrap();
            store.backup(&folder.join(FILE)).unwrap();
            let copy = SeasonStore::open_if_there(&folder).unwrap().unwrap();
            let n = copy.all().unwrap().len() as u64;
            // No gap: what came later is not there before what came earlier.
            assert_eq!(copy.all().unwrap().last().map_or(0, |e| e.id) as u64, n);
            assert_eq!(copy.salt().unwrap(), store.salt().unwrap());
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_file_of_another_program_is_no_season() {
    let dir = tempfile::tempdir().unwrap();
    let other = Connection::open(dir.path().join(FILE)).unwrap();
    other.execute_batch("CREATE TABLE entries (id INTEGER)").unwrap();
    drop(other);
    let e = SeasonStore::open_if_there(dir.path()).unwrap_err();
    assert!(
        std::error::Error::source(&e).unwrap().to_string().contains("no season of this version"),
        "{e:?}"
    );
}
