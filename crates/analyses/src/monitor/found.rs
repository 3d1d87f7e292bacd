//! What a monitor finds.

use serde::{Deserialize, Serialize};

/// Projections of texts on directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitored {
    /// The directions, in the order of each token's numbers.
    pub directions: Vec<DirectionProjections>,
    /// The texts in the order given, token by token.
    pub texts: Vec<MonitoredText>,
    /// What projections do not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// A direction that was watched, with its projections over all texts, attention sinks left out as from a mean over tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectionProjections {
    /// Name of the direction in results.
    pub name: String,
    /// The site at which it was watched.
    pub site: String,
    /// What projections are in: `mean residual norms` or `absolute`.
    pub unit: String,
    /// The mean residual norm of the site, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f64>,
    /// Mean projection; none where the texts have no tokens.
    pub mean: Option<f64>,
    /// Least projection of a token; none where there is no mean.
    pub least: Option<f64>,
    /// Greatest projection of a token; none where there is no mean.
    pub greatest: Option<f64>,
    /// How many tokens the texts have.
    #[serde(default)]
    pub tokens: usize,
    /// How many of them mean, least and greatest leave out: those whose norm at the site is more than `multiple` times the
    /// median of their text, as an attention sink has it. A text of one token leaves none out.
    #[serde(default)]
    pub left_out: usize,
    /// The multiple of the median of its text beyond which the norm of a token leaves it out.
    #[serde(default)]
    pub multiple: f64,
}

/// A text with its tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitoredText {
    /// Name of the text.
    pub id: String,
    /// How many of the tokens were given; what follows was generated.
    pub given: usize,
    /// Its tokens in order, those generated included.
    pub tokens: Vec<Token>,
}

/// A token and what was read at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// The id of the token in the vocabulary.
    pub id: u32,
    /// The text that the token stands for.
    pub piece: String,
    /// Projection of the residual on each direction, in the direction's unit.
    pub projection: Vec<f64>,
    /// Cosine of the residual with each direction: the projection whatever the norm of the residual is.
    pub cosine: Vec<f64>,
    /// The directions, by their places, whose mean, least and greatest leave this token out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out_of: Vec<usize>,
}

impl MonitoredText {
    /// Its tokens but those that the mean, the least and the greatest of a direction leave out.
    pub(super) fn kept(&self, direction: usize) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(move |token| !token.left_out_of.contains(&direction))
    }
}

/// What mean, least and greatest leave out, in a sentence; none where that is nothing.
pub(super) fn left_out(found: &Monitored) -> Option<String> {
    let of =
        |d: &DirectionProjections| format!("{} of {} for {} at {}", d.left_out, d.tokens, d.name, d.site);
    let each: Vec<String> = found.directions.iter().filter(|d| d.left_out > 0).map(of).collect();
    let multiple = found.directions.first()?.multiple;
    (!each.is_empty()).then(|| {
        format!(
            "Mean, least and greatest leave out tokens whose norm is more than {multiple} times the median of their text, as \
             an attention sink has it: {}.",
            each.join("; ")
        )
    })
}

pub(super) const NOT_SHOWN: [&str; 2] = [
    "That the model uses what is read here: a projection says what can be read of a token at this site, and steering what \
     changes when it is changed.",
    "That a first token is like the others: many models use it as a sink of attention, and its norm and its projections \
     are then of another size.",
];
