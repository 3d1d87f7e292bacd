//! What a comparison of two ways finds.

use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;

use truenorth_reading::SpeechRecord;
use truenorth_reading::stat::Number;

/// What changes when the same texts go in another way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptFormatComparison {
    /// The site at which both were read.
    pub site: Site,
    /// The way of the study, and the other.
    pub ways: [PromptFormat; 2],
    /// A row an estimator and what is held out.
    pub rows: Vec<EstimatorComparison>,
    /// What the comparison does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// A way to put texts before a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptFormat {
    /// `raw` or `chat`.
    pub name: String,
    /// The tokens that were read, such as `last`.
    pub positions: String,
    /// The template and what goes with it; none where texts go in as they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speech: Option<SpeechRecord>,
    /// Tokens of a text, on average; none where the tokenizer is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mean_tokens: Option<f64>,
}

/// One estimator under one way to hold out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatorComparison {
    /// The name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// `pairs`, `groups of texts`, `axes` or `categories`.
    pub held_out: String,
    /// Held-out AUROC in the study's way and in the other.
    pub auroc: [Number; 2],
    /// The other's less the study's, paired by unit.
    pub less: Number,
    /// Share of held-out pairs in order; pairs only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_order: Option<[Number; 2]>,
    /// The other way's share less the study's, paired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_order_less: Option<Number>,
    /// Cosine of the two ways' directions, fitted to all texts.
    pub cosine: Number,
}

pub(super) const NOT_SHOWN: [&str; 2] = [
    "Which way is right: a model that was trained to chat has seen texts of both makes, and a difference may be of the \
     markup around a text as much as of how the model takes it.",
    "That two ways with no difference found are alike: the interval says how much room there is, and directions of one \
     separation may point elsewhere.",
];

impl PromptFormatComparison {
    /// The two ways by name, told apart by their positions where both go in alike.
    pub(super) fn names(&self) -> [String; 2] {
        let [a, b] = &self.ways;
        if a.name == b.name {
            [a, b].map(|w| format!("{}, {}", w.name, w.positions))
        } else {
            [a, b].map(|w| w.name.clone())
        }
    }
}
