//! The caller's watch over a job, looked at while something else is awaited.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ClientError;
use truenorth_protocol::run::Watch;

/// The most characters of one thing said.
const LONGEST: usize = 4000;

#[derive(Clone, Copy)]
pub(super) struct JobWatch<'a> {
    pub watch: &'a dyn Watch,
    /// Set when another job failed and this one should stop where nothing is lost.
    pub stop: &'a AtomicBool,
    pub tick: Duration,
}

impl JobWatch<'_> {
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.watch.interrupted()
    }

    pub(super) fn go_on(&self) -> Result<(), ClientError> {
        if self.stopping() { Err(ClientError::Interrupted) } else { Ok(()) }
    }

    /// Returns once the user wants to stop.
    pub(super) async fn stopped(&self) {
        while !self.stopping() {
            tokio::time::sleep(self.tick).await;
        }
    }

    /// Awaits something that may be dropped at any point.
    pub(super) async fn until<T>(&self, work: impl Future<Output = T>) -> Result<T, ClientError> {
        tokio::select! {
            biased;
            () = self.stopped() => Err(ClientError::Interrupted),
            done = work => Ok(done),
        }
    }

    pub(super) async fn sleep(&self, time: Duration) -> Result<(), ClientError> {
        self.until(tokio::time::sleep(time)).await
    }

    pub(super) fn say(&self, text: &str) {
        self.watch.say(&clean(text));
    }
}

/// A service's words without what would steer a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_service_steer_no_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\u{9b}c\n\td"), "a[2Jbc\n\td");
        assert_eq!(clean(&"é".repeat(9999)).chars().count(), LONGEST);
    }
}
