//! Checking every entry, and making room.
//!
//! Both work in small transactions, so that another process waits for milliseconds, not minutes.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::Serialize;

use super::stats::file_bytes;
use super::value::checksum;
use super::write::{count, delete_corrupt};
use super::{Store, StoreError, now, signed, unsigned};

/// Entries checked between two looks at the world.
const VERIFY_BATCH: usize = 64;

/// Entries removed in one transaction.
const GC_BATCH: usize = 256;

/// Pages given back to the file system in one transaction (16 KiB each).
const VACUUM_BATCH: i64 = 1024;

/// An entry whose payload is missing or does not match its checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorruptEntry {
    #[serde(skip)]
    pub(super) id: i64,
    #[serde(serialize_with = "hex")]
    pub(super) key: Vec<u8>,
    /// The model that the entry is of.
    pub model: String,
    /// The site it was read at; empty for a result.
    pub site: String,
}

impl CorruptEntry {
    /// The key of the entry, 32 bytes.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

fn hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&truenorth_protocol::hash::hex(bytes))
}

/// Progress of [`Store::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Entries that were checked so far.
    pub done: u64,
    /// Entries there were at the start.
    pub total: u64,
}

/// The result of [`Store::verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Entries that were checked.
    pub checked: u64,
    /// Bytes of payload checked.
    pub bytes: u64,
    /// Entries that do not verify.
    pub corrupt: Vec<CorruptEntry>,
    /// Corrupt entries that were removed.
    pub deleted: u64,
}

/// The entries that [`Store::gc`] keeps; all where nothing is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcOptions {
    /// Keep at most this many bytes of payload (the file is a few per cent larger).
    pub max_bytes: Option<u64>,
    /// Keep nothing that was last used longer ago than this.
    pub older_than: Option<Duration>,
}

/// The result of [`Store::gc`], in entries and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Entries that were removed.
    pub removed: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Entries that were kept.
    pub kept: u64,
    /// Bytes of their payloads.
    pub kept_bytes: u64,
    /// Size of the file and its log before.
    pub file_before: u64,
    /// Size of the file and its log after; a process that is reading may delay the shrinking.
    pub file_after: u64,
}

impl Store {
    /// Checks the structure of the file and the checksum of every entry; with `delete`, removes
    /// those that do not verify.
    ///
    /// # Errors
    /// When the structure is damaged or the database cannot be read (or written, to delete).
    pub fn verify(
        &self,
        delete: bool,
        mut progress: impl FnMut(VerifyProgress),
    ) -> Result<VerifyReport, StoreError> {
        let total = {
            let inner = self.lock();
            let detail: String = inner
                .connection
                .pragma_query_value(None, "quick_check", |row| row.get(0))
                .map_err(self.explain())?;
            if detail != "ok" {
                let path = self.file.clone().unwrap_or_default();
                return Err(StoreError::Damaged { path, detail, source: None });
            }
            inner
                .connection
                .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
                .map(unsigned)
                .map_err(self.explain())?
        };
        let mut report = VerifyReport::default();
        let mut last = i64::MIN;
        progress(VerifyProgress { done: 0, total });
        loop {
            let mut inner = self.lock();
            let batch = check_batch(&inner.connection, last).map_err(self.explain())?;
            let Some(end) = batch.last else {
                return Ok(report);
            };
            last = end;
            report.checked += batch.checked;
            report.bytes += batch.bytes;
            if delete {
                report.deleted +=
                    delete_corrupt(&mut inner.connection, &batch.corrupt).map_err(self.explain())?;
            }
            report.corrupt.extend(batch.corrupt);
            drop(inner);
            progress(VerifyProgress { done: report.checked.min(total), total });
        }
    }

