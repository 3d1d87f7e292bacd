//! What is done under each arm.

use serde::{Deserialize, Serialize};

use super::params::ExpectedSign;

/// The kind of change that an arm makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmKind {
    /// Nothing: what all others are held against.
    Base,
    /// Words before the prompt.
    Prefix,
    /// A system turn.
    System,
    /// The residual stream, at one site or several.
    Edit,
    /// The model that writes.
    Model,
    /// Something that is not known here.
    Other,
}

impl ArmKind {
    /// The words that reports print, such as `system prompt`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Prefix => "prefix",
            Self::System => "system prompt",
            Self::Edit => "edit",
            Self::Model => "other model",
            Self::Other => "made elsewhere",
        }
    }
}

/// An arm, as results name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Name in results.
    pub name: String,
    /// The kind of change that it makes.
    pub kind: ArmKind,
    /// What is done under it, in words.
    pub says: String,
    /// Words that stand before every prompt, or in the system turn; what echoes them is flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Where it should move the outcome.
    #[serde(default, alias = "way")]
    pub expected: ExpectedSign,
    /// Why it was withdrawn: it is named, and no number of it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

impl Arm {
    /// The arm that changes nothing, which all others are held against.
    #[must_use]
    pub fn base() -> Self {
        Self {
            name: "base".into(),
            kind: ArmKind::Base,
            says: "nothing".into(),
            prefix: None,
            expected: ExpectedSign::Either,
            withdrawn: None,
        }
    }
}

/// What an edit does to the model, measured on the prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EditEffect {
    /// How far it moves the next token from base's, in nats.
    pub kl: f64,
    /// Mean angle in degrees by which it turns the residual at the site where it turns it most.
    pub angle: Option<f64>,
    /// The same angle for each placebo, in degrees.
    pub placebo_angles: Vec<f64>,
}
