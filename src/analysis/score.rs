//! The board: how far each sequence, put before neutral probes, moves them along a direction.

use ndarray::{Array2, ArrayView1, s};
use serde::Serialize;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::{AnalysisError, Named, Reader};
use crate::math::{self, MathError};
use crate::run::Watch;

/// One line of the board; the formulas are those of [`math::Specificity`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scored {
    /// The sequence's name.
    pub id: String,
    /// The sequence.
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
    /// Place by score, 1 the highest; equal scores share the better place.
    pub rank: usize,
}

/// A sequence to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its name.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// The shift of every probe by every sequence.
pub struct Shifts {
    /// `[probes, width]` a sequence.
    pub by_sequence: Vec<Array2<f64>>,
}

/// Reads the probes alone and behind each sequence, and takes the shifts of their normalised
/// residuals at the last token. `join` stands between sequence and probe.
///
/// # Errors
/// When there are no probes or sequences, or the reading fails.
pub fn shifts(
    reader: &Reader<'_>,
    site: Site,
    probes: &[Named],
    sequences: &[Sequence],
    join: &str,
    watch: &dyn Watch,
) -> Result<Shifts, AnalysisError> {
    if probes.is_empty() || sequences.is_empty() {
        return Err(AnalysisError::Input(format!(
            "{} probes and {} sequences; scoring needs at least one of each",
            probes.len(),
            sequences.len()
        )));
    }
    let mut prompts = probes.to_vec();
    for sequence in sequences {
        for probe in probes {
            let Prompt::Text(text) = &probe.prompt else {
                return Err(AnalysisError::Input(format!(
                    "probe `{}` is given as tokens; a sequence can only be put before text",
                    probe.id
                )));
            };
            let id = format!("{} + {}", sequence.id, probe.id);
            prompts.push(Named::text(id, format!("{}{join}{text}", sequence.text)));
        }
    }
    let readings = reader.read(&prompts, &[site], ReadAt::Last, watch)?;
    let values = readings
        .first()
        .map(|r| r.values.mapv(f64::from))
        .ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() })?;
    let n = probes.len();
    let alone = values.slice(s![..n, ..]);
    let by_sequence = sequences
        .iter()
        .enumerate()
        .map(|(i, sequence)| {
            let joined = values.slice(s![(i + 1) * n..(i + 2) * n, ..]);
            math::shifts(joined, alone).map_err(|e| of(sequence, &e))
        })
        .collect::<Result<_, _>>()?;
    Ok(Shifts { by_sequence })
}

/// Scores sequences by their shifts along a direction.
///
/// # Errors
/// When the direction has another width than the shifts, or a sequence moves no probe at all.
pub fn board(
    shifts: &Shifts,
    sequences: &[Sequence],
    direction: ArrayView1<'_, f64>,
) -> Result<Vec<Scored>, AnalysisError> {
    let mut rows = sequences
        .iter()
        .zip(&shifts.by_sequence)
        .map(|(sequence, delta)| {
            let s = math::specificity(delta.view(), direction).map_err(|e| of(sequence, &e))?;
            Ok(Scored {
                id: sequence.id.clone(),
                text: sequence.text.clone(),
                score: s.score,
                z: s.z,
                coherence: s.coherence,
                shift_norm: s.shift_norm,
                z_bound: s.z_bound,
                p_random: s.p_random,
                rank: 0,
            })
        })
        .collect::<Result<Vec<_>, AnalysisError>>()?;
    let scores: Vec<f64> = rows.iter().map(|r| r.score).collect();
    for row in &mut rows {
        row.rank = 1 + scores.iter().filter(|s| **s > row.score).count();
    }
    Ok(rows)
}

fn of(sequence: &Sequence, e: &MathError) -> AnalysisError {
    AnalysisError::Input(format!("sequence `{}`: {e}", sequence.id))
}
