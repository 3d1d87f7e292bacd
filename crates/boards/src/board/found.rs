//! What a board shows.

use serde::Serialize;

use super::{Asymmetry, KindContrast, Over, RankChanges, ScoreAndZ, ScoreAtSite, ScoredSequence};
use truenorth_reading::stat::Number;

/// A sequence with its place, its score and what p values say of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryRow {
    /// Name of the sequence.
    pub id: String,
    /// Text of the sequence.
    pub text: String,
    /// Its kind, where the sequences have kinds.
    pub kind: Option<String>,
    /// Place by score, 1 the highest.
    pub rank: usize,
    /// Mean shift along the direction; the interval resamples the probes.
    pub score: Number,
    /// The score in units of what a random direction would give.
    pub z: f64,
    /// How alike the probes moved, 0 to 1.
    pub coherence: f64,
    /// Norm of the mean shift.
    pub shift_norm: f64,
    /// Share of uniformly random directions with at least this `|z|`, closed form. Activations are far from uniform,
    /// and a direction of any labels reaches further; nothing is claimed by it.
    pub p_random: f64,
    /// The same from drawn directions, `(1 + reached) / (1 + draws)`; none where none was drawn.
    pub p_drawn: Option<f64>,
    /// Share of directions drawn like the readings with at least this `|z|`; none where none was drawn.
    pub p_matched: Option<f64>,
    /// Share of directions of exchanged labels with at least this `|z|`; none where the labels are not at hand.
    pub p_permuted: Option<f64>,
    /// Corrected over the board: the share of directions whose largest `|z|` on it is at least this one, under the
    /// null that reaches further. None for a sequence that is counted with another, or without a null.
    pub p_family: Option<f64>,
    /// The earlier sequence of which it is a copy or near copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
    /// What each site gives, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<ScoreAtSite>,
}

/// Several sites as one board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverWhich {
    /// How the scores of the sites become one.
    pub over: Over,
    /// The sites, as they are written.
    pub sites: Vec<String>,
    /// Whether they share one vector, so that a random direction is one vector at all of them too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// The closed form of `p_random` held against drawn directions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MonteCarlo {
    /// Random unit directions drawn, the same for every sequence.
    pub draws: usize,
    /// The largest difference between the closed form and the share drawn.
    pub largest_difference: f64,
    /// Name of the sequence with the largest difference.
    pub at: String,
    /// The least exact binomial p of a sequence's count against its closed form, after Holm over the
    /// board; Holm holds although the sequences share their draws.
    pub least_p: f64,
    /// Whether that leaves the closed form standing at 5 %.
    pub agrees: bool,
    /// What the check says, in words.
    pub statement: String,
}

/// The family that the board's p values are corrected over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoardTestFamily {
    /// What is tested in the family, in words.
    pub name: String,
    /// Tests in the family.
    pub tests: usize,
    /// Share of false alarms over the family.
    pub level: f64,
    /// Directions drawn like the readings.
    pub matched: usize,
    /// Directions of exchanged labels.
    pub permuted: usize,
    /// Why no labels could be exchanged; none where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_labels: Option<String>,
    /// Sequences whose p stands.
    pub stands: usize,
}

/// A board as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoardSummary {
    /// Sequences that were scored.
    pub sequences: usize,
    /// Of these the ones that are no copy and no near copy of an earlier one, on which all but the rows rests.
    pub distinct: usize,
    /// Probes behind each.
    pub probes: usize,
    /// The sites, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<OverWhich>,
    /// How many numbers a row is of: the width of the residual stream, times the sites of a mean over several
    /// that do not share one vector.
    pub width: usize,
    /// What no `|z|` can exceed, the root of the width.
    pub z_bound: f64,
    /// The largest `|z|` of a sequence.
    pub largest_z: f64,
    /// Mean coherence; 1 where every probe moves alike.
    pub coherence: Number,
    /// A row a sequence, by rank.
    pub rows: Vec<SummaryRow>,
    /// What the p values are corrected over.
    pub family: BoardTestFamily,
    /// The closed form checked by drawing; none where none was drawn.
    pub monte_carlo: Option<MonteCarlo>,
    /// Whether the two ends reach equally far.
    pub asymmetry: Asymmetry,
    /// Whether score and z rank alike.
    pub score_and_z: ScoreAndZ,
    /// One kind against another, where that was asked for.
    pub contrast: Option<KindContrast>,
    /// Rank changes to another board, where one was given.
    pub rank_changes: Option<RankChanges>,
    /// What the board does not show, a sentence each.
    pub not_shown: Vec<String>,
    /// The board itself, in the order of the sequences; it has a file of its own.
    #[serde(skip)]
    pub board: Vec<ScoredSequence>,
    /// What each site gives, in that order; empty lists where there is one.
    #[serde(skip)]
    pub at_sites: Vec<Vec<ScoreAtSite>>,
}
