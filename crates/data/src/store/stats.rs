//! What the cache holds and how it has served.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use serde::Serialize;

use super::{Store, StoreError, unsigned};

/// The two kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Activations of one prompt at one site.
    Activation,
    /// The answer to an intervention graph.
    Result,
}

impl EntryKind {
    pub(super) fn code(self) -> i64 {
        match self {
            EntryKind::Activation => 0,
            EntryKind::Result => 1,
        }
    }

    fn from_code(code: i64) -> EntryKind {
        if code == 0 { EntryKind::Activation } else { EntryKind::Result }
    }
}

/// The state of the cache, as `cache stats` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The database file; `None` in memory.
    pub file: Option<PathBuf>,
    /// Size of the file and its write-ahead log, in bytes.
    pub file_bytes: u64,
    /// Entries in the store.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// New entries ever written: what was computed and not found.
    pub computed: u64,
    /// Entries written that were there already: what was computed in vain.
    pub rewritten: u64,
    /// Entries ever found corrupt and removed.
    pub corrupt: u64,
    /// Entries ever removed by gc.
    pub collected: u64,
    /// Entries by kind, model and site, largest first.
    pub by_context: Vec<ContextStats>,
    /// Look-ups and writes of this process.
    pub session: SessionCounts,
}

/// Entries of one kind that share a model and a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextStats {
    /// Whether they are activations or answers.
    pub kind: EntryKind,
    /// The model, with the identity of its weights.
    pub model: String,
    /// Revision of the model.
    pub revision: String,
    /// Type that the model computes in: `f32`, `bf16` or `f16`.
    pub dtype: String,
    /// The numeric path that computed them.
    pub path: String,
    /// The site that was read; empty for results.
    pub site: String,
    /// Entries of this kind, model and site.
    pub entries: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// Counts of one process since it opened the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SessionCounts {
    /// Look-ups that found an entry.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Entries that were written.
    pub writes: u64,
    /// Entries found corrupt by look-ups.
    pub corrupt: u64,
}

impl Store {
    /// Counts what is stored. Scans the table of entries, not their payloads.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let inner = self.lock();
        let connection = &inner.connection;
        let by_context = by_context(connection).map_err(self.explain())?;
        let counter = |name: &str| counter(connection, name).map_err(self.explain());
        Ok(Stats {
            file: self.file.clone(),
            file_bytes: self.file.as_deref().map_or(0, file_bytes),
            entries: by_context.iter().map(|context| context.entries).sum(),
            bytes: by_context.iter().map(|context| context.bytes).sum(),
            computed: counter("computed")?,
            rewritten: counter("rewritten")?,
            corrupt: counter("corrupt")?,
            collected: counter("collected")?,
            by_context,
            session: self.session(),
        })
    }

    /// Look-ups and writes of this process since it opened the store.
    pub fn session(&self) -> SessionCounts {
        SessionCounts {
            hits: self.session.hits.load(Ordering::Relaxed),
            misses: self.session.misses.load(Ordering::Relaxed),
            writes: self.session.writes.load(Ordering::Relaxed),
            corrupt: self.session.corrupt.load(Ordering::Relaxed),
        }
    }
}

fn by_context(connection: &Connection) -> rusqlite::Result<Vec<ContextStats>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, coalesce(model, ''), coalesce(revision, ''), coalesce(dtype, ''),
                coalesce(path, ''), coalesce(site, ''), count(*), sum(bytes)
         FROM entries LEFT JOIN contexts ON contexts.id = context
         GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 8 DESC, 2, 3, 4, 5, 6",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(ContextStats {
            kind: EntryKind::from_code(row.get(0)?),
            model: row.get(1)?,
            revision: row.get(2)?,
            dtype: row.get(3)?,
            path: row.get(4)?,
            site: row.get(5)?,
            entries: unsigned(row.get(6)?),
            bytes: unsigned(row.get(7)?),
        })
    })?;
    rows.collect()
}

fn counter(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(sum(value), 0) FROM counters WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .map(unsigned)
}

/// Size of the database with its write-ahead log; a file that is not there counts as empty.
pub(super) fn file_bytes(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    size(file) + size(Path::new(&log))
}
