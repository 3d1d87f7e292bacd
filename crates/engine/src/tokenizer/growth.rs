//! How much longer a text may become on its way through a tokenizer, before it is tried.
//!
//! A `tokenizer.json` may hold any number of replacements one after the other; forty that double a text
//! fill any memory. So what each step can make of a byte is bounded by reading the file.

use serde::Deserialize;
use serde_json::Value;

/// Bytes that a text may become at most.
const MOST: f64 = (1_u64 << 30) as f64;

/// What each step of a tokenizer can make of a byte, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TokenizerGrowth {
    /// Normalizing and splitting.
    encode: f64,
    /// Putting tokens together.
    decode: f64,
}

#[derive(Deserialize)]
struct TokenizerSteps {
    #[serde(default)]
    added_tokens: Vec<AddedContent>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
}

#[derive(Deserialize)]
struct AddedContent {
    #[serde(default)]
    content: String,
}

impl TokenizerGrowth {
    /// Of tokenizers that are built here: bytes written as letters, spaces as a sign of three bytes.
    pub(super) const OURS: Self = Self { encode: 8.0, decode: 8.0 };

    /// Of the steps of a `tokenizer.json`.
    ///
    /// # Errors
    /// What is wrong with the file, where it is no JSON or its own tokens would become too long.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let steps: TokenizerSteps = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let encode = step(&steps.normalizer) * step(&steps.pre_tokenizer);
        let growth = Self { encode, decode: step(&steps.decoder) };
        growth.of_tokens(steps.added_tokens.iter().map(|token| token.content.as_str())).map(|()| growth)
    }

    /// Whether tokens stay within bounds, which the library normalizes when they are added.
    ///
    /// # Errors
    /// The first that does not.
    pub(super) fn of_tokens<'a>(&self, mut tokens: impl Iterator<Item = &'a str>) -> Result<(), String> {
        match tokens.find(|token| !self.encodes(token.len())) {
            None => Ok(()),
            Some(token) => Err(format!(
                "its normalizer can make the {} bytes of the token `{}` {:.1e} times as many",
                token.len(),
                token.chars().take(40).collect::<String>(),
                self.encode,
            )),
        }
    }

    /// Whether a text of so many bytes stays within bounds.
    pub(super) fn encodes(&self, bytes: usize) -> bool {
        within(bytes, self.encode)
    }

    /// Whether tokens of so many bytes stay within bounds.
    pub(super) fn decodes(&self, bytes: usize) -> bool {
        within(bytes, self.decode)
    }

    pub(super) fn of_a_byte(&self) -> f64 {
        self.encode
    }
}

#[allow(clippy::cast_precision_loss)]
fn within(bytes: usize, growth: f64) -> bool {
    bytes as f64 * growth <= MOST
}

#[allow(clippy::cast_precision_loss)]
fn step(step: &Value) -> f64 {
    let length = |key: &str| step.get(key).and_then(Value::as_str).map_or(0, str::len) as f64;
    match step.get("type").and_then(Value::as_str) {
        Some("Sequence") => ["normalizers", "pretokenizers", "decoders"]
            .iter()
            .filter_map(|key| step.get(key)?.as_array())
            .flatten()
            .map(self::step)
            .product(),
        Some("Replace") => match step.pointer("/pattern/String").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => (length("content") / text.len() as f64).max(1.0),
            // It may match every byte, and between any two.
            _ => 1.0 + length("content"),
        },
        // What is put before a text counts for each byte of it, as a text may be of one.
        Some("Prepend") => 1.0 + length("prepend"),
        Some("Metaspace") => 1.0 + length("replacement").max(3.0),
        Some("WordPiece") => 1.0 + length("prefix"),
        // The longest decomposition: U+FDFA is 3 bytes and becomes 33.
        Some("NFKD" | "NFKC" | "Precompiled") => 12.0,
        Some("BertNormalizer") => 12.0,
        Some("NFD" | "NFC" | "Lowercase" | "Nmt") => 4.0,
        Some("ByteLevel") => 2.0,
        Some("BPEDecoder" | "CTC") => 4.0,
        Some(_) => 2.0,
        None => 1.0,
    }
}
