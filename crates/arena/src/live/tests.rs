//! Submissions by a season that is served on the tiny model.

use std::sync::atomic::{AtomicUsize, Ordering};

use truenorth_boards::board::{ScanData, ScanParams, Sequence, scan};
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Unwatched, Watch};
use truenorth_protocol::{Answer, CheckedGraph, ModelInfo};
use truenorth_reading::Reader;
use truenorth_stats::math::Seeds;

use super::*;
use crate::season::Folder;
use crate::season::tests::{Tiny, opened};
use crate::store::SubmissionStatus;

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
            assert_eq!(entry.status, SubmissionStatus::Scored);
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
    assert!(matches!(submit("a shelf"), Submitted::NotNow(SubmitResult::Limit(..))));
    id(live.submit(&submission("a shelf", "b")).unwrap());
    live.season.close().unwrap();
    assert_eq!(live.submit(&submission("a new one", "b")).unwrap(), Submitted::NotNow(SubmitResult::Closed));
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
    /// Runs that fail, counted down.
    failing: AtomicUsize,
    how: fn(&CheckedGraph) -> RunError,
    /// A run takes so long.
    slow: Duration,
    ran: AtomicUsize,
}

impl Weather {
    fn new(failing: usize, how: fn(&CheckedGraph) -> RunError) -> Arc<Self> {
        let (failing, slow, ran) = (AtomicUsize::new(failing), Duration::ZERO, AtomicUsize::new(0));
        Arc::new(Self { tiny: Tiny::open(), failing, how, slow, ran })
    }
}

fn away(_: &CheckedGraph) -> RunError {
    RunError::Failed { what: "the service is away".into(), source: None, hint: None }
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

    fn batch(&self) -> BatchLimits {
        BatchLimits::HOSTED
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.ran.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.slow);
        if watch.interrupted() {
            return Err(RunError::Interrupted);
        }
        let less = |n: usize| n.checked_sub(1);
        if self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err((self.how)(graph));
        }
        self.tiny.runner().run(graph, watch)
    }
}

impl ScoringModel for Weather {
    fn runner(&self) -> &dyn Runner {
        self
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(self, None)
    }
}

fn until(what: &str, done: &dyn Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} did not come about");
}

#[test]
fn a_service_that_is_away_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "");
    let weather = Weather::new(usize::MAX, away);
    let live = Live::new(season, weather.clone()).unwrap();
    let first = id(live.submit(&submission("a cat", "a")).unwrap());
    let worker = Worker::start(live.clone(), |_| {});
    until("trouble", &|| live.health().trouble.is_some());
    assert!(live.health().trouble.unwrap().0.contains("the service is away"));
    assert_eq!(live.season.store.entry(first).unwrap().unwrap().status, SubmissionStatus::Queued);
    let second = id(live.submit(&submission("a tin", "b")).unwrap());
    weather.failing.store(0, Ordering::Relaxed);
    until("scores", &|| live.season.store.counts().unwrap().scored == 2);
    assert!(live.season.store.entry(second).unwrap().unwrap().score.is_some());
    until("calm", &|| live.health().trouble.is_none());
    worker.end();
}

/// Fifty texts, none a copy of another.
fn fifty() -> Vec<String> {
    (0..50).map(|i| format!("hat{i} tin{} x", 3 * i)).collect()
}

/// Submits fifty texts, each by a client of its own.
fn submit_fifty(live: &Live) {
    for (i, text) in fifty().iter().enumerate() {
        id(live.submit(&submission(text, &i.to_string())).unwrap());
    }
}

