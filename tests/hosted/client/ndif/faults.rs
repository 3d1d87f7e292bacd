//! Jobs whose sockets, statuses or answers fail, and runs that die beside them.

use super::*;

#[test]
fn a_socket_that_dies_takes_the_answer_along() {
    let notes = Notes::shared();
    let fake = answering(1.0, Script { line: Line::Drops, ..Script::default() });
    let options = ServiceOptions { journal: Some(notes.clone()), socket: Some(true), ..keyed(&fake) };
    let error = run(&Client::ndif(options, hosted()).unwrap(), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::SocketLost { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("sends it anew"), "{error:?}");
    assert_eq!((fake.posts(), fake.seen("/response").len(), notes.job().state), (1, 0, JobState::Lost));
    // And so it does.
    assert_eq!(number(&run(&noted(&fake, &notes), 1).unwrap()), 1.0);
    assert_eq!((fake.posts(), notes.job().state), (2, JobState::Done));
}

#[test]
fn a_result_that_is_gone_is_lost_and_may_be_asked_anew() {
    use super::super::fake::Fetch;
    use wiremock::{Mock, MockServer, ResponseTemplate};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(MockServer::start());
    let expired = ResponseTemplate::new(403).set_body_string("<Error><Code>AccessDenied</Code></Error>");
    runtime.block_on(Mock::given(wiremock::matchers::any()).respond_with(expired).mount(&store));
    for (fetch, words) in [
        (Fetch::Redirect(store.uri()), "403 Forbidden, AccessDenied"),
        (Fetch::Say(404, "no such result"), "404 no such result"),
    ] {
        let notes = Notes::shared();
        let fetches = vec![fetch; 3].into();
        let fake = answering(1.0, Script { fetches, ..Script::default() });
        let error = run(&noted(&fake, &notes), 1).unwrap_err();
        match cause(&error) {
            ClientError::Expired { id, detail } => {
                assert_eq!((id.as_str(), detail.as_str()), ("job-0", words))
            }
            other => panic!("{other:?}"),
        }
        assert!(error.hint().unwrap().contains("hour"), "{error:?}");
        assert_eq!((fake.seen("/result").len(), notes.job().state), (3, JobState::Lost));
        assert_eq!(number(&run(&noted(&fake, &notes), 1).unwrap()), 1.0);
        assert_eq!(fake.posts(), 2);
    }
}

#[test]
fn a_first_status_may_be_late_and_a_job_that_had_one_may_not_go() {
    use super::super::fake::Poll;
    let patient = |polls: Vec<Poll>, connected| {
        let fake = answering(1.0, Script { polls: polls.into(), connected, ..Script::default() });
        let mut options = ServiceOptions { socket: Some(false), ..keyed(&fake) };
        options.patience.missing = Duration::from_millis(60);
        options.patience.first_status = Duration::from_millis(2000);
        let heard = Heard::default();
        let done = Client::ndif(options, hosted()).unwrap().run(&graph(1), &heard);
        assert_eq!(fake.posts(), 1);
        (done, heard.all())
    };
    let missing = |n| vec![Poll::Missing; n];
    let (done, said) = patient(missing(20), true);
    assert_eq!(number(&done.unwrap()), 1.0, "{said}");
    assert!(said.contains("has no status yet"), "{said}");
    let started =
        |n| [vec![Poll::At(truenorth_protocol::job::JobStatus::Queued, "position 3")], missing(n)].concat();
    let (done, said) = patient(started(400), true);
    assert!(matches!(cause(&done.unwrap_err()), ClientError::Lost { .. }), "{said}");
    // A service that can't reach its models may still come to it.
    let (done, said) = patient(started(30), false);
    assert_eq!(number(&done.unwrap()), 1.0, "{said}");
    assert!(said.contains("can't reach its models"), "{said}");
}

#[test]
fn a_job_that_nothing_is_heard_of_is_not_waited_for_for_ever() {
    use super::super::fake::Poll;
    let notes = Notes::shared();
    let at = Poll::At(truenorth_protocol::job::JobStatus::Queued, "position 3");
    let fake = answering(1.0, Script { polls: vec![at; 500].into(), ..Script::default() });
    let mut options = ServiceOptions { journal: Some(notes.clone()), ..keyed(&fake) };
    options.patience.silent = Duration::from_millis(300);
    let error = run(&Client::ndif(options, hosted()).unwrap(), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Stalled { stage, .. } if stage == "QUEUED"), "{error:?}");
    assert!(error.hint().unwrap().contains(&format!("jobs forget {}", &notes.job().key[..12])), "{error:?}");
    assert_eq!(notes.job().state, JobState::Submitted);
}

