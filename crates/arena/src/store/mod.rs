//! The entries of a season: one SQLite database, in which a submission is written down before anything is done with it.
//!
//! A submission goes from queued to scored or failed, once. A batch is written down before it is scored, so that one that
//! was interrupted is scored again as the same batch; what has a score is never given another.

mod counted;
mod entry;
mod operator;
mod queue;
mod read;
mod schema;
mod submit;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

pub use counted::SeasonCounts;
pub use entry::{Entry, SubmissionStatus};
pub use operator::{ActionRecord, OperatorAction};
pub use queue::{Queued, Scores, ScoringOutcome};
pub use read::{BoardEnd, RankedEntry};
pub use submit::{Accepted, NewSubmission, SubmitResult};

use crate::error::ArenaError;
use crate::time;

/// The database of a season, in its folder.
pub const FILE: &str = "season.db";
/// Connections for reading.
const READERS: usize = 4;

/// The three stages of a season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeasonState {
    /// Made, not yet opened.
    Draft,
    /// Submissions are taken.
    Open,
    /// They no longer are.
    Closed,
}

impl fmt::Display for SeasonState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draft => "a draft",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// The database of a season's entries, with its connections.
#[derive(Debug)]
pub struct SeasonStore {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl SeasonStore {
    /// Makes the database of a season that is being opened.
    pub(crate) fn create(folder: &Path, seal: &str, opened: &str) -> Result<Self, ArenaError> {
        let path = folder.join(FILE);
        // Under another name until it is whole: a season is open once its database is there.
        let draft = folder.join(".season.db.new");
        let of = |source| ArenaError::Database { path: draft.clone(), source };
        let _ = std::fs::remove_file(&draft);
        let connection = schema::create(&draft).map_err(of)?;
        for (key, value) in [("seal", seal), ("opened", opened), ("state", "open"), ("salt", &secret())] {
            connection.execute("INSERT INTO meta VALUES (?1, ?2)", (key, value)).map_err(of)?;
        }
        connection.close().map_err(|(_, source)| of(source))?;
        std::fs::rename(&draft, &path).map_err(ArenaError::file("write", &path))?;
        Self::open(&path)
    }

    /// Opens the database of a season's folder; none where it was never opened.
    pub(crate) fn open_if_there(folder: &Path) -> Result<Option<Self>, ArenaError> {
        let path = folder.join(FILE);
        if path.is_file() { Self::open(&path).map(Some) } else { Ok(None) }
    }

    fn open(path: &Path) -> Result<Self, ArenaError> {
        let of = |source| ArenaError::Database { path: path.to_owned(), source };
        let writer = schema::open(path).map_err(of)?;
        let readers = (0..READERS)
            .map(|_| schema::open_to_read(path).map(Mutex::new))
            .collect::<Result<_, _>>()
            .map_err(of)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers, next: AtomicUsize::new(0) })
    }

    /// Does something with the connection that writes.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ArenaError> {
        work(&mut held(&self.writer)).map_err(|source| self.failed(source))
    }

    /// Does something with a connection that reads.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ArenaError> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..READERS).find_map(|i| self.readers[(start + i) % READERS].try_lock().ok());
        let connection = free.unwrap_or_else(|| held(&self.readers[start % READERS]));
        work(&connection).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> ArenaError {
        ArenaError::Database { path: self.path.clone(), source }
    }

    /// What the database says of the season under a key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn meta(&self, key: &str) -> Result<Option<String>, ArenaError> {
        self.read(|c| c.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional())
    }

    /// Where the season stands.
    ///
    /// # Errors
    /// When the database fails.
    pub fn state(&self) -> Result<SeasonState, ArenaError> {
        Ok(if self.meta("state")?.as_deref() == Some("open") {
            SeasonState::Open
        } else {
            SeasonState::Closed
        })
    }

    pub(crate) fn close(&self) -> Result<(), ArenaError> {
        let now = time::now();
        self.write(|c| {
            let tx = c.transaction()?;
            tx.execute("UPDATE meta SET value = 'closed' WHERE key = 'state'", [])?;
            tx.execute("INSERT OR REPLACE INTO meta VALUES ('closed', ?1)", [&now])?;
            tx.commit()
        })
    }

    /// What addresses are hashed with; it moves with the season, so that limits hold on.
    pub(crate) fn salt(&self) -> Result<Vec<u8>, ArenaError> {
        Ok(self.meta("salt")?.unwrap_or_default().into_bytes())
    }

    /// Copies the database as it is at one moment, while others write.
    ///
    /// # Errors
    /// When the copy can't be written.
    pub fn backup(&self, to: &Path) -> Result<(), ArenaError> {
        let of = |source| ArenaError::Database { path: to.to_owned(), source };
        let from = schema::open_to_read(&self.path).map_err(of)?;
        let mut copy = Connection::open(to).map_err(of)?;
        {
            let backup = rusqlite::backup::Backup::new(&from, &mut copy).map_err(of)?;
            // In one step: what is written meanwhile would begin a copy in several anew.
            backup.run_to_completion(i32::MAX, std::time::Duration::from_millis(50), None).map_err(of)?;
        }
        copy.pragma_update(None, "journal_mode", "DELETE").map_err(of)?;
        copy.close().map_err(|(_, source)| of(source))
    }
}

/// A random secret of 244 bits.
pub(crate) fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn held(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // An open transaction is rolled back when it is dropped, by a panic too.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
