//! Storing entries.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::maintain::CorruptEntry;
use super::stats::EntryKind;
use super::value::checksum;
use super::{Activation, ActivationKey, Inner, ReadingContext, ResultKey, Store, StoreError, now, signed};

/// What one entry is made of, on its way into the database.
struct EntryToWrite<'a> {
    key: [u8; 32],
    kind: EntryKind,
    rows: i64,
    width: i64,
    data: &'a [u8],
}

/// How many entries of a batch were new and how many were there before.
#[derive(Default)]
struct WriteCounts {
    computed: u64,
    rewritten: u64,
}

impl Store {
    /// Stores one activation.
    ///
    /// # Errors
    /// As [`Store::put_many`].
    pub fn put(&self, key: &ActivationKey, value: &Activation) -> Result<(), StoreError> {
        self.write(|transaction, contexts, tally| put(transaction, contexts, tally, key, value))
    }

    /// Stores a batch in one transaction: after an error or a kill, none of it is there. A key
    /// that was stored before is replaced and counted in [`Stats::rewritten`](super::Stats).
    ///
    /// # Errors
    /// When the disk is full, the database is read-only, damaged, or stays locked.
    pub fn put_many(&self, entries: &[(ActivationKey, Activation)]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(|transaction, contexts, tally| {
            entries.iter().try_for_each(|(key, value)| put(transaction, contexts, tally, key, value))
        })
    }

    /// Stores the answer to a graph.
    ///
    /// # Errors
    /// As [`Store::put_many`].
    pub fn put_result(&self, key: &ResultKey, data: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction, _, tally| {
            let context = context_id(transaction, &key.context())?;
            let entry = EntryToWrite { key: key.hash(), kind: EntryKind::Result, rows: 0, width: 0, data };
            insert(transaction, context, &entry, tally)
        })
    }

    /// Writes the times of use that reads have gathered. Called by every write, by gc and when
    /// the store is dropped.
    ///
    /// # Errors
    /// As [`Store::put_many`].
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        flush_touched(&mut inner).map_err(self.explain())
    }

    fn write(
        &self,
        body: impl FnOnce(&Transaction<'_>, &mut Contexts, &mut WriteCounts) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let Inner { connection, touched, .. } = &mut *inner;
        // Immediate: a transaction that begins by reading and then wants to write is refused
        // at once when another process wrote in between, however long the timeout.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(self.explain())?;
        let mut tally = WriteCounts::default();
        body(&transaction, &mut Contexts::default(), &mut tally).map_err(self.explain())?;
        count(&transaction, "computed", tally.computed).map_err(self.explain())?;
        count(&transaction, "rewritten", tally.rewritten).map_err(self.explain())?;
        touch(&transaction, touched).map_err(self.explain())?;
        transaction.commit().map_err(self.explain())?;
        touched.clear();
        self.session.writes.fetch_add(tally.computed + tally.rewritten, Ordering::Relaxed);
        Ok(())
    }
}

/// Ids of the contexts met in one transaction. Not kept longer: another process's gc may remove a
/// context that no entry uses.
type Contexts = HashMap<ReadingContext, i64>;

fn put(
    transaction: &Transaction<'_>,
    contexts: &mut Contexts,
    tally: &mut WriteCounts,
    key: &ActivationKey,
    value: &Activation,
) -> rusqlite::Result<()> {
    let context = match contexts.get(key.context.as_ref()) {
        Some(id) => *id,
        None => {
            let id = context_id(transaction, &key.context)?;
            contexts.insert(ReadingContext::clone(&key.context), id);
            id
        }
    };
    let entry = EntryToWrite {
        key: key.hash(),
        kind: EntryKind::Activation,
        rows: signed(value.rows() as u64),
        width: signed(value.width() as u64),
        data: &value.to_bytes(),
    };
    insert(transaction, context, &entry, tally)
}

