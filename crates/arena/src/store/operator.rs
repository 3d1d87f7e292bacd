//! What the operator does, each written down.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::SeasonStore;
use crate::error::ArenaError;
use truenorth_protocol::clock;

/// What an operator may do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorAction {
    /// Take it off every page; nothing is deleted.
    Hide,
    /// Show it again.
    Unhide,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionRecord {
    /// When, in seconds since 1970.
    pub at: i64,
    /// What was done, in words.
    pub what: String,
    /// The entry it was done to; none where it was none.
    pub entry: Option<i64>,
    /// The reason that was given.
    pub why: String,
}

/// Writes down what was done.
pub(super) fn note(c: &Connection, what: &str, entry: Option<i64>, why: &str) -> rusqlite::Result<()> {
    c.execute(
        "INSERT INTO actions (at, what, entry, why) VALUES (?1, ?2, ?3, ?4)",
        (clock::seconds(), what, entry, why),
    )?;
    Ok(())
}

impl SeasonStore {
    /// Hides or shows an entry. Whether there is such an entry.
    ///
    /// # Errors
    /// When the database fails.
    pub fn act(&self, action: OperatorAction, id: i64, why: &str) -> Result<bool, ArenaError> {
        let (hidden, what) = match action {
            OperatorAction::Hide => (true, "hide"),
            OperatorAction::Unhide => (false, "unhide"),
        };
        self.write(|c| {
            let tx = c.transaction()?;
            let found = tx.execute("UPDATE entries SET hidden = ?2 WHERE id = ?1", (id, hidden))? > 0;
            if found {
                note(&tx, what, Some(id), why)?;
            }
            tx.commit()?;
            Ok(found)
        })
    }

    /// What was done last, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn actions(&self, limit: usize) -> Result<Vec<ActionRecord>, ArenaError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|c| {
            c.prepare_cached("SELECT at, what, entry, why FROM actions ORDER BY id DESC LIMIT ?1")?
                .query_map([limit], |r| {
                    Ok(ActionRecord { at: r.get(0)?, what: r.get(1)?, entry: r.get(2)?, why: r.get(3)? })
                })?
                .collect()
        })
    }
}
