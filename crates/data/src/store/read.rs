//! Looking entries up.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::maintain::CorruptEntry;
use super::value::checksum;
use super::write::{delete_corrupt, flush_touched};
use super::{Activation, ActivationKey, Inner, ResultKey, Store, StoreError, now};

/// Uses within this many seconds of the recorded one are not recorded: gc needs no finer clock.
const TOUCH_AFTER: i64 = 60;

/// Recorded uses are written once this many are waiting.
const TOUCH_BATCH: usize = 1024;

/// Corrupt entries remembered for the report; more of them are only counted.
const CORRUPT_KEPT: usize = 1000;

/// A payload that verified.
struct VerifiedPayload {
    id: i64,
    rows: i64,
    width: i64,
    used: i64,
    data: Vec<u8>,
}

enum Lookup {
    Missing,
    Found(VerifiedPayload),
    Corrupt(CorruptEntry),
}

impl Store {
    /// The activation under `key`, or `None` when it has to be computed.
    ///
    /// # Errors
    /// As [`Store::get_many`].
    pub fn get(&self, key: &ActivationKey) -> Result<Option<Activation>, StoreError> {
        Ok(self.get_many(std::slice::from_ref(key))?.pop().flatten())
    }

    /// The activations under `keys`, in their order, as of one moment. An entry whose checksum
    /// does not verify is removed, remembered for [`Store::take_corrupt`], and read as a miss.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_many(&self, keys: &[ActivationKey]) -> Result<Vec<Option<Activation>>, StoreError> {
        let hashes: Vec<_> = keys.iter().map(ActivationKey::hash).collect();
        let found = self.fetch(&hashes)?;
        Ok(found
            .into_iter()
            .map(|entry| entry.and_then(|entry| Activation::from_bytes(entry.rows, entry.width, &entry.data)))
            .collect())
    }

    /// The stored answer to a graph, or `None` when it has to be run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_result(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.fetch(&[key.hash()])?.pop().flatten();
        Ok(found.map(|entry| entry.data))
    }

    /// The corrupt entries met by reads since the last call, for a warning.
    pub fn take_corrupt(&self) -> Vec<CorruptEntry> {
        std::mem::take(&mut self.lock().corrupt)
    }

    fn fetch(&self, hashes: &[[u8; 32]]) -> Result<Vec<Option<VerifiedPayload>>, StoreError> {
        let mut inner = self.lock();
        let mut corrupt = Vec::new();
        let mut results = Vec::with_capacity(hashes.len());
        let mut hits = 0;
        let Inner { connection, touched, .. } = &mut *inner;
        let read =
            connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(self.explain())?;
        let time = now();
        for hash in hashes {
            match lookup(&read, hash).map_err(self.explain())? {
                Lookup::Missing => results.push(None),
                Lookup::Corrupt(entry) => {
                    corrupt.push(entry);
                    results.push(None);
                }
                Lookup::Found(entry) => {
                    hits += 1;
                    if time - entry.used >= TOUCH_AFTER {
                        touched.insert(entry.id, time);
                    }
                    results.push(Some(entry));
                }
            }
        }
        read.finish().map_err(self.explain())?;

        self.session.hits.fetch_add(hits, Ordering::Relaxed);
        self.session.misses.fetch_add(hashes.len() as u64 - hits, Ordering::Relaxed);
        self.session.corrupt.fetch_add(corrupt.len() as u64, Ordering::Relaxed);
        // Neither of the following writes may fail a read: a corrupt entry that stays is
        // replaced by the next put, and times of use wait for the next chance.
        let _ = delete_corrupt(&mut inner.connection, &corrupt);
        if inner.touched.len() >= TOUCH_BATCH {
            let _ = flush_touched(&mut inner);
        }
        let room = CORRUPT_KEPT.saturating_sub(inner.corrupt.len());
        inner.corrupt.extend(corrupt.into_iter().take(room));
        Ok(results)
    }
}

fn lookup(connection: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Lookup> {
    let mut statement = connection.prepare_cached(
        "SELECT entries.id, rows, width, used, sum, data, model, site FROM entries
         LEFT JOIN payloads ON payloads.id = entries.id
         LEFT JOIN contexts ON contexts.id = context
         WHERE key = ?1",
    )?;
    let row = statement
        .query_row([hash.as_slice()], |row| {
            let sum: Vec<u8> = row.get(4)?;
            let data: Option<Vec<u8>> = row.get(5)?;
            let (id, rows, width) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let data = data.filter(|data| checksum(hash, rows, width, data)[..] == sum[..]);
            Ok(match data {
                Some(data) => Lookup::Found(VerifiedPayload { id, rows, width, used: row.get(3)?, data }),
                None => Lookup::Corrupt(CorruptEntry {
                    id,
                    key: hash.to_vec(),
                    model: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                    site: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                }),
            })
        })
        .optional()?;
    Ok(row.unwrap_or(Lookup::Missing))
}
