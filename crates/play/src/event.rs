//! What a run tells, as it goes on: the events of a stream, and together the whole answer.

use serde::Serialize;
use truenorth_analyses::steer::{Damage, Steered};

use crate::refused::PlayRefusal;

/// One of the two texts that stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlainOrSteered {
    /// What the model writes without the dose.
    Plain,
    /// What the model writes under the dose.
    Steered,
}

/// What a run tells while it goes on, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// So many are before it.
    Queued {
        /// Runs before it.
        place: usize,
    },
    /// It has the model; the prompt as it goes in.
    Started {
        /// Its tokens; none where they are made elsewhere.
        prompt: Vec<ShownToken>,
    },
    /// A token was drawn. A text that comes whole has none of these.
    Token {
        /// The text that it belongs to.
        side: PlainOrSteered,
        /// The token with its text.
        #[serde(flatten)]
        token: ShownToken,
    },
    /// A text is done.
    Written {
        /// The text that is done.
        side: PlainOrSteered,
        /// The text with its numbers, as `steer` writes it.
        #[serde(flatten)]
        row: Box<Steered>,
        /// The tokens of the text, as they are shown.
        pieces: Vec<ShownToken>,
        /// All of it as it is shown, where tokens have no text here.
        #[serde(skip_serializing_if = "Option::is_none")]
        whole: Option<String>,
    },
    /// The projections of both texts, token by token.
    Colours(Colours),
    /// What each dose breaks on this prompt.
    Doses {
        /// A row a dose, in ascending order.
        doses: Vec<Dosed>,
    },
    /// How it goes on, such as a new place in a service's queue.
    Says {
        /// The line, for people.
        text: String,
    },
    /// Something makes what is shown other than it looks, or keeps it from being shown.
    Warns {
        /// What is wrong with it, for people.
        text: String,
    },
    /// Nothing more will come.
    Failed(PlayRefusal),
    /// The run is over and all was told.
    Done {
        /// The address that asks the same again.
        link: String,
    },
}

/// A token as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownToken {
    /// Token id in the model's vocabulary.
    pub id: u32,
    /// Its text, with what can't be seen made visible.
    pub shown: String,
}

/// A dose and what it breaks on the prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dosed {
    /// The dose, in the unit of the playground.
    pub alpha: f64,
    /// How far it moves the model's prediction.
    #[serde(flatten)]
    pub damage: Damage,
    /// Whether that is much: the next token is another model's.
    pub damaging: bool,
}

/// What the tokens of both texts project on, and how that is coloured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Colours {
    /// The directions, in the order of each token's numbers.
    pub directions: Vec<ColourScale>,
    /// The tokens of the unsteered text, the prompt's first.
    pub plain: Vec<Projected>,
    /// The steered text, where it is another.
    pub steered: Vec<Projected>,
    /// How many of the tokens are the prompt's.
    pub given: usize,
}

/// How the projections on a direction are coloured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColourScale {
    /// Name of the direction, as it was offered.
    pub name: String,
    /// The site at which it is read.
    pub site: String,
    /// The unit of projections: `mean residual norms` or `absolute`.
    pub unit: String,
    /// The middle of the scale: the mean projection of the unsteered text, its first token left out.
    pub centre: f64,
    /// From the middle to either end.
    pub reach: f64,
}

/// A token with its numbers, one a direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Projected {
    /// Token id in the model's vocabulary.
    pub id: u32,
    /// Its text, with what can't be seen made visible.
    pub shown: String,
    /// Projections, as `monitor` has them.
    pub projection: Vec<f64>,
    /// Cosines, as `monitor` has them.
    pub cosine: Vec<f64>,
    /// Steps on the colour scale, from -4 to 4.
    pub step: Vec<i8>,
}
