//! The study file: what is asked, of which model, with which data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use truenorth_protocol::{ReadAt, Site, WriteAt};

use super::super::output::{Request as _, wrong_hint};

/// A study as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Names the folder of results, `runs/NAME`.
    pub name: String,
    /// The report's title.
    pub title: String,
    /// As `--model`.
    pub model: String,
    /// Seeds splits, resampling and permutations.
    #[serde(default)]
    pub seed: u64,
    /// Where the direction lives.
    pub site: Site,
    /// Which tokens are read: `last` or `mean`, or an index.
    #[serde(default = "last", with = "positions")]
    pub positions: ReadAt,
    /// How prompt and response become one text.
    #[serde(default = "template")]
    pub template: String,
    /// The data files.
    pub data: Data,
    /// The estimators.
    pub direction: Direction,
    /// Held-out separation.
    #[serde(default)]
    pub held_out: HeldOut,
    /// The board; left out when absent.
    pub score: Option<Score>,
    /// Steered samples; left out when absent.
    pub steer: Option<Steer>,
}

/// Data files, relative to the study file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Contrastive pairs.
    pub pairs: PathBuf,
    /// Value-neutral texts with a sentiment label.
    pub sentiment: Option<PathBuf>,
    /// Neutral prompts, on which the residual norm is measured.
    pub neutral: PathBuf,
    /// Neutral probes.
    pub probes: Option<PathBuf>,
    /// Sequences to score.
    pub sequences: Option<PathBuf>,
}

/// How directions are estimated.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// The estimators; the first is the primary one.
    pub estimators: Vec<String>,
    /// Nuisance directions taken out: `length`, `sentiment`.
    #[serde(default)]
    pub project_out: Vec<String>,
}

/// How held-out separation is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeldOut {
    /// Folds of the pair-wise split; the axis-wise split leaves out one axis at a time.
    pub folds: usize,
    /// Label flips of the null; by default 200, and 39 for logistic.
    pub permutations: Option<usize>,
}

impl Default for HeldOut {
    fn default() -> Self {
        Self { folds: 5, permutations: None }
    }
}

/// The board.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// What stands between sequence and probe.
    #[serde(default = "space")]
    pub join: String,
    /// Two kinds of sequences, the first expected to score higher.
    pub contrast: Option<[String; 2]>,
}

/// Steered samples.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Steer {
    /// Doses in mean residual norms.
    pub alphas: Vec<f64>,
    /// Tokens to generate.
    pub max_new_tokens: u32,
    /// How many of the neutral prompts to steer.
    pub prompts: usize,
    /// Which tokens are steered.
    #[serde(default = "all", with = "write_positions")]
    pub positions: WriteAt,
}

fn last() -> ReadAt {
    ReadAt::Last
}

fn all() -> WriteAt {
    WriteAt::All
}

fn template() -> String {
    "{prompt} {response}".into()
}

fn space() -> String {
    " ".into()
}

/// Positions by the names that flags use.
macro_rules! by_name {
    ($module:ident, $type:ty) => {
        mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            pub fn serialize<S: Serializer>(value: &$type, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(value)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<$type, D::Error> {
                String::deserialize(d)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

by_name!(positions, truenorth_protocol::ReadAt);
by_name!(write_positions, truenorth_protocol::WriteAt);

impl StudyFile {
    /// Reads and checks a study file; data paths become relative to the working folder.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).request(format!("can't read the study {}", path.display()))?;
        let mut study: Self =
            toml::from_str(&text).request(format!("can't read the study {}", path.display()))?;
        study.check()?;
        let base = path.parent().unwrap_or(Path::new(""));
        let data = &mut study.data;
        let optional = [&mut data.sentiment, &mut data.probes, &mut data.sequences];
        for file in optional.into_iter().flatten().chain([&mut data.pairs, &mut data.neutral]) {
            *file = base.join(&*file);
        }
        Ok(study)
    }

    /// Where the results go.
    pub fn folder(&self) -> PathBuf {
        Path::new("runs").join(&self.name)
    }

    fn check(&self) -> anyhow::Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return Err(wrong_hint(
                format!("study name {:?} can't name a folder", self.name),
                "use letters, digits, - and _",
            ));
        }
        if self.positions == ReadAt::All {
            return Err(wrong_hint(
                "positions `all` gives a row a token, a direction needs a row a text",
                "use last, mean or an index",
            ));
        }
        if self.direction.estimators.is_empty() {
            return Err(wrong_hint("no estimators", "name at least one of logistic, mean-diff, lda, pca"));
        }
        let wants_sentiment = self.direction.project_out.iter().any(|p| p == "sentiment");
        if wants_sentiment && self.data.sentiment.is_none() {
            return Err(wrong_hint(
                "project_out names sentiment, but data.sentiment is missing",
                "name the file",
            ));
        }
        if self.score.is_some() && (self.data.probes.is_none() || self.data.sequences.is_none()) {
            return Err(wrong_hint("[score] needs data.probes and data.sequences", "name the files"));
        }
        Ok(())
    }
}
