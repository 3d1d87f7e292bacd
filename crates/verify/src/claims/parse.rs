//! Claims as people write them, and as programs do.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ClaimsError;

/// A claim that was read and not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its line, from 1.
    pub line: usize,
    /// As written.
    pub text: String,
    /// The file that it names; none where it names none.
    pub file: Option<PathBuf>,
    /// What it says of the file's numbers.
    pub what: ClaimKind,
}

/// What a claim says of a file's numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimKind {
    /// The value at a JSON pointer.
    At {
        /// The JSON pointer.
        pointer: String,
        /// The value that is claimed.
        value: Value,
        /// The same as a number with its digits, if it is one.
        number: Option<Claimed>,
    },
    /// A number by its names.
    Named {
        /// The words that name the number.
        words: Vec<String>,
        /// The number that is claimed.
        number: Claimed,
    },
}

/// A number as claimed: with as many digits as were written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claimed {
    /// How the number of the file stands to it.
    pub relation: Relation,
    /// As written; a percentage is in percent.
    pub value: f64,
    /// What the last digit written counts.
    pub unit: f64,
    /// Whether it is in percent.
    pub percent: bool,
}

/// How a number stands to the one that is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It rounds to it.
    Is,
    /// It is smaller.
    Below,
    /// It is not larger.
    AtMost,
    /// It is larger.
    Above,
    /// It is not smaller.
    AtLeast,
}

/// What stands between names and number; the longer first, of those that end alike.
const RELATIONS: [(&str, Relation); 29] = [
    ("is less than", Relation::Below),
    ("less than", Relation::Below),
    ("is smaller than", Relation::Below),
    ("is below", Relation::Below),
    ("below", Relation::Below),
    ("is under", Relation::Below),
    ("is at most", Relation::AtMost),
    ("at most", Relation::AtMost),
    ("is at least", Relation::AtLeast),
    ("at least", Relation::AtLeast),
    ("is greater than", Relation::Above),
    ("is more than", Relation::Above),
    ("more than", Relation::Above),
    ("is larger than", Relation::Above),
    ("is above", Relation::Above),
    ("above", Relation::Above),
    ("is over", Relation::Above),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("≤", Relation::AtMost),
    ("≥", Relation::AtLeast),
    ("<", Relation::Below),
    (">", Relation::Above),
    ("equals", Relation::Is),
    ("was", Relation::Is),
    ("are", Relation::Is),
    ("is", Relation::Is),
    ("=", Relation::Is),
    (":", Relation::Is),
];

/// Reads claims, one a line; blank lines and lines that begin with `#` are none. `name` is the file's, for messages.
///
/// # Errors
/// With the first line that is no claim, or when there is none.
pub fn parse(text: &str, name: &str) -> Result<Vec<Claim>, ClaimsError> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let written = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let claims: Vec<Claim> = written
        .map(|(line, text)| {
            let claim = if text.starts_with('{') { pointed(text) } else { worded(text) };
            let (file, what) = claim.map_err(|why| ClaimsError::Line {
                file: name.to_owned(),
                line,
                why,
                text: text.to_owned(),
            })?;
            Ok(Claim { line, text: text.to_owned(), file, what })
        })
        .collect::<Result<_, ClaimsError>>()?;
    if claims.is_empty() {
        return Err(ClaimsError::Empty(name.to_owned()));
    }
    Ok(claims)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointed<'a> {
    file: Option<PathBuf>,
    pointer: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn pointed(text: &str) -> Result<(Option<PathBuf>, ClaimKind), String> {
    let claim: Pointed<'_> =
        serde_json::from_str(text).map_err(|e| format!("it is no claim in JSON ({e})"))?;
    if !claim.pointer.is_empty() && !claim.pointer.starts_with('/') {
        return Err(format!("the pointer {:?} does not begin with /", claim.pointer));
    }
    let value: Value = serde_json::from_str(claim.value.get()).map_err(|e| e.to_string())?;
    // The digits as written: 0.60 claims more than 0.6.
    let number = match &value {
        Value::Number(_) => number(claim.value.get()),
        Value::String(text) => number(text),
        _ => None,
    };
    Ok((claim.file, ClaimKind::At { pointer: claim.pointer, value, number }))
}

