//! Jobs written down, and picked up from there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use truenorth::client::{Client, ClientError, ServiceOptions};
use truenorth::journal::{Job, JobState};
use truenorth::run::Runner as _;
use truenorth_protocol::job::JobStatus;

use super::fake::{Fake, Line, Poll, Post, Script};
use super::support::*;

fn noted(fake: &Fake, notes: &Arc<Notes>) -> ServiceOptions {
    ServiceOptions { journal: Some(notes.clone()), ..keyed(fake) }
}

fn client(fake: &Fake, notes: &Arc<Notes>) -> Client {
    Client::truenorth(noted(fake, notes)).unwrap()
}

#[test]
fn the_journal_is_ahead_of_the_wire() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    let client = client(&fake, &notes);
    assert_eq!(number(&run(&client, 5).unwrap()), 5.0);
    let history = notes.history.lock().unwrap();
    let states: Vec<_> = history.iter().map(|j| (j.state, j.id.clone())).collect();
    let id = Some("job-0".to_owned());
    assert_eq!(states[0], (JobState::Submitting, None));
    assert_eq!(states[1], (JobState::Submitted, id.clone()));
    assert_eq!(*states.last().unwrap(), (JobState::Done, id));
    let notes: Vec<_> = history.iter().map(|j| j.note.as_str()).collect();
    assert!(notes.contains(&"QUEUED position 3") && notes.contains(&"RUNNING"), "{notes:?}");
    let Job { service, wire, key, .. } = &history[0];
    assert_eq!((service, wire.as_str(), key.len()), (&fake.url, "truenorth", 64));
    assert!(!format!("{history:?}").contains(KEY));
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_journal_that_can_not_be_written_sends_nothing() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    let client = client(&fake, &notes);
    notes.full.store(true, Ordering::SeqCst);
    let error = run(&client, 5).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Journal(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("--cache"));
    assert_eq!(fake.posts(), 0);
}

#[test]
fn a_journal_that_fills_up_later_loses_no_answer() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    let client = client(&fake, &notes);
    struct Fills<'a>(&'a Notes, Heard);
    impl truenorth::run::Watch for Fills<'_> {
        fn say(&self, text: &str) {
            self.0.full.store(true, Ordering::SeqCst);
            self.1.say(text);
        }
    }
    let watch = Fills(&notes, Heard::default());
    assert_eq!(number(&client.run(&graph(5), &watch).unwrap()), 5.0);
    assert!(watch.1.all().contains("can't write down how job job-0 goes on: no space left"));
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_job_in_doubt_is_repeated_under_its_name_on_our_own_wire() {
    // The first run is cut off while sending: the service has the job, this side no id.
    let (fake, notes) = (Fake::new(Script { line: Line::None, ..Script::default() }), Notes::shared());
    fake.script(|s| s.posts = std::iter::repeat_n(Post::TakeAndHang, 5).collect());
    let hurried = Client::truenorth(hasty(noted(&fake, &notes))).unwrap();
    let first = run(&hurried, 8).unwrap_err();
    assert!(matches!(cause(&first), ClientError::Slow { .. }), "{first:?}");
    assert_eq!((notes.job().state, notes.job().id), (JobState::Submitting, None));
    fake.script(|s| s.posts.clear());
    assert_eq!(number(&run(&client(&fake, &notes), 8).unwrap()), 8.0);
    assert_eq!(fake.taken(), 1);
}

#[test]
fn what_was_done_before_is_fetched_again_while_the_service_has_it() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    assert_eq!(number(&run(&client(&fake, &notes), 8).unwrap()), 8.0);
    assert_eq!(number(&run(&client(&fake, &notes), 8).unwrap()), 8.0);
    assert_eq!((fake.posts(), fake.taken()), (1, 1));
    // And computed again once it has not.
    fake.script(|s| s.polls = [Poll::Missing].into());
    assert_eq!(number(&run(&client(&fake, &notes), 8).unwrap()), 8.0);
    assert_eq!((fake.posts(), fake.taken()), (2, 2));
}

#[test]
fn a_job_is_shown_fetched_and_cancelled_by_its_record() {
    let polls = [Poll::At(JobStatus::Queued, "position 4")];
    let (fake, notes) =
        (Fake::new(Script { line: Line::None, polls: polls.into(), ..Script::default() }), Notes::shared());
    let client = client(&fake, &notes);
    assert!(client.run(&graph(8), &Heard::stopping_at("position 4")).is_err());
    let job = notes.job();
    fake.script(|s| s.polls = [Poll::At(JobStatus::Running, "go"), Poll::Missing].into());
    let update = client.state(&job).unwrap().unwrap();
    assert_eq!((update.status, update.description.as_str()), (JobStatus::Running, "go"));
    assert_eq!(client.state(&job).unwrap(), None);
    assert_eq!(number(&client.fetch(&job, &Heard::default()).unwrap()), 8.0);
    client.cancel(&job).unwrap();
    let foreign = Job { service: "http://elsewhere/".into(), ..job.clone() };
    let error = client.fetch(&foreign, &Heard::default()).unwrap_err();
    assert!(matches!(error, ClientError::OtherService { .. }) && error.is_request(), "{error:?}");
    let unsent = Job { id: None, ..job };
    assert!(matches!(client.fetch(&unsent, &Heard::default()), Err(ClientError::Uncertain { .. })));
    assert_eq!(fake.posts(), 1);
}
