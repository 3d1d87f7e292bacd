//! Results that come in pieces, damaged, too large, too slow, or from elsewhere.

use std::time::{Duration, Instant};

use truenorth::client::{Client, ClientError, ServiceOptions};
use truenorth_protocol::graph::answer_to_bytes;
use truenorth_protocol::{Answer, DType, Tensor, Value, frame};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::fake::{Fake, Fetch, Script, answer};
use super::support::*;

fn fetched(script: Script) -> (Fake, Result<f32, truenorth::run::RunError>) {
    let fake = Fake::new(script);
    let client = Client::truenorth(keyed(&fake)).unwrap();
    let number = run(&client, 6).map(|a| number(&a));
    assert_eq!((fake.posts(), fake.taken()), (1, 1));
    if let Err(error) = &number {
        assert!(!leaks(error), "{error:?}");
    }
    (fake, number)
}

fn plan(fetches: impl IntoIterator<Item = Fetch>) -> Script {
    Script { fetches: fetches.into_iter().collect(), ..Script::default() }
}

/// The result of `graph(6)` as the fake keeps it.
fn packed() -> Vec<u8> {
    frame::compress(&answer_to_bytes(&answer(&graph(6))).unwrap()).unwrap()
}

#[test]
fn half_a_result_is_resumed_where_it_broke() {
    let (fake, number) = fetched(plan([Fetch::Cut(10), Fetch::Cut(5), Fetch::Whole]));
    assert_eq!(number.unwrap(), 6.0);
    let ranges: Vec<_> = fake.seen("/result").iter().map(|s| s.headers.get("range").cloned()).collect();
    assert_eq!(ranges.len(), 3);
    assert!(ranges[0].is_none());
    assert_eq!(
        (ranges[1].as_ref().unwrap(), ranges[2].as_ref().unwrap()),
        (&"bytes=10-".parse().unwrap(), &"bytes=15-".parse().unwrap())
    );
}

#[test]
fn a_result_begins_again_where_ranges_are_not_honoured() {
    for (ranges, etag) in [(false, true), (true, false)] {
        let script = Script { ranges, etag, ..plan([Fetch::Cut(10), Fetch::Cut(20)]) };
        let (fake, number) = fetched(script);
        assert_eq!(number.unwrap(), 6.0);
        let asked = fake.seen("/result").iter().filter(|s| s.headers.contains_key("range")).count();
        // Without a tag nothing shows that the rest is of the same result, so it is not asked for.
        assert_eq!((fake.seen("/result").len(), asked > 0), (3, etag));
    }
}