fn worded(text: &str) -> Result<(Option<PathBuf>, ClaimKind), String> {
    let (said, file) = match text.rsplit_once(" in ") {
        Some((said, file)) if is_file(file) => (said, Some(PathBuf::from(plain(file)))),
        _ => (text, None),
    };
    let said = said.trim().trim_end_matches(['.', ';']).trim_end();
    // From the right: what reads as a number, and before it what relates it to names.
    let boundary = |i: usize| {
        let before = said[..i].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "=:<>≤≥".contains(c))
    };
    let starts = said.char_indices().map(|(i, _)| i).filter(|i| boundary(*i));
    let found = starts
        .filter_map(|i| Some((i, number(said.get(i..)?)?)))
        .find(|(i, _)| !said[*i..].starts_with(char::is_whitespace));
    let (start, number) = found.ok_or("it ends in no number")?;
    let before = said[..start].trim_end();
    let lower = before.to_lowercase();
    let related = |(word, _): &&(&str, Relation)| {
        let worded = word.starts_with(|c: char| c.is_alphabetic());
        // `axis 3` has no `is` in it.
        lower
            .strip_suffix(*word)
            .is_some_and(|rest| !worded || rest.ends_with(char::is_whitespace) || rest.is_empty())
    };
    let (word, relation) = RELATIONS.iter().find(related).ok_or("no `is` or `=` stands before its number")?;
    let mut name = before.get(..before.len().saturating_sub(word.len())).unwrap_or_default().trim_end();
    if let Some((rest, last)) = name.rsplit_once(' ').filter(|_| *relation != Relation::Is)
        && last == "is"
    {
        name = rest;
    }
    let words = words(name);
    if words.is_empty() {
        return Err("it names nothing before its number".into());
    }
    Ok((file, ClaimKind::Named { words, number: Claimed { relation: *relation, ..number } }))
}

/// A file's name without what a sentence puts around it.
fn plain(file: &str) -> &str {
    file.trim().trim_end_matches(['.', ';', ',']).trim_matches(['`', '"', '\''])
}

/// Whether the words after `in` name a file.
fn is_file(text: &str) -> bool {
    let name = plain(text);
    [".json", ".jsonl", ".safetensors"].iter().any(|end| name.ends_with(end)) || PathBuf::from(name).is_file()
}

/// The words of a name as they are compared: small letters and digits, without what only joins them, in the
/// singular.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    const JOIN: [&str; 16] = [
        "the", "a", "an", "of", "in", "at", "for", "on", "with", "to", "and", "by", "over", "its", "is", "s",
    ];
    let lower = name.to_lowercase();
    let split = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty() && !JOIN.contains(w));
    let singular = |word: &str| match word.strip_suffix('s') {
        Some(stem) if stem.chars().count() > 2 && !stem.ends_with(['s', 'i', 'u']) => stem.to_owned(),
        _ => match word {
            "lower" => "low".into(),
            "upper" => "high".into(),
            _ => word.to_owned(),
        },
    };
    split.map(singular).collect()
}

/// A number with its digits, as people and programs write one: with a true minus sign, groups of three, a percent sign.
fn number(text: &str) -> Option<Claimed> {
    let text = text.trim();
    let (text, percent) = match text.strip_suffix('%').or_else(|| text.strip_suffix("percent")) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let text = text.replace('\u{2212}', "-").replace(['\u{202f}', '\u{2009}', '\u{a0}'], "");
    let body = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (body, 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = match whole.contains(',') {
        true => grouped(whole)?,
        false => whole.to_owned(),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(&whole)
        || !digits(decimals)
        || (whole.is_empty() && decimals.is_empty())
        || exponent.abs() > 300
    {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let value: f64 = format!("{sign}0{whole}.{decimals}0e{exponent}").parse().ok()?;
    let last = exponent - i32::try_from(decimals.len()).ok()?;
    let claimed = Claimed { relation: Relation::Is, value, unit: 10_f64.powi(last), percent };
    value.is_finite().then_some(claimed)
}

/// Digits without the commas between groups of three.
fn grouped(whole: &str) -> Option<String> {
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let right = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    right.then(|| whole.replace(',', ""))
}

impl Claimed {
    /// Whether a number of a file agrees.
    #[must_use]
    pub fn agrees(&self, number: f64) -> bool {
        let number = if self.percent { 100.0 * number } else { number };
        // A tie may have been rounded either way.
        let slack = 1e-9 * self.value.abs().max(self.unit);
        match self.relation {
            // One digit before the point rounds too much to say anything of a fraction: 1 is not 0.56.
            Relation::Is if self.unit >= 1.0 && self.value.abs() < 10.0 * self.unit => {
                (number - self.value).abs() <= slack
            }
            Relation::Is => (number - self.value).abs() <= 0.5 * self.unit + slack,
            Relation::Below => number < self.value,
            Relation::AtMost => number <= self.value + slack,
            Relation::Above => number > self.value,
            Relation::AtLeast => number >= self.value - slack,
        }
    }

    /// How far a number of a file is from it.
    #[must_use]
    pub fn distance(&self, number: f64) -> f64 {
        (if self.percent { 100.0 * number } else { number } - self.value).abs()
    }
}
