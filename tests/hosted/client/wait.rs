//! Waiting for a job, whatever the weather.

use std::time::Duration;

use truenorth::client::{Client, ClientError, ServiceOptions};
use truenorth::journal::JobState;
use truenorth::run::Runner as _;
use truenorth_protocol::job::JobStatus;

use super::fake::{Fake, Line, Poll, Script};
use super::support::*;

#[test]
fn a_dropped_socket_leads_to_polls_of_the_same_job() {
    let polls = [
        Poll::Missing,
        Poll::At(JobStatus::Running, "still"),
        Poll::Say(503, vec![("retry-after", "0".into())], "restarting"),
        Poll::At(JobStatus::Log, "a line"),
    ];
    let fake = Fake::new(Script { line: Line::Drops, polls: polls.into(), ..Script::default() });
    let client = Client::truenorth(options(&fake)).unwrap();
    let heard = Heard::default();
    assert_eq!(number(&client.run(&graph(9), &heard).unwrap()), 9.0);
    assert_eq!(fake.posts(), 1);
    assert_eq!(fake.seen("/response/job-0").len(), 5);
    let said = heard.all();
    for words in ["the socket of job job-0 closed", "says: a line", "restarting", ": still"] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn without_a_socket_there_is_no_session() {
    for wanted in [None, Some(false)] {
        let line = if wanted.is_none() { Line::None } else { Line::Tells };
        let polls = [Poll::Missing, Poll::At(JobStatus::Queued, "position 2")];
        let fake = Fake::new(Script { line, polls: polls.into(), ..Script::default() });
        let client = Client::truenorth(ServiceOptions { socket: wanted, ..options(&fake) }).unwrap();
        let heard = Heard::default();
        assert_eq!(number(&client.run(&graph(9), &heard).unwrap()), 9.0);
        assert_eq!((fake.posts(), fake.seen("/subscribe").len()), (1, usize::from(wanted.is_none())));
        assert!(heard.all().contains("QUEUED after"), "{}", heard.all());
    }
}

#[test]
fn a_job_that_failed_gives_its_traceback() {
    let trace = "Traceback (most recent call last):\n  File \"x\", line 1\nValueError: shapes differ";
    for line in [Line::Tells, Line::None] {
        let notes = Notes::shared();
        let fake = Fake::new(Script { line, error: Some(trace), ..Script::default() });
        let client =
            Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(&fake) }).unwrap();
        let error = run(&client, 1).unwrap_err();
        match cause(&error) {
            ClientError::Job { id, traceback } => {
                assert_eq!((id.as_str(), traceback.as_str()), ("job-0", trace))
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((notes.job().state, notes.job().note.as_str()), (JobState::Failed, trace));
        assert_eq!(fake.posts(), 1);
        // Asked for anew, it is a new job under a new name.
        fake.script(|s| s.error = None);
        assert_eq!(number(&run(&client, 1).unwrap()), 1.0);
        assert_eq!((fake.posts(), fake.taken()), (2, 2));
    }
}

#[test]
fn a_job_unknown_for_good_is_lost() {
    let notes = Notes::shared();
    let polls = std::iter::repeat_n(Poll::Missing, 1000);
    let fake = Fake::new(Script { line: Line::Drops, polls: polls.collect(), ..Script::default() });
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(&fake) }).unwrap();
    let error = run(&client, 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Lost { waited, .. } if *waited >= patience().missing));
    assert_eq!((notes.job().state, fake.posts()), (JobState::Lost, 1));
}

#[test]
fn a_job_may_be_unknown_for_a_while() {
    let fake = Fake::new(Script {
        line: Line::None,
        polls: [const { Poll::Missing }; 6].into(),
        ..Script::default()
    });
    let client = Client::truenorth(options(&fake)).unwrap();
    assert_eq!(number(&run(&client, 4).unwrap()), 4.0);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_service_that_stays_away_is_left_with_the_job_in_the_journal() {
    let notes = Notes::shared();
    let away = std::iter::repeat_n(Poll::Say(502, vec![], "bad gateway"), 1000);
    let fake = Fake::new(Script { line: Line::None, polls: away.collect(), ..Script::default() });
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(&fake) }).unwrap();
    let error = run(&client, 6).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Refused { status: 502, .. }), "{error:?}");
    assert_eq!((notes.job().state, notes.job().id.as_deref()), (JobState::Submitted, Some("job-0")));
    fake.script(|s| s.polls.clear());
    assert_eq!(number(&run(&client, 6).unwrap()), 6.0);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_dead_socket_is_left_for_polls() {
    let fake = Fake::new(Script { line: Line::Dead, ..Script::default() });
    let mut options = options(&fake);
    options.patience.ping = Duration::from_millis(50);
    let heard = Heard::default();
    let answer = Client::truenorth(options).unwrap().run(&graph(4), &heard).unwrap();
    assert_eq!(number(&answer), 4.0);
    assert!(heard.all().contains("the socket of job job-0 closed"), "{}", heard.all());
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_socket_that_says_nothing_is_reminded_of() {
    let fake = Fake::new(Script { line: Line::Silent, ..Script::default() });
    let client = Client::truenorth(options(&fake)).unwrap();
    let heard = Heard::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            heard.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        assert!(client.run(&graph(1), &heard).is_err());
    });
    assert!(heard.all().matches("RECEIVED after").count() >= 3, "{}", heard.all());
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_key_that_expires_while_waiting_is_told_at_once() {
    let polls = [Poll::At(JobStatus::Running, ""), Poll::Say(401, vec![], "expired")];
    let fake = Fake::new(Script { line: Line::None, polls: polls.into(), ..Script::default() });
    let client = Client::truenorth(keyed(&fake)).unwrap();
    let error = run(&client, 1).unwrap_err();
    assert!(error.is_request() && error.to_string().contains("expired"), "{error}");
    assert_eq!(fake.posts(), 1);
}