#[test]
fn a_result_that_always_breaks_is_given_up() {
    let script = Script { ranges: false, ..plan(std::iter::repeat_n(Fetch::Cut(10), 100)) };
    let (fake, number) = fetched(script);
    let error = number.unwrap_err();
    assert!(matches!(cause(&error), ClientError::Broken { .. } | ClientError::Half { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("picked up"));
    assert_eq!(fake.seen("/result").len(), 5);
}

#[test]
fn a_result_that_ends_early_without_a_length_is_noticed() {
    let (fake, number) = fetched(plan([Fetch::Short(12), Fetch::Whole]));
    assert_eq!(number.unwrap(), 6.0);
    assert_eq!(fake.seen("/result").len(), 2);
    let (_, number) = fetched(plan(std::iter::repeat_n(Fetch::Short(12), 9)));
    assert!(matches!(cause(&number.unwrap_err()), ClientError::Codec(_) | ClientError::Frame(_)));
}

#[test]
fn a_length_that_is_wrong_is_noticed() {
    let (_, number) = fetched(plan([Fetch::Claims(packed().len() as u64 + 7)]));
    assert_eq!(number.unwrap(), 6.0);
    let (_, number) = fetched(plan([Fetch::Claims(1 << 50)]));
    assert!(matches!(cause(&number.unwrap_err()), ClientError::TooMuch { .. }));
}

#[test]
fn a_damaged_result_is_fetched_anew_and_then_given_up() {
    let mut bad = packed();
    let middle = bad.len() / 2;
    bad[middle] ^= 0xff;
    bad[4] ^= 0x10;
    let (fake, number) = fetched(plan([Fetch::Instead(bad.clone())]));
    assert_eq!(number.unwrap(), 6.0);
    assert_eq!(fake.seen("/result").len(), 2);
    for bytes in [bad, b"<html>".to_vec(), vec![]] {
        let (fake, number) = fetched(plan(std::iter::repeat_n(Fetch::Instead(bytes), 9)));
        let error = number.unwrap_err();
        assert!(matches!(cause(&error), ClientError::Codec(_) | ClientError::Frame(_)), "{error:?}");
        assert_eq!(fake.seen("/result").len(), 5);
    }
}

#[test]
fn an_answer_to_something_else_is_refused() {
    let other = |checked| frame::compress(&answer_to_bytes(&answer(checked)).unwrap()).unwrap();
    let mut b = truenorth_protocol::Builder::new();
    let prompts = b.tokens([vec![1, 2], vec![3]]);
    let h = b.read(prompts, truenorth_protocol::Site::Embed, truenorth_protocol::ReadAt::Last);
    b.save("h", h);
    let two = b.finish().check(&super::fake::info(), &Default::default()).unwrap();
    let (_, number) = fetched(plan([Fetch::Instead(other(&two))]));
    let error = number.unwrap_err();
    match cause(&error) {
        ClientError::Value { name, expected, found } => {
            assert_eq!((name.as_str(), expected.as_str(), found.as_str()), ("h", "f32 [1, 4]", "f32 [2, 4]"));
        }
        other => panic!("{other:?}"),
    }
    let empty = frame::compress(&answer_to_bytes(&Answer::default()).unwrap()).unwrap();
    let (_, number) = fetched(plan([Fetch::Instead(empty)]));
    assert!(matches!(cause(&number.unwrap_err()), ClientError::Value { .. }));
}

#[test]
fn a_bomb_is_cut_at_the_cap() {
    let tensor = Tensor::from_bytes(DType::F32, vec![1, 16 << 20], vec![0; 64 << 20]).unwrap();
    let large = Answer { values: [("h".to_owned(), Value::Tensor { tensor, rows: None })].into() };
    let bomb = frame::compress(&answer_to_bytes(&large).unwrap()).unwrap();
    assert!(bomb.len() < 100_000);
    let fake = Fake::new(plan([Fetch::Instead(bomb)]));
    let client = Client::truenorth(ServiceOptions { answer_bytes: 1 << 20, ..options(&fake) }).unwrap();
    let error = run(&client, 6).unwrap_err();
    assert!(
        matches!(cause(&error), ClientError::Frame(frame::FrameError::TooLarge { limit: 1_048_576 })),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("fewer prompts"));
    assert_eq!(fake.posts(), 1);

    // And one that is large as it comes.
    let fake = Fake::new(plan([Fetch::Instead(vec![7; 2 << 20])]));
    let client = Client::truenorth(ServiceOptions { answer_bytes: 1 << 20, ..options(&fake) }).unwrap();
    let error = run(&client, 6).unwrap_err();
    assert!(matches!(cause(&error), ClientError::TooMuch { limit: 1_048_576, .. }), "{error:?}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_drip_of_bytes_is_not_waited_for() {
    let since = Instant::now();
    let drip = Fetch::Drip(Duration::from_millis(100));
    let (_, number) = fetched(plan(std::iter::repeat_n(drip, 50)));
    let error = number.unwrap_err();
    assert!(matches!(cause(&error), ClientError::Slow { .. }), "{error:?}");
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}

#[test]
fn a_drip_that_breaks_off_is_resumed_by_a_stream() {
    let (_, number) = fetched(plan([Fetch::Drip(Duration::from_millis(100)), Fetch::Whole]));
    assert_eq!(number.unwrap(), 6.0);
}

#[test]
fn a_result_elsewhere_is_fetched_without_the_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = runtime.block_on(MockServer::start());
    let whole = ResponseTemplate::new(200).set_body_bytes(packed());
    runtime.block_on(Mock::given(any()).respond_with(whole).mount(&other));
    let (_, number) = fetched(plan([Fetch::Redirect(format!("{}/bucket/x?signature=s3cret", other.uri()))]));
    assert_eq!(number.unwrap(), 6.0);
    let seen = runtime.block_on(other.received_requests()).unwrap();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].headers.contains_key("ndif-api-key"));
    assert!(!format!("{seen:?}").contains(KEY));
}

#[test]
fn redirects_without_end_and_to_other_schemes_are_refused() {
    let (_, number) = fetched(plan(std::iter::repeat_n(Fetch::Redirect("/result/job-0".into()), 50)));
    assert!(matches!(cause(&number.unwrap_err()), ClientError::Redirect { .. }));
    let (_, number) = fetched(plan([Fetch::Redirect("file:///etc/passwd".into())]));
    assert!(matches!(cause(&number.unwrap_err()), ClientError::Redirect { .. }));
}

#[test]
fn a_stale_address_is_asked_for_anew() {
    for status in [403, 404, 410] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let other = runtime.block_on(MockServer::start());
        runtime.block_on(Mock::given(any()).respond_with(ResponseTemplate::new(status)).mount(&other));
        let (fake, number) = fetched(plan([Fetch::Redirect(other.uri()), Fetch::Whole]));
        assert_eq!(number.unwrap(), 6.0, "{status}");
        assert_eq!(fake.seen("/response").len(), 1);
    }
}

#[test]
fn a_full_disk_is_told_with_a_remedy() {
    let fake = Fake::new(Script::default());
    let temp = Some("/nonexistent/folder".into());
    let client = Client::truenorth(ServiceOptions { temp, ..options(&fake) }).unwrap();
    let error = run(&client, 6).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Disk { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("TMPDIR"));
    let full = ClientError::Disk { folder: "/tmp".into(), source: std::io::ErrorKind::StorageFull.into() };
    assert!(full.hint().unwrap().contains("free some space"));
    assert_eq!(fake.posts(), 1);
}