fn context_id(connection: &Connection, context: &ReadingContext) -> rusqlite::Result<i64> {
    let ReadingContext { model, revision, dtype, path, site, positions } = context;
    let values = params![model, revision, dtype, path, site, positions];
    connection
        .prepare_cached(
            "INSERT INTO contexts (model, revision, dtype, path, site, positions)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(values)?;
    connection
        .prepare_cached(
            "SELECT id FROM contexts WHERE model = ?1 AND revision = ?2 AND dtype = ?3
             AND path = ?4 AND site = ?5 AND positions = ?6",
        )?
        .query_row(values, |row| row.get(0))
}

fn insert(
    connection: &Connection,
    context: i64,
    entry: &EntryToWrite<'_>,
    tally: &mut WriteCounts,
) -> rusqlite::Result<()> {
    let sum = checksum(&entry.key, entry.rows, entry.width, entry.data);
    let before: Option<i64> = connection
        .prepare_cached("SELECT id FROM entries WHERE key = ?1")?
        .query_row([entry.key.as_slice()], |row| row.get(0))
        .optional()?;
    match before {
        Some(_) => tally.rewritten += 1,
        None => tally.computed += 1,
    }
    // The payload is replaced even when the checksum stays the same: it may have been damaged.
    connection
        .prepare_cached(
            "INSERT INTO entries (id, key, kind, context, rows, width, bytes, sum, used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (key) DO UPDATE SET kind = ?3, context = ?4, rows = ?5, width = ?6,
                 bytes = ?7, sum = ?8, used = ?9",
        )?
        .execute(params![
            before,
            entry.key.as_slice(),
            entry.kind.code(),
            context,
            entry.rows,
            entry.width,
            signed(entry.data.len() as u64),
            sum.as_slice(),
            now(),
        ])?;
    let id = before.unwrap_or_else(|| connection.last_insert_rowid());
    connection
        .prepare_cached("INSERT OR REPLACE INTO payloads (id, data) VALUES (?1, ?2)")?
        .execute(params![id, entry.data])?;
    Ok(())
}

/// Adds to a counter that outlives the process.
pub(super) fn count(connection: &Connection, name: &str, by: u64) -> rusqlite::Result<()> {
    if by > 0 {
        connection
            .prepare_cached(
                "INSERT INTO counters (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = value + ?2",
            )?
            .execute(params![name, signed(by)])?;
    }
    Ok(())
}

fn touch(connection: &Connection, touched: &HashMap<i64, i64>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE entries SET used = max(used, ?2) WHERE id = ?1")?;
    for (id, time) in touched {
        statement.execute([id, time])?;
    }
    Ok(())
}

pub(super) fn flush_touched(inner: &mut Inner) -> rusqlite::Result<()> {
    if inner.touched.is_empty() {
        return Ok(());
    }
    let transaction = inner.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    touch(&transaction, &inner.touched)?;
    transaction.commit()?;
    inner.touched.clear();
    Ok(())
}

/// Removes entries found corrupt, unless another process has replaced them meanwhile. Returns how
/// many are gone.
pub(super) fn delete_corrupt(connection: &mut Connection, corrupt: &[CorruptEntry]) -> rusqlite::Result<u64> {
    if corrupt.is_empty() {
        return Ok(0);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut deleted = 0;
    for entry in corrupt {
        if verifies(&transaction, entry.id)? {
            continue;
        }
        transaction.prepare_cached("DELETE FROM payloads WHERE id = ?1")?.execute([entry.id])?;
        deleted +=
            transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([entry.id])? as u64;
    }
    count(&transaction, "corrupt", deleted)?;
    transaction.commit()?;
    Ok(deleted)
}

/// Whether the entry's payload is there and matches its checksum; true for an entry that is gone.
fn verifies(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    let row = connection
        .prepare_cached(
            "SELECT key, rows, width, sum, data FROM entries
             LEFT JOIN payloads ON payloads.id = entries.id WHERE entries.id = ?1",
        )?
        .query_row([id], |row| {
            let (key, sum): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(3)?);
            let data: Option<Vec<u8>> = row.get(4)?;
            let (rows, width) = (row.get(1)?, row.get(2)?);
            Ok(data.is_some_and(|data| checksum(&key, rows, width, &data)[..] == sum[..]))
        })
        .optional()?;
    Ok(row.unwrap_or(true))
}
