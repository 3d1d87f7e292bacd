//! What a model does with the directions of another's checkpoints.

use serde::Serialize;
use truenorth_reading::SpeechRecord;
use truenorth_reading::stat::{LEVEL, Number};

use super::{CrossParams, ENOUGH};

/// What the model wrote when pushed by one λ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossPoint {
    /// Multiples of the checkpoint's own difference of class means.
    pub lambda: f64,
    /// The size of the push in mean residual norms of the model that is pushed.
    pub norms: f64,
    /// The share of texts whose opening holds a refusing phrase, beside the random directions at this λ.
    pub refusal: Number,
    /// The share of texts that are empty or repeat themselves, beside the random directions at this λ.
    pub incoherence: Number,
}

/// A checkpoint's direction in the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossCourse {
    /// The checkpoint that the direction is of.
    pub checkpoint: String,
    /// The category that the direction is of.
    pub category: String,
    /// The length of the difference of class means, in the checkpoint's own units.
    pub size: f64,
    /// A row a λ.
    pub points: Vec<CrossPoint>,
    /// How much the share of refusals grows with λ: the mean slope of the prompts, beside those of the random directions.
    pub slope: Number,
}

/// A text of the pushed model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossSample {
    /// The checkpoint that the direction is of.
    pub checkpoint: String,
    /// The category that the direction is of.
    pub category: String,
    /// λ, in multiples of the checkpoint's own difference of class means.
    pub lambda: f64,
    /// Name of the prompt.
    pub id: String,
    /// What the model wrote.
    pub text: String,
    /// Whether it refuses, by its words.
    pub refused: bool,
    /// Whether it is empty or repeats itself.
    pub incoherent: bool,
}

/// Directions of every checkpoint in one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossSteering {
    /// Name of the model that was pushed.
    pub model: String,
    /// The site at which it was pushed.
    pub site: String,
    /// How the prompts were put before it; none where as the texts of the checkpoints were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech: Option<SpeechRecord>,
    /// Prompts that were written on from.
    pub prompts: usize,
    /// Its mean residual norm at the last token of the prompts.
    pub residual_norm: f64,
    /// Random directions beside each.
    pub random_directions: usize,
    /// A checkpoint and category each.
    pub courses: Vec<CrossCourse>,
    /// What was written along the checkpoints' own directions.
    pub samples: Vec<CrossSample>,
    /// What the pushes do not show, a sentence each.
    pub not_shown: Vec<String>,
}

pub(super) fn not_shown(params: &CrossParams) -> Vec<String> {
    let mut out = vec![
        "Whether a text refuses or makes sense is counted by its words: a refusing phrase in its opening; no text, or \
         fewer than half of its pairs of tokens different. A judge may find otherwise."
            .to_owned(),
        "That a direction of one checkpoint is the same feature in the model it is pushed into: it moves it, or does \
         not."
            .to_owned(),
        format!("p of each λ and checkpoint stands alone, at {:.0} % and unadjusted for their number.", 100.0 * (1.0 - LEVEL)),
    ];
    if params.random_directions < ENOUGH {
        out.push(format!(
            "Any p: {} random directions were pushed (--random-directions); it takes {ENOUGH}.",
            params.random_directions
        ));
    }
    out
}
