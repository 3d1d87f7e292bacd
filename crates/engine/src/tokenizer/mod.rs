//! Text to token ids and back.
//!
//! A [`Tokenizer`] comes from the hub's `tokenizer.json` or out of a GGUF file's metadata. In both
//! cases the work is done by the `tokenizers` crate, so that ids equal those of the Hugging Face
//! library; for GGUF the normalizer, the splitting and the merges that the hub's `tokenizer.json`
//! of that vocabulary has are built again from what the file says.

mod added;
mod byte_level;
mod chat;
mod class;
mod error;
mod files;
mod gguf;
mod growth;
mod json;
#[cfg(test)]
mod matrix;
mod order;
mod parts;
mod rebuild;
mod sentencepiece;
mod sound;
#[cfg(test)]
mod tests;
mod transformers_token;

use std::path::Path;

pub use error::TokenizerError;

use super::Transformers;
use super::gguf::GgufMetadata;
use growth::TokenizerGrowth;
use truenorth_protocol::ChatTemplates;
use truenorth_protocol::chat::Pieces;

/// Bytes of a token that is longer than most.
const LONG_TOKEN: usize = 256;

/// Turns text into ids and ids into text.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    bos: Option<u32>,
    eos: Vec<u32>,
    ends: EndTokens,
    /// A token whose texts are made anew before they are split, which is not done here.
    fill: Option<String>,
    chat: Option<ChatTemplates>,
    size: usize,
    growth: TokenizerGrowth,
    notes: Vec<String>,
    /// Its file, as it is named to a reader.
    of: String,
    /// The class, where it says what stands for characters without a token.
    unknown_by: Option<String>,
}

/// Who puts the tokens around a text that mark its beginning and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndTokens {
    /// The post-processor of `tokenizer.json`.
    PostProcessor,
    /// This program does.
    Ours {
        /// Whether the beginning is marked.
        begin: bool,
        /// Whether the end is marked.
        end: bool,
    },
}

