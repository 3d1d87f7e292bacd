//! Submissions by a season that is served on the tiny model.

use std::sync::atomic::{AtomicBool, Ordering};

use truenorth_boards::board::{ScanData, ScanParams, Sequence, scan};
use truenorth_protocol::run::{Batch, RunError, Runner, Unwatched, Watch};
use truenorth_protocol::{Answer, Checked, ModelInfo};
use truenorth_reading::Reader;
use truenorth_stats::math::Seeds;

use super::*;
use crate::season::tests::{Tiny, opened};
use crate::store::Status;

fn submission(text: &str, client: &str) -> Submission {
    Submission {
        handle: "ada".into(),
        text: text.into(),
        kind: Some("words".into()),
        consent: Some("1".into()),
        client: client.into(),
    }
}

fn id(done: Submitted) -> i64 {
    match done {
        Submitted::Accepted(a) => a.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_accepted_gets_the_score_of_the_analysis() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "");
    let live = Live::new(season, Tiny::open()).unwrap();
    let texts = ["a cat", "no", "the shelf is on the hat"];
    let ids: Vec<i64> = texts.iter().map(|t| id(live.submit(&submission(t, t)).unwrap())).collect();
    let before = live.version();
    assert_eq!(score_all(&live, &Unwatched).unwrap(), 3);
    assert!(live.version() > before);
    let tiny = Tiny::open();
    let marks = crate::season::marks(&live.season, &*tiny).unwrap();
    for (lane, (site, direction)) in marks.directions.iter().map(|d| &d[0]).enumerate() {
        let sequences: Vec<Sequence> = texts.iter().map(|t| Sequence::new(*t, *t)).collect();
        let data = ScanData { probes: &marks.probes, sequences: &sequences, direction: direction.view() };
        let how = ScanParams { draws: 0, ..ScanParams::new(*site) };
        let board = scan(&tiny.reader(), &data, &how, &Seeds::new(0), &Unwatched).unwrap();
        for (i, id) in ids.iter().enumerate() {
            let entry = live.season.store.entry(*id).unwrap().unwrap();
            assert_eq!(entry.status, Status::Scored);
            let row = &board.board[i];
            if lane == 1 {
                assert_eq!(entry.score_alt, Some(row.score));
                continue;
            }
            assert_eq!(
                (entry.score, entry.z, entry.coherence),
                (Some(row.score), Some(row.z), Some(row.coherence))
            );
            assert_eq!((entry.low, entry.shift_norm), (Some(row.score), Some(row.shift_norm)));
            for (kept, along) in entry.along.iter().zip(board.along.row(i)) {
                assert!((f64::from(*kept) - along).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn what_is_not_taken_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "per_minute = 3");
    let live = Live::new(season, Tiny::open()).unwrap();
    let first = id(live.submit(&submission("the old cat sat on a red hat", "a")).unwrap());
    let submit = |text: &str| live.submit(&submission(text, "a")).unwrap();
    assert!(
        matches!(submit("The  OLD cat sat on a red hat"), Submitted::Copy(f) if f.exact && f.id == first)
    );
    assert!(
        matches!(submit("the old cat sat on a red hat too"), Submitted::Copy(f) if !f.exact && f.id == first)
    );
    let long = "cat ".repeat(40);
    assert!(matches!(submit(&long), Submitted::OverBudget(t) if t.tokens.unwrap() > 24 && t.budget == 24));
    assert!(matches!(submit("a\u{7}b"), Submitted::Refused(r) if r.field == "text"));
    let none = Submission { consent: None, ..submission("a tin", "a") };
    assert!(matches!(live.submit(&none).unwrap(), Submitted::Refused(r) if r.field == "consent"));
    id(submit("a tin"));
    id(submit("a cup"));
    assert!(matches!(submit("a shelf"), Submitted::NotNow(Taken::Limit(..))));
    id(live.submit(&submission("a shelf", "b")).unwrap());
    live.season.close().unwrap();
    assert_eq!(live.submit(&submission("a new one", "b")).unwrap(), Submitted::NotNow(Taken::Closed));
    // What waits is scored after the close too.
    assert_eq!(score_all(&live, &Unwatched).unwrap(), 4);
    assert_eq!(live.alike(first, "the old cat sat on a mat").len(), 0);
    assert_eq!(live.alike(0, "the old cat sat on a mat")[0].id, first);
}

#[test]
fn of_the_same_text_at_once_one_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "");
    let live = Live::new(season, Tiny::open()).unwrap();
    let taken: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|i| {
                let live = &live;
                scope.spawn(move || live.submit(&submission("one and the same", &i.to_string())).unwrap())
            })
            .collect();
        all.into_iter().map(|t| usize::from(matches!(t.join().unwrap(), Submitted::Accepted(_)))).sum()
    });
    assert_eq!(taken, 1);
}

#[test]
fn a_client_is_a_hash_that_the_season_keeps_the_key_of() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, season) = opened(dir.path(), "one", "");
    let live = Live::new(season, Tiny::open()).unwrap();
    let at = |a: &str| live.client(a.parse().unwrap()).unwrap();
    assert_eq!(at("10.0.0.1"), at("::ffff:10.0.0.1"));
    assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
    assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
    // The limits hold on where the season is opened again, and nowhere else.
    let again = Live::new(folder.season("one").unwrap(), Tiny::open()).unwrap();
    assert_eq!(again.client("10.0.0.1".parse().unwrap()).unwrap(), at("10.0.0.1"));
    let other = tempfile::tempdir().unwrap();
    let (_, season) = opened(other.path(), "one", "");
    let other = Live::new(season, Tiny::open()).unwrap();
    assert_ne!(other.client("10.0.0.1".parse().unwrap()).unwrap(), at("10.0.0.1"));
}

/// A model that fails as services do.
struct Weather {
    tiny: Arc<Tiny>,
    away: AtomicBool,
}

impl Runner for Weather {
    fn info(&self) -> &ModelInfo {
        self.tiny.runner().info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.tiny.runner().encode(text, special)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.tiny.runner().stop_tokens()
    }

    fn batch(&self) -> Batch {
        Batch::HOSTED
    }

    fn run(&self, graph: &Checked, watch: &dyn Watch) -> Result<Answer, RunError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(RunError::Failed { what: "the service is away".into(), source: None, hint: None });
        }
        self.tiny.runner().run(graph, watch)
    }
}

impl Backend for Weather {
    fn runner(&self) -> &dyn Runner {
        self
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(self, None)
    }
}

#[test]
fn a_service_that_is_away_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "");
    let weather = Arc::new(Weather { tiny: Tiny::open(), away: AtomicBool::new(true) });
    let live = Live::new(season, weather.clone()).unwrap();
    let first = id(live.submit(&submission("a cat", "a")).unwrap());
    let worker = Worker::start(live.clone(), |_| {});
    let until = |done: &dyn Fn() -> bool| {
        for _ in 0..2000 {
            if done() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not come about");
    };
    until(&|| live.health().trouble.is_some());
    assert!(live.health().trouble.unwrap().0.contains("the service is away"));
    assert_eq!(live.season.store.entry(first).unwrap().unwrap().status, Status::Queued);
    let second = id(live.submit(&submission("a tin", "b")).unwrap());
    weather.away.store(false, Ordering::Relaxed);
    until(&|| live.season.store.counts().unwrap().scored == 2);
    assert!(live.season.store.entry(second).unwrap().unwrap().score.is_some());
    until(&|| live.health().trouble.is_none());
    worker.end();
}
