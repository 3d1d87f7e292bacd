//! The only seam: a [`Runner`] answers graphs, and nobody above it knows where.

use std::error::Error;
use std::ops::ControlFlow;

use crate::chat::{ChatTemplates, Pieces};
use crate::graph::{CheckError, CheckLimits};
use crate::plan::ResolveError;
use crate::prompt::PromptFault;
use crate::{Answer, CheckedGraph, Graph, ModelInfo, Prompt};

/// Whatever answers intervention graphs: the engine in this process, or a service.
pub trait Runner: Send + Sync {
    /// The model as far as graphs are concerned.
    fn info(&self) -> &ModelInfo;

    /// The token ids of a text, with the special tokens the model wants at its start if `special`;
    /// none where the tokenizer is not on this machine.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError>;

    /// [`Runner::encode`] of several texts, which a service answers at once.
    ///
    /// # Errors
    /// As [`Runner::encode`].
    fn encode_many(&self, texts: &[&str], special: bool) -> Result<Option<Vec<Vec<u32>>>, RunError> {
        texts.iter().map(|text| self.encode(text, special)).collect()
    }

    /// The tokens of texts with the bytes that each stands for, without special tokens around them; none where
    /// the tokenizer is not on this machine.
    ///
    /// # Errors
    /// As [`Runner::encode`].
    fn pieces(&self, _texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        Ok(None)
    }

    /// The model's own chat templates; none where it has none, or they are not known here.
    fn chat(&self) -> Option<&ChatTemplates> {
        None
    }

    /// The text of token ids, special tokens included; none where the tokenizer is not on this machine.
    ///
    /// # Errors
    /// When whoever has the tokenizer can't be asked.
    fn spell(&self, _tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        Ok(None)
    }

    /// Tokens after which the model means to stop; empty where they are not known here.
    fn stop_tokens(&self) -> Vec<u32>;

    /// Whether the text of generated tokens can be told; not where the model has no tokenizer.
    fn decodes(&self) -> bool {
        true
    }

    /// How the model's files ask for text to be generated where that is not done, to be told to who generates; none
    /// where it was told before.
    fn unfollowed(&self) -> Option<String> {
        None
    }

    /// Runs a checked graph.
    ///
    /// # Errors
    /// When the work fails, was interrupted, or a prompt turns out too long once tokenized.
    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError>;

    /// How much is worth asking at once.
    fn batch(&self) -> BatchLimits {
        BatchLimits::LOCAL
    }