    /// Removes the least recently used entries until the rest is as `options` ask, then gives the
    /// space back. Removes nothing by itself when `options` are empty, but still gives back what
    /// is unused.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn gc(&self, options: GcOptions) -> Result<GcReport, StoreError> {
        let file_before = self.file_bytes();
        self.flush()?;
        let doomed = {
            let inner = self.lock();
            let connection = &inner.connection;
            doomed(connection, options).map_err(self.explain())?
        };
        let mut report = GcReport { file_before, ..GcReport::default() };
        for batch in doomed.chunks(GC_BATCH) {
            let mut inner = self.lock();
            let (removed, bytes) = remove(&mut inner.connection, batch).map_err(self.explain())?;
            report.removed += removed;
            report.bytes += bytes;
        }
        if report.removed > 0 {
            self.lock()
                .connection
                .execute("DELETE FROM contexts WHERE id NOT IN (SELECT context FROM entries)", [])
                .map_err(self.explain())?;
        }
        self.shrink()?;
        (report.kept, report.kept_bytes) = held(&self.lock().connection).map_err(self.explain())?;
        report.file_after = self.file_bytes();
        Ok(report)
    }

    /// What [`Store::gc`] would remove now. How small the file would be is not known: `file_after` is
    /// `file_before`.
    ///
    /// # Errors
    /// When the database cannot be read, or the last uses not be written.
    pub fn gc_would(&self, options: GcOptions) -> Result<GcReport, StoreError> {
        self.flush()?;
        let file = self.file_bytes();
        let inner = self.lock();
        let (entries, bytes) = held(&inner.connection).map_err(self.explain())?;
        let doomed = doomed(&inner.connection, options).map_err(self.explain())?;
        let (removed, gone) = (doomed.len() as u64, doomed.iter().map(|d| d.bytes).sum());
        Ok(GcReport {
            removed,
            bytes: gone,
            kept: entries.saturating_sub(removed),
            kept_bytes: bytes.saturating_sub(gone),
            file_before: file,
            file_after: file,
        })
    }

    /// Gives unused pages back to the file system, a batch a transaction.
    fn shrink(&self) -> Result<(), StoreError> {
        loop {
            let inner = self.lock();
            let connection = &inner.connection;
            let free = |connection: &Connection| {
                connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0))
            };
            let before = free(connection).map_err(self.explain())?;
            if before > 0 {
                // Stepped to the end, because SQLite frees a page a step.
                connection
                    .pragma(None, "incremental_vacuum", VACUUM_BATCH, |_| Ok(()))
                    .map_err(self.explain())?;
            }
            if before == 0 || free(connection).map_err(self.explain())? >= before {
                // The log is emptied into the file if no reader needs it; if one does, the next
                // checkpoint does it. Either is fine, so the answer is not looked at.
                return connection
                    .pragma(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
                    .map_err(self.explain());
            }
        }
    }

    fn file_bytes(&self) -> u64 {
        self.file.as_deref().map_or(0, file_bytes)
    }
}

struct VerifiedBatch {
    checked: u64,
    bytes: u64,
    /// Id of the batch's last entry; `None` for an empty batch.
    last: Option<i64>,
    corrupt: Vec<CorruptEntry>,
}

fn check_batch(connection: &Connection, after: i64) -> rusqlite::Result<VerifiedBatch> {
    let mut statement = connection.prepare_cached(
        "SELECT entries.id, key, rows, width, sum, data, coalesce(model, ''), coalesce(site, '')
         FROM entries
         LEFT JOIN payloads ON payloads.id = entries.id
         LEFT JOIN contexts ON contexts.id = context
         WHERE entries.id > ?1 ORDER BY entries.id LIMIT ?2",
    )?;
    let mut batch = VerifiedBatch { checked: 0, bytes: 0, last: None, corrupt: Vec::new() };
    let mut rows = statement.query([after, signed(VERIFY_BATCH as u64)])?;
    while let Some(row) = rows.next()? {
        let (id, key): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let sum: Vec<u8> = row.get(4)?;
        let data: Option<Vec<u8>> = row.get(5)?;
        batch.last = Some(id);
        batch.checked += 1;
        batch.bytes += data.as_ref().map_or(0, |data| data.len() as u64);
        let (height, width) = (row.get(2)?, row.get(3)?);
        if data.is_none_or(|data| checksum(&key, height, width, &data)[..] != sum[..]) {
            batch.corrupt.push(CorruptEntry { id, key, model: row.get(6)?, site: row.get(7)? });
        }
    }
    Ok(batch)
}

/// An entry to remove, with the time of use it had when it was chosen.
struct Doomed {
    id: i64,
    used: i64,
    bytes: u64,
}

/// How many entries there are, and bytes of their payloads.
fn held(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection.query_row("SELECT count(*), coalesce(sum(bytes), 0) FROM entries", [], |row| {
        Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)))
    })
}

fn doomed(connection: &Connection, options: GcOptions) -> rusqlite::Result<Vec<Doomed>> {
    let mut excess = match options.max_bytes {
        Some(max) => held(connection)?.1.saturating_sub(max),
        None => 0,
    };
    let cutoff = options.older_than.map_or(i64::MIN, |age| now().saturating_sub(signed(age.as_secs())));
    let mut statement = connection.prepare("SELECT id, used, bytes FROM entries ORDER BY used, id")?;
    let mut rows = statement.query([])?;
    let mut doomed = Vec::new();
    while let Some(row) = rows.next()? {
        let used: i64 = row.get(1)?;
        if excess == 0 && used >= cutoff {
            break;
        }
        let bytes = unsigned(row.get(2)?);
        excess = excess.saturating_sub(bytes);
        doomed.push(Doomed { id: row.get(0)?, used, bytes });
    }
    Ok(doomed)
}

/// Removes a batch, sparing what another process has used since it was chosen. Returns entries
/// and bytes removed.
fn remove(connection: &mut Connection, batch: &[Doomed]) -> rusqlite::Result<(u64, u64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut removed, mut bytes) = (0, 0);
    for entry in batch {
        let size: Option<i64> = transaction
            .prepare_cached("DELETE FROM entries WHERE id = ?1 AND used = ?2 RETURNING bytes")?
            .query_row([entry.id, entry.used], |row| row.get(0))
            .optional()?;
        if let Some(size) = size {
            transaction.prepare_cached("DELETE FROM payloads WHERE id = ?1")?.execute([entry.id])?;
            removed += 1;
            bytes += unsigned(size);
        }
    }
    count(&transaction, "collected", removed)?;
    transaction.commit()?;
    Ok((removed, bytes))
}
