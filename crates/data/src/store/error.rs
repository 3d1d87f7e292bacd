//! What can go wrong in the store, and what to do about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ErrorCode;

/// A failure of the cache. [`StoreError::hint`] says how to get past it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The cache folder can't be made.
    #[error("cannot create the cache folder {}", path.display())]
    Folder {
        /// The folder that was asked for.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The database file cannot be opened.
    #[error("cannot open the cache {}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The file or its folder does not allow writing.
    #[error("the cache {} is read-only", path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
        /// What SQLite said, when a write was tried.
        source: Option<rusqlite::Error>,
    },
    /// No room is left for what was to be stored; nothing of that batch was.
    #[error("no space left while writing the cache {}", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The file holds something else than an SQLite database.
    #[error("{} is not a database", path.display())]
    NotADatabase {
        /// The file at the place of the database.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The file is an SQLite database of another program.
    #[error(
        "{} is a database of another program (application id {found:#x}, expected {expected:#x})",
        path.display()
    )]
    Foreign {
        /// The file at the place of the database.
        path: PathBuf,
        /// The application id in its header.
        found: i64,
        /// The application id of this cache.
        expected: i64,
    },
    /// The database was written by a newer version of truenorth.
    #[error("the cache {} has schema version {found}, this program knows up to {supported}", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The schema version that it has.
        found: i64,
        /// The newest version understood here.
        supported: i64,
    },
    /// The database's own structure is damaged (a damaged entry is not an error but a miss).
    #[error("the cache {} is damaged: {detail}", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What the check of the structure found.
        detail: String,
        /// What SQLite said, when it was SQLite that noticed.
        source: Option<rusqlite::Error>,
    },
    /// Another process held the database longer than this one was ready to wait.
    #[error("the cache {} stayed locked by another process for {} s", path.display(), waited.as_secs_f64())]
    Locked {
        /// The database file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// Any other failure of the database.
    #[error("the cache {} failed", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// A matrix whose length is not its rows times its width.
    #[error("an activation of {rows} × {width} holds {values} values, expected {}", expected(*rows, *width))]
    Shape {
        /// Rows asked for.
        rows: usize,
        /// Width asked for.
        width: usize,
        /// Values that were given.
        values: usize,
    },
}

fn expected(rows: usize, width: usize) -> String {
    rows.checked_mul(width).map_or_else(|| "a product that fits in memory".to_owned(), |n| n.to_string())
}

impl StoreError {
    /// A remedy in one line, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StoreError::Folder { .. } | StoreError::Open { .. } | StoreError::ReadOnly { .. } => {
                Some("choose a folder you can write to with --cache DIR, or run with --no-cache")
            }
            StoreError::Full { .. } => Some(
                "free some space (`truenorth cache gc` then shrinks the cache), or point --cache at another \
                 disk; what was stored before is intact",
            ),
            StoreError::NotADatabase { .. } | StoreError::Foreign { .. } => {
                Some("move that file away, or choose another folder with --cache DIR")
            }
            StoreError::NewerSchema { .. } => {
                Some("update truenorth, or choose another folder with --cache DIR")
            }
            StoreError::Damaged { .. } => Some(
                "delete the file together with its -wal and -shm companions: it is only a cache, \
                 and what it held is computed again",
            ),
            StoreError::Locked { .. } => Some(
                "wait for the other process (a long `cache verify` or `cache gc`?), stop it, or use another --cache DIR",
            ),
            StoreError::Database { .. } | StoreError::Shape { .. } => None,
        }
    }
}

/// Sorts what SQLite said by what the user can do about it.
pub(super) fn explain(source: rusqlite::Error, file: Option<&Path>, waited: Duration) -> StoreError {
    let path = file.map_or_else(|| PathBuf::from(":memory:"), Path::to_owned);
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path, source },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { path, source: Some(source) }
        }
        Some(ErrorCode::CannotOpen) => StoreError::Open { path, source },
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path, source },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Locked { path, waited, source }
        }
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            path,
            detail: "its pages do not fit together".to_owned(),
            source: Some(source),
        },
        _ => StoreError::Database { path, source },
    }
}