    /// Runs several graphs. `each` gets every answer as soon as it is there, in any order, and may
    /// stop the rest.
    ///
    /// # Errors
    /// As [`Runner::run`]; answers that `each` got before stay valid.
    fn run_each(
        &self,
        graphs: &[CheckedGraph],
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        for (i, graph) in graphs.iter().enumerate() {
            if each(i, self.run(graph, watch)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Checks a graph against this model and runs it.
    ///
    /// # Errors
    /// As [`Graph::check`] and [`Runner::run`].
    fn ask(&self, graph: Graph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.run(&graph.check(self.info(), &CheckLimits::default())?, watch)
    }
}

impl<R: Runner + ?Sized> Runner for std::sync::Arc<R> {
    fn info(&self) -> &ModelInfo {
        (**self).info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        (**self).encode(text, special)
    }

    fn encode_many(&self, texts: &[&str], special: bool) -> Result<Option<Vec<Vec<u32>>>, RunError> {
        (**self).encode_many(texts, special)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        (**self).pieces(texts)
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        (**self).chat()
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        (**self).spell(tokens)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        (**self).stop_tokens()
    }

    fn decodes(&self) -> bool {
        (**self).decodes()
    }

    fn unfollowed(&self) -> Option<String> {
        (**self).unfollowed()
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        (**self).run(graph, watch)
    }

    fn batch(&self) -> BatchLimits {
        (**self).batch()
    }

    fn run_each(
        &self,
        graphs: &[CheckedGraph],
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        (**self).run_each(graphs, watch, each)
    }
}

/// How much work goes into one graph. A small graph loses little when it is cut short; a large one
/// waits in a queue once instead of many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Tokens of the prompts.
    pub tokens: usize,
    /// Prompts that generate.
    pub sequences: usize,
    /// Bytes of the answer.
    pub answer_bytes: usize,
}

impl BatchLimits {
    /// A few seconds' work on a small machine, which is what a kill can lose.
    pub const LOCAL: Self = Self { tokens: 2048, sequences: 32, answer_bytes: 1 << 30 };

    /// A queue is waited in a few times, not a thousand; a job is minutes of a large model's time at
    /// most, so that others get their turn.
    pub const HOSTED: Self = Self { tokens: 65_536, sequences: 512, answer_bytes: 256 << 20 };
}

/// Text to token ids and back, without the model's weights.
pub trait Vocabulary: Send + Sync {
    /// The token ids of a text, with the special tokens the model wants at its start if `special`.
    ///
    /// # Errors
    /// When there is no tokenizer, or it refuses the text.
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, RunError>;

    /// The text of token ids, special tokens left out.
    ///
    /// # Errors
    /// When there is no tokenizer.
    fn decode(&self, tokens: &[u32]) -> Result<String, RunError>;

    /// The tokens of a text with the bytes that each stands for, without special tokens around them.
    ///
    /// # Errors
    /// As [`Vocabulary::encode`].
    fn pieces(&self, _text: &str) -> Result<Option<Pieces>, RunError> {
        Ok(None)
    }

    /// The text of token ids, special tokens included.
    ///
    /// # Errors
    /// As [`Vocabulary::decode`].
    fn spell(&self, tokens: &[u32]) -> Result<String, RunError> {
        self.decode(tokens)
    }

    /// The chat templates of the model's own files; none where it has none.
    fn chat(&self) -> Option<&ChatTemplates> {
        None
    }

    /// Whether there is a tokenizer.
    fn speaks(&self) -> bool {
        true
    }

    /// As [`Runner::unfollowed`]; none by default.
    fn unfollowed(&self) -> Option<String> {
        None
    }
}

/// Sees how a run goes on, and may stop it.
pub trait Watch: Sync {
    /// Something worth showing happened, such as a new place in a queue.
    fn say(&self, _text: &str) {}

    /// Something makes numbers other than they look; it is to be seen, also by who looks at nothing else.
    fn warn(&self, text: &str) {
        self.say(text);
    }

    /// What the work to come asks of the model beyond what was plainly asked for, such as the draws of a null.
    fn budget(&self, text: &str) {
        self.say(text);
    }

    /// So many more tokens are to go through the model.
    fn expect(&self, _more: u64) {}

    /// Some more tokens have been through the model, or need not be.
    fn tokens(&self, _more: u64) {}

    /// A token was drawn behind a prompt, `prompt` being its place in its group; called as generations go on, by who has
    /// the model in this process, from one thread a run. What is kept or computed elsewhere comes whole and is not told.
    fn drawn(&self, _group: usize, _prompt: usize, _token: u32) {}

    /// Whether to stop as soon as nothing is lost by it.
    fn interrupted(&self) -> bool {
        false
    }
}

/// A [`Watch`] that reports nothing and never stops a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Why a run gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The graph does not fit the model; nothing was run.
    #[error("the graph does not fit the model")]
    Check(#[from] CheckError),
    /// The request is wrong in a way that shows only where the graph runs; nothing was run.
    #[error("{what}")]
    Request {
        /// What is wrong, with the value and what was expected.
        what: String,
        /// A remedy, where one is known.
        hint: Option<String>,
    },
    /// One prompt is at fault, which shows only where the graph runs.
    #[error("the prompt {shown} {problem}")]
    Prompt {
        /// The prompt at fault, as the graph has it.
        prompt: Box<Prompt>,
        /// How it begins, for those who don't know its number.
        shown: String,
        /// What is wrong, to follow the prompt's name.
        problem: String,
        /// Whether it was refused, so that nothing was run.
        refused: bool,
        /// A remedy, where one is known.
        hint: Option<String>,
    },
    /// Stopped on request. What was finished is kept.
    #[error("interrupted; run the same command again to go on")]
    Interrupted,
    /// The run was begun and failed.
    #[error("{what}")]
    Failed {
        /// What failed, with the values involved.
        what: String,
        /// The error underneath, where there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
        /// A remedy, where one is known.
        hint: Option<String>,
    },
}

impl RunError {
    /// Prompts that can't be run; one that does not fit is shown as its text begins, and `words` gives the
    /// text of token ids.
    #[must_use]
    pub fn unresolved(graph: &Graph, words: &dyn Vocabulary, error: ResolveError<Self>) -> Self {
        match error {
            ResolveError::Encode(error) => error,
            ResolveError::Prompt(PromptFault { group, prompt, problem }) => {
                let prompt = &graph.groups[group].prompts[prompt];
                Self::Prompt {
                    prompt: Box::new(prompt.clone()),
                    shown: beginning(prompt, words),
                    problem: problem.to_string(),
                    refused: true,
                    hint: Some(problem.hint()),
                }
            }
        }
    }

    /// Whether the request was at fault, so that nothing was run.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self, Self::Check(_) | Self::Request { .. } | Self::Prompt { refused: true, .. })
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Request { hint, .. } | Self::Failed { hint, .. } | Self::Prompt { hint, .. } => {
                hint.as_deref()
            }
            Self::Check(_) | Self::Interrupted => None,
        }
    }
}

/// How a prompt begins, between backticks.
pub fn beginning(prompt: &Prompt, words: &dyn Vocabulary) -> String {
    const SHOWN: usize = 40;
    let text = match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Tokens(tokens) => match words.decode(tokens.get(..SHOWN).unwrap_or(tokens)) {
            Ok(text) => text,
            Err(_) => {
                let first = tokens.get(..10).unwrap_or(tokens);
                return format!("of {} token ids that begin {first:?}", tokens.len());
            }
        },
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", line.get(..end).unwrap_or(&line)),
        None => format!("`{line}`"),
    }
}
