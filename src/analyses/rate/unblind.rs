//! Opening the key, and what the ratings say.

use std::collections::HashMap;

use serde::Serialize;

use super::super::AnalysisError;
use super::super::judge::{self, Agreed, Verdict, Verdicts};
use super::super::stat::{self, Measured, of};
use super::{COLUMNS, KEY_FORMAT, Key, Registration, Scale, Side, TOLD, csv, signed_rank_p};
use truenorth_data::Copies;
use truenorth_files::sha256_hex;
use truenorth_stats::math::Seeds;

/// A rater's sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The rater.
    pub rater: String,
    /// The file that the sheet came in, for errors.
    pub file: String,
    /// The sheet with `choice` filled.
    pub csv: String,
}

/// What one rater said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RaterResult {
    /// The rater.
    pub rater: String,
    /// Items rated, ties included.
    pub rated: usize,
    /// Items left blank.
    pub blank: usize,
    /// Ties.
    pub ties: usize,
    /// Share of decided items won by the steered text, against one half (sign test); none without one.
    pub steered: Option<Measured>,
    /// Share of decided items given to the left side, against one half: a habit, whatever the texts.
    pub left: Option<Measured>,
    /// Wilcoxon's signed-rank p, where strengths were given.
    pub signed_rank_p: Option<f64>,
}

/// One item, unblinded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatedItem {
    /// Its name.
    pub id: String,
    /// Mean strength for the steered text over the raters who rated it.
    pub steered: f64,
    /// Raters behind it.
    pub raters: usize,
    /// Raters whose sheet shows other texts than those given out.
    pub altered: usize,
}

/// What became of a prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionResult {
    /// Its name.
    pub id: String,
    /// In words.
    pub claim: String,
    /// Whether the share is where it was expected.
    pub held: bool,
    /// Whether the whole interval is.
    pub clear: bool,
}

/// Ratings, unblinded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unblinded {
    /// What raters were asked.
    pub question: String,
    /// Copies and near copies that were left out of the sheet; none where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// The registration that came before.
    pub registration_sha256: String,
    /// When it was made, as it says itself.
    pub registered_at: String,
    /// Share of decided items won by the steered text, an item counting once however many rated it; the
    /// null is one half, exact (sign test).
    pub steered: Measured,
    /// Items without a majority either way.
    pub ties: usize,
    /// Wilcoxon's signed-rank p over the items' mean strengths.
    pub signed_rank_p: Option<f64>,
    /// Each prediction.
    pub predictions: Vec<PredictionResult>,
    /// Each rater.
    pub raters: Vec<RaterResult>,
    /// Agreement of every two raters who share at least two items.
    pub agreement: Vec<Agreed>,
    /// Each item.
    pub items: Vec<RatedItem>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Opens the key and tests the ratings.
///
/// # Errors
/// When the key is not the sealed one, the registration was changed after it was made or has no
/// predictions, a sheet has other columns, an unknown code or a choice that is none, two raters have one
/// name, or no item is decided. Nothing of the key is told by these errors.
pub fn unblind(
    sheets: &[Filled],
    key: &[u8],
    registration: &Registration,
    seeds: &Seeds,
) -> Result<Unblinded, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if registration.predictions.is_empty() {
        return refuse("the registration has no predictions; they come before the key is opened".into());
    }
    if registration.hash()? != registration.sha256 {
        return refuse("the registration was changed after it was made: its hash does not fit".into());
    }
    let found = sha256_hex(key);
    if found != registration.seal.key_sha256 {
        return refuse(format!(
            "the key's SHA-256 is {found}, the sealed one's {}; name the key that was sealed with --key F",
            registration.seal.key_sha256
        ));
    }
    let key: Key = serde_json::from_slice(key)
        .map_err(|e| AnalysisError::Input(format!("the key can't be read: {e}")))?;
    if key.format != KEY_FORMAT {
        return refuse(format!("the key is of format `{}`, expected `{KEY_FORMAT}`", key.format));
    }
    if let Some((_, s)) =
        sheets.iter().enumerate().find(|(i, s)| sheets[..*i].iter().any(|t| t.rater == s.rater))
    {
        return refuse(format!(
            "rater `{}` has two sheets, the second {}; give each rater one, with a name of its own",
            s.rater, s.file
        ));
    }
    let place: HashMap<&str, usize> =
        key.items.iter().enumerate().map(|(i, k)| (k.code.as_str(), i)).collect();
    let mut items: Vec<RatedItem> = key
        .items
        .iter()
        .map(|k| RatedItem { id: k.id.clone(), steered: 0.0, raters: 0, altered: 0 })
        .collect();
    let (mut raters, mut verdicts, mut graded) = (Vec::new(), Vec::new(), false);
    for sheet in sheets {
        let rows = rows(sheet, &key, &place)?;
        let mut own = Verdicts { judge: sheet.rater.clone(), verdicts: Default::default() };
        let (mut strengths, mut lefts, mut blank) = (Vec::new(), 0, 0);
        for row in &rows {
            let (k, item) = (&key.items[row.item], &mut items[row.item]);
            let shown = [&row.left, &row.right];
            let same = |(text, hash): (&&String, &String)| hashes(text).iter().any(|h| h == hash);
            item.altered += usize::from(!shown.iter().zip(&k.texts).all(same));
            let Some(right) = row.choice else {
                blank += 1;
                continue;
            };
            let strength = if k.steered == Side::Right { right } else { -right };
            lefts += usize::from(right < 0.0);
            item.steered += strength;
            item.raters += 1;
            strengths.push(strength);
            own.verdicts.insert(k.id.clone(), verdict(strength));
        }
        graded |= strengths.iter().any(|s| s.abs() > 1.0);
        raters.push(rater(sheet, &strengths, lefts, blank)?);
        verdicts.push(own);
    }
    for item in items.iter_mut().filter(|i| i.raters > 0) {
        item.steered /= item.raters as f64;
    }
    let rated: Vec<f64> = items.iter().filter(|i| i.raters > 0).map(|i| i.steered).collect();
    let Some(steered) = won(&rated)? else {
        return refuse("no item is decided: every choice is blank or a tie".into());
    };
    let mut agreement = Vec::new();
    for (i, a) in verdicts.iter().enumerate() {
        for b in &verdicts[i + 1..] {
            if a.verdicts.keys().filter(|k| b.verdicts.contains_key(*k)).count() > 1 {
                agreement.extend(judge::agreement(&[a.clone(), b.clone()], 2000, seeds)?);
            }
        }
    }
    let predictions = registration
        .predictions
        .iter()
        .map(|p| {
            let inside = |v: f64| p.share_above.is_none_or(|b| v > b) && p.share_below.is_none_or(|b| v < b);
            PredictionResult {
                id: p.id.clone(),
                claim: p.claim.clone(),
                held: inside(steered.value),
                clear: steered.interval.is_some_and(|i| inside(i.low) && inside(i.high)),
            }
        })
        .collect();
    let ranked = signed_rank_p(&rated).map_err(|e| of("ratings", &e))?;
    Ok(Unblinded {
        question: key.question,
        copies: registration.seal.copies.clone(),
        registration_sha256: registration.sha256.clone(),
        registered_at: registration.registered_at.clone(),
        ties: rated.iter().filter(|s| **s == 0.0).count(),
        signed_rank_p: ranked.filter(|_| graded || sheets.len() > 1),
        steered,
        predictions,
        raters,
        agreement,
        items,
        not_shown: vec![
            "That raters were blind to style: a push that leaves marks in the text can be recognised.".into(),
            "What other people would say; the interval is over items, not over raters.".into(),
            "When the predictions were made: only a hash published in time shows that.".into(),
        ],
    })
}

