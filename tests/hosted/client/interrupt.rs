//! Ctrl-C at every stage: the job runs on, the journal is whole, and the next run picks it up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use truenorth::client::{Client, ServiceOptions};
use truenorth::journal::JobState;
use truenorth::run::{RunError, Runner as _};
use truenorth_protocol::job::JobStatus;

use super::fake::{Fake, Fetch, Line, Poll, Post, Script};
use super::support::*;

fn client(fake: &Fake, notes: &std::sync::Arc<Notes>) -> Client {
    Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(fake) }).unwrap()
}

/// Runs until `heard` stops, then again; the service must have seen one submission.
fn twice(script: Script, heard: &Heard) -> std::sync::Arc<Notes> {
    twice_on(&Fake::new(script), heard)
}

fn twice_on(fake: &Fake, heard: &Heard) -> std::sync::Arc<Notes> {
    let notes = Notes::shared();
    let first = client(fake, &notes).run(&graph(8), heard);
    assert!(matches!(first, Err(RunError::Interrupted)), "{first:?} after {}", heard.all());
    assert!(notes.jobs.lock().unwrap().values().all(|j| j.state != JobState::Done));
    let before = notes.jobs.lock().unwrap().len();
    fake.script(|s| s.fetches.clear());
    let again = client(fake, &notes).run(&graph(8), &Heard::default());
    assert_eq!(number(&again.unwrap()), 8.0);
    assert_eq!((fake.posts(), fake.taken()), (1, 1), "after {}", heard.all());
    assert_eq!(notes.job().state, JobState::Done);
    assert!(before <= 1);
    notes
}

#[test]
fn before_anything_is_sent() {
    let heard = Heard::default();
    heard.stop.store(true, Ordering::SeqCst);
    let notes = twice(Script::default(), &heard);
    assert!(notes.history.lock().unwrap().iter().all(|j| j.state != JobState::Failed));
}

#[test]
fn while_it_is_sent() {
    let heard = Heard::default();
    let slow = Post::TakeSlowly(Duration::from_millis(150));
    let fake = Fake::new(Script { posts: [slow].into(), ..Script::default() });
    std::thread::scope(|scope| {
        scope.spawn(|| heard.stop_once(|| fake.taken() == 1));
        twice_on(&fake, &heard);
    });
    assert!(heard.all().contains("as soon as the service confirms"), "{}", heard.all());
}

#[test]
fn while_it_waits_runs_and_is_fetched() {
    for (word, line) in [
        ("RECEIVED", Line::Tells),
        ("position 3", Line::Tells),
        ("RUNNING", Line::Tells),
        ("closed; polling", Line::Drops),
        ("says: half way", Line::Tells),
        ("COMPLETED", Line::Tells),
    ] {
        let heard = Heard::stopping_at(word);
        twice(Script { line, ..Script::default() }, &heard);
    }
    let polls = [Poll::Missing, Poll::At(JobStatus::Queued, "position 4"), Poll::Missing];
    twice(
        Script { line: Line::None, polls: polls.into(), ..Script::default() },
        &Heard::stopping_at("position 4"),
    );
    let fetches = std::iter::repeat_n(Fetch::Cut(10), 4).collect();
    twice(Script { fetches, ..Script::default() }, &Heard::stopping_at("fetching on"));
}

#[test]
fn while_a_busy_service_is_waited_for_nothing_is_in_doubt() {
    let busy = Post::Refuse(503, vec![("retry-after", "5".into())], "full");
    let fake = Fake::new(Script { posts: [busy].into(), ..Script::default() });
    let notes = Notes::shared();
    let first = client(&fake, &notes).run(&graph(8), &Heard::stopping_at("sending it in"));
    assert!(matches!(first, Err(RunError::Interrupted)), "{first:?}");
    assert_eq!((notes.job().state, notes.job().note.as_str()), (JobState::Failed, "not sent"));
    assert_eq!(number(&run(&client(&fake, &notes), 8).unwrap()), 8.0);
    assert_eq!((fake.posts(), fake.taken()), (2, 1));
}
