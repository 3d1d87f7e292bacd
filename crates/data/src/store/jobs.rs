//! The journal of jobs: what was sent to a service and not yet fetched.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::{Store, StoreError, hold};
use truenorth_protocol::journal::{Hold, Job, JobState, Journal, JournalError};

const COLUMNS: &str = "key, id, service, wire, model, graph, state, note, created, changed";

impl Store {
    /// All jobs, the latest first.
    ///
    /// # Errors
    /// When the database is damaged or stays locked.
    pub fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let inner = self.lock();
        let query = format!("SELECT {COLUMNS} FROM jobs ORDER BY created DESC, rowid DESC");
        let mut statement = inner.connection.prepare(&query).map_err(self.explain())?;
        let rows = statement.query_map([], job).map_err(self.explain())?;
        rows.collect::<Result<_, _>>().map_err(self.explain())
    }

    /// The job of this key.
    ///
    /// # Errors
    /// As [`Store::jobs`].
    pub fn job(&self, key: &str) -> Result<Option<Job>, StoreError> {
        let inner = self.lock();
        let query = format!("SELECT {COLUMNS} FROM jobs WHERE key = ?1");
        inner.connection.query_row(&query, [key], job).optional().map_err(self.explain())
    }

    /// Writes a job down in place of what was known under its key; on disk when this returns, power
    /// cuts included. The graph of a job that is done is not kept: its answer is.
    ///
    /// # Errors
    /// When the disk is full, the database is read-only, damaged, or stays locked.
    pub fn put_job(&self, new: &Job) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let connection = &mut inner.connection;
        let model = serde_json::to_string(&new.model)
            .map_err(|e| self.explain()(rusqlite::Error::ToSqlConversionFailure(e.into())))?;
        let graph: &[u8] = if new.state == JobState::Done { &[] } else { &new.graph };
        // A cache entry that a power cut takes is computed again; a job that it takes would be sent again.
        connection.pragma_update(None, "synchronous", "FULL").map_err(self.explain())?;
        let written = (|| {
            let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write.execute(
                &format!(
                    "INSERT INTO jobs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT (key) DO UPDATE SET id = ?2, graph = ?6, state = ?7, note = ?8, changed = ?10"
                ),
                params![
                    new.key,
                    new.id,
                    new.service,
                    new.wire,
                    model,
                    graph,
                    name(new.state),
                    new.note,
                    new.created,
                    new.changed
                ],
            )?;
            write.commit()
        })();
        let back = connection.pragma_update(None, "synchronous", "NORMAL");
        written.and(back).map_err(self.explain())
    }

    /// Forgets a job.
    ///
    /// # Errors
    /// As [`Store::put_job`].
    pub fn forget_job(&self, key: &str) -> Result<bool, StoreError> {
        let inner = self.lock();
        let gone = inner.connection.execute("DELETE FROM jobs WHERE key = ?1", [key]);
        gone.map(|n| n > 0).map_err(self.explain())
    }
}

impl Journal for Store {
    fn find(&self, key: &str) -> Result<Option<Job>, JournalError> {
        Ok(self.job(key)?)
    }

    fn put(&self, job: &Job) -> Result<(), JournalError> {
        Ok(self.put_job(job)?)
    }

    fn hold(&self, key: &str) -> Result<Option<Hold>, JournalError> {
        let Some(folder) = self.file().and_then(Path::parent) else { return Ok(Some(Box::new(()))) };
        Ok(hold::take(folder, key)?.map(|held| Box::new(held) as Hold))
    }
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let model: String = row.get(4)?;
    let state: String = row.get(6)?;
    let bad = |column, problem: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, problem)
    };
    Ok(Job {
        key: row.get(0)?,
        id: row.get(1)?,
        service: row.get(2)?,
        wire: row.get(3)?,
        model: serde_json::from_str(&model).map_err(|e| bad(4, e.into()))?,
        graph: row.get(5)?,
        state: STATES
            .iter()
            .find(|s| name(**s) == state)
            .copied()
            .ok_or_else(|| bad(6, format!("unknown job state `{state}`").into()))?,
        note: row.get(7)?,
        created: row.get(8)?,
        changed: row.get(9)?,
    })
}

const STATES: [JobState; 5] =
    [JobState::Submitting, JobState::Submitted, JobState::Done, JobState::Failed, JobState::Lost];

fn name(state: JobState) -> &'static str {
    match state {
        JobState::Submitting => "submitting",
        JobState::Submitted => "submitted",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Lost => "lost",
    }
}
