//! A model's tokenizer, for texts that go in and tokens that come out.

use super::config::Config;
use super::tokenizer::{Tokenizer, TokenizerError};
use truenorth_protocol::ChatTemplates;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::run::{RunError, Vocabulary};

/// The tokenizer, if the model came with one, and the tokens that end a generation.
pub struct Words {
    model: String,
    tokenizer: Option<Tokenizer>,
    stop: Vec<u32>,
    notes: Vec<String>,
}

impl Words {
    /// The words of the model of this name.
    pub(super) fn new(model: &str, tokenizer: Option<Tokenizer>, config: &Config) -> Self {
        let mut stop = tokenizer.as_ref().map_or_else(Vec::new, |t| t.end_tokens().to_vec());
        stop.extend(&config.eos);
        stop.retain(|t| (*t as usize) < config.vocab);
        stop.sort_unstable();
        stop.dedup();
        let notes = tokenizer.as_ref().map_or_else(Vec::new, |t| t.notes().to_vec());
        Self { model: model.to_owned(), tokenizer, stop, notes }
    }

    /// What a user should know of how the tokenizer was read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Tokens after which the model means to stop.
    #[must_use]
    pub fn stop(&self) -> &[u32] {
        &self.stop
    }
}

impl Words {
    fn tokenizer(&self) -> Result<&Tokenizer, RunError> {
        self.tokenizer.as_ref().ok_or_else(|| RunError::Request {
            what: format!("{} has no tokenizer, so it can't take text", self.model),
            hint: Some(
                "name a folder with tokenizer.json beside its config.json (`save_pretrained` of its tokenizer in \
                 transformers writes it), or a GGUF file converted with its tokenizer, \
                 which is in the file itself; or give token ids"
                    .into(),
            ),
        })
    }
}

fn refused(source: TokenizerError) -> RunError {
    RunError::Failed {
        what: "a text could not be tokenized".into(),
        hint: source.hint().map(str::to_owned),
        source: Some(Box::new(source)),
    }
}

impl Vocabulary for Words {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, RunError> {
        self.tokenizer()?.encode(text, special).map_err(refused)
    }

    fn pieces(&self, text: &str) -> Result<Option<Pieces>, RunError> {
        self.tokenizer()?.pieces(text).map(Some).map_err(refused)
    }

    fn spell(&self, tokens: &[u32]) -> Result<String, RunError> {
        self.tokenizer().map(|tokenizer| tokenizer.decode(tokens, false))
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.tokenizer.as_ref()?.chat()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, RunError> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer.decode(tokens, true)),
            None => Err(RunError::Request {
                what: format!("{} has no tokenizer, so its tokens have no text", self.model),
                hint: Some(
                    "name a folder with tokenizer.json beside its config.json (`save_pretrained` of its tokenizer in \
                 transformers writes it), or a GGUF file converted with its \
                     tokenizer, which is in the file itself; or save the token ids alone"
                        .into(),
                ),
            }),
        }
    }
}
