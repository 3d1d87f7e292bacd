//! The rows of a board: how far each sequence, put before neutral probes, moves them along a direction.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use truenorth_data::conversation::Message;
use truenorth_data::{Firsts, SequenceRow};
use truenorth_reading::{AnalysisError, NamedPrompt, Said};
use truenorth_stats::math;
use truenorth_stats::math::MathError;

/// One line of the board; the formulas are those of [`math::Specificity`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredSequence {
    /// Name of the sequence.
    pub id: String,
    /// Text of the sequence.
    pub text: String,
    /// Mean shift of the normalised probes along the direction.
    pub score: f64,
    /// The score in units of what a random direction would give.
    pub z: f64,
    /// How alike the probes moved, 0 to 1.
    pub coherence: f64,
    /// Norm of the mean shift.
    pub shift_norm: f64,
    /// What `|z|` can't exceed, the root of the width.
    pub z_bound: f64,
    /// Share of random directions with at least this `|z|`.
    pub p_random: f64,
    /// Place by score among the sequences that stand for themselves, 1 the highest; equal scores share the better
    /// place, and one that is counted with another has the place that it would take.
    pub rank: usize,
    /// The earlier sequence of which it is a copy or near copy, and with which it counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
    /// What else the file of sequences says of it, such as `kind` and `pair`; never one of the names above.
    #[serde(flatten)]
    pub labels: BTreeMap<String, Value>,
}

/// Fields that are a board's own, and no label of a sequence.
const OWN: [&str; 11] = [
    "id",
    "text",
    "score",
    "z",
    "coherence",
    "shift_norm",
    "z_bound",
    "p_random",
    "rank",
    "counted_with",
    // What a board by `--fallback` is marked with.
    "fallback",
];

/// A sequence to score.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Name in results.
    pub id: String,
    /// What is put before each probe.
    pub text: String,
    /// The earlier sequence of which it is a copy or near copy.
    pub counted_with: Option<String>,
    /// The turns, where it is a conversation.
    pub turns: Vec<Message>,
    /// What it shares with the sequences that are matched to it; none where it stands by itself.
    pub pair: Option<String>,
    /// What its file says of it, which its row on the board says too.
    pub labels: BTreeMap<String, Value>,
}

impl Sequence {
    /// A text by itself under a name.
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        let (id, text) = (id.into(), text.into());
        Self { id, text, counted_with: None, turns: vec![], pair: None, labels: BTreeMap::new() }
    }

    /// The sequences of a file, each with the one that it counts with.
    #[must_use]
    pub fn all(rows: &[SequenceRow], firsts: &Firsts) -> Vec<Self> {
        let with = |i: usize, first: usize| (first != i).then(|| rows[first].id.clone());
        let row = |(i, (row, first)): (usize, (&SequenceRow, &usize))| Self {
            id: row.id.clone(),
            text: row.text.clone(),
            counted_with: with(i, *first),
            turns: row.turns.clone(),
            pair: row.pair.clone(),
            labels: labels(row),
        };
        rows.iter().zip(&firsts.of).enumerate().map(row).collect()
    }

    /// Fields of these rows that a board has of its own, so that its rows are without what was given.
    #[must_use]
    pub fn not_carried(rows: &[SequenceRow]) -> Vec<&'static str> {
        OWN.into_iter().filter(|own| rows.iter().any(|r| r.extra.contains_key(*own))).collect()
    }
}

/// What a file says of a sequence, as far as a board's row can say it beside its own numbers.
fn labels(row: &SequenceRow) -> BTreeMap<String, Value> {
    let mut labels = row.extra.clone();
    let own = [("kind", &row.kind), ("pair", &row.pair)];
    labels.extend(own.into_iter().filter_map(|(name, v)| Some((name.to_owned(), v.clone()?.into()))));
    labels.retain(|name, _| !OWN.contains(&name.as_str()));
    labels
}

impl Sequence {
    /// The sequence with a probe behind it. Behind a conversation the probe goes on with the user's last turn, or is one where
    /// the last turn is another's.
    pub(super) fn before(&self, probe: &str, text: &str, join: &str) -> NamedPrompt {
        let id = format!("{} + {probe}", self.id);
        if self.turns.is_empty() {
            return NamedPrompt::text(id, format!("{}{join}{text}", self.text));
        }
        let mut turns = self.turns.clone();
        match turns.last_mut().filter(|t| t.role == "user") {
            Some(last) => last.content = format!("{}{join}{text}", last.content),
            None => turns.push(Message::user(text)),
        }
        // A row that has a text of its own goes in as that where no template is used.
        match NamedPrompt::row("", &self.text, &self.turns).said {
            Said::Turns(_) => NamedPrompt::text(id, format!("{}{join}{text}", self.text)).in_turns(turns),
            _ => NamedPrompt::conversation(id, turns),
        }
    }
}

/// One sequence, its rank not yet known.
pub(super) fn scored(
    sequence: &Sequence,
    delta: ArrayView2<'_, f64>,
    direction: ArrayView1<'_, f64>,
) -> Result<ScoredSequence, MathError> {
    let s = math::specificity(delta, direction)?;
    Ok(ScoredSequence {
        id: sequence.id.clone(),
        text: sequence.text.clone(),
        score: s.score,
        z: s.z,
        coherence: s.coherence,
        shift_norm: s.shift_norm,
        z_bound: s.z_bound,
        p_random: s.p_random,
        rank: 0,
        counted_with: sequence.counted_with.clone(),
        labels: sequence.labels.clone(),
    })
}

/// Gives every row its rank; those that are counted with others take none from the rest.
pub(super) fn ranked(rows: &mut [ScoredSequence]) {
    let mut scores: Vec<f64> = rows.iter().filter(|r| r.counted_with.is_none()).map(|r| r.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    for row in rows {
        row.rank = 1 + scores.partition_point(|s| *s > row.score);
    }
}

/// Reads a board as `score` writes it, a row a line.
///
/// # Errors
/// When a line can't be read or is no row of a board, a name is there twice, or there is no row; the
/// line is named.
pub fn read_board(reader: impl BufRead, name: &str) -> Result<Vec<ScoredSequence>, AnalysisError> {
    let refuse = |line: usize, what: String| AnalysisError::Input(format!("{name}, line {line}: {what}"));
    let (mut rows, mut seen) = (Vec::<ScoredSequence>::new(), HashSet::new());
    for (i, line) in reader.lines().enumerate() {
        let line = line.map_err(|e| refuse(i + 1, format!("can't be read: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: ScoredSequence = serde_json::from_str(&line)
            .map_err(|e| refuse(i + 1, format!("no row of a board as `score` writes it: {e}")))?;
        if !seen.insert(row.id.clone()) {
            return Err(refuse(i + 1, format!("sequence `{}` for the second time", row.id)));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(AnalysisError::Input(format!("{name} has no rows"))) } else { Ok(rows) }
}
