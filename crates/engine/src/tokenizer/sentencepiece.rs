//! The `llama` kind: SentencePiece byte-pair encoding with byte fallback.
//!
//! The file has a score a piece and no merges. The hub's `tokenizer.json` files of these models
//! hold merges that were recovered from the pieces: every way to cut a piece into two others, the
//! best piece first. The same is done here. Llama's pieces are ranked by score; Gemma's by their
//! place in the vocabulary, which is the order they were learned in (its whitespace runs and tags
//! come first and carry no score).

use rayon::prelude::*;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::{NormalizerWrapper, Tokenizer};

use super::TokenizerError;
use super::gguf::{Built, MERGES, TOKENS, vocabulary, wrong};
use crate::gguf::GgufMetadata;

const SCORES: &str = "tokenizer.ggml.scores";
/// What SentencePiece writes for a space.
const SPACE: &str = "▁";

pub(super) fn build(metadata: &GgufMetadata, tokens: &[String]) -> Result<Built, TokenizerError> {
    let gemma = metadata.text("general.architecture").is_some_and(|arch| arch.starts_with("gemma"));
    let pieces: Vec<String> = tokens
        .iter()
        .map(|token| {
            // Converters write Gemma's runs of spaces as spaces.
            if gemma && token.bytes().all(|b| b == b' ') { SPACE.repeat(token.len()) } else { token.clone() }
        })
        .collect();
    let vocab = vocabulary(pieces.iter().map(String::as_str));
    let rank = if gemma {
        None
    } else {
        let scores = metadata
            .floats(SCORES)
            .filter(|scores| scores.len() == tokens.len())
            .ok_or_else(|| wrong(SCORES, "is not an array of a number a token"))?;
        if scores.iter().any(|score| score.is_nan()) {
            return Err(wrong(SCORES, "holds NaN, expected numbers"));
        }
        Some(scores)
    };
    let merges = recover_merges(&pieces, &vocab, rank);
    let unknown = metadata.u64("tokenizer.ggml.unknown_token_id").unwrap_or(if gemma { 3 } else { 0 });
    let unknown = usize::try_from(unknown).ok().and_then(|id| pieces.get(id));
    let mut builder = BPE::builder().vocab_and_merges(vocab, merges).byte_fallback(true).fuse_unk(true);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown.clone());
    }
    let model = builder.build().map_err(|e| wrong(TOKENS, &format!("does not make a vocabulary: {e}")))?;
    let mut inner = Tokenizer::new(model);

    let prefix = metadata.bool("tokenizer.ggml.add_space_prefix").unwrap_or(!gemma);
    let usable = |e: tokenizers::Error| wrong(MERGES, &e.to_string());
    let spaces = NormalizerWrapper::Replace(Replace::new(" ", SPACE).map_err(usable)?);
    let normalizer = if prefix {
        let prepend = NormalizerWrapper::Prepend(Prepend::new(SPACE.to_owned()));
        NormalizerWrapper::Sequence(Normalizers::new(vec![prepend, spaces]))
    } else {
        spaces
    };
    inner.with_normalizer(Some(normalizer)).map_err(usable)?;
    let mut decoders = vec![
        DecoderWrapper::Replace(Replace::new(SPACE, " ").map_err(usable)?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ];
    if prefix {
        decoders.push(DecoderWrapper::Strip(Strip::new(' ', 1, 0)));
    }
    inner.with_decoder(Some(Decoders::new(decoders)));
    let default_ids = if gemma { [Some(2), Some(1)] } else { [Some(1), Some(2)] };
    Ok(Built { inner, begin: true, default_ids, notes: Vec::new() })
}

struct Cut {
    piece: usize,
    /// Characters left and right of the cut.
    lengths: (usize, usize),
    /// Bytes left of the cut.
    at: usize,
}

/// All cuts of pieces into two pieces, best first: by score (or by place in the vocabulary), then
/// the longer left part, then the longer right part, then place.
fn recover_merges(pieces: &[String], vocab: &Vocab, scores: Option<&[f32]>) -> Vec<(String, String)> {
    let mut cuts: Vec<Cut> = pieces
        .par_iter()
        .enumerate()
        .flat_map_iter(|(piece, text)| {
            let chars = text.chars().count();
            text.char_indices()
                .enumerate()
                .skip(1)
                .filter(move |(_, (at, _))| {
                    let (left, right) = text.split_at(*at);
                    vocab.contains_key(left) && vocab.contains_key(right)
                })
                .map(move |(n, (at, _))| Cut { piece, lengths: (n, chars - n), at })
        })
        .collect();
    // Stable, so that pieces of equal rank stay in the vocabulary's order.
    cuts.par_sort_by(|a, b| {
        let rank = match scores {
            Some(scores) => {
                let score = |cut: &Cut| scores.get(cut.piece).copied().unwrap_or_default();
                score(b).partial_cmp(&score(a)).unwrap_or(std::cmp::Ordering::Equal)
            }
            None => a.piece.cmp(&b.piece),
        };
        rank.then_with(|| b.lengths.cmp(&a.lengths))
    });
    cuts.into_iter()
        .filter_map(|cut| {
            let (left, right) = pieces.get(cut.piece)?.split_at_checked(cut.at)?;
            Some((left.to_owned(), right.to_owned()))
        })
        .collect()
}
