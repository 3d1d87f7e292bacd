//! Content-addressed cache of activations and results, and the journal of jobs that were sent to a
//! service, so that nothing is paid for twice.
//!
//! One SQLite file, `DIR/truenorth.db`, holds every cached matrix under the SHA-256 of what
//! produced it ([`ActivationKey`], [`ResultKey`]). Entries carry their own checksum; one that
//! does not verify reads as a miss, so the caller computes it again.
//!
//! # Safety under other processes and kills
//! The journal is a write-ahead log and every write is one immediate transaction: a process
//! killed at any moment leaves either all of a batch or none of it, and two processes take turns.
//! `synchronous = NORMAL` is enough here: a killed process loses nothing that was committed, and
//! a power cut may lose the last batches of a cache but cannot damage the file.
//!
//! ```
//! use truenorth_data::store::{Activation, ActivationKey, ReadingContext, StoredPrompt, Store};
//!
//! let store = Store::in_memory()?;
//! let context = ReadingContext::new("smollm2@sha256:b179", "main", "f32", "engine-f32", "resid_post.12", "last");
//! let key = ActivationKey::new(context, StoredPrompt::Tokens(vec![1, 2, 3]));
//! assert_eq!(store.get(&key)?, None);
//! store.put(&key, &Activation::new(1, 2, vec![0.5, -0.5])?)?;
//! assert_eq!(store.get(&key)?.unwrap().values(), [0.5, -0.5]);
//! # Ok::<(), truenorth_data::store::StoreError>(())
//! ```

mod error;
mod hold;
mod jobs;
mod key;
mod maintain;
mod read;
mod schema;
mod stats;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use key::{ActivationKey, ReadingContext, ResultKey, StoredPrompt};
pub use maintain::{CorruptEntry, GcOptions, GcReport, VerifyProgress, VerifyReport};
pub use stats::{ContextStats, EntryKind, SessionCounts, Stats};
pub use value::Activation;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use truenorth_protocol::clock::seconds as now;

/// Name of the database file inside the cache folder.
pub const FILE_NAME: &str = "truenorth.db";

/// How long a call waits for another process before it gives up, unless told otherwise.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The cache. Shared between threads by reference; calls take turns on one connection.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    /// `None` for a database in memory.
    file: Option<PathBuf>,
    busy_timeout: Duration,
    session: SessionCounters,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// Entries read since the last flush, with the time of use: written in batches, because a
    /// write a read would turn every look-up into a transaction.
    touched: HashMap<i64, i64>,
    corrupt: Vec<CorruptEntry>,
}

#[derive(Debug, Default)]
struct SessionCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    writes: AtomicU64,
    corrupt: AtomicU64,
}

impl Store {
    /// Opens or creates `dir/truenorth.db`, creating `dir` where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be written, the file is not a database, belongs to another
    /// program, is damaged, was written by a newer version, or stays locked.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_with(dir, BUSY_TIMEOUT)
    }

    /// [`Store::open`] with another patience for locks held by other processes.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, busy_timeout: Duration) -> Result<Store, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Folder { path: dir.to_owned(), source })?;
        let file = dir.join(FILE_NAME);
        let connection = schema::open(&file, busy_timeout)?;
        Ok(Store::from_connection(connection, Some(file), busy_timeout))
    }

    /// A cache that lives as long as the value, for `--no-cache` and for tests.
    ///
    /// # Errors
    /// When SQLite cannot allocate the database.
    pub fn in_memory() -> Result<Store, StoreError> {
        Ok(Store::from_connection(schema::in_memory()?, None, BUSY_TIMEOUT))
    }

    fn from_connection(connection: Connection, file: Option<PathBuf>, busy_timeout: Duration) -> Store {
        Store {
            inner: Mutex::new(Inner { connection, touched: HashMap::new(), corrupt: Vec::new() }),
            file,
            busy_timeout,
            session: SessionCounters::default(),
        }
    }

    /// The database file; `None` for a database in memory.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave the connection half-way: an open transaction rolls back
        // when it is dropped. So the poisoned lock is as good as a clean one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the file and the remedy for what SQLite said.
    fn explain(&self) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        |source| error::explain(source, self.file.as_deref(), self.busy_timeout)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Times of use only steer gc; losing some is no reason to complain while closing.
        let _ = write::flush_touched(inner);
    }
}

/// SQLite's integers are signed; a count past `i64::MAX` cannot occur, a negative one reads as 0.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