#[test]
fn a_generation_that_ends_early_is_no_news() {
    let fake = answering(1.0, Script::default());
    let heard = Heard::default();
    client(&fake).run(&graph(1), &heard).unwrap();
    let said = heard.all();
    assert!(!said.contains("never reached") && !said.contains("warnings.warn"), "{said}");
    assert!(said.contains("says: half way") && said.contains("says: nearly"), "{said}");
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let evil = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/torch/evil.pt")).unwrap();
    let fake = Fake::new(Script { result: Some(frame::compress(&evil).unwrap()), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Reply(_)), "{error:?}");
    let mut text = String::new();
    let mut at: Option<&dyn std::error::Error> = Some(cause(&error));
    while let Some(e) = at {
        text += &format!("{e}\n");
        at = e.source();
    }
    assert!(text.contains("print"), "{text}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn values_of_another_shape_are_refused() {
    let result = frame::compress(&torch::result(1.0, [2, 4])).unwrap();
    let fake = Fake::new(Script { result: Some(result), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Reply(_)), "{error:?}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_lost_receipt_is_read_off_the_socket() {
    for plan in [Post::TakeAndHang, Post::TakeAndSay(500, "oops"), Post::TakeAndSay(200, "no receipt")] {
        let fake = answering(2.0, Script { posts: [plan.clone()].into(), ..Script::default() });
        assert_eq!(number(&run(&client(&fake), 1).unwrap()), 2.0, "{plan:?}");
        assert_eq!((fake.posts(), fake.taken()), (1, 1), "{plan:?}");
    }
}

#[test]
fn a_job_in_doubt_is_never_sent_again() {
    for plan in [Post::TakeAndHang, Post::Hang, Post::TakeAndSay(502, "bad gateway")] {
        let (fake, notes) =
            (answering(2.0, Script { posts: [plan].into(), ..Script::default() }), Notes::shared());
        let error = run(&noted(&fake, &notes), 1).unwrap_err();
        assert!(matches!(cause(&error), ClientError::Uncertain { source: Some(_), .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(&notes.job().key[..12]) && !leaks(&error));
        let again = run(&noted(&fake, &notes), 1).unwrap_err();
        assert!(matches!(cause(&again), ClientError::Uncertain { source: None, .. }), "{again:?}");
        assert_eq!((fake.posts(), notes.job().state), (1, JobState::Submitting));
    }
}

#[test]
fn a_run_that_dies_while_a_service_refuses_leaves_no_doubt() {
    let busy = Post::Refuse(503, vec![("retry-after", "1".into())], "full");
    let (fake, notes) =
        (answering(2.0, Script { posts: [busy].into(), ..Script::default() }), Notes::shared());
    assert_eq!(number(&run(&noted(&fake, &notes), 1).unwrap()), 2.0);
    let states: Vec<_> = notes.history.lock().unwrap().iter().map(|j| j.state).collect();
    use JobState::{Failed, Submitted, Submitting};
    assert_eq!(states[..4], [Submitting, Failed, Submitting, Submitted], "{states:?}");
    assert_eq!((fake.posts(), fake.taken()), (2, 1));
    // Killed while it waits to send again, it leaves this, and the next run sends.
    let killed = notes.history.lock().unwrap()[1].clone();
    assert!(killed.note.contains("full"), "{killed:?}");
    let (fake, notes) = (answering(3.0, Script::default()), Notes::shared());
    notes.jobs.lock().unwrap().insert(killed.key.clone(), Job { service: fake.url.clone(), ..killed });
    assert_eq!(number(&run(&noted(&fake, &notes), 1).unwrap()), 3.0);
    assert_eq!(fake.taken(), 1);
}

#[test]
fn two_runs_of_one_command_send_one_job() {
    let dir = tempfile::tempdir().unwrap();
    // The first is refused and waits; the second must neither send nor call the job uncertain.
    let busy = Post::Refuse(503, vec![("retry-after", "1".into())], "full");
    let fake = answering(2.0, Script { posts: [busy].into(), ..Script::default() });
    let open = || {
        let journal = Arc::new(truenorth::store::Store::open(dir.path()).unwrap());
        Client::ndif(ServiceOptions { journal: Some(journal), ..keyed(&fake) }, hosted()).unwrap()
    };
    let heard = Heard::default();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&open(), 1));
        while fake.posts() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let second = scope.spawn(|| open().run(&graph(1), &heard));
        for answer in [first.join().unwrap(), second.join().unwrap()] {
            assert_eq!(number(&answer.unwrap()), 2.0);
        }
    });
    assert!(heard.all().contains("another run of this program is at the same job"), "{}", heard.all());
    assert_eq!((fake.posts(), fake.taken()), (2, 1));
}

#[test]
fn ctrl_c_while_a_job_is_sent_leaves_it_in_doubt_at_worst() {
    let script = Script { posts: [Post::TakeAndHang].into(), ..Script::default() };
    let (fake, notes) = (answering(2.0, script), Notes::shared());
    let heard = Heard::default();
    let patient = ServiceOptions { journal: Some(notes.clone()), ..keyed(&fake) };
    let patient = Client::ndif(patient, hosted()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| heard.stop_once(|| fake.taken() == 1));
        let first = patient.run(&graph(1), &heard);
        assert!(matches!(first, Err(RunError::Interrupted)), "{first:?}");
    });
    let again = run(&noted(&fake, &notes), 1).unwrap_err();
    assert!(matches!(cause(&again), ClientError::Uncertain { .. }), "{again:?}");
    assert_eq!(fake.posts(), 1);
}
