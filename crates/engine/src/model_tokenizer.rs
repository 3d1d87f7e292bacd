//! A model's tokenizer, for texts that go in and tokens that come out.

use std::sync::atomic::{AtomicBool, Ordering};

use super::config::Config;
use super::generation;
use super::tokenizer::{Tokenizer, TokenizerError};
use truenorth_protocol::ChatTemplates;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::run::{RunError, Vocabulary};

/// The tokenizer, if the model came with one, and the tokens that end a generation.
pub struct ModelTokenizer {
    model: String,
    tokenizer: Option<Tokenizer>,
    /// Why there is none, where files lie there that are not read.
    unread: Option<String>,
    stop: Vec<u32>,
    notes: Vec<String>,
    /// What `generation_config.json` asks for and is not done.
    unfollowed: Option<String>,
    /// Whether that was told.
    told: AtomicBool,
}

/// The remedy where a model has no tokenizer.
pub const NO_TOKENIZER: &str = "put the model's own tokenizer.json and tokenizer_config.json beside its config.json, or \
    beside the GGUF file (`save_pretrained` of its tokenizer in transformers writes them); or give token ids, `tokens` in \
    place of `text`, where a verb takes them";

impl ModelTokenizer {
    /// The words of the model of this name; `unread` says why it has no tokenizer, where more is known.
    pub(super) fn new(
        model: &str,
        tokenizer: Option<Tokenizer>,
        unread: Option<String>,
        config: &Config,
    ) -> Self {
        let mut stop = tokenizer.as_ref().map_or_else(Vec::new, |t| t.end_tokens().to_vec());
        stop.extend(&config.eos);
        stop.retain(|t| (*t as usize) < config.vocab);
        stop.sort_unstable();
        stop.dedup();
        let notes = tokenizer.as_ref().map_or_else(Vec::new, |t| t.notes().to_vec());
        let model = model.to_owned();
        Self { model, tokenizer, unread, stop, notes, unfollowed: None, told: AtomicBool::new(false) }
    }

    /// With the model's `generation_config.json`.
    pub(super) fn generating(self, config: Option<&serde_json::Value>) -> Self {
        Self { unfollowed: config.and_then(generation::unfollowed), ..self }
    }

    /// What a user should know of how the tokenizer was read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// That the model has no tokenizer, where it has none.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        let why = self.unread.as_ref().map_or_else(String::new, |why| format!(" that is read: {why}"));
        self.tokenizer.is_none().then(|| format!("{} has no tokenizer{why}", self.model))
    }

    /// Tokens after which the model means to stop.
    #[must_use]
    pub fn stop(&self) -> &[u32] {
        &self.stop
    }
}

impl ModelTokenizer {
    fn tokenizer(&self) -> Result<&Tokenizer, RunError> {
        self.tokenizer.as_ref().ok_or_else(|| self.none("it can't take text"))
    }

    fn none(&self, so: &str) -> RunError {
        let lack = self.lack().unwrap_or_default();
        RunError::Request { what: format!("{lack}, so {so}"), hint: Some(NO_TOKENIZER.into()) }
    }
}

fn refused(source: TokenizerError) -> RunError {
    RunError::Failed {
        what: "a text could not be tokenized".into(),
        hint: source.hint().map(str::to_owned),
        source: Some(Box::new(source)),
    }
}

impl Vocabulary for ModelTokenizer {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, RunError> {
        self.tokenizer()?.encode(text, special).map_err(refused)
    }

    fn pieces(&self, text: &str) -> Result<Option<Pieces>, RunError> {
        self.tokenizer()?.pieces(text).map(Some).map_err(refused)
    }

    fn spell(&self, tokens: &[u32]) -> Result<String, RunError> {
        self.tokenizer().map(|tokenizer| tokenizer.decode(tokens, false))
    }

    fn speaks(&self) -> bool {
        self.tokenizer.is_some()
    }

    fn unfollowed(&self) -> Option<String> {
        let keys = self.unfollowed.as_ref().filter(|_| !self.told.swap(true, Ordering::Relaxed))?;
        Some(format!(
            "generation_config.json of {} asks for {keys}; this is not followed: each token is the likeliest, or drawn by \
             the temperature and top_p that were asked for, and only its tokens that end a text count",
            self.model
        ))
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.tokenizer.as_ref()?.chat()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, RunError> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer.decode(tokens, true)),
            None => Err(self.none("what it generates has no text")),
        }
    }
}
