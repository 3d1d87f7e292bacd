//! A tokenizer out of a GGUF file's metadata.

use tokenizers::AddedToken;
use tokenizers::models::bpe::Vocab;

use super::growth::TokenizerGrowth;
use super::{EndTokens, Tokenizer, TokenizerError, byte_level, chat, sentencepiece, unique};
use crate::gguf::GgufMetadata;

pub(super) const MODEL: &str = "tokenizer.ggml.model";
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const TYPES: &str = "tokenizer.ggml.token_type";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";

/// Token types of the format: the unknown token and control tokens are special, user-defined ones
/// are matched whole.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// A model with its surroundings, before control tokens are added.
pub(super) struct Built {
    pub(super) inner: tokenizers::Tokenizer,
    /// Whether texts begin with the beginning token where the file does not say.
    pub(super) begin: bool,
    /// Ids of the tokens for beginning and end where the file does not say.
    pub(super) default_ids: [Option<u64>; 2],
    /// What had to be guessed.
    pub(super) notes: Vec<String>,
}

pub(super) fn build(metadata: &GgufMetadata) -> Result<Tokenizer, TokenizerError> {
    let tokens = metadata
        .texts(TOKENS)
        .filter(|tokens| !tokens.is_empty())
        .ok_or_else(|| wrong(TOKENS, "is missing, expected an array of strings"))?;
    let count = u32::try_from(tokens.len())
        .map_err(|_| wrong(TOKENS, "has more than 2^32 entries, which no model has"))?;
    let types = match metadata.get(TYPES) {
        None => None,
        Some(_) => Some(
            metadata
                .ints(TYPES)
                .filter(|types| types.len() == tokens.len())
                .ok_or_else(|| wrong(TYPES, "is not an array of an integer a token"))?,
        ),
    };
    let built = match metadata.text(MODEL) {
        Some("gpt2") => byte_level::build(metadata, tokens)?,
        Some("llama") => sentencepiece::build(metadata, tokens)?,
        other => {
            return Err(TokenizerError::Unknown {
                key: MODEL,
                found: other.unwrap_or("(none)").to_owned(),
                expected: "gpt2, llama".into(),
            });
        }
    };
    let mut inner = built.inner;
    let added: Vec<AddedToken> = tokens
        .iter()
        .zip(types.unwrap_or_default())
        .filter(|(_, kind)| matches!(**kind, UNKNOWN | CONTROL | USER_DEFINED))
        // A user-defined token that the model spells otherwise (runs of spaces) is left to it.
        .filter(|(token, _)| !token.is_empty() && inner.token_to_id(token).is_some())
        .map(|(token, kind)| AddedToken::from(token.as_str(), *kind != USER_DEFINED).normalized(false))
        .collect();
    inner.add_tokens(added).map_err(|e| wrong(TOKENS, &format!("cannot be used: {e}")))?;

    let id = |key: &'static str, default: Option<u64>| match metadata.u64(key).or(default) {
        None => Ok(None),
        Some(id) => match u32::try_from(id) {
            Ok(id) if id < count => Ok(Some(id)),
            // Some files write -1 or 2^32 - 1 for none.
            _ if id == u64::from(u32::MAX) => Ok(None),
            _ => Err(wrong(key, &format!("is {id}, expected an id below {count}"))),
        },
    };
    let [bos_default, eos_default] = built.default_ids;
    let bos = id("tokenizer.ggml.bos_token_id", bos_default)?;
    let mut ends = Vec::new();
    for (key, default) in [
        ("tokenizer.ggml.eos_token_id", eos_default),
        ("tokenizer.ggml.eot_token_id", None),
        ("tokenizer.ggml.eom_token_id", None),
    ] {
        ends.extend(id(key, default)?);
    }
    Ok(Tokenizer {
        inner,
        bos,
        eos: unique(ends),
        ends: EndTokens::Ours {
            begin: metadata.bool("tokenizer.ggml.add_bos_token").unwrap_or(built.begin),
            end: metadata.bool("tokenizer.ggml.add_eos_token").unwrap_or(false),
        },
        fill: None,
        chat: chat::of_gguf(metadata),
        size: tokens.len(),
        growth: TokenizerGrowth::OURS,
        notes: built.notes,
        of: "the GGUF file".to_owned(),
        unknown_by: None,
    })
}

/// Ids by token text; of a text that is there twice, the last counts, as in the libraries.
pub(super) fn vocabulary<'a>(tokens: impl Iterator<Item = &'a str>) -> Vocab {
    (0u32..).zip(tokens).map(|(id, t)| (t.to_owned(), id)).collect()
}

pub(super) fn wrong(key: &'static str, problem: &str) -> TokenizerError {
    TokenizerError::Metadata { key, problem: problem.to_owned() }
}
