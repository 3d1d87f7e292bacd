//! What waits, the batches it is scored in, and what came of them.

use rusqlite::{Connection, TransactionBehavior};

use super::SeasonStore;
use crate::error::ArenaError;

/// How many times a submission may have been alone in the work when the process ended, before it is set aside.
const ATTEMPTS: i64 = 8;

/// A submission to be scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Number of the submission.
    pub id: i64,
    /// The text that is to be scored.
    pub text: String,
}

/// What was computed of a submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Along the first direction.
    pub score: f64,
    /// The score by which it is at the low end.
    pub low: f64,
    /// Along the second direction.
    pub score_alt: Option<f64>,
    /// The score in units of what a random direction would give.
    pub z: f64,
    /// How alike the probes moved, 0 to 1.
    pub coherence: f64,
    /// Norm of the mean shift.
    pub shift_norm: f64,
    /// Share of uniformly random directions with at least this |z|.
    pub p_random: f64,
    /// The shift of each probe along the first direction.
    pub along: Vec<f64>,
}

/// What scoring a submission gave.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoringOutcome {
    /// What was computed of it.
    Scored(Box<Scores>),
    /// Why it can't be scored, for people.
    Failed(String),
}

impl SeasonStore {
    /// Whether submissions wait.
    ///
    /// # Errors
    /// When the database fails.
    pub fn waits(&self) -> Result<bool, ArenaError> {
        self.read(|c| {
            c.prepare_cached("SELECT EXISTS (SELECT 1 FROM entries WHERE state = 'queued')")?
                .query_row([], |r| r.get(0))
        })
    }

    /// The submissions to score next, as one batch that is written down first: one that was begun before, else the oldest
    /// that wait, `most` at most. A batch that ended with the process several times is parted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn next_batch(&self, most: usize) -> Result<Vec<Queued>, ArenaError> {
        self.write(|c| {
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
            set_aside(&tx)?;
            let batch = match begun(&tx)? {
                Some(batch) => batch,
                None => match begin(&tx, most)? {
                    Some(batch) => batch,
                    None => return Ok(vec![]),
                },
            };
            tx.execute(
                "UPDATE entries SET attempts = attempts + 1 WHERE batch = ?1 AND state = 'queued'",
                [batch],
            )?;
            let found = tx
                .prepare_cached(
                    "SELECT id, text FROM entries WHERE batch = ?1 AND state = 'queued' ORDER BY id",
                )?
                .query_map([batch], |r| Ok(Queued { id: r.get(0)?, text: r.get(1)? }))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            tx.commit()?;
            Ok(found)
        })
    }

    /// Writes down what came of submissions; of those that wait no longer nothing is changed. How many were.
    ///
    /// # Errors
    /// When the database fails; none is written then.
    pub fn finish(&self, outcomes: &[(i64, ScoringOutcome)], now: i64) -> Result<usize, ArenaError> {
        self.write(|c| {
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut changed = 0;
            for (id, outcome) in outcomes {
                changed += match outcome {
                    ScoringOutcome::Scored(s) => tx
                        .prepare_cached(
                            "UPDATE entries SET state = 'scored', score = ?2, low = ?3, score_alt = ?4, z = ?5, \
                             coherence = ?6, shift_norm = ?7, p_random = ?8, along = ?9, scored_at = ?10 \
                             WHERE id = ?1 AND state = 'queued'",
                        )?
                        .execute((
                            id,
                            s.score,
                            s.low,
                            s.score_alt,
                            s.z,
                            s.coherence,
                            s.shift_norm,
                            s.p_random,
                            bytes(&s.along),
                            now,
                        ))?,
                    ScoringOutcome::Failed(why) => tx
                        .prepare_cached(
                            "UPDATE entries SET state = 'failed', failure = ?2, scored_at = ?3 \
                             WHERE id = ?1 AND state = 'queued'",
                        )?
                        .execute((id, why, now))?,
                };
            }
            tx.commit()?;
            Ok(changed)
        })
    }

    /// Takes a try back that ended for no fault of the submissions, such as a service that can't be reached.
    ///
    /// # Errors
    /// When the database fails.
    pub fn untried(&self, batch: &[Queued]) -> Result<(), ArenaError> {
        self.write(|c| {
            let tx = c.transaction()?;
            for queued in batch {
                tx.prepare_cached("UPDATE entries SET attempts = max(attempts - 1, 0) WHERE id = ?1")?
                    .execute([queued.id])?;
            }
            tx.commit()
        })
    }

    /// Has each submission of a batch scored by itself from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn part(&self, batch: &[Queued]) -> Result<(), ArenaError> {
        self.write(|c| {
            let tx = c.transaction()?;
            for queued in batch {
                tx.prepare_cached(
                    "UPDATE entries SET batch = -id, attempts = 0 WHERE id = ?1 AND state = 'queued'",
                )?
                .execute([queued.id])?;
            }
            tx.commit()
        })
    }
}

#[allow(clippy::cast_possible_truncation)]
fn bytes(along: &[f64]) -> Vec<u8> {
    along.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()
}

/// A batch that was begun and not ended. One that ended with the process several times is parted.
fn begun(c: &Connection) -> rusqlite::Result<Option<i64>> {
    let oldest = "SELECT batch FROM entries WHERE state = 'queued' AND batch IS NOT NULL ORDER BY id LIMIT 1";
    let read = |r: &rusqlite::Row<'_>| r.get::<_, i64>(0);
    let found = c.prepare_cached(oldest)?.query_map([], read)?.next().transpose()?;
    let Some(batch) = found else { return Ok(None) };
    let (n, tries): (i64, i64) = c.query_row(
        "SELECT count(*), max(attempts) FROM entries WHERE batch = ?1 AND state = 'queued'",
        [batch],
        |r| Ok((r.get(0)?, r.get(1)?)),
    )?;
    if n > 1 && tries >= ATTEMPTS {
        c.execute(
            "UPDATE entries SET batch = -id, attempts = 0 WHERE batch = ?1 AND state = 'queued'",
            [batch],
        )?;
        return c.prepare_cached(oldest)?.query_map([], read)?.next().transpose();
    }
    Ok(Some(batch))
}

/// Begins a batch of what waits longest.
fn begin(c: &Connection, most: usize) -> rusqlite::Result<Option<i64>> {
    let batch: i64 = c.query_row("SELECT coalesce(max(batch), 0) + 1 FROM entries", [], |r| r.get(0))?;
    let batch = batch.max(1);
    let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
    let begun = c.execute(
        "UPDATE entries SET batch = ?1 WHERE id IN \
         (SELECT id FROM entries WHERE state = 'queued' ORDER BY id LIMIT ?2)",
        (batch, most),
    )?;
    Ok((begun > 0).then_some(batch))
}

/// Ends what was alone in the work each time that the process ended.
fn set_aside(c: &Connection) -> rusqlite::Result<usize> {
    c.execute(
        "UPDATE entries SET state = 'failed', failure = 'the program ended each time it was scored' \
         WHERE state = 'queued' AND batch < 0 AND attempts >= ?1",
        [ATTEMPTS],
    )
}
