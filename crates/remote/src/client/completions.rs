//! Chat completions of any service that speaks them as OpenAI's does: questions, which may be asked again.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt as _;
use serde_json::Value;
use truenorth_protocol::run::Watch;

use super::job_watch::JobWatch;
use super::{ClientError, Service};

/// Where they are asked for, below the address.
const PATH: &str = "/chat/completions";

impl Service {
    /// Puts questions, so many at once, and hands on every answer as it comes, with the place of its question. What a
    /// repeat may help is asked again, later each time and so often as the service's options say; nothing is asked once
    /// `each` breaks off.
    ///
    /// # Errors
    /// When a question is refused, or the service can't be reached or gives no JSON; answers that came before are handed
    /// on. Stopped by `watch`, [`ClientError::Interrupted`].
    pub fn completions(
        &self,
        questions: &[Value],
        at_once: usize,
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Value) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch, stop: &stop, tick: self.http.times.tick };
        self.block(async {
            let ask = async |(i, question): (usize, &Value)| {
                let answer = self.http.ask::<Value>(PATH, question, "judging", &job_watch).await;
                (i, answer)
            };
            let mut answers = futures_util::stream::iter(questions.iter().enumerate())
                .map(ask)
                .buffer_unordered(at_once.max(1));
            while let Some((i, answer)) = answers.next().await {
                if each(i, answer?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}
