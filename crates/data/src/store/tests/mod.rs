//! What the cache promises: exact round trips, no lost or half batches, nothing read that does
//! not verify, and errors that say what to do.

mod concurrent;
mod errors;
mod jobs;
mod keys;
mod maintain;
mod round_trip;

use std::path::Path;
use std::sync::Arc;

use super::{Activation, ActivationKey, ReadingContext, Store, StoredPrompt};

pub(super) fn context(site: &str) -> Arc<ReadingContext> {
    ReadingContext::new("toy@sha256:00", "main", "f32", "engine-f32", site, "last")
}

pub(super) fn key(number: u32) -> ActivationKey {
    ActivationKey::new(context("resid_post.1"), StoredPrompt::Tokens(vec![7, number]))
}

/// A row of `width` numbers that only `number` gives.
pub(super) fn value(number: u32, width: usize) -> Activation {
    let values = (0..width).map(|unit| number as f32 + unit as f32 / 1024.0).collect();
    Activation::new(1, width, values).unwrap()
}

pub(super) fn batch(numbers: std::ops::Range<u32>, width: usize) -> Vec<(ActivationKey, Activation)> {
    numbers.map(|number| (key(number), value(number, width))).collect()
}

/// Runs SQL behind the store's back.
pub(super) fn sql(dir: &Path, statements: &str) {
    let connection = rusqlite::Connection::open(dir.join(super::FILE_NAME)).unwrap();
    connection.execute_batch(statements).unwrap();
}

/// Adds 1 to the first byte of the first payload with id `id`.
pub(super) fn damage(dir: &Path, id: i64) {
    let connection = rusqlite::Connection::open(dir.join(super::FILE_NAME)).unwrap();
    let mut data: Vec<u8> =
        connection.query_row("SELECT data FROM payloads WHERE id = ?1", [id], |row| row.get(0)).unwrap();
    data[0] = data[0].wrapping_add(1);
    let changed = connection
        .execute("UPDATE payloads SET data = ?1 WHERE id = ?2", rusqlite::params![data, id])
        .unwrap();
    assert_eq!(changed, 1);
}

fn shared<T: Send + Sync>() {}

#[test]
fn a_store_is_shared_between_threads() {
    shared::<Store>();
}
