//! Every fault in turn over many jobs: an answer each, none twice, none lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use truenorth::client::{ApiKey, Backoff, Client, ClientError, Patience};
use truenorth::jobs::{Job, JobState, Journal, JournalError};
use truenorth::run::{RunError, Runner as _, Unwatched};
use truenorth_protocol::graph::Builder;
use truenorth_protocol::{DType, Graph, ReadAt, Site};

use crate::compare::{SAME, difference};
use crate::runners::{causes, engine, families, hosted, options};
use crate::service::Service;

const JOBS: usize = 200;
/// In the order in which they come round. `none` shows that one fault leaves nothing behind.
const FAULTS: [&str; 23] = [
    "none",
    "socket_refused",
    "socket_after_received",
    "socket_after_running",
    "busy",
    "busy_until_date",
    "reset_before",
    "reset_after",
    "late_status",
    "lost",
    "error",
    "half_result",
    "half_result_without_ranges",
    "corrupt",
    "too_long",
    "too_short",
    "bomb",
    "system",
    "inflate",
    "drip",
    "redirect",
    "skew",
    "exit_after_running",
];

/// Jobs written down in memory.
#[derive(Default)]
struct Notes(Mutex<HashMap<String, Job>>);

impl Journal for Notes {
    fn find(&self, key: &str) -> Result<Option<Job>, JournalError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn put(&self, job: &Job) -> Result<(), JournalError> {
        self.0.lock().unwrap().insert(job.key.clone(), job.clone());
        Ok(())
    }
}

fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience {
        connect: ms(2000),
        answer: ms(5000),
        idle: ms(1000),
        slowest: 256,
        backoff: Backoff { first: ms(20), most: ms(200), attempts: 8, total: ms(20_000) },
        poll_first: ms(20),
        poll_most: ms(200),
        missing: ms(1500),
        outage: ms(120_000),
        receipt: ms(700),
        tick: ms(20),
        ..Patience::default()
    }
}

/// A graph like no other of the run.
fn graph(n: usize) -> Graph {
    let digits = [n % 50, n / 50 % 50, 7, 11].map(|d| 3 + d as u32);
    let mut b = Builder::new();
    let group = b.tokens([digits.to_vec(), digits[..2].to_vec()]);
    let read = b.read(group, Site::ResidPost(1), ReadAt::All);
    b.save("h", read);
    b.finish()
}

fn submitted(service: &Mutex<Service>) -> usize {
    service.lock().unwrap().get("/test/counts")["jobs"].as_array().unwrap().len()
}

/// The client's own error within that of a run.
fn cause(error: &RunError) -> Option<&ClientError> {
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        if let Some(found) = e.downcast_ref::<ClientError>() {
            return Some(found);
        }
        cause = e.source();
    }
    None
}

fn fault_run(socket: bool) {
    let (name, path) = families().into_iter().find(|(n, _)| n == "tn/llama").unwrap();
    let state = tempfile::tempdir().unwrap();
    let service = Mutex::new(Service::start(&[(name.clone(), path.clone())], state.path()));
    let engine = engine(&path, &name);
    let notes = Arc::new(Notes::default());
    let mut chosen = options(&service.lock().unwrap());
    chosen.journal = Some(notes.clone());
    chosen.socket = Some(socket);
    chosen.patience = patience();
    chosen.answer_bytes = 16 << 20;
    let client = Client::ndif(chosen, hosted(&path, &name, DType::F32)).unwrap();
    // What was seen: fault, then how often it was asked again and the errors on the way.
    let mut seen: BTreeMap<&str, (usize, usize, BTreeMap<String, usize>)> = BTreeMap::new();
    let (mut answered, mut expected) = (0, 0);
    let begun = Instant::now();
    for n in 0..JOBS {
        let fault = FAULTS[n % FAULTS.len()];
        service.lock().unwrap().post("/test/faults", &json!([fault]));
        let before = submitted(&service);
        let want = engine.ask(graph(n), &Unwatched).unwrap();
        let row = seen.entry(fault).or_default();
        let mut allowed = 1;
        for attempt in 0.. {
            assert!(attempt < 4, "{fault}: no answer to job {n}: {:?}", row.2);
            let outcome = std::thread::scope(|scope| {
                let asking = scope.spawn(|| client.ask(graph(n), &Unwatched));
                while !asking.is_finished() {
                    let mut service = service.lock().unwrap();
                    if service.ended() {
                        service.again();
                    }
                    drop(service);
                    std::thread::sleep(Duration::from_millis(10));
                }
                asking.join().unwrap()
            });
            match outcome {
                Ok(got) => {
                    let far = difference(&got, &want).unwrap_or_else(|e| panic!("{fault}, job {n}: {e}"));
                    assert!(far < SAME);
                    answered += 1;
                    break;
                }
                Err(error) => {
                    row.1 += 1;
                    let hint = error.hint().map(str::to_owned);
                    assert!(hint.is_some(), "{fault}: no remedy: {error}");
                    *row.2.entry(shape(&error)).or_default() += 1;
                    allowed += remedy(&error, n, fault, &service, &notes, before);
                }
            }
        }
        let jobs = submitted(&service) - before;
        assert!(jobs >= 1 && jobs <= allowed, "{fault}: job {n} was sent {jobs} times, {allowed} allowed");
        expected += jobs;
        row.0 += jobs;
    }
    for (fault, (jobs, again, errors)) in &seen {
        println!("{fault}: {jobs} submissions, asked again {again} times {errors:?}");
    }
    println!("{answered} answers to {JOBS} jobs in {:.1?}, socket: {socket}", begun.elapsed());
    let counts = service.lock().unwrap().get("/test/counts");
    assert_eq!(answered, JOBS);
    assert_eq!(counts["jobs"].as_array().unwrap().len(), expected);
    assert_eq!(counts["keys_seen"], 0, "the key went to where results are kept");
    assert_eq!(counts["executed"], false, "a reply was executed");
    let done = notes.0.lock().unwrap().values().filter(|j| j.state == JobState::Done).count();
    assert_eq!(done, JOBS, "the journal knows of every answer");
    // No payload but those that failed, were lost, or were forgotten on purpose, was sent twice.
    let repeats = counts["works"].as_object().unwrap().values().filter(|c| c.as_u64() != Some(1)).count();
    let failed = |fault: &str| if FAULTS.contains(&fault) { seen[fault].1 } else { Default::default() };
    assert_eq!(repeats, expected - JOBS, "{repeats} repeated, {} failed", failed("error"));
}

