//! Every rating by itself, once the key is open.

use std::collections::HashMap;

use super::altered::{Issued, Shows};
use super::filled::rows;
use super::sheet::{KEY_FORMAT, SheetKey, SheetSide};
use super::unblind::sealed;
use super::{ChoiceScale, RateData};
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;

/// One rater's answer to one item, unblinded.
#[derive(Clone, Debug, PartialEq)]
pub struct RatedRow {
    /// Name of the rater.
    pub rater: String,
    /// The file of the rater's sheet, and the row of it, for errors.
    pub place: String,
    /// Name of the item.
    pub id: String,
    /// Whether the steered text stood on the left, and so was read first.
    pub steered_left: bool,
    /// How much better the steered text is; none where the choice was left blank.
    pub strength: Option<f64>,
    /// Whether strengths were asked for, and not sides alone.
    pub graded: bool,
    /// Cells of columns that are not the sheet's own, by their heads in lower case; blank ones are left out.
    pub more: HashMap<String, String>,
}

/// Opens the key and gives every rating by itself, as [`Rate::run`](super::Rate::run) takes them.
///
/// # Errors
/// As [`Rate::run`](super::Rate::run), but that nothing need be decided.
pub fn each(input: &RateData<'_>) -> Result<Vec<RatedRow>, AnalysisError> {
    let RateData { sheets, issued, key, registration } = *input;
    sealed(key, registration)?;
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let key: SheetKey = serde_json::from_slice(key)
        .map_err(|e| AnalysisError::Input(format!("the key can't be read: {e}")))?;
    if key.format != KEY_FORMAT {
        return refuse(format!("the key is of format `{}`, expected `{KEY_FORMAT}`", key.format));
    }
    let place: HashMap<&str, usize> =
        key.items.iter().enumerate().map(|(i, k)| (k.code.as_str(), i)).collect();
    let issued =
        Issued::new(&key, issued.filter(|i| sha256_hex(i.as_bytes()) == registration.seal.sheet_sha256));
    let mut out = Vec::new();
    for (i, sheet) in sheets.iter().enumerate() {
        if sheets[..i].iter().any(|s| s.rater == sheet.rater) {
            return refuse(format!("rater `{}` has two sheets, the second {}", sheet.rater, sheet.file));
        }
        for row in rows(sheet, &key, &place)? {
            let item = &key.items[row.item];
            let said = |h: &(String, String)| !h.1.trim().is_empty();
            let place = format!("{}, row {} (code `{}`)", sheet.file, row.number, item.code);
            if let (Shows::Other(what), true) =
                (issued.shows(&row), row.choice.is_some() || row.more.iter().any(said))
            {
                return refuse(format!(
                    "{place} has {what}, so that what it says can't be told to be of its texts"
                ));
            }
            let left = item.steered == SheetSide::Left;
            out.push(RatedRow {
                rater: sheet.rater.clone(),
                place,
                id: item.id.clone(),
                steered_left: left,
                strength: row.choice.map(|right| if left { -right } else { right }),
                graded: key.scale == ChoiceScale::Strength,
                more: row.more.into_iter().filter(said).collect(),
            });
        }
    }
    Ok(out)
}
