//! The tables of a study file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::analyses::{as_text, geometry, judge, monitor, steer, sweep, transfer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::{ReadAt, Site, WriteAt};
use truenorth_stats::estimate::ProjectMethod;

/// Data files, relative to the study file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Data")]
pub struct DataTable {
    /// Contrastive pairs; or else `classes`.
    pub pairs: Option<PathBuf>,
    /// Two classes of texts; or else `pairs`.
    pub classes: Option<PathBuf>,
    /// The label of `classes` at the positive end.
    pub positive: Option<String>,
    /// Value-neutral texts with a sentiment label.
    pub sentiment: Option<PathBuf>,
    /// Neutral prompts, on which the residual norm is measured.
    pub neutral: PathBuf,
    /// What is generated from; the neutral prompts when absent.
    pub prompts: Option<PathBuf>,
    /// Neutral probes.
    pub probes: Option<PathBuf>,
    /// Sequences to score.
    pub sequences: Option<PathBuf>,
    /// Classes files to test probes on, by name; with a positive label of its own as in `F.jsonl:LABEL`.
    #[serde(default)]
    pub tests: BTreeMap<String, PathBuf>,
    /// True and false statements, for the truth direction; with the label of the true ones as in `F.jsonl:LABEL`.
    pub truth: Option<PathBuf>,
    /// Pairs that vary in one confound, by name; `value-flip`, or `value-flip-` and more, holds those that
    /// differ in the value alone.
    #[serde(default)]
    pub confounds: BTreeMap<String, PathBuf>,
}

/// How directions are estimated.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Direction")]
pub struct DirectionTable {
    /// The estimators; the first is the primary one.
    pub estimators: Vec<String>,
    /// Nuisance directions taken out: `length`, `sentiment`.
    #[serde(default)]
    pub project_out: Vec<String>,
    /// How: `pooled`, `within-class` or `leace`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub project_method: ProjectMethod,
}

/// How held-out separation is measured.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HeldOut")]
pub struct HeldOutTable {
    /// Folds of the pair-wise split; the axis-wise split leaves out one axis at a time.
    pub folds: usize,
    /// Label flips of the null; by default 200, and 199 for logistic, each at one penalty.
    pub permutations: Option<usize>,
}

impl Default for HeldOutTable {
    fn default() -> Self {
        Self { folds: 5, permutations: None }
    }
}

/// The one test that decides each question; everything else describes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Primary {
    /// What decides whether the direction reads.
    pub reads: Reads,
    /// What decides whether it steers; when absent the first of `sweep`, `judge` and `experiment` that the study has a
    /// table of.
    pub steers: Option<Steers>,
}

/// A test of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// The first estimator's separation of held-out pairs, or groups of texts.
    #[default]
    Pairs,
    /// Its separation of held-out axes, or categories.
    Axes,
    /// The nested AUROC of `[probing]`.
    Probing,
}

/// A test of steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Steers {
    /// The dose-response of `[sweep]`.
    Sweep,
    /// What the judge of `[judge]` prefers.
    Judge,
    /// The first arm of `[experiment]` that edits.
    Experiment,
}

/// What is expected, written down and sealed with the whole study before anything is read.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Register")]
pub struct StudyRegisterTable {
    /// Whether the direction is expected to read.
    pub reads: Option<bool>,
    /// Whether it is expected to be what it says.
    pub means: Option<bool>,
    /// Whether it is expected to steer.
    pub steers: Option<bool>,
    /// Whether it is expected to hold elsewhere.
    pub holds: Option<bool>,
    /// The hypothesis in words.
    pub hypothesis: String,
}

/// Steered samples.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Steer")]
pub struct SteerTable {
    /// What is done beside adding a dose.
    #[serde(flatten)]
    pub how: steer::How,
    /// Doses in mean residual norms.
    pub alphas: Vec<f64>,
    /// Tokens to generate.
    pub max_new_tokens: u32,
    /// How many of the prompts to steer.
    pub prompts: usize,
    /// Which tokens are steered.
    #[serde(default = "all", with = "as_text")]
    #[schemars(with = "String")]
    pub positions: WriteAt,
    /// Where nothing is done unless it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<WhenTable>,
}

