//! Text to tokens: here, where the tokenizer is, or by asking the service.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::job_watch::JobWatch;
use super::{Client, ClientError};
use truenorth_protocol::ChatTemplates;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::run::{Unwatched, Vocabulary};

/// Texts of one question.
const TEXTS: usize = 512;
/// Bytes of the texts of one question.
const BYTES: usize = 1 << 20;
/// Bytes of texts and tokens that are remembered.
const MEMORY: usize = 64 << 20;

pub(super) enum TokenizerSource {
    /// A tokenizer in this process.
    Local(Arc<dyn Vocabulary>),
    /// The service, what it said before, and the chat templates that it told.
    Remote {
        /// Tokens of texts.
        memory: Mutex<EncodedMemory>,
        chat: Option<ChatTemplates>,
        /// Whether it can tell the text of tokens.
        decodes: bool,
    },
}

#[derive(Default)]
pub(super) struct EncodedMemory {
    tokens: HashMap<(String, bool), Vec<u32>>,
    pieces: HashMap<String, Pieces>,
    bytes: usize,
}

#[derive(Serialize)]
struct EncodeRequest<'a> {
    texts: &'a [&'a str],
    special: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bytes: bool,
}

#[derive(Deserialize)]
struct EncodeReply {
    tokens: Vec<Vec<u32>>,
    #[serde(default)]
    bytes: Option<Vec<Vec<[u32; 2]>>>,
}

#[derive(Serialize)]
struct DecodeRequest<'a> {
    tokens: &'a [&'a [u32]],
}

#[derive(Deserialize)]
struct DecodeReply {
    texts: Vec<String>,
}

impl Client {
    pub(super) fn words(&self, texts: &[&str], special: bool) -> Result<Vec<Vec<u32>>, ClientError> {
        let memory = match &self.words {
            TokenizerSource::Local(vocabulary) => {
                return texts.iter().map(|text| Ok(vocabulary.encode(text, special)?)).collect();
            }
            TokenizerSource::Remote { memory, .. } => memory,
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
            let (now, later) = rest.split_at(portion(rest));
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

    /// The tokens of texts with the bytes of each; none where who has the tokenizer can't tell them.
    pub(super) fn all_pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, ClientError> {
        let memory = match &self.words {
            TokenizerSource::Local(vocabulary) => {
                return Ok(texts.iter().map(|text| vocabulary.pieces(text)).collect::<Result<_, _>>()?);
            }
            TokenizerSource::Remote { memory, .. } => memory,
        };
        let lock = || memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: Vec<&str> = {
            let known = lock();
            texts.iter().copied().filter(|text| !known.pieces.contains_key(*text)).collect()
        };
        wanted.sort_unstable();
        wanted.dedup();
        let mut found: HashMap<String, Pieces> = HashMap::new();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(portion(rest));
            rest = later;
            let reply = self.ask_there(now, false, true)?;
            let gone = || ClientError::Message { doing: "encoding texts", source: None };
            let bytes = reply.bytes.filter(|b| b.len() == now.len()).ok_or_else(gone)?;
            for ((text, ids), bytes) in now.iter().zip(reply.tokens).zip(bytes) {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                if bytes.len() != ids.len() || bytes.iter().any(|[start, end]| start > end || *end > length) {
                    return Err(gone());
                }
                found.insert((*text).to_owned(), Pieces { ids, bytes });
            }
        }
        let mut known = lock();
        let all = texts.iter().map(|text| found.get(*text).or_else(|| known.pieces.get(*text)).cloned());
        let gone = || ClientError::Message { doing: "encoding texts", source: None };
        let all = all.collect::<Option<Vec<Pieces>>>().ok_or_else(gone)?;
        for (text, pieces) in found {
            known.learn_pieces(text, pieces);
        }
        Ok(Some(all))
    }

    /// The texts of token ids, which the service tells; none where it has no tokenizer, or an earlier version that is not
    /// asked for them.
    pub(super) fn spelled_there(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, ClientError> {
        let mut found: HashMap<&[u32], String> = HashMap::new();
        let mut wanted: Vec<&[u32]> = tokens.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let doing = "asking for the texts of tokens";
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: &Unwatched, stop: &stop, tick: self.options.patience.tick };
        for now in wanted.chunks(TEXTS) {
            let question = DecodeRequest { tokens: now };
            let asked = self.service.http.ask("/decode", &question, doing, &job_watch);
            let reply: DecodeReply = match self.service.block(asked) {
                Err(ClientError::Refused { status: 404, .. }) => return Ok(None),
                reply => reply?,
            };
            if reply.texts.len() != now.len() {
                return Err(ClientError::Message { doing, source: None });
            }
            found.extend(now.iter().copied().zip(reply.texts));
        }
        Ok(tokens.iter().map(|ids| found.get(ids).cloned()).collect())
    }

    fn encode_there(&self, texts: &[&str], special: bool) -> Result<Vec<Vec<u32>>, ClientError> {
        Ok(self.ask_there(texts, special, false)?.tokens)
    }

    fn ask_there(&self, texts: &[&str], special: bool, bytes: bool) -> Result<EncodeReply, ClientError> {
        let doing = "encoding texts";
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: &Unwatched, stop: &stop, tick: self.options.patience.tick };
        let question = EncodeRequest { texts, special, bytes };
        let reply: EncodeReply =
            self.service.block(self.service.http.ask("/encode", &question, doing, &job_watch))?;
        let vocab = self.wire.info().vocab;
        if reply.tokens.len() != texts.len() || reply.tokens.iter().flatten().any(|t| *t >= vocab) {
            return Err(ClientError::Message { doing, source: None });
        }
        Ok(reply)
    }
}

/// How many of the texts are asked about at once.
fn portion(texts: &[&str]) -> usize {
    let mut bytes = 0;
    let fit = |text: &&&str| {
        bytes += text.len();
        bytes <= BYTES
    };
    texts.iter().take(TEXTS).take_while(fit).count().max(1)
}

impl EncodedMemory {
    fn learn_pieces(&mut self, text: String, pieces: Pieces) {
        let bytes = text.len() + 12 * pieces.ids.len();
        if self.bytes + bytes > MEMORY {
            *self = Self::default();
        }
        if bytes <= MEMORY {
            self.bytes += bytes;
            self.pieces.insert(text, pieces);
        }
    }

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
