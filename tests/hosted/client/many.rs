//! Many jobs at once.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use truenorth::client::{Client, ServiceOptions};
use truenorth::journal::JobState;
use truenorth::run::{RunError, Runner as _};
use truenorth_protocol::job::JobStatus;

use super::fake::{Fake, Fetch, Line, Poll, Post, Script};
use super::support::*;

#[test]
fn two_hundred_jobs_in_bad_weather_give_two_hundred_answers() {
    // Every fault in turn, over and over.
    let mut script = Script::default();
    for i in 0..200 {
        script.posts.push_back(match i % 9 {
            1 => Post::Refuse(503, vec![("retry-after", "0".into())], "full"),
            4 => Post::Refuse(429, vec![("retry-after", "0".into())], "slowly"),
            7 => Post::TakeAndSay(502, "bad gateway"),
            _ => Post::Take,
        });
        script.fetches.push_back(match i % 7 {
            1 => Fetch::Cut(11),
            2 => Fetch::Short(9),
            3 => Fetch::Say(503, "busy"),
            4 => Fetch::Instead(b"nonsense".to_vec()),
            5 => Fetch::Claims(4000),
            // Twice in all: a result that is refused three times in a row is taken for gone.
            6 if i < 14 => Fetch::Say(404, "not here"),
            _ => Fetch::Whole,
        });
        script.polls.push_back(match i % 5 {
            1 => Poll::Missing,
            2 => Poll::Say(500, vec![], "oops"),
            3 => Poll::At(JobStatus::Queued, "position 9"),
            _ => Poll::At(JobStatus::Running, ""),
        });
    }
    script.line = Line::Drops;
    let (fake, notes) = (Fake::new(script), Notes::shared());
    let mut options = ServiceOptions { journal: Some(notes.clone()), ..options(&fake) };
    // One job may meet many of the faults that were meant for its neighbours.
    options.patience.backoff.attempts = 20;
    let client = Client::truenorth(options).unwrap();
    let graphs: Vec<_> = (0..200).map(|i| graph(i + 100)).collect();
    let mut got = HashMap::new();
    client
        .run_each(&graphs, &Heard::default(), &mut |i, answer| {
            assert_eq!(got.insert(i, number(&answer)), None, "answer {i} came twice");
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(got.len(), 200);
    assert!((0..200).all(|i| got[&i] == (i + 100) as f32));
    assert_eq!(fake.taken(), 200);
    let jobs = notes.jobs.lock().unwrap();
    assert!(jobs.len() == 200 && jobs.values().all(|j| j.state == JobState::Done));
}

#[test]
fn no_more_jobs_are_on_the_service_than_wanted() {
    let fake = Fake::new(Script::default());
    let client = Client::truenorth(ServiceOptions { at_once: 3, ..options(&fake) }).unwrap();
    let graphs: Vec<_> = (0..20).map(graph).collect();
    let mut count = 0;
    client
        .run_each(&graphs, &Heard::default(), &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((count, fake.posts()), (20, 20));
    let most = fake.board.most.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most}");
}

#[test]
fn equal_graphs_are_one_job() {
    let fake = Fake::new(Script::default());
    let client = Client::truenorth(options(&fake)).unwrap();
    let graphs = [graph(5), graph(6), graph(5), graph(5)];
    let mut got = vec![0.0; 4];
    client
        .run_each(&graphs, &Heard::default(), &mut |i, answer| {
            got[i] = number(&answer);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((got, fake.posts()), (vec![5.0, 6.0, 5.0, 5.0], 2));
}

#[test]
fn a_caller_who_has_enough_stops_the_rest() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), at_once: 2, ..options(&fake) })
            .unwrap();
    let graphs: Vec<_> = (0..20).map(graph).collect();
    let mut count = 0;
    client
        .run_each(&graphs, &Heard::default(), &mut |_, _| {
            count += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(count, 1);
    assert!(fake.posts() <= 4, "{}", fake.posts());
    assert!(notes.jobs.lock().unwrap().values().all(|j| j.state != JobState::Submitting));
}

#[test]
fn one_failure_leaves_the_others_to_be_picked_up() {
    let (fake, notes) = (
        Fake::new(Script {
            posts: [Post::Take, Post::Refuse(422, vec![], "no")].into(),
            ..Script::default()
        }),
        Notes::shared(),
    );
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), ..options(&fake) }).unwrap();
    let graphs: Vec<_> = (0..8).map(graph).collect();
    let mut got = 0;
    let mut each = |_, _| {
        got += 1;
        ControlFlow::Continue(())
    };
    let error = client.run_each(&graphs, &Heard::default(), &mut each).unwrap_err();
    assert!(error.to_string().contains("422"), "{error}");
    let first = fake.taken();
    let mut all = 0;
    client
        .run_each(&graphs, &Heard::default(), &mut |_, _| {
            all += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(all, 8);
    assert!(fake.taken() == 8 && first < 8, "{first}");
}

#[test]
fn an_interruption_between_jobs_loses_none() {
    let (fake, notes) = (Fake::new(Script::default()), Notes::shared());
    let client =
        Client::truenorth(ServiceOptions { journal: Some(notes.clone()), at_once: 2, ..options(&fake) })
            .unwrap();
    let graphs: Vec<_> = (0..12).map(graph).collect();
    let heard = Heard::default();
    let mut got = Vec::new();
    let result = client.run_each(&graphs, &heard, &mut |i, _| {
        got.push(i);
        heard.stop.store(got.len() >= 5, Ordering::SeqCst);
        ControlFlow::Continue(())
    });
    assert!(matches!(result, Err(RunError::Interrupted)), "{result:?}");
    client
        .run_each(&graphs, &Heard::default(), &mut |i, _| {
            got.push(i);
            ControlFlow::Continue(())
        })
        .unwrap();
    got.sort_unstable();
    got.dedup();
    assert_eq!((got.len(), fake.taken(), fake.posts()), (12, 12, 12));
}

#[test]
fn texts_are_encoded_in_few_questions_and_once() {
    let fake = Fake::new(Script::default());
    let client = Client::truenorth(options(&fake)).unwrap();
    let texts: Vec<String> = (0..1300).map(|i| format!("text {}", i % 1200)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tokens = client.encode_many(&texts, true).unwrap().unwrap();
    assert_eq!(tokens.len(), 1300);
    assert!(texts.iter().zip(&tokens).all(|(t, k)| k.iter().map(|b| *b as u8).eq(t.bytes())));
    assert_eq!(fake.seen("/encode").len(), 3);
    assert_eq!(client.encode("text 7", true).unwrap().unwrap(), tokens[7]);
    assert_eq!(fake.seen("/encode").len(), 3);
    client.encode("text 7", false).unwrap();
    assert_eq!((fake.seen("/encode").len(), fake.posts()), (4, 0));
}
