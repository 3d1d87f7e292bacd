//! Sending a job, once.

use std::time::{Duration, Instant, SystemTime};

use truenorth::client::{ApiKey, Client, ClientError, ServiceOptions};
use truenorth::run::{RunError, Runner as _};

use super::fake::{Fake, Line, Post, Script};
use super::support::*;

#[test]
fn a_graph_is_answered() {
    let fake = Fake::new(Script { key: Some(KEY), ..Script::default() });
    let client = Client::truenorth(keyed(&fake)).unwrap();
    assert_eq!((client.info().layers, client.stop_tokens()), (2, vec![2]));
    let heard = Heard::default();
    let answer = client.run(&graph(17), &heard).unwrap();
    assert_eq!(number(&answer), 17.0);
    assert_eq!((fake.posts(), fake.taken()), (1, 1));
    assert_eq!(heard.tokens.load(std::sync::atomic::Ordering::SeqCst), 3);
    let said = heard.all();
    for words in
        ["QUEUED after", "position 3", "position 1", "RUNNING", "says: half way", "THAWING", "COMPLETED"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(!said.contains('\x1b') && !said.contains(KEY), "{said}");
    let sent = &fake.seen("/request")[0].headers;
    assert_eq!(sent["nnsight-version"], "0.8.1");
    assert!(sent["ndif-timestamp"].to_str().unwrap().parse::<f64>().unwrap() > 1.7e9);
    assert!(sent.contains_key("python-version") && sent.contains_key("idempotency-key"));
}

#[test]
fn nothing_is_compressed_where_that_is_not_wanted() {
    let fake = Fake::new(Script::default());
    let client = Client::truenorth(ServiceOptions { compress: false, ..options(&fake) }).unwrap();
    assert_eq!(number(&run(&client, 5).unwrap()), 5.0);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_wrong_key_is_named_and_not_shown() {
    let fake = Fake::new(Script { key: Some("another"), ..Script::default() });
    let error = Client::truenorth(keyed(&fake)).unwrap_err();
    assert!(matches!(error, ClientError::Unauthorized { with_key: true, .. }), "{error:?}");
    let error = RunError::from(error);
    assert!(error.is_request() && error.hint().unwrap().contains("ndif whoami"));
    assert!(error.to_string().contains("no such key: [api key]") && !leaks(&error), "{error:?}");
    let error = Client::truenorth(options(&fake)).unwrap_err();
    assert!(matches!(error, ClientError::Unauthorized { with_key: false, .. }), "{error:?}");

    // The key expires between the model and the job.
    let fake = Fake::new(Script { line: Line::None, ..Script::default() });
    let client =
        Client::truenorth(ServiceOptions { journal: Some(Notes::shared()), ..keyed(&fake) }).unwrap();
    fake.script(|s| s.key = Some("another"));
    let error = run(&client, 1).unwrap_err();
    assert!(error.is_request() && !leaks(&error), "{error:?}");
    assert_eq!((fake.posts(), fake.taken()), (1, 0));
}

#[test]
fn another_version_is_refused_in_words() {
    let refuse = |status| Post::Refuse(status, vec![], "client version 0.8.1 is too old, 0.9 is needed");
    for status in [400, 426] {
        let fake = Fake::new(Script { posts: [refuse(status)].into(), ..Script::default() });
        let client = Client::truenorth(options(&fake)).unwrap();
        let error = run(&client, 1).unwrap_err();
        assert!(error.is_request() && error.to_string().contains("0.9 is needed"), "{error}");
        assert!(error.hint().unwrap().contains("update truenorth"));
        assert_eq!((fake.posts(), fake.taken()), (1, 0));
    }
}

#[test]
fn refusals_are_told_apart() {
    for (status, words, hint) in
        [(413, "too large", "fewer or shorter prompts"), (422, "does not fit", "does not take")]
    {
        let fake =
            Fake::new(Script { posts: [Post::Refuse(status, vec![], words)].into(), ..Script::default() });
        let client = Client::truenorth(options(&fake)).unwrap();
        let error = run(&client, 1).unwrap_err();
        assert!(error.is_request() && error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        assert_eq!((fake.posts(), fake.taken()), (1, 0));
    }
}

#[test]
fn a_busy_service_is_asked_again_when_it_says_so() {
    let busy = |status, after: &str| Post::Refuse(status, vec![("retry-after", after.into())], "full");
    let notes = Notes::shared();
    let fake = Fake::new(Script { posts: [busy(503, "0"), busy(429, "1")].into(), ..Script::default() });
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(&fake) }).unwrap();
    let since = Instant::now();
    assert_eq!(number(&run(&client, 3).unwrap()), 3.0);
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert_eq!((fake.posts(), fake.taken()), (3, 1));
}

#[test]
fn a_date_to_come_back_at_is_read_by_the_clock_of_the_service() {
    // The service's clock is a year behind: by our own clock the date would be long past.
    let there = SystemTime::now() - Duration::from_secs(365 * 86_400);
    let date = |s| httpdate::fmt_http_date(there + Duration::from_secs(s));
    let headers = vec![("retry-after", date(1)), ("date", date(0))];
    let fake = Fake::new(Script { posts: [Post::Refuse(503, headers, "full")].into(), ..Script::default() });
    let client = Client::truenorth(options(&fake)).unwrap();
    let since = Instant::now();
    assert_eq!(number(&run(&client, 3).unwrap()), 3.0);
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!((fake.posts(), fake.taken()), (2, 1));
}

#[test]
fn a_busy_service_that_does_not_say_when_is_left_alone() {
    for (headers, hint) in [(vec![], "later"), (vec![("retry-after", "900".to_owned())], "900 s")] {
        let fake =
            Fake::new(Script { posts: [Post::Refuse(503, headers, "full")].into(), ..Script::default() });
        let client = Client::truenorth(options(&fake)).unwrap();
        let error = run(&client, 1).unwrap_err();
        assert!(matches!(cause(&error), ClientError::Busy { status: 503, .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        assert_eq!((fake.posts(), fake.taken()), (1, 0));
    }
}

#[test]
fn a_receipt_that_got_lost_is_asked_for_under_the_same_name() {
    // Our own server recognises the repeat: one job, though sent twice.
    for plan in [Post::TakeAndHang, Post::TakeAndSay(502, "bad gateway"), Post::TakeAndSay(200, "no receipt")]
    {
        let fake = Fake::new(Script { posts: [plan.clone()].into(), line: Line::None, ..Script::default() });
        let notes = Notes::shared();
        let client =
            Client::truenorth(hasty(ServiceOptions { journal: Some(notes), ..options(&fake) })).unwrap();
        assert_eq!(number(&run(&client, 3).unwrap()), 3.0, "{plan:?}");
        assert_eq!((fake.posts(), fake.taken()), (2, 1), "{plan:?}");
        let names: Vec<_> =
            fake.seen("/request").iter().map(|s| s.headers["idempotency-key"].clone()).collect();
        assert_eq!(names[0], names[1]);
    }
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = ServiceOptions { patience: patience(), ..ServiceOptions::new(&url) };
    let error = Client::truenorth(options).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(url.trim_start_matches("http://")));
    assert!(error.hint().unwrap().contains("network"));
}

#[test]
fn the_key_does_not_follow_a_redirect() {
    let other = Fake::new(Script::default());
    for status in [301, 302, 307, 308] {
        let location = vec![("location", format!("{}request", other.url))];
        let plan = Post::Refuse(status, location, "over there");
        let fake = Fake::new(Script { posts: [plan].into(), line: Line::None, ..Script::default() });
        let client = Client::truenorth(keyed(&fake)).unwrap();
        let error = run(&client, 1).unwrap_err();
        assert!(matches!(cause(&error), ClientError::Redirect { .. }), "{error:?}");
        assert_eq!((fake.posts(), other.seen("/").len()), (1, 0));
    }
}

#[test]
fn keys_of_addresses_stay_out_of_what_is_shown() {
    let options = ServiceOptions { key: Some(ApiKey::new(KEY).unwrap()), ..ServiceOptions::new("http://h") };
    assert!(!format!("{options:?}").contains(KEY));
    let error = Client::truenorth(ServiceOptions::new("https://me:secret@h")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}
