//! A row of a board that was kept, by this program or another.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::ScoredSequence;

/// A row of a board of which only the score is sure to be known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreRow {
    /// Name of the sequence.
    pub id: String,
    /// Text of the sequence.
    pub text: String,
    /// Mean shift of the probes along the direction, in the unit of its board.
    pub score: f64,
    /// How specific the score is, in the unit of its board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z: Option<f64>,
    /// How alike the probes moved, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coherence: Option<f64>,
    /// Norm of the mean shift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift_norm: Option<f64>,
    /// What `|z|` can't exceed, the root of the width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z_bound: Option<f64>,
    /// Share of random directions with at least this `|z|`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_random: Option<f64>,
    /// Place by score among the sequences that stand for themselves, 1 the highest.
    pub rank: usize,
    /// The earlier sequence of which it is a copy or near copy, and with which it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
    /// What else its file says of it, such as labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

impl From<ScoredSequence> for ScoreRow {
    fn from(row: ScoredSequence) -> Self {
        Self {
            id: row.id,
            text: row.text,
            score: row.score,
            z: Some(row.z),
            coherence: Some(row.coherence),
            shift_norm: Some(row.shift_norm),
            z_bound: Some(row.z_bound),
            p_random: Some(row.p_random),
            rank: row.rank,
            counted_with: row.counted_with,
            extra: row.labels,
        }
    }
}

/// A row that the ends and contrasts of a board can be made of.
pub trait OnBoard {
    /// Name of the sequence.
    fn id(&self) -> &str;
    /// Text of the sequence.
    fn text(&self) -> &str;
    /// Mean shift of the probes along the direction.
    fn score(&self) -> f64;
    /// How specific the score is, where that is known.
    fn z(&self) -> Option<f64>;
    /// How alike the probes moved, where that is known.
    fn coherence(&self) -> Option<f64>;
}

impl OnBoard for ScoredSequence {
    fn id(&self) -> &str {
        &self.id
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn score(&self) -> f64 {
        self.score
    }

    fn z(&self) -> Option<f64> {
        Some(self.z)
    }

    fn coherence(&self) -> Option<f64> {
        Some(self.coherence)
    }
}

impl OnBoard for ScoreRow {
    fn id(&self) -> &str {
        &self.id
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn score(&self) -> f64 {
        self.score
    }

    fn z(&self) -> Option<f64> {
        self.z
    }

    fn coherence(&self) -> Option<f64> {
        self.coherence
    }
}

/// Gives every row its rank; those that are counted with others take none from the rest.
pub(super) fn placed(rows: &mut [ScoreRow]) {
    let mut scores: Vec<f64> = rows.iter().filter(|r| r.counted_with.is_none()).map(|r| r.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    for row in rows {
        row.rank = 1 + scores.partition_point(|s| *s > row.score);
    }
}
