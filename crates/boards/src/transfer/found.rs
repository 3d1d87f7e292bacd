//! What a comparison of models found.

use serde::Serialize;
use truenorth_protocol::Site;

use super::{GroupAgreement, Kinds};
use crate::board::ScoreRow;
use truenorth_reading::stat::{Null, Number};

/// What is left of a model once its board is scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnBoard {
    /// The model, as it is told apart from the others.
    pub model: String,
    /// Where its direction lives; none where a board that was kept does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// In the order of the sequences.
    pub board: Vec<ScoreRow>,
}

/// How far the ends of two boards are the same sequences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movers {
    /// `top` or `bottom`.
    pub end: &'static str,
    /// At this end of both; value is their share of an end, the null is exact.
    pub overlap: Number,
    /// At this end of both, in the first model's order.
    pub shared: Vec<String>,
    /// At this end of the first model only.
    pub first_only: Vec<String>,
    /// At this end of the second model only.
    pub second_only: Vec<String>,
    /// At this end of the first model and at the other end of the second.
    pub opposed: Vec<String>,
}

/// Two models compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairTransfer {
    /// The model whose board makes the groups top, middle and bottom.
    pub first: String,
    /// The model whose board is held against it.
    pub second: String,
    /// Spearman's correlation of the scores.
    pub spearman: Number,
    /// Pearson's correlation of the scores, which large scores decide; described, not tested.
    pub pearson: Number,
    /// Share of positive scores on the first model: its lean.
    pub first_positive: Number,
    /// Share of positive scores on the second model.
    pub second_positive: Number,
    /// Sequences with a score of exactly 0 on either model, which have no sign.
    pub no_sign: usize,
    /// Agreement of signs by group: all, top, middle, bottom, then every label.
    pub agreement: Vec<GroupAgreement>,
    /// The groups' p values that stand after Holm's correction at 5 % over all groups of this pair.
    pub stands: Vec<bool>,
    /// How far the two ends are the same sequences, `top` first.
    pub movers: Vec<Movers>,
    /// Agreement of all sequences with the second model's signs dealt within each kind (`kind`, or the label asked for);
    /// none without kinds, or where sequences are clustered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_kinds: Option<Null>,
    /// The label crossed with agreement; none where no label was named.
    pub kinds: Option<Kinds>,
}

/// Sign agreement of all models at once, where there are more than two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unanimous {
    /// Models that were compared.
    pub models: usize,
    /// Share of sequences on whose sign all models agree; the null deals each model's scores anew.
    pub share: Number,
}

/// Boards of the same sequences on several models, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Sequences on every board.
    pub sequences: usize,
    /// Of how many clusters, where some belong together: matched sequences, or those of one label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// Sequences at each end.
    pub ends: usize,
    /// Every two models, in the order given.
    pub pairs: Vec<PairTransfer>,
    /// All models at once; none for two.
    pub unanimous: Option<Unanimous>,
    /// What the comparison does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// Boards and how they go together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transferred {
    /// The comparison itself.
    #[serde(flatten)]
    pub transfer: Comparison,
    /// The kind of each sequence, in their order, where one was named.
    pub kinds: Vec<Option<String>>,
    /// Sequences that are copies or near copies of each other and count once, the first of each is the one that stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Vec<String>>,
    /// The boards, in the order of the models.
    pub boards: Vec<OwnBoard>,
}