/// What a user does about an error, as its hint says: mostly running the command again. Returns how
/// many more submissions that may mean.
fn remedy(
    error: &RunError,
    n: usize,
    fault: &str,
    service: &Mutex<Service>,
    notes: &Notes,
    before: usize,
) -> usize {
    let Some(cause) = cause(error) else { panic!("{fault}: {error} has no cause that a client names") };
    match cause {
        // Failed or lost for good, and the user wants it anew.
        ClientError::Job { .. } if fault == "error" => 1,
        ClientError::Lost { .. } if fault == "lost" => 1,
        ClientError::Uncertain { key, .. } => {
            let there = submitted(service) - before;
            assert!(fault.starts_with("reset"), "{fault}: job {n} is in doubt");
            // It is looked for on the service; where it is not, it is forgotten and sent again.
            notes.0.lock().unwrap().remove(key);
            there
        }
        _ => 0,
    }
}

/// An error without what differs from one job to the next.
fn shape(error: &RunError) -> String {
    let text = cause(error).map_or_else(|| error.to_string(), ToString::to_string);
    let words = text.split_whitespace().filter(|w| !w.chars().any(|c| c.is_ascii_digit()));
    words.take(12).collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn no_fault_loses_or_repeats_a_job_followed_by_socket() {
    fault_run(true);
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn no_fault_loses_or_repeats_a_job_that_is_polled() {
    fault_run(false);
}

/// What is refused for good, each as an error of its own kind with a remedy.
#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn refusals_are_told_apart() {
    let (name, path) = families().into_iter().find(|(n, _)| n == "tn/llama").unwrap();
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&[(name.clone(), path.clone())], state.path());
    let ask = |change: &dyn Fn(&mut truenorth::client::ServiceOptions), name: &str, faults: Json| {
        let mut chosen = options(&service);
        chosen.patience = patience();
        change(&mut chosen);
        let client = Client::ndif(chosen, hosted(&path, name, DType::F32)).unwrap();
        service.post("/test/faults", &faults);
        let error = client.ask(graph(0), &Unwatched).unwrap_err();
        assert!(error.hint().is_some(), "no remedy: {error}");
        causes(&error)
    };
    let same = |_: &mut truenorth::client::ServiceOptions| {};
    let other_key = |o: &mut truenorth::client::ServiceOptions| o.key = Some(ApiKey::new("another").unwrap());
    let wrong = ask(&other_key, &name, json!([]));
    assert!(wrong.contains("refuses this API key") && !wrong.contains("another"), "{wrong}");
    let down = ask(&same, "tn/lama", json!([]));
    assert!(down.contains("tn/lama is not") && down.contains("tn/llama"), "{down}");
    let old = json!([{"submit": 400, "detail": "nnsight version 0.8.1 is not supported, 0.9 is needed"}]);
    let old = ask(&same, &name, old);
    assert!(old.contains("refuses this version"), "{old}");
    let failed = ask(&same, &name, json!(["error"]));
    assert!(failed.contains("failed on the service") && failed.contains("out of memory"), "{failed}");
    let lost = ask(&same, &name, json!(["lost"]));
    assert!(lost.contains("lost"), "{lost}");
    for (fault, kind) in
        [("bomb", "reply"), ("system", "reply"), ("inflate", "more than"), ("corrupt", "result")]
    {
        let mut spoiled = json!([{"times": 9}]);
        let key = if fault == "corrupt" { "corrupt" } else { "result" };
        spoiled[0][key] = if fault == "corrupt" { json!(true) } else { json!(fault) };
        let error = ask(&|o| o.answer_bytes = 16 << 20, &name, spoiled);
        assert!(error.contains(kind), "{fault}: {error}");
    }
    assert_eq!(service.get("/test/counts")["executed"], false, "a reply was executed");
}