/// A condition: the projection on the direction that the first estimator finds at another site, in one pass with what is
/// steered and so at an earlier site, unless generated tokens alone are steered.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "When")]
pub struct WhenTable {
    /// The site at which the projection is taken.
    #[schemars(with = "String")]
    pub site: Site,
    /// Nothing is done where the projection is not above this, in mean residual norms of that site.
    #[serde(default)]
    pub above: f64,
    /// Whose projection decides: `token` (each token its own), or one of the prompt for all of it and all that is generated:
    /// `last`, `mean`, `mean+sink`, an index such as -3.
    #[serde(default = "by_token", with = "as_text")]
    #[schemars(with = "String")]
    pub by: steer::ByWhat,
}

fn by_token() -> steer::ByWhat {
    steer::WhenThreshold::default().when_by
}

/// Projections token by token on the directions of all estimators, at the study's site.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Monitor")]
pub struct MonitorTable {
    /// How many of the prompts are watched; 8 by default.
    #[serde(default)]
    pub prompts: Option<usize>,
    /// What is generated behind them, and how.
    #[serde(flatten)]
    pub params: monitor::Params,
}

/// Reading against steering.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sweep")]
pub struct SweepTable {
    /// Sites, doses and what is generated.
    #[serde(flatten)]
    pub params: sweep::Params,
    /// The estimator, or several in a list to be held beside each other; the study's first when absent.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many", extend("x-alias" = "estimators"))]
    pub estimator: Vec<String>,
    /// Word lists counted in generations, by name.
    #[serde(default)]
    pub keywords: BTreeMap<String, Keyword>,
}

/// A word list.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keyword {
    /// A phrase a line.
    pub file: PathBuf,
    /// Where its share should move with α: 1 up, -1 down, 0 either.
    #[serde(default, alias = "way")]
    #[schemars(extend("x-alias" = "way"))]
    pub expected: i8,
}

/// The same question of other models.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transfer")]
pub struct TransferTable {
    /// The other models, each with the site its direction lives at.
    pub models: Vec<OtherModel>,
    /// Groups of sequences, and nulls.
    #[serde(flatten)]
    pub params: transfer::Params,
}

/// Another model.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Other")]
pub struct OtherModel {
    /// As `--model`.
    pub model: String,
    /// Where its direction lives.
    #[schemars(with = "String")]
    pub site: Site,
}

/// Directions of categories, and over checkpoints.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Geometry")]
pub struct GeometryTable {
    /// Checkpoints in training order, each as `--model` or as `{model = …, name = …, stage = …}`; the study's model alone
    /// when empty.
    #[serde(default)]
    pub checkpoints: Vec<geometry::Checkpoint>,
    /// Ways to read the last checkpoint's texts, whose directions are laid beside each other: `last`, `mean`, `max`, with
    /// `raw:` or `chat:` before it; with `checkpoints`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<geometry::Protocol>,
    /// A model that every checkpoint's directions are pushed into, and how far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steer_into: Option<geometry::CrossParams>,
    /// Deletes the weights that are fetched from the hub for a checkpoint once its texts are read, so that one is on disk at a
    /// time; what was there before stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete_fetched: bool,
    /// What a model says of the texts that it then writes, beside the count of their words; with `steer_into`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeTable>,
    /// How they are laid beside each other.
    #[serde(flatten)]
    pub params: geometry::Params,
}

/// A model's verdict on steered text.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Judge")]
pub struct JudgeTable {
    /// As `--model`; the study's model when absent.
    pub model: Option<String>,
    /// What is asked of each steered text: `refusal`, `incoherence`.
    pub questions: Vec<String>,
    /// How it is asked.
    #[serde(flatten)]
    pub params: judge::Params,
}

/// The schema of a name, or a list of them.
fn one_or_many(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
}

impl Default for SteerTable {
    /// No doses, no tokens and no prompts, each of which must be given.
    fn default() -> Self {
        Self {
            how: steer::How::default(),
            alphas: vec![],
            max_new_tokens: 0,
            prompts: 0,
            positions: WriteAt::All,
            when: None,
        }
    }
}

pub(super) fn last() -> ReadAt {
    ReadAt::Last
}

pub(super) fn near_copies() -> f64 {
    truenorth_data::NearCopies::default().threshold()
}

pub(super) fn template() -> String {
    "{prompt} {response}".into()
}

fn all() -> WriteAt {
    WriteAt::All
}
