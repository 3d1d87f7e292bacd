//! One blind sheet over all arms, for people; and what they wrote on it.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use truenorth_boards::rate::{BlindPair, BlindSheet, ChoiceScale, RatedRow, prepare};
use truenorth_data::NearCopies;
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;
use truenorth_stats::words::folded;

use super::rating::{ATTENTION, PreferredText, RaterKind, Rating};

/// Values of a scale, as the heads of its columns say them.
const SCALE: &str = "1 to 5";
/// The fewest words of a text that is shuffled for an attention check.
const WORDS: usize = 8;

/// A blind sheet for people, and what was left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeopleSheet {
    /// The sheet, its key and its seal, as `rate` makes and reads them.
    pub blind: BlindSheet,
    /// Pairs that are not on it, because arm and base wrote the same or nothing.
    pub left_out: usize,
    /// Attention checks on it.
    pub checks: usize,
}

/// A pair of an arm's and base's texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPair {
    /// Name of the arm.
    pub arm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// Text of the prompt.
    pub asked: String,
    /// The text of the arm.
    pub text: String,
    /// The text of base.
    pub base: String,
}

/// Makes one sheet over all arms: left, right or tie for every pair, two columns a rubric for scores from 1 to 5, and
/// `checks` pairs of a base text and its own words shuffled, on which raters show that they read.
///
/// # Errors
/// As [`prepare`], and when a rubric is there twice.
pub fn people_sheet(
    pairs: &[TextPair],
    (question, rubrics, checks): (&str, &[String], usize),
    secret: &str,
) -> Result<PeopleSheet, AnalysisError> {
    let empty = |t: &str| t.trim().is_empty();
    let mut items: Vec<BlindPair> = pairs
        .iter()
        .filter(|p| !empty(&p.text) && !empty(&p.base) && folded(&p.text) != folded(&p.base))
        .map(|p| BlindPair {
            id: id(&p.arm, &p.prompt),
            prompt: p.asked.clone(),
            steered: p.text.trim().to_owned(),
            base: p.base.trim().to_owned(),
        })
        .collect();
    let left_out = pairs.len() - items.len();
    // Drawn by the secret: raters who know the texts can't tell which are checks.
    let mut rng = ChaCha8Rng::from_seed(seed(secret));
    let mut bases: Vec<&TextPair> = Vec::new();
    for p in pairs.iter().filter(|p| p.base.split_whitespace().count() >= WORDS) {
        if !bases.iter().any(|b| b.prompt == p.prompt) {
            bases.push(p);
        }
    }
    bases.shuffle(&mut rng);
    let made = bases.len().min(checks);
    for p in bases.into_iter().take(checks) {
        let mut words: Vec<&str> = p.base.split_whitespace().collect();
        words.shuffle(&mut rng);
        items.push(BlindPair {
            id: id(ATTENTION, &p.prompt),
            prompt: p.asked.clone(),
            steered: p.base.trim().to_owned(),
            base: words.join(" "),
        });
    }
    // Pairs of one prompt share base's text, and so are alike by their words whatever the arms wrote: only the same words
    // are one.
    let same = NearCopies::new(1.0)?;
    let mut blind = prepare(&items, question, ChoiceScale::Side, secret, same)?;
    if !rubrics.is_empty() {
        blind.csv = with_scales(&blind.csv, rubrics)?;
        blind.seal.sheet_sha256 = sha256_hex(blind.csv.as_bytes());
    }
    Ok(PeopleSheet { blind, left_out, checks: made })
}

/// The name of a pair, in the key alone.
fn id(arm: &str, prompt: &str) -> String {
    serde_json::to_string(&[arm, prompt]).expect("two texts are JSON")
}

fn seed(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let hash = sha256_hex(format!("attention checks {secret}").as_bytes());
    out.iter_mut().zip(hash.bytes()).for_each(|(to, from)| *to = from);
    out
}

/// The heads of a rubric's two columns.
fn heads(rubric: &str) -> [String; 2] {
    ["left", "right"].map(|side| format!("{side}, {SCALE}: {rubric}"))
}

/// A sheet with two columns a rubric, for numbers.
fn with_scales(csv: &str, rubrics: &[String]) -> Result<String, AnalysisError> {
    let lost = |e: String| AnalysisError::Input(format!("the sheet can't be written: {e}"));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for (i, row) in reader.records().enumerate() {
        let row = row.map_err(|e| lost(e.to_string()))?;
        let more: Vec<String> = rubrics
            .iter()
            .flat_map(|r| if i == 0 { heads(r) } else { [String::new(), String::new()] })
            .collect();
        let all = row.iter().chain(more.iter().map(String::as_str));
        writer.write_record(all).map_err(|e| lost(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| lost(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| lost(e.to_string()))
}

/// What people wrote on a sheet over all arms, as ratings.
///
/// # Errors
/// When an item is not of such a sheet, or a score is no number from 1 to 5.
pub fn opened(rows: &[RatedRow], rubrics: &[String]) -> Result<Vec<Rating>, AnalysisError> {
    let mut out = Vec::new();
    for row in rows {
        let refuse = |what: String| AnalysisError::Input(format!("{}: {what}", row.place));
        let [arm, prompt]: [String; 2] = serde_json::from_str(&row.id)
            .map_err(|_| refuse(format!("its item `{}` is not one of an experiment's sheet", row.id)))?;
        let first = if row.steered_left { PreferredText::Arm } else { PreferredText::Base };
        let rating = Rating {
            rater: row.rater.clone(),
            kind: RaterKind::Person,
            arm,
            prompt,
            first: Some(first),
            choice: None,
            strength: None,
            rubric: None,
            arm_score: None,
            base_score: None,
            place: String::new(),
        };
        if let Some(strength) = row.strength {
            let side = match strength {
                s if s > 0.0 => PreferredText::Arm,
                s if s < 0.0 => PreferredText::Base,
                _ => PreferredText::Tie,
            };
            let strength = Some(strength).filter(|_| row.graded);
            out.push(Rating { choice: Some(side), strength, ..rating.clone() });
        }
        for rubric in rubrics {
            let score = |side: usize| -> Result<Option<f64>, AnalysisError> {
                let head = &heads(rubric)[side];
                let Some(cell) = row.more.get(&head.to_lowercase()) else { return Ok(None) };
                let number = cell.trim().replace(',', ".").parse::<f64>().ok();
                number.filter(|n| (1.0..=5.0).contains(n)).map(Some).ok_or_else(|| {
                    refuse(format!(
                        "`{}` in the column `{head}`; expected a number from {SCALE}",
                        cell.trim()
                    ))
                })
            };
            let (left, right) = (score(0)?, score(1)?);
            let (arm_score, base_score) = if row.steered_left { (left, right) } else { (right, left) };
            if arm_score.is_some() {
                out.push(Rating {
                    first: None,
                    rubric: Some(rubric.clone()),
                    arm_score,
                    base_score,
                    ..rating.clone()
                });
            }
        }
    }
    Ok(out)
}
