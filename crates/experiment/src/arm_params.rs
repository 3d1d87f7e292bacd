//! An arm as a file describes it: the words of `steer`, a prefix, a system turn, another model.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use truenorth_analyses::steer::{ByWhat, Clamp, How, Unit, WhenThreshold};
use truenorth_protocol::WriteAt;
use truenorth_reading::{AnalysisError, SiteRange, as_text};

use super::arms::{Arm, ArmKind};
use super::params::ExpectedSign;

/// What is done under an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArmParams {
    /// What results call it; no other arm has the name.
    pub name: String,
    /// Words before every prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A system turn; with a chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Another model, as `--model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Files of directions, one or a list, as `steer --direction`; in a study its own direction where an arm edits and
    /// names none.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "one_or_many_schema")]
    pub direction: Vec<PathBuf>,
    /// How much of the dose each direction gets, in their order; default 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coefficient: Vec<f64>,
    /// Sites to use the direction at in place of its own, as `resid_post.4..28:4`, or `everywhere`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The dose, in `alpha_unit`; none adds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// What the dose is measured in: `norm`, `absolute` or `raw`.
    pub alpha_unit: Unit,
    /// Which tokens are steered.
    #[serde(with = "as_text")]
    #[schemars(with = "String")]
    pub positions: WriteAt,
    /// Ablates the direction before anything is added.
    pub ablate: bool,
    /// Brings the projection into a range `LO..HI`, in units of α, or `neutral`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub clamp: Option<Clamp>,
    /// α shrinks by this factor with each generated token after the first.
    pub decay: f64,
    /// Factors of α by forward pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<f64>,
    /// A direction that decides: nothing is done where the projection on it is not above `when_above`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<PathBuf>,
    /// The projection above which the edit is made, in units of α.
    pub when_above: f64,
    /// What decides: `token`, or where the prompt is read.
    #[serde(with = "as_text")]
    #[schemars(with = "String")]
    pub when_by: ByWhat,
    /// Where it should move the primary outcome: `up`, `down` or `either`.
    #[serde(alias = "way")]
    #[schemars(extend("x-alias" = "way"))]
    pub expected: ExpectedSign,
    /// Why it was withdrawn; it is named, and nothing of it is asked or told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

impl Default for ArmParams {
    /// Nothing is done: an arm that was written elsewhere.
    fn default() -> Self {
        let (how, threshold) = (How::default(), WhenThreshold::default());
        Self {
            name: String::new(),
            prefix: None,
            system: None,
            model: None,
            direction: vec![],
            coefficient: vec![],
            at: None,
            alpha: None,
            alpha_unit: Unit::default(),
            positions: WriteAt::All,
            ablate: how.ablate,
            clamp: how.clamp,
            decay: how.decay,
            schedule: how.schedule,
            when: None,
            when_above: threshold.when_above,
            when_by: threshold.when_by,
            expected: ExpectedSign::default(),
            withdrawn: None,
        }
    }
}

/// A path, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a path or a list of paths")]
enum PathOrPaths {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

fn one_or_many<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(match PathOrPaths::deserialize(d)? {
        PathOrPaths::One(path) => vec![path],
        PathOrPaths::Many(paths) => paths,
    })
}

fn one_or_many_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
}

impl ArmParams {
    /// What is done beside adding a dose.
    #[must_use]
    pub fn how(&self) -> How {
        How { ablate: self.ablate, clamp: self.clamp, decay: self.decay, schedule: self.schedule.clone() }
    }

    /// The threshold of its condition, and what decides.
    #[must_use]
    pub fn threshold(&self) -> WhenThreshold {
        WhenThreshold { when_above: self.when_above, when_by: self.when_by }
    }

    /// Whether it does something to the residual stream.
    #[must_use]
    pub fn edits(&self) -> bool {
        !self.direction.is_empty()
            || self.alpha.is_some_and(|a| a != 0.0)
            || self.ablate
            || self.clamp.is_some()
    }

