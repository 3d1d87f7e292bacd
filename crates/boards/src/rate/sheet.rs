//! The blind sheet, its key and the key's seal.

use std::collections::HashSet;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::csv;
use truenorth_data::{Copies, NearCopies, first_duels};
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;

pub(super) const COLUMNS: [&str; 5] = ["code", "prompt", "left", "right", "choice"];
/// Columns that tell raters what to do, on every row because rows are sorted and cut.
pub(super) const TOLD: [&str; 2] = ["question", "values of choice"];
/// The fewest characters of a secret.
const SECRET: usize = 16;

/// Two texts to be told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlindPair {
    /// Its name, which raters do not see.
    pub id: String,
    /// The prompt that both texts answer.
    pub prompt: String,
    /// The text under the edit, whose wins are counted.
    pub steered: String,
    /// The text it is compared with.
    pub base: String,
}

/// What raters may write into `choice`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum ChoiceScale {
    /// left, right or tie.
    #[default]
    Side,
    /// -3 to 3: how much better the right text is than the left.
    Strength,
}

impl ChoiceScale {
    /// The values that `choice` may have, for raters.
    #[must_use]
    pub fn values(self) -> &'static str {
        match self {
            Self::Side => "left, right or tie",
            Self::Strength => "-3 (left far better) to 3 (right far better), 0 for a tie",
        }
    }
}

/// What a sheet and its key are known by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SheetSeal {
    /// SHA-256 of the key's bytes.
    pub key_sha256: String,
    /// SHA-256 of the sheet's bytes, as given out.
    pub sheet_sha256: String,
    /// The question that raters are asked.
    pub question: String,
    /// What raters may write into `choice`.
    #[serde(default)]
    pub scale: ChoiceScale,
    /// Items on the sheet.
    pub items: usize,
    /// Copies and near copies that were left out of it; none where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SheetKey {
    pub format: String,
    pub question: String,
    #[serde(default)]
    pub scale: ChoiceScale,
    /// Keeps the seal from being guessed by trying all keys.
    pub secret: String,
    pub items: Vec<KeyItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyItem {
    pub code: String,
    pub id: String,
    pub steered: SheetSide,
    /// SHA-256 of the left and the right text.
    pub texts: [String; 2],
    /// SHA-256 of the prompt; keys of before do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// A side of the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SheetSide {
    Left,
    Right,
}

pub(super) const KEY_FORMAT: &str = "truenorth-rating-key 1";

/// A sheet to give out, its key to keep shut, and its seal to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct BlindSheet {
    /// CSV with `code, prompt, left, right, choice`, of which `choice` is empty, and the question and the values
    /// of `choice` on every row.
    pub csv: String,
    /// The key as JSON, to be kept shut until all sheets are in.
    pub key: String,
    /// What sheet and key are known by, to be published.
    pub seal: SheetSeal,
}

