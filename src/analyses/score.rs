//! The board: how far each sequence, put before neutral probes, moves them along a direction.

use std::collections::HashSet;
use std::io::BufRead;

use ndarray::{Array2, ArrayView1, ArrayView2, s};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::{AnalysisError, Named, Reader};
use truenorth_data::{Firsts, SequenceRow};
use truenorth_protocol::run::Watch;
use truenorth_stats::math;
use truenorth_stats::math::{Bootstrap, MathError, Seeds, SortedScores, cluster_bootstrap};

/// One line of the board; the formulas are those of [`math::Specificity`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Place by score among the sequences that stand for themselves, 1 the highest; equal scores share the better
    /// place, and one that is counted with another has the place that it would take.
    pub rank: usize,
    /// The earlier sequence of which it is a copy or near copy, and with which it counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
}

/// A sequence to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its name.
    pub id: String,
    /// Its text.
    pub text: String,
    /// The earlier sequence of which it is a copy or near copy.
    pub counted_with: Option<String>,
}

impl Sequence {
    /// The sequences of a file, each with the one that it counts with.
    #[must_use]
    pub fn all(rows: &[SequenceRow], firsts: &Firsts) -> Vec<Self> {
        let with = |i: usize, first: usize| (first != i).then(|| rows[first].id.clone());
        let row = |(i, (row, first)): (usize, (&SequenceRow, &usize))| Self {
            id: row.id.clone(),
            text: row.text.clone(),
            counted_with: with(i, *first),
        };
        rows.iter().zip(&firsts.of).enumerate().map(row).collect()
    }
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
        .map(|(sequence, delta)| scored(sequence, delta.view(), direction).map_err(|e| of(sequence, &e)))
        .collect::<Result<Vec<_>, AnalysisError>>()?;
    ranked(&mut rows);
    Ok(rows)
}

/// One sequence, its rank not yet known.
pub(super) fn scored(
    sequence: &Sequence,
    delta: ArrayView2<'_, f64>,
    direction: ArrayView1<'_, f64>,
) -> Result<Scored, MathError> {
    let s = math::specificity(delta, direction)?;
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
        counted_with: sequence.counted_with.clone(),
    })
}

/// Gives every row its rank; those that are counted with others take none from the rest.
pub(super) fn ranked(rows: &mut [Scored]) {
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
pub fn read_board(reader: impl BufRead, name: &str) -> Result<Vec<Scored>, AnalysisError> {
    let refuse = |line: usize, what: String| AnalysisError::Input(format!("{name}, line {line}: {what}"));
    let (mut rows, mut seen) = (Vec::<Scored>::new(), HashSet::new());
    for (i, line) in reader.lines().enumerate() {
        let line = line.map_err(|e| refuse(i + 1, format!("can't be read: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: Scored = serde_json::from_str(&line)
            .map_err(|e| refuse(i + 1, format!("no row of a board as `score` writes it: {e}")))?;
        if !seen.insert(row.id.clone()) {
            return Err(refuse(i + 1, format!("sequence `{}` for the second time", row.id)));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(AnalysisError::Input(format!("{name} has no rows"))) } else { Ok(rows) }
}

/// Whether one kind of sequence scores above another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The kind expected to score higher.
    pub high: String,
    /// The other kind.
    pub low: String,
    /// Sequences of both kinds.
    pub n: usize,
    /// Chance that a sequence of the first kind scores above one of the second.
    pub auroc: f64,
    /// Its interval from resampling sequences.
    pub bootstrap: Bootstrap,
    /// Two-sided p against kinds shuffled: `(1 + #{|null - 1/2| >= |auroc - 1/2|}) / (1 + n)`.
    pub p: f64,
    /// Shuffles behind it.
    pub permutations: usize,
    /// Central 95 % of the null.
    pub null: [f64; 2],
}

/// Compares the scores of two kinds; `kinds` are those of the board's rows.
///
/// # Errors
/// When either kind is missing, or there are too few sequences to resample.
pub fn contrast(
    board: &[Scored],
    kinds: &[Option<String>],
    [high, low]: [&str; 2],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Contrast, AnalysisError> {
    let is = |kind: &Option<String>, name: &str| kind.as_deref() == Some(name);
    let rows: Vec<(f64, bool)> = board
        .iter()
        .zip(kinds)
        .filter(|(_, k)| is(k, high) || is(k, low))
        .map(|(row, k)| (row.score, is(k, high)))
        .collect();
    let (scores, mut positive): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
    let input = |e: MathError| AnalysisError::Input(format!("kinds `{high}` and `{low}`: {e}"));
    let sorted = SortedScores::new(&scores, &positive).map_err(input)?;
    let auroc = sorted.auroc(None).map_err(input)?;
    let mut rng = seeds.stream("contrast bootstrap");
    let bootstrap =
        cluster_bootstrap(scores.len(), 2000, 0.95, &mut rng, |counts| sorted.auroc(Some(counts)).ok())
            .map_err(input)?;
    let mut rng = seeds.stream("contrast permutations");
    let mut null = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        positive.shuffle(&mut rng);
        null.push(math::auroc(&scores, &positive).map_err(input)?);
    }
    let far = |v: f64| (v - 0.5).abs();
    let reached = null.iter().filter(|v| far(**v) >= far(auroc) - 1e-12).count();
    #[allow(clippy::cast_precision_loss)]
    let p = (1 + reached) as f64 / (1 + permutations) as f64;
    let quantile = |q| math::quantile(&null, q).map_err(input);
    Ok(Contrast {
        high: high.into(),
        low: low.into(),
        n: scores.len(),
        auroc,
        bootstrap,
        p,
        permutations,
        null: [quantile(0.025)?, quantile(0.975)?],
    })
}

fn of(sequence: &Sequence, e: &MathError) -> AnalysisError {
    AnalysisError::Input(format!("sequence `{}`: {e}", sequence.id))
}