/// Each fault of fifty submissions, and what comes of them: none lost, none scored twice.
#[test]
fn whatever_fails_none_is_lost_and_none_is_scored_twice() {
    let scored_fine = |live: &Arc<Live>, worker: Worker, but: u64| {
        until("scores", &|| live.season.store.counts().unwrap().scored == 50 - but);
        worker.end();
    };
    type Fault<'a> = (&'a str, u64, Box<dyn Fn(&Folder, Season) -> Arc<Live> + 'a>);
    let faults: [Fault<'_>; 7] = [
        (
            "nothing",
            0,
            Box::new(|_: &Folder, season: Season| {
                let live = Live::new(season, Tiny::open()).unwrap();
                submit_fifty(&live);
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                live
            }),
        ),
        (
            "the service is away twice",
            0,
            Box::new(|_: &Folder, season: Season| {
                let live = Live::new(season, Weather::new(2, away)).unwrap();
                submit_fifty(&live);
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                live
            }),
        ),
        (
            "a job is lost on the way",
            0,
            Box::new(|_: &Folder, season: Season| {
                let lost = |_: &CheckedGraph| RunError::Failed {
                    what: "the job is lost".into(),
                    source: Some("results are dropped an hour after a job is done".into()),
                    hint: None,
                };
                let live = Live::new(season, Weather::new(1, lost)).unwrap();
                submit_fifty(&live);
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                live
            }),
        ),
        (
            "the worker is stopped at work, and started again",
            0,
            Box::new(|_: &Folder, season: Season| {
                let tiny = Tiny::open();
                let weather = Weather {
                    tiny,
                    failing: AtomicUsize::new(0),
                    how: away,
                    slow: Duration::from_millis(80),
                    ran: AtomicUsize::new(0),
                };
                let weather = Arc::new(weather);
                let live = Live::new(season, weather.clone()).unwrap();
                submit_fifty(&live);
                for _ in 0..3 {
                    let before = weather.ran.load(Ordering::Relaxed);
                    let worker = Worker::start(live.clone(), |_| {});
                    until("a run", &|| weather.ran.load(Ordering::Relaxed) > before);
                    worker.end();
                }
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                live
            }),
        ),
        (
            "the process is gone between begin and end",
            0,
            Box::new(|folder: &Folder, season: Season| {
                let live = Live::new(season, Tiny::open()).unwrap();
                submit_fifty(&live);
                for n in [3, 7, 40] {
                    let batch = live.season.store.next_batch(n).unwrap();
                    assert!(!batch.is_empty());
                }
                drop(live);
                let live = Live::new(folder.season("one").unwrap(), Tiny::open()).unwrap();
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                live
            }),
        ),
        (
            "two workers at once",
            0,
            Box::new(|folder: &Folder, season: Season| {
                let live = Live::new(season, Tiny::open()).unwrap();
                submit_fifty(&live);
                let other = Live::new(folder.season("one").unwrap(), Tiny::open()).unwrap();
                let second = Worker::start(other, |_| {});
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 0);
                second.end();
                live
            }),
        ),
        (
            "one text that the model refuses",
            1,
            Box::new(|_: &Folder, season: Season| {
                fn refuses(graph: &CheckedGraph) -> RunError {
                    let prompt = graph.graph().groups[0].prompts[0].clone();
                    RunError::Prompt {
                        prompt: Box::new(prompt),
                        shown: "one".into(),
                        problem: "is refused".into(),
                        refused: true,
                        hint: None,
                    }
                }
                // The whole batch, then the first alone.
                let live = Live::new(season, Weather::new(2, refuses)).unwrap();
                submit_fifty(&live);
                scored_fine(&live, Worker::start(live.clone(), |_| {}), 1);
                live
            }),
        ),
    ];
    let mut scores: Vec<Vec<Option<f64>>> = Vec::new();
    for (what, but, fault) in faults {
        let dir = tempfile::tempdir().unwrap();
        let (folder, season) = opened(dir.path(), "one", "per_minute = 5");
        season
            .store
            .write(|c| {
                c.execute_batch(
                    "CREATE TRIGGER twice AFTER UPDATE OF score ON entries WHEN old.state != 'queued' \
                     BEGIN INSERT INTO actions (at, what, why) VALUES (0, 'twice', ''); END",
                )
            })
            .unwrap();
        let live = fault(&folder, season);
        let store = &live.season.store;
        let all = store.all().unwrap();
        let texts: Vec<&str> = all.iter().map(|e| e.text.as_str()).collect();
        assert_eq!(texts, fifty(), "{what}: each is there once");
        let twice = store.actions(10).unwrap();
        assert!(twice.is_empty(), "{what}: {twice:?}");
        let counts = store.counts().unwrap();
        assert_eq!((counts.scored, counts.queued, counts.failed), (50 - but, 0, but), "{what}");
        scores.push(all.iter().map(|e| e.score).collect());
    }
    // The same numbers whatever failed.
    for other in &scores[1..] {
        for (a, b) in scores[0].iter().zip(other) {
            assert!(b.is_none() || a == b);
        }
    }
}

/// Hears what is said, and wants to stop when it is told to.
#[derive(Default)]
struct Hears {
    said: Mutex<Vec<String>>,
    warned: Mutex<Vec<String>>,
    stops: std::sync::atomic::AtomicBool,
}

impl Watch for Hears {
    fn say(&self, text: &str) {
        self.said.lock().unwrap().push(text.to_owned());
    }

    fn warn(&self, text: &str) {
        self.warned.lock().unwrap().push(text.to_owned());
    }

    fn interrupted(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}

#[test]
fn what_runs_beside_the_arena_waits_while_submissions_do() {
    use truenorth_protocol::graph::Builder;
    use truenorth_protocol::{ReadAt, Site};

    let dir = tempfile::tempdir().unwrap();
    let (_, season) = opened(dir.path(), "one", "");
    let live = Live::new(season, Tiny::open()).unwrap();
    let weather = Weather::new(0, away);
    let beside = Yields::new(live.clone(), weather.clone());
    let graph = || {
        let mut b = Builder::new();
        let group = b.tokens(vec![vec![0, 1]]);
        let read = b.read(group, Site::ResidPost(0), ReadAt::Last);
        b.save("r", read);
        b.finish()
    };
    let ran = || weather.ran.load(Ordering::Relaxed);
    beside.ask(graph(), &Unwatched).unwrap();
    assert_eq!(ran(), 1);
    id(live.submit(&submission("a cat", "a")).unwrap());
    // One that gives up hears why it had no turn.
    let hears = Hears::default();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| beside.ask(graph(), &hears));
        until("it says that it waits", &|| !hears.said.lock().unwrap().is_empty());
        hears.stops.store(true, Ordering::Relaxed);
        assert!(matches!(waits.join().unwrap(), Err(RunError::Interrupted)));
    });
    assert_eq!((ran(), hears.warned.lock().unwrap().len()), (1, 1));
    // One that waits has its turn once all is scored.
    let hears = Hears::default();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| beside.ask(graph(), &hears));
        until("it says that it waits", &|| !hears.said.lock().unwrap().is_empty());
        assert!(!waits.is_finished() && ran() == 1);
        score_all(&live, &Unwatched).unwrap();
        waits.join().unwrap().unwrap();
    });
    assert_eq!((ran(), hears.warned.lock().unwrap().len()), (2, 0));
}
