//! A model that lets scoring go first: for what runs beside an arena, such as its playground.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use truenorth_protocol::chat::{ChatTemplates, Pieces};
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Watch};
use truenorth_protocol::{Answer, CheckedGraph, ModelInfo};

use super::Live;

/// How often it is looked whether submissions still wait.
const LOOK: Duration = Duration::from_millis(20);

/// A model that begins no graph while submissions wait to be scored. A graph that was begun before one came goes on
/// beside its scoring, so whoever asks has to bound what one graph may take.
pub struct Yields {
    live: Arc<Live>,
    runner: Arc<dyn Runner>,
}

impl Yields {
    /// `runner` for work beside this season; it may be the very one that scores.
    #[must_use]
    pub fn new(live: Arc<Live>, runner: Arc<dyn Runner>) -> Self {
        Self { live, runner }
    }

    /// Waits until no submission waits.
    fn turn(&self, watch: &dyn Watch) -> Result<(), RunError> {
        let mut told = false;
        loop {
            let waits = self.live.season.store.waits().map_err(|e| RunError::Failed {
                what: "can't tell whether submissions wait".into(),
                source: Some(Box::new(e)),
                hint: None,
            })?;
            if watch.interrupted() {
                if told {
                    watch.warn("Submissions waited to be scored, and they go first.");
                }
                return Err(RunError::Interrupted);
            }
            if !waits {
                return Ok(());
            }
            if !told {
                watch.say("Submissions are scored first.");
                told = true;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Runner for Yields {
    fn info(&self) -> &ModelInfo {
        self.runner.info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.runner.encode(text, special)
    }

    fn encode_many(&self, texts: &[&str], special: bool) -> Result<Option<Vec<Vec<u32>>>, RunError> {
        self.runner.encode_many(texts, special)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        self.runner.pieces(texts)
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.runner.chat()
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        self.runner.spell(tokens)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.runner.stop_tokens()
    }

    fn decodes(&self) -> bool {
        self.runner.decodes()
    }

    fn unfollowed(&self) -> Option<String> {
        self.runner.unfollowed()
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.turn(watch)?;
        self.runner.run(graph, watch)
    }

    fn batch(&self) -> BatchLimits {
        self.runner.batch()
    }

    fn run_each(
        &self,
        graphs: &[CheckedGraph],
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        self.turn(watch)?;
        self.runner.run_each(graphs, watch, each)
    }
}
