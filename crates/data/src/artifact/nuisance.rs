//! Which texts a nuisance was projected out with, told by their content.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use truenorth_files::sha256_hex;
use truenorth_stats::words::folded;

/// Hex digits kept of a text's hash: of a million texts, two differ and share them once in 30 million sets.
const DIGITS: usize = 16;

/// Texts by the hashes of what they say: letter case, white space and their order aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NuisanceTexts {
    /// SHA-256 of the sorted hashes: the same for the same texts, in whatever file they stand.
    pub sha256: String,
    /// The first 16 hex digits of the SHA-256 of each text, sorted.
    pub texts: BTreeSet<String>,
}

impl NuisanceTexts {
    /// Hashes each text; texts of one content count once, in any order.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: BTreeSet<String> = texts.into_iter().map(hash).collect();
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        Self { sha256: sha256_hex(all.join("\n").as_bytes()), texts }
    }

    /// How many of some texts are among these.
    #[must_use]
    pub fn shared<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> usize {
        texts.into_iter().filter(|text| self.texts.contains(&hash(text))).count()
    }
}

fn hash(text: &str) -> String {
    let mut hash = sha256_hex(folded(text).as_bytes());
    hash.truncate(DIGITS);
    hash
}
