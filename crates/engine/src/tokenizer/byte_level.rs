//! The `gpt2` kind: byte-pair encoding over bytes spelled as printable characters.
//!
//! A file names how text is split before merging (`tokenizer.ggml.pre`). The splits are those of
//! the `tokenizer.json` files of the models in question.

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{NormalizerWrapper, SplitDelimiterBehavior};

use super::TokenizerError;
use super::gguf::{Built, MERGES, vocabulary, wrong};
use crate::gguf::GgufMetadata;

const PRE: &str = "tokenizer.ggml.pre";

/// Llama 3's split: contractions in any case, words with one leading mark, up to three digits.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen's: the same with single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's Tekken: words also break where case changes.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a name of `tokenizer.ggml.pre` means.
struct Pre {
    names: &'static [&'static str],
    /// The split, where it is not GPT-2's own.
    split: Option<&'static str>,
    /// Digits stand alone before GPT-2's split.
    digits: bool,
    /// Text is brought to Unicode's composed form first.
    nfc: bool,
    /// A word that is in the vocabulary is taken whole.
    ignore_merges: bool,
    /// Texts begin with the beginning token where the file does not say.
    begin: bool,
}

const GPT2: Pre = Pre {
    names: &["default", "gpt-2", "mpt"],
    split: None,
    digits: false,
    nfc: false,
    ignore_merges: false,
    begin: false,
};

const KNOWN: &[Pre] = &[
    GPT2,
    Pre { names: &["smollm", "starcoder", "refact", "codeshell"], digits: true, ..GPT2 },
    // GPT-NeoX's, which OLMo 1 and Pythia have.
    Pre { names: &["olmo", "gpt-neox"], nfc: true, ..GPT2 },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3"],
        split: Some(LLAMA3),
        ignore_merges: true,
        begin: true,
        ..GPT2
    },
    // GPT-4's vocabulary, which OLMo 2 and 3 have.
    Pre { names: &["dbrx", "smaug-bpe"], split: Some(LLAMA3), ..GPT2 },
    Pre { names: &["qwen2", "deepseek-r1-qwen", "megrez"], split: Some(QWEN2), nfc: true, ..GPT2 },
    Pre { names: &["tekken"], split: Some(TEKKEN), ignore_merges: true, begin: true, ..GPT2 },
];

pub(super) fn build(metadata: &GgufMetadata, tokens: &[String]) -> Result<Built, TokenizerError> {
    let mut notes = Vec::new();
    let name = match metadata.text(PRE) {
        Some("default") => {
            notes.push(format!(
                "the file's converter did not know how text is split before it is tokenized (`{PRE}` is `default`); \
                 `gpt-2` is guessed, and token ids are wrong where that is wrong"
            ));
            "default"
        }
        Some(name) => name,
        None => {
            let guess = guess(metadata, tokens.len());
            notes.push(format!(
                "the file does not say how text is split before it is tokenized (`{PRE}` is missing); `{guess}` \
                 is guessed from its architecture, and token ids are wrong where that is wrong"
            ));
            guess
        }
    };
    let pre = KNOWN.iter().find(|pre| pre.names.contains(&name)).ok_or_else(|| TokenizerError::Unknown {
        key: PRE,
        found: name.to_owned(),
        expected: KNOWN.iter().flat_map(|pre| pre.names).copied().collect::<Vec<_>>().join(", "),
    })?;
    let merges = metadata
        .texts(MERGES)
        .ok_or_else(|| wrong(MERGES, "is missing, expected an array of strings"))?
        .iter()
        .map(|merge| {
            merge
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
                .ok_or_else(|| wrong(MERGES, &format!("has `{merge}`, expected two pieces")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary(tokens.iter().map(String::as_str)), merges)
        .ignore_merges(pre.ignore_merges)
        .build()
        .map_err(|e| wrong(MERGES, &format!("does not fit the vocabulary: {e}")))?;
    let mut inner = tokenizers::Tokenizer::new(model);
    if pre.nfc {
        inner.with_normalizer(Some(NormalizerWrapper::NFC(NFC))).map_err(|e| wrong(PRE, &e.to_string()))?;
    }
    inner.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
    // The decoder ignores how text was split.
    inner.with_decoder(Some(ByteLevel::new(false, true, true)));
    Ok(Built { inner, begin: pre.begin, default_ids: [None, None], notes })
}

/// The split of the models of this architecture, for files of converters that did not write it.
fn guess(metadata: &GgufMetadata, tokens: usize) -> &'static str {
    match metadata.text("general.architecture") {
        Some("qwen2" | "qwen3") => "qwen2",
        Some("gptneox") => "gpt-neox",
        Some("olmo2") => "dbrx",
        // Llama 3's vocabulary has 128256 tokens, no other Llama's comes near.
        Some("llama") if tokens >= 128_000 => "llama-bpe",
        _ => "gpt-2",
    }
}

fn pre_tokenizer(pre: &Pre) -> Result<PreTokenizerWrapper, TokenizerError> {
    let parts = match pre.split {
        Some(regex) => {
            let split =
                Split::new(SplitPattern::Regex(regex.to_owned()), SplitDelimiterBehavior::Isolated, false)
                    .map_err(|e| wrong(PRE, &e.to_string()))?;
            vec![
                PreTokenizerWrapper::Split(split),
                PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)),
            ]
        }
        None => {
            let words = PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true));
            if pre.digits { vec![PreTokenizerWrapper::Digits(Digits::new(true)), words] } else { vec![words] }
        }
    };
    Ok(PreTokenizerWrapper::Sequence(Sequence::new(parts)))
}