/// Makes a blind sheet. Each side holds the steered text as often as the other (one more or less where
/// the number is odd); raters fill `choice` with the values of the scale, which the sheet tells them on every
/// row beside the question. Of copies and near copies the first stands on the sheet, so that nothing is rated
/// and counted twice.
///
/// # Errors
/// With fewer than two items, a name that repeats, two texts that are the same, an item that is another with its
/// texts exchanged, an empty question, or a secret of fewer than 16 characters.
pub fn prepare(
    items: &[BlindPair],
    question: &str,
    scale: ChoiceScale,
    secret: &str,
    near: NearCopies,
) -> Result<BlindSheet, AnalysisError> {
    check(items, question, secret)?;
    let rows = items.iter().map(|c| (c.id.as_str(), [c.prompt.as_str(), &c.steered, &c.base]));
    let firsts = first_duels("items", rows, near)?;
    let items: Vec<&BlindPair> =
        items.iter().zip(firsts.stands()).filter(|(_, s)| *s).map(|(c, _)| c).collect();
    if items.len() < 2 {
        return Err(AnalysisError::Input(format!(
            "{}; a blind sheet needs at least two that differ",
            firsts.copies.sentences().join("; ")
        )));
    }
    let mut rng = ChaCha8Rng::from_seed(keyed(secret, "deal"));
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.shuffle(&mut rng);
    let mut sides: Vec<SheetSide> =
        (0..items.len()).map(|i| if i % 2 == 0 { SheetSide::Left } else { SheetSide::Right }).collect();
    sides.shuffle(&mut rng);
    let mut rows = vec![COLUMNS.into_iter().chain(TOLD).map(str::to_owned).collect::<Vec<_>>()];
    let told = [question, scale.values()].map(csv::tame);
    let mut key = Vec::with_capacity(items.len());
    let mut codes = HashSet::new();
    for (place, (i, side)) in order.iter().zip(&sides).enumerate() {
        let item = &items[*i];
        let code = code(secret, place, &mut codes);
        let (left, right) = match side {
            SheetSide::Left => (&item.steered, &item.base),
            SheetSide::Right => (&item.base, &item.steered),
        };
        // What is rated is what is shown, and so is what the key knows it by.
        let [prompt, left, right] = [&item.prompt, left, right].map(|text| csv::shown(text));
        let cells = [&code, &prompt, &left, &right].map(|c| csv::tame(c));
        rows.push([&cells[..], &[String::new()], &told[..]].concat());
        key.push(KeyItem {
            code,
            id: item.id.clone(),
            steered: *side,
            texts: [sha256_hex(left.as_bytes()), sha256_hex(right.as_bytes())],
            prompt: Some(sha256_hex(prompt.as_bytes())),
        });
    }
    let csv = csv::write(&rows);
    let key = SheetKey {
        format: KEY_FORMAT.into(),
        question: question.to_owned(),
        scale,
        secret: secret.to_owned(),
        items: key,
    };
    let key = serde_json::to_string_pretty(&key)
        .map_err(|e| AnalysisError::Input(format!("the key can't be written: {e}")))?;
    let seal = SheetSeal {
        key_sha256: sha256_hex(key.as_bytes()),
        sheet_sha256: sha256_hex(csv.as_bytes()),
        question: question.to_owned(),
        scale,
        items: items.len(),
        copies: (firsts.copies.rows > items.len()).then_some(firsts.copies),
    };
    Ok(BlindSheet { csv, key, seal })
}

fn check(items: &[BlindPair], question: &str, secret: &str) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if items.len() < 2 {
        return refuse(format!("{} items; a blind sheet needs at least two", items.len()));
    }
    if question.trim().is_empty() {
        return refuse("no question; raters must know what they choose by".into());
    }
    if secret.chars().count() < SECRET {
        return refuse(format!(
            "the secret has {} characters; draw at least {SECRET} at random, or raters can guess the key",
            secret.chars().count()
        ));
    }
    let mut seen = HashSet::new();
    for item in items {
        if !seen.insert(&item.id) {
            return refuse(format!("item `{}` is there twice", item.id));
        }
        if item.steered.trim() == item.base.trim() {
            return refuse(format!(
                "item `{}` has two texts that are the same; --leave-out-empty leaves such items out",
                item.id
            ));
        }
    }
    Ok(())
}

fn keyed(secret: &str, label: &str) -> [u8; 32] {
    Sha256::digest([b"truenorth rating 1\0", label.as_bytes(), b"\0", secret.as_bytes()].concat()).into()
}

/// A short name for an item that says nothing of it.
fn code(secret: &str, place: usize, taken: &mut HashSet<String>) -> String {
    for attempt in 0.. {
        let code: String =
            sha256_hex(&keyed(secret, &format!("code {place} {attempt}"))).chars().take(6).collect();
        // A code of digits alone, or of digits around an `e`, is a number to a spreadsheet.
        let plain = code.chars().any(|c| "abcdf".contains(c));
        if plain && taken.insert(code.clone()) {
            return code;
        }
    }
    String::new()
}
