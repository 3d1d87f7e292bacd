//! Clients with little patience, graphs to send, and journals to look into.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use truenorth::client::{ApiKey, Backoff, Client, ClientError, Patience, ServiceOptions};
use truenorth::journal::{Job, Journal, JournalError};
use truenorth::run::{RunError, Runner as _, Watch};
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Answer, Builder, CheckedGraph, ReadAt, Site};

use super::fake::{Fake, info};

/// Short waits where a test has to see them end, long ones where a slow machine could.
pub fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience {
        connect: ms(2000),
        answer: ms(5000),
        idle: ms(400),
        slowest: 200,
        backoff: Backoff { first: ms(5), most: ms(20), attempts: 5, total: ms(20_000) },
        poll_first: ms(5),
        poll_most: ms(20),
        missing: ms(600),
        first_status: ms(1500),
        silent: ms(60_000),
        outage: ms(400),
        receipt: ms(1000),
        ping: ms(1000),
        tick: ms(2),
        remind: ms(50),
    }
}

/// With little patience for a service that hangs.
pub fn hasty(options: ServiceOptions) -> ServiceOptions {
    let ms = Duration::from_millis;
    let patience = Patience { connect: ms(200), answer: ms(300), ..options.patience };
    ServiceOptions { patience, ..options }
}

pub fn options(fake: &Fake) -> ServiceOptions {
    ServiceOptions { patience: patience(), ..ServiceOptions::new(&fake.url) }
}

pub const KEY: &str = "k3y-that-nobody-sees";

pub fn keyed(fake: &Fake) -> ServiceOptions {
    ServiceOptions { key: Some(ApiKey::new(KEY).unwrap()), ..options(fake) }
}

/// A read of the last token of one prompt that begins with `first`.
pub fn graph(first: u32) -> CheckedGraph {
    let mut b = Builder::new();
    let prompts = b.tokens([vec![first, 7, 8]]);
    let h = b.read(prompts, Site::ResidPost(1), ReadAt::Last);
    b.save("h", h);
    b.finish().check(&info(), &CheckLimits::default()).unwrap()
}

/// The number that the fake answers with.
pub fn number(answer: &Answer) -> f32 {
    answer.tensor("h").unwrap().to_f32().unwrap()[0]
}

pub fn run(client: &Client, first: u32) -> Result<Answer, RunError> {
    client.run(&graph(first), &Heard::default())
}

/// The client's error in a run's.
pub fn cause(error: &RunError) -> &ClientError {
    error.source().unwrap_or_else(|| panic!("no cause: {error:?}")).downcast_ref().unwrap()
}

/// Whether the key is anywhere in an error, its causes or its hint.
pub fn leaks(error: &RunError) -> bool {
    let mut text = format!("{error:?} {error} {:?}", error.hint());
    let mut cause = error.source();
    while let Some(e) = cause {
        text += &format!(" {e} {e:?}");
        cause = e.source();
    }
    text.contains(KEY)
}

/// Listens, and may want to stop at a word.
#[derive(Default)]
pub struct Heard {
    pub said: Mutex<Vec<String>>,
    pub stop_at: Option<&'static str>,
    pub stop: AtomicBool,
    pub tokens: std::sync::atomic::AtomicU64,
}

impl Heard {
    pub fn stopping_at(word: &'static str) -> Self {
        Self { stop_at: Some(word), ..Self::default() }
    }

    /// Wants to stop as soon as something has come to pass.
    pub fn stop_once(&self, passed: impl Fn() -> bool) {
        while !passed() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.stop.store(true, Ordering::SeqCst);
    }

    pub fn all(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

impl Watch for Heard {
    fn say(&self, text: &str) {
        if self.stop_at.is_some_and(|word| text.contains(word)) {
            self.stop.store(true, Ordering::SeqCst);
        }
        self.said.lock().unwrap().push(text.to_owned());
    }

    fn tokens(&self, more: u64) {
        self.tokens.fetch_add(more, Ordering::SeqCst);
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// A journal in memory that may refuse to write.
#[derive(Default)]
pub struct Notes {
    pub jobs: Mutex<HashMap<String, Job>>,
    pub history: Mutex<Vec<Job>>,
    pub full: AtomicBool,
}

impl Notes {
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    /// The only job.
    pub fn job(&self) -> Job {
        let jobs = self.jobs.lock().unwrap();
        assert_eq!(jobs.len(), 1);
        jobs.values().next().unwrap().clone()
    }
}

impl Journal for Notes {
    fn find(&self, key: &str) -> Result<Option<Job>, JournalError> {
        Ok(self.jobs.lock().unwrap().get(key).cloned())
    }

    fn put(&self, job: &Job) -> Result<(), JournalError> {
        if self.full.load(Ordering::SeqCst) {
            return Err("no space left".into());
        }
        self.jobs.lock().unwrap().insert(job.key.clone(), job.clone());
        self.history.lock().unwrap().push(job.clone());
        Ok(())
    }
}
