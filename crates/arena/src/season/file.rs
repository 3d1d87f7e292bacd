//! The file that a season is made of.

use std::path::Path;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::ArenaError;
use truenorth_boards::board::Over;
use truenorth_reading::{ChatChoice, SpecialTokens, Speech};

/// What the file is called in the season's folder.
pub(super) const NAME: &str = "season.toml";

/// A season as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeasonFile {
    /// Its name, which is that of its folder: lower-case letters, digits and hyphens.
    pub name: String,
    /// Heading of its pages.
    pub title: String,
    /// A paragraph about the season; may be empty.
    #[serde(default)]
    pub about: String,
    /// What the high end of the direction is named.
    #[serde(default = "high")]
    pub high: String,
    /// What the low end of the direction is named.
    #[serde(default = "low")]
    pub low: String,
    /// Kinds that a submission may say it is of; empty for none.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// The model that submissions are scored by.
    pub model: SeasonModel,
    /// Directions, probes and how scores are made.
    pub scoring: Scoring,
    /// The limits of what is taken, of one client and of all.
    #[serde(default)]
    pub rules: Rules,
    /// The text that whoever submits agrees to.
    pub consent: Consent,
}

/// The model of a season, and how texts are put before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeasonModel {
    /// The model, as `--model` takes it.
    pub name: String,
    /// The revision that it must have; else the one that it has when the season is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether texts go in by the model's chat template, or by one of a name.
    #[serde(default, skip_serializing_if = "ChatChoice::is_raw")]
    pub chat: ChatChoice,
    /// A system turn before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The special tokens around a text.
    #[serde(default, skip_serializing_if = "SpecialTokens::is_auto")]
    pub special_tokens: SpecialTokens,
}

impl SeasonModel {
    /// How texts are put before the model.
    #[must_use]
    pub fn speech(&self) -> Speech {
        Speech { chat: self.chat.clone(), system: self.system.clone(), special_tokens: self.special_tokens }
    }
}

/// The directions and probes of a season, and how scores are made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    /// Files of directions, of one site or a band, beside the season's file. The first makes the board, the second
    /// `score_alt`.
    pub directions: Vec<String>,
    /// File of neutral probes, beside the season's file.
    pub probes: String,
    /// What stands between a submission and a probe.
    #[serde(default = "space")]
    pub join: String,
    /// How the scores of a band become one: `mean` or `worst`.
    #[serde(default)]
    pub over: Over,
    /// What `audit` said of the direction, a file that its limitations are told from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
}

/// The limits of what is taken, of one client and of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Tokens of a submission at most, by the model's own tokenizer.
    pub tokens: usize,
    /// Characters of a submission at most.
    pub characters: usize,
    /// Regular expression that a whole handle must match.
    pub handle: String,
    /// Submissions of one client a minute.
    pub per_minute: u64,
    /// Submissions of one client a day.
    pub per_day: u64,
    /// And in all.
    pub per_client: u64,
    /// Submissions of all clients a day.
    pub season_per_day: u64,
    /// And in all.
    pub season: u64,
    /// Submissions that may wait at a time.
    pub queue: u64,
    /// Jaccard similarity of word sets from which a text is a near copy of an earlier one.
    pub near: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tokens: 32,
            characters: 280,
            handle: "[A-Za-z0-9][A-Za-z0-9_.-]{1,23}".into(),
            per_minute: 6,
            per_day: 60,
            per_client: 300,
            season_per_day: 5_000,
            season: 50_000,
            queue: 500,
            near: 0.8,
        }
    }
}

/// The consent text, with its version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Of the text; every entry records it.
    pub version: String,
    /// What is agreed to, as pages show it.
    pub text: String,
}

fn high() -> String {
    "along the direction".into()
}

fn low() -> String {
    "against it".into()
}

fn space() -> String {
    " ".into()
}

/// Whether a season may be called so.
pub(super) fn good_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('-')
}

impl SeasonFile {
    /// Reads and checks a season's file.
    ///
    /// # Errors
    /// When it can't be read, is no season, or says what can't be; the key is named.
    pub fn load(path: &Path) -> Result<Self, ArenaError> {
        let text = std::fs::read_to_string(path).map_err(ArenaError::file("read", path))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads and checks a season's text.
    ///
    /// # Errors
    /// As [`SeasonFile::load`].
    pub fn parse(text: &str, name: &str) -> Result<Self, ArenaError> {
        let season: Self = toml::from_str(text).map_err(|e| {
            ArenaError::asked(
                format!("{name} is no season: {}", e.to_string().trim_end()),
                "correct the key; `truenorth arena season new --help` shows a whole file",
            )
        })?;
        season.check(name)?;
        Ok(season)
    }

    fn check(&self, file: &str) -> Result<(), ArenaError> {
        let wrong = |what: String, remedy: &str| Err(ArenaError::asked(format!("{file}: {what}"), remedy));
        if !good_name(&self.name) {
            return wrong(
                format!("name = {:?} is no name of a season", self.name),
                "use 1 to 40 lower-case letters, digits and hyphens, such as values-1",
            );
        }
        let blank = |what: &str, text: &str| text.trim().is_empty().then(|| what.to_owned());
        let empty = blank("title", &self.title)
            .or_else(|| blank("model.name", &self.model.name))
            .or_else(|| blank("consent.version", &self.consent.version))
            .or_else(|| blank("consent.text", &self.consent.text));
        if let Some(key) = empty {
            return wrong(format!("{key} is empty"), "say it; pages show it");
        }
        if !(1..=2).contains(&self.scoring.directions.len()) {
            return wrong(
                format!("scoring.directions names {} files", self.scoring.directions.len()),
                "name one, whose scores make the board, or two, whose second gives score_alt",
            );
        }
        if let Some(kind) = self.kinds.iter().find(|k| k.trim().is_empty() || k.len() > 40) {
            return wrong(format!("kinds has {kind:?}"), "use names of 1 to 40 bytes");
        }
        let rules = &self.rules;
        if let Err(e) = handle_pattern(&rules.handle) {
            return wrong(
                format!("rules.handle = {:?} is no pattern: {e}", rules.handle),
                "use a regular expression such as [A-Za-z0-9_-]{2,24}",
            );
        }
        if !(rules.near > 0.0 && rules.near <= 1.0) {
            return wrong(
                format!("rules.near = {}", rules.near),
                "use a number above 0 and up to 1; 0.8 is usual",
            );
        }
        let none = [
            ("tokens", rules.tokens as u64),
            ("characters", rules.characters as u64),
            ("per_minute", rules.per_minute),
            ("per_day", rules.per_day),
            ("per_client", rules.per_client),
            ("season_per_day", rules.season_per_day),
            ("season", rules.season),
            ("queue", rules.queue),
        ];
        match none.iter().find(|(_, n)| *n == 0) {
            Some((key, _)) => wrong(
                format!("rules.{key} = 0 lets nobody submit"),
                "use 1 or more; `truenorth arena season close` ends a season",
            ),
            None => Ok(()),
        }
    }
}

/// The pattern that a handle must match as a whole.
pub(crate) fn handle_pattern(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}
