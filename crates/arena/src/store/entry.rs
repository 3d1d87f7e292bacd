//! An entry as it is stored.

use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// How far a submission has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubmissionStatus {
    /// It waits to be scored.
    Queued,
    /// It has its score.
    Scored,
    /// It can't be scored.
    Failed,
}

/// A submission with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Number in the season, which it is asked for by.
    pub id: i64,
    /// Who sent it, as they call themselves.
    pub handle: String,
    /// The text that was sent.
    pub text: String,
    /// The kind of text, where it has one.
    pub kind: Option<String>,
    /// Its tokens by the model's tokenizer, where that is known.
    pub tokens: Option<i64>,
    /// The version of the consent text that was agreed to.
    pub consent: Option<String>,
    /// When it was sent, in seconds since 1970.
    pub at: i64,
    /// Where it comes from, if it was taken over.
    pub origin: Option<String>,
    /// How far it has come.
    pub status: SubmissionStatus,
    /// Why it can't be scored; none where it can.
    pub failure: Option<String>,
    /// Mean shift of the probes along the first direction; none before it is scored.
    pub score: Option<f64>,
    /// The score by which it is at the low end; of one site the same.
    pub low: Option<f64>,
    /// Its score along the second direction.
    pub score_alt: Option<f64>,
    /// The score in units of what a random direction would give; none before it is scored.
    pub z: Option<f64>,
    /// How alike the probes moved, 0 to 1; none before it is scored.
    pub coherence: Option<f64>,
    /// Norm of the mean shift.
    pub shift_norm: Option<f64>,
    /// Share of uniformly random directions with at least this |z|.
    pub p_random: Option<f64>,
    /// The shift of each probe along the direction.
    #[serde(skip)]
    pub along: Vec<f32>,
    /// Whether the operator hid it.
    pub hidden: bool,
}

/// The columns that [`Entry::of`] reads, in its order.
pub(super) const COLUMNS: &str = "id, handle, text, kind, tokens, consent, at, origin, state, failure, score, low, \
    score_alt, z, coherence, shift_norm, p_random, along, hidden";

impl Entry {
    /// An entry of a row of [`COLUMNS`].
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let status = match row.get_ref(8)?.as_str()? {
            "scored" => SubmissionStatus::Scored,
            "failed" => SubmissionStatus::Failed,
            _ => SubmissionStatus::Queued,
        };
        let along: Option<Vec<u8>> = row.get(17)?;
        Ok(Self {
            id: row.get(0)?,
            handle: row.get(1)?,
            text: row.get(2)?,
            kind: row.get(3)?,
            tokens: row.get(4)?,
            consent: row.get(5)?,
            at: row.get(6)?,
            origin: row.get(7)?,
            status,
            failure: row.get(9)?,
            score: row.get(10)?,
            low: row.get(11)?,
            score_alt: row.get(12)?,
            z: row.get(13)?,
            coherence: row.get(14)?,
            shift_norm: row.get(15)?,
            p_random: row.get(16)?,
            along: along
                .unwrap_or_default()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            hidden: row.get(18)?,
        })
    }
}