struct Row {
    item: usize,
    left: String,
    right: String,
    /// How much better the right text is; none where it was left blank.
    choice: Option<f64>,
}

fn rows(sheet: &Filled, key: &Key, place: &HashMap<&str, usize>) -> Result<Vec<Row>, AnalysisError> {
    let refuse = |what: String| {
        AnalysisError::Input(format!("{}, the sheet of `{}`: {what}", sheet.file, sheet.rater))
    };
    let scale = key.scale;
    let mut rows = csv::read(&sheet.csv).map_err(&refuse)?.into_iter();
    let header: Vec<String> =
        rows.next().unwrap_or_default().1.iter().map(|c| c.trim().to_lowercase()).collect();
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
        out.push(Row { item, left: cell(2), right: cell(3), choice });
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
fn choice(cell: &str, scale: Scale) -> Option<Option<f64>> {
    let cell = cell.trim().to_lowercase();
    Some(match (cell.as_str(), scale) {
        ("", _) => None,
        ("left" | "l", Scale::Side) => Some(-1.0),
        ("right" | "r", Scale::Side) => Some(1.0),
        ("tie" | "same", Scale::Side) => Some(0.0),
        (_, Scale::Side) => return None,
        // Spreadsheets may write a minus sign of their own.
        (number, Scale::Strength) => {
            Some(number.replace('\u{2212}', "-").parse::<i8>().ok().filter(|n| n.abs() <= 3)?.into())
        }
    })
}

/// The hash of a cell's text, as it is and as it was before it was tamed or its lines were ended anew.
fn hashes(cell: &str) -> [String; 3] {
    let plain = cell.replace("\r\n", "\n");
    let bare = plain.strip_prefix('\'').unwrap_or(&plain);
    [cell, &plain, bare].map(|t| sha256_hex(t.as_bytes()))
}

fn verdict(strength: f64) -> Verdict {
    if strength > 0.0 {
        Verdict::First
    } else if strength < 0.0 {
        Verdict::Second
    } else {
        Verdict::Abstain
    }
}

/// The sign test; none where nothing is decided.
fn won(strengths: &[f64]) -> Result<Option<Measured>, AnalysisError> {
    let decided = strengths.iter().filter(|s| **s != 0.0).count();
    let won = strengths.iter().filter(|s| **s > 0.0).count();
    if decided == 0 {
        return Ok(None);
    }
    let what = "either text wins equally often, exact binomial (sign test)";
    Ok(Some(stat::share_against(won, decided, 0.5, what)?))
}

fn rater(
    sheet: &Filled,
    strengths: &[f64],
    lefts: usize,
    blank: usize,
) -> Result<RaterResult, AnalysisError> {
    let ties = strengths.iter().filter(|s| **s == 0.0).count();
    let decided = strengths.len() - ties;
    let graded = strengths.iter().any(|s| s.abs() > 1.0);
    Ok(RaterResult {
        rater: sheet.rater.clone(),
        rated: strengths.len(),
        blank,
        ties,
        steered: won(strengths)?,
        left: match decided {
            0 => None,
            n => Some(stat::share_against(lefts, n, 0.5, "either side equally often, exact binomial")?),
        },
        signed_rank_p: signed_rank_p(strengths).map_err(|e| of("ratings", &e))?.filter(|_| graded),
    })
}
