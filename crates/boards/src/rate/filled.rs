//! Sheets as raters give them back.

use std::collections::HashMap;

use super::csv;
use super::sheet::{COLUMNS, ChoiceScale, SheetKey, TOLD};
use truenorth_reading::AnalysisError;

/// A rater's sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Name of the rater.
    pub rater: String,
    /// The file that the sheet came in, for errors.
    pub file: String,
    /// The sheet as CSV, with `choice` filled.
    pub csv: String,
}

/// A row of a filled sheet.
pub(super) struct FilledRow {
    pub number: usize,
    pub item: usize,
    pub prompt: String,
    pub left: String,
    pub right: String,
    /// How much better the right text is; none where it was left blank.
    pub choice: Option<f64>,
    /// Cells of columns that are not the sheet's own, by their heads in lower case.
    pub more: Vec<(String, String)>,
}

/// Reads a filled sheet.
pub(super) fn rows(
    sheet: &Filled,
    key: &SheetKey,
    place: &HashMap<&str, usize>,
) -> Result<Vec<FilledRow>, AnalysisError> {
    let refuse = |what: String| {
        AnalysisError::Input(format!("{}, the sheet of `{}`: {what}", sheet.file, sheet.rater))
    };
    let scale = key.scale;
    let mut rows = csv::read(&sheet.csv).map_err(&refuse)?.into_iter();
    let header = csv::head(rows.next()).map_err(&refuse)?;
    let mut columns = [0; COLUMNS.len()];
    for (at, name) in columns.iter_mut().zip(COLUMNS) {
        *at = header
            .iter()
            .position(|h| h == name)
            .ok_or_else(|| refuse(format!("no column `{name}`; its columns are {header:?}")))?;
    }
    // A sheet that was given out says on every row what it asks; another question has other answers.
    let told: Vec<(&str, Option<usize>, &str)> = TOLD
        .into_iter()
        .zip([key.question.as_str(), scale.values()])
        .map(|(name, says)| (name, header.iter().position(|h| h == name), says))
        .collect();
    let mut seen: Vec<Option<usize>> = vec![None; place.len()];
    let mut out = Vec::new();
    for (number, row) in rows {
        let cell = |column: usize| row.get(columns[column]).cloned().unwrap_or_default();
        let code = cell(0).trim().to_owned();
        let item = *place
            .get(code.as_str())
            .ok_or_else(|| refuse(format!("row {number} has code `{code}`, which no item has")))?;
        if let Some(first) = seen[item].replace(number) {
            return Err(refuse(format!("rows {first} and {number} both have the code `{code}`; keep one")));
        }
        for (name, at, says) in &told {
            let cell = at.map(|at| row.get(at).map_or("", String::as_str));
            if let Some(cell) = cell.filter(|c| !same_words(c, says)) {
                return Err(refuse(format!(
                    "row {number} (code `{code}`) has `{cell}` as its {name}; the sheet that was given out says `{says}`. What \
                     was answered to another is no rating of this: put the column back if it was changed by mistake, \
                     or have the sheet filled anew"
                )));
            }
        }
        let choice = choice(&cell(4), scale).ok_or_else(|| {
            let values = scale.values();
            refuse(format!("row {number} (code `{code}`) has choice `{}`; the sheet takes {values}", cell(4)))
        })?;
        let own = |h: &str| COLUMNS.contains(&h) || TOLD.contains(&h);
        let more = header.iter().zip(&row).filter(|(h, _)| !own(h)).map(|(h, c)| (h.clone(), c.clone()));
        let more = more.collect();
        out.push(FilledRow { number, item, prompt: cell(1), left: cell(2), right: cell(3), choice, more });
    }
    Ok(out)
}

/// Whether a cell says what it said, white space and what a spreadsheet makes of it aside.
fn same_words(cell: &str, says: &str) -> bool {
    let plain = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
    let cell = plain(cell);
    cell == plain(says) || cell.strip_prefix('\'') == Some(&plain(says))
}

/// How much better the right text is; outer none where the cell says nothing that the sheet takes. On a sheet
/// of sides a number is none of them: 1 and 2 may mean left and right, or anything else.
fn choice(cell: &str, scale: ChoiceScale) -> Option<Option<f64>> {
    let cell = cell.trim().to_lowercase();
    Some(match (cell.as_str(), scale) {
        ("", _) => None,
        ("left" | "l", ChoiceScale::Side) => Some(-1.0),
        ("right" | "r", ChoiceScale::Side) => Some(1.0),
        ("tie" | "same", ChoiceScale::Side) => Some(0.0),
        (_, ChoiceScale::Side) => return None,
        // Spreadsheets may write a minus sign of their own.
        (number, ChoiceScale::Strength) => {
            Some(number.replace('\u{2212}', "-").parse::<i8>().ok().filter(|n| n.abs() <= 3)?.into())
        }
    })
}