impl Tokenizer {
    /// Reads a `tokenizer.json` as a version of transformers does, with what lies beside it:
    /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` (class, named and
    /// added tokens, flags, chat template), `config.json` (kind of model), `chat_template.jinja` and
    /// `generation_config.json` (tokens that end a generation).
    ///
    /// # Errors
    /// A file that cannot be read or is not what its name says.
    pub fn from_json(path: &Path, rules: Transformers) -> Result<Self, TokenizerError> {
        json::read(path, rules)
    }

    /// Reads the tokenizer of a folder: `tokenizer.json`, or `vocab.json` and `merges.txt` where that is not there and
    /// transformers reads them by the class that the files name; `None` where there is none.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json`].
    pub fn of_folder(folder: &Path, rules: Transformers) -> Result<Option<Self>, TokenizerError> {
        let path = folder.join("tokenizer.json");
        if path.is_file() {
            return Self::from_json(&path, rules).map(Some);
        }
        let both = [parts::VOCAB, parts::MERGES].iter().all(|name| folder.join(name).is_file());
        if both { json::read_parts(folder, rules) } else { Ok(None) }
    }

    /// Why `vocab.json` and `merges.txt` of a folder are not read, where they are there and nothing else is.
    #[must_use]
    pub fn unread(folder: &Path, rules: Transformers) -> Option<String> {
        let there = [parts::VOCAB, parts::MERGES].iter().all(|name| folder.join(name).is_file());
        if there { json::unread(folder, rules) } else { None }
    }

    /// With something more that a user should know.
    pub(super) fn noted(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// What a user should know of how the files were read: a guess, or a choice between versions.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Builds the tokenizer that a GGUF file's metadata describes.
    ///
    /// # Errors
    /// A kind of tokenizer that is not known, or vocabulary, merges and scores that do not fit
    /// together.
    pub fn from_gguf(metadata: &GgufMetadata) -> Result<Self, TokenizerError> {
        gguf::build(metadata)
    }

    /// The ids of a text; with `special`, between the tokens the model wants around a text (most
    /// often one at the beginning).
    ///
    /// # Errors
    /// [`TokenizerError::Encode`] for what the vocabulary cannot express, [`TokenizerError::Infilling`] for a prompt
    /// that Code Llama's class makes anew.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizerError> {
        self.bounded(text)?;
        let inside = special && self.ends == EndTokens::PostProcessor;
        let encoding = self.called(|inner| inner.encode_fast(text, inside))?;
        let ids = encoding.get_ids();
        let (mut first, mut last) = (None, None);
        if let EndTokens::Ours { begin, end } = self.ends
            && special
        {
            first = self.bos.filter(|_| begin);
            last = self.eos().filter(|_| end);
        }
        Ok(first.into_iter().chain(ids.iter().copied()).chain(last).collect())
    }

    /// Lets the library make an encoding.
    fn called(
        &self,
        call: impl FnOnce(&tokenizers::Tokenizer) -> tokenizers::Result<tokenizers::Encoding>,
    ) -> Result<tokenizers::Encoding, TokenizerError> {
        sound::guarded(|| call(&self.inner)).and_then(|made| made.map_err(|error| error.to_string())).map_err(
            |problem| match unknown(&problem) {
                Some(token) => TokenizerError::NoUnknown {
                    of: self.of.clone(),
                    token: token.to_owned(),
                    who: self.unknown_by.clone().unwrap_or_else(|| "its `model.unk_token`".to_owned()),
                },
                None => TokenizerError::Encode { of: self.of.clone(), problem },
            },
        )
    }

    /// Refuses a text of which the tokenizer can make more than memory holds, or that is not tokenized as it stands.
    fn bounded(&self, text: &str) -> Result<(), TokenizerError> {
        if let Some(token) = self.fill.as_ref().filter(|token| text.contains(token.as_str())) {
            return Err(TokenizerError::Infilling { token: token.clone() });
        }
        if self.growth.encodes(text.len()) {
            return Ok(());
        }
        let (bytes, times) = (text.len(), self.growth.of_a_byte());
        let problem = format!("the tokenizer can make its {bytes} bytes {times:.1e} times as many");
        Err(TokenizerError::Encode { of: self.of.clone(), problem })
    }

    /// The text of ids; with `skip_special`, without control tokens. Ids outside of the vocabulary
    /// have no text; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        // No decoder of a known vocabulary fails; the raw tokens say what is there.
        let raw = || ids.iter().filter_map(|id| self.token_text(*id)).collect::<String>();
        if !self.growth.decodes(ids.len() * LONG_TOKEN) && !self.growth.decodes(raw().len()) {
            return raw();
        }
        let decoded = sound::guarded(|| self.inner.decode(ids, skip_special));
        decoded.ok().and_then(Result::ok).unwrap_or_else(raw)
    }

    /// Id of the token that begins a text; none where the tokenizer names none.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Id of the first token that ends a text; none where the tokenizer names none.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos.first().copied()
    }

    /// All tokens that end a generation; the first is [`Tokenizer::eos`].
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        &self.eos
    }

    /// Number of tokens, added ones included. A model's embedding may have more rows.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The tokens of a text, without those that the model wants around one, each with the bytes of the text
    /// that it stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn pieces(&self, text: &str) -> Result<Pieces, TokenizerError> {
        self.bounded(text)?;
        let encoding = self.called(|inner| inner.encode(text, false))?;
        let bytes = encoding.get_offsets().iter();
        // A text fits the context, which is far below what fits here.
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Ok(Pieces {
            ids: encoding.get_ids().to_vec(),
            bytes: bytes.map(|(start, end)| [short(*start), short(*end)]).collect(),
        })
    }

    /// The Jinja templates that turn a conversation into text.
    #[must_use]
    pub fn chat(&self) -> Option<&ChatTemplates> {
        self.chat.as_ref()
    }

    /// A token as the vocabulary spells it (`Ġthe`, `▁the`).
    #[must_use]
    pub fn token_text(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token as the vocabulary spells it.
    #[must_use]
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.inner.token_to_id(text)
    }
}

/// The token that the library misses, where that is what is wrong.
fn unknown(problem: &str) -> Option<&str> {
    problem.strip_prefix("Unk token `")?.split_once('`').map(|(token, _)| token)
}

/// Drops repeated ids and keeps the order.
fn unique(ids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut out = Vec::new();
    for id in ids {
        if !out.contains(&id) {
            out.push(id);
        }
    }
    out
}
