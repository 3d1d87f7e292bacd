use proptest::prelude::*;

use super::super::stats::EntryKind;
use super::super::{Activation, ActivationKey, ResultKey, SessionCounts, Store, StoreError, StoredPrompt};
use super::{batch, context, damage, key, sql, value};

#[test]
fn what_was_put_comes_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..10, 5)).unwrap();
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    let keys: Vec<_> = (5..15).map(key).collect();
    let found = store.get_many(&keys).unwrap();
    for (number, entry) in (5..15).zip(&found) {
        let expected = (number < 10).then(|| value(number, 5));
        assert_eq!(*entry, expected, "entry {number}");
    }
    assert_eq!(store.session(), SessionCounts { hits: 5, misses: 5, writes: 0, corrupt: 0 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_bit_pattern_survives(
        (rows, width, bits) in (0usize..5, 0usize..40).prop_flat_map(|(rows, width)| {
            (Just(rows), Just(width), proptest::collection::vec(any::<u32>(), rows * width))
        })
    ) {
        let store = Store::in_memory().unwrap();
        let values = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        store.put(&key(1), &Activation::new(rows, width, values).unwrap()).unwrap();
        let found = store.get(&key(1)).unwrap().unwrap();
        prop_assert_eq!((found.rows(), found.width()), (rows, width));
        let found: Vec<u32> = found.values().iter().map(|value| value.to_bits()).collect();
        prop_assert_eq!(found, bits);
    }
}

#[test]
fn rows_are_taken_from_the_matrix() {
    let matrix = Activation::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    assert_eq!(matrix.row(1), Some([3.0, 4.0, 5.0].as_slice()));
    assert_eq!(matrix.row(2), None);
}

#[test]
fn a_shape_that_does_not_fit_is_refused() {
    let error = Activation::new(2, 3, vec![0.0; 5]).unwrap_err();
    assert!(matches!(error, StoreError::Shape { rows: 2, width: 3, values: 5 }));
    assert_eq!(error.to_string(), "an activation of 2 × 3 holds 5 values, expected 6");
    assert!(Activation::new(usize::MAX, 2, vec![]).is_err());
}

#[test]
fn results_are_bytes_under_their_own_key() {
    let store = Store::in_memory().unwrap();
    let key = ResultKey {
        graph: [3; 32],
        model: "toy".into(),
        revision: "main".into(),
        dtype: "f32".into(),
        path: "engine-f32".into(),
    };
    assert_eq!(store.get_result(&key).unwrap(), None);
    store.put_result(&key, b"a continuation").unwrap();
    assert_eq!(store.get_result(&key).unwrap().as_deref(), Some(b"a continuation".as_slice()));
    let other = ResultKey { path: "engine-bf16".into(), ..key };
    assert_eq!(store.get_result(&other).unwrap(), None);
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.bytes), (1, 14));
    assert_eq!(stats.by_context[0].kind, EntryKind::Result);
}

#[test]
fn a_second_computation_is_counted_and_replaces_the_first() {
    let store = Store::in_memory().unwrap();
    store.put_many(&batch(0..4, 2)).unwrap();
    store.put(&key(2), &value(9, 2)).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.computed, stats.rewritten), (4, 4, 1));
    assert_eq!(store.get(&key(2)).unwrap(), Some(value(9, 2)));
}

#[test]
fn stats_are_by_model_and_site() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..3, 8)).unwrap();
    let other = ActivationKey::new(context("embed"), StoredPrompt::Text("north".into()));
    store.put(&other, &value(1, 100)).unwrap();
    let stats = store.stats().unwrap();
    let rows: Vec<_> = stats
        .by_context
        .iter()
        .map(|row| (row.model.as_str(), row.site.as_str(), row.entries, row.bytes))
        .collect();
    assert_eq!(rows, [("toy@sha256:00", "embed", 1, 400), ("toy@sha256:00", "resid_post.1", 3, 96)]);
    assert_eq!((stats.entries, stats.bytes), (4, 496));
    assert!(stats.file_bytes > 496);
    // A context is stored once, however many entries share it.
    let contexts: i64 =
        store.lock().connection.query_row("SELECT count(*) FROM contexts", [], |row| row.get(0)).unwrap();
    assert_eq!(contexts, 2);
}

#[test]
fn one_wrong_byte_is_a_miss_and_can_be_computed_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..3, 64)).unwrap();
    damage(dir.path(), 2);
    let found = store.get_many(&[key(0), key(1), key(2)]).unwrap();
    assert_eq!(found, [Some(value(0, 64)), None, Some(value(2, 64))]);
    let corrupt = store.take_corrupt();
    assert_eq!(corrupt.len(), 1);
    assert_eq!(corrupt[0].key(), key(1).hash());
    assert_eq!(corrupt[0].site, "resid_post.1");
    assert!(store.take_corrupt().is_empty());

    // The damaged entry is gone, so putting it again is a first computation.
    store.put(&key(1), &value(1, 64)).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.rewritten, stats.corrupt), (3, 0, 1));
    assert_eq!(store.get(&key(1)).unwrap(), Some(value(1, 64)));
}

#[test]
fn a_payload_under_the_wrong_entry_or_shape_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..4, 6)).unwrap();
    sql(dir.path(), "UPDATE payloads SET data = (SELECT data FROM payloads WHERE id = 1) WHERE id = 2");
    sql(dir.path(), "UPDATE entries SET rows = 2, width = 3 WHERE id = 3");
    sql(dir.path(), "DELETE FROM payloads WHERE id = 4");
    let found = store.get_many(&[key(0), key(1), key(2), key(3)]).unwrap();
    assert_eq!(found, [Some(value(0, 6)), None, None, None]);
    assert_eq!(store.take_corrupt().len(), 3);
}

#[test]
fn reads_are_remembered_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..2, 2)).unwrap();
    sql(dir.path(), "UPDATE entries SET used = 1000");
    let used = || -> Vec<i64> {
        let connection = rusqlite::Connection::open(dir.path().join("truenorth.db")).unwrap();
        let mut statement = connection.prepare("SELECT used FROM entries ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    store.get(&key(1)).unwrap();
    assert_eq!(used(), [1000, 1000]);
    drop(store);
    let used = used();
    assert_eq!(used[0], 1000);
    assert!(used[1] > 1_600_000_000, "{used:?}");
}