    /// The arm as results name it, with what it does in words.
    #[must_use]
    pub fn arm(&self) -> Arm {
        let (mut kinds, mut says) = (Vec::new(), Vec::new());
        if let Some(model) = &self.model {
            kinds.push(ArmKind::Model);
            says.push(format!("model {model}"));
        }
        if let Some(prefix) = &self.prefix {
            kinds.push(ArmKind::Prefix);
            says.push(format!("“{}” before the prompt", prefix.trim()));
        }
        if let Some(system) = &self.system {
            kinds.push(ArmKind::System);
            says.push(format!("system turn “{}”", system.trim()));
        }
        if self.edits() {
            kinds.push(ArmKind::Edit);
            says.push(self.edit());
        }
        Arm {
            name: self.name.clone(),
            // An edit among other things is held against placebos.
            kind: match kinds[..] {
                [] => ArmKind::Other,
                _ if kinds.contains(&ArmKind::Edit) => ArmKind::Edit,
                [first, ..] => first,
            },
            says: if says.is_empty() { "made elsewhere".into() } else { says.join("; ") },
            prefix: self.prefix.clone().or_else(|| self.system.clone()),
            expected: self.expected,
            withdrawn: self.withdrawn.clone(),
        }
    }

    fn edit(&self) -> String {
        let name = |p: &PathBuf| {
            p.file_name().map_or_else(|| p.display().to_string(), |n| n.to_string_lossy().into())
        };
        let files: Vec<String> = self.direction.iter().map(name).collect();
        let along = if files.is_empty() { "the study's direction".to_owned() } else { files.join(" and ") };
        let mut parts = Vec::new();
        if self.ablate {
            parts.push(format!("{along} ablated"));
        }
        if let Some(alpha) = self.alpha.filter(|a| *a != 0.0) {
            parts.push(format!("{alpha} {} along {along}", self.alpha_unit.name()));
        }
        if let Some(clamp) = self.clamp {
            parts.push(format!("{along} clamped to {clamp}"));
        }
        let mut said = parts.join(", ");
        if let Some(at) = &self.at {
            said += &format!(" at {at}");
        }
        if let Some(when) = &self.when {
            said += &format!(" where {} is above {}", name(when), self.when_above);
        }
        if self.positions != WriteAt::All {
            said += &format!(", at {} tokens", self.positions);
        }
        said
    }

    /// Refuses what no model could do.
    ///
    /// # Errors
    /// When it has no name, a number is none, or things do not go together.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |what: String| Err(AnalysisError::Input(what));
        if self.name.trim().is_empty() {
            return refuse("an arm has no name; give `name` to every table of arms".into());
        }
        let arm = |what: String| Err(AnalysisError::Input(format!("arm `{}`: {what}", self.name)));
        if self.name == "base" {
            return arm("base is there by itself; call this one otherwise".into());
        }
        self.how().check()?;
        self.threshold().check()?;
        let numbers = self.alpha.iter().chain(&self.coefficient);
        if let Some(bad) = numbers.clone().find(|v| !v.is_finite()) {
            return arm(format!("{bad} is no finite number"));
        }
        if !self.coefficient.is_empty() && self.coefficient.len() != self.direction.len() {
            return arm(format!(
                "coefficient has {} numbers for {} directions",
                self.coefficient.len(),
                self.direction.len()
            ));
        }
        if !self.direction.is_empty() && self.alpha.is_none() && !self.ablate && self.clamp.is_none() {
            return arm("it names a direction and does nothing with it; give alpha, ablate or clamp".into());
        }
        if let Some(at) = self.at.as_ref().filter(|at| *at != "everywhere") {
            at.parse::<SiteRange>().map_err(|e| AnalysisError::Input(format!("arm `{}`: {e}", self.name)))?;
        }
        if self.when.is_none() && self.threshold() != WhenThreshold::default() {
            return arm(
                "when_above and when_by are of a condition, and there is none: name its direction with when"
                    .into(),
            );
        }
        if self.model.is_some() && self.edits() {
            return arm(
                "an edit of another model has no base of its own here; make it an experiment of that model"
                    .into(),
            );
        }
        for (key, text) in [("prefix", &self.prefix), ("system", &self.system)] {
            if text.as_ref().is_some_and(|t| t.trim().is_empty()) {
                return arm(format!("its {key} is empty; leave it out"));
            }
        }
        Ok(())
    }
}
