//! Text to tokens: here, where the tokenizer is, or by asking the service.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::see::See;
use super::{Client, ClientError};
use truenorth_protocol::run::{Unwatched, Vocabulary};

/// Texts of one question.
const TEXTS: usize = 512;
/// Bytes of the texts of one question.
const BYTES: usize = 1 << 20;
/// Bytes of texts and tokens that are remembered.
const MEMORY: usize = 64 << 20;

/// Who turns text into tokens.
pub(super) enum Words {
    /// A tokenizer in this process.
    Here(Arc<dyn Vocabulary>),
    /// The service, and what it said before.
    There(Mutex<Memory>),
}

#[derive(Default)]
pub(super) struct Memory {
    tokens: HashMap<(String, bool), Vec<u32>>,
    bytes: usize,
}

#[derive(Serialize)]
struct Question<'a> {
    texts: &'a [&'a str],
    special: bool,
}

#[derive(Deserialize)]
struct Reply {
    tokens: Vec<Vec<u32>>,
}

impl Client {
    pub(super) fn words(&self, texts: &[&str], special: bool) -> Result<Vec<Vec<u32>>, ClientError> {
        let memory = match &self.words {
            Words::Here(vocabulary) => {
                return texts.iter().map(|text| Ok(vocabulary.encode(text, special)?)).collect();
            }
            Words::There(memory) => memory,
        };
        let lock = || memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut wanted = Vec::new();
        {
            let known = lock();
            for text in texts {
                match known.tokens.get(&((*text).to_owned(), special)) {
                    Some(tokens) => drop(found.insert(text, tokens.clone())),
                    None => wanted.push(*text),
                }
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = |text: &&&str| {
                bytes += text.len();
                bytes <= BYTES
            };
            let count = rest.iter().take(TEXTS).take_while(fit).count().max(1);
            let (now, later) = rest.split_at(count);
            rest = later;
            let tokens = self.encode_there(now, special)?;
            let mut known = lock();
            for (text, tokens) in now.iter().zip(tokens) {
                known.learn(text, special, &tokens);
                found.insert(text, tokens);
            }
        }
        let gone = || ClientError::Message { doing: "encoding texts", source: None };
        texts.iter().map(|text| found.get(text).cloned().ok_or_else(gone)).collect()
    }

    fn encode_there(&self, texts: &[&str], special: bool) -> Result<Vec<Vec<u32>>, ClientError> {
        let doing = "encoding texts";
        let stop = AtomicBool::new(false);
        let see = See { watch: &Unwatched, stop: &stop, tick: self.options.patience.tick };
        let question = Question { texts, special };
        let reply: Reply = self.service.block(self.service.http.ask("/encode", &question, doing, &see))?;
        let vocab = self.wire.info().vocab;
        if reply.tokens.len() != texts.len() || reply.tokens.iter().flatten().any(|t| *t >= vocab) {
            return Err(ClientError::Message { doing, source: None });
        }
        Ok(reply.tokens)
    }
}

impl Memory {
    fn learn(&mut self, text: &str, special: bool, tokens: &[u32]) {
        let bytes = text.len() + 4 * tokens.len();
        if self.bytes + bytes > MEMORY {
            *self = Self::default();
        }
        if bytes <= MEMORY {
            self.bytes += bytes;
            self.tokens.insert((text.to_owned(), special), tokens.to_vec());
        }
    }
}
