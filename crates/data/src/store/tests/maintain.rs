use std::time::Duration;

use super::super::{GcOptions, GcReport, Store, StoreError, VerifyProgress};
use super::{batch, damage, key, sql};

#[test]
fn verify_names_and_removes_what_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..200, 16)).unwrap();
    for id in [1, 64, 65, 200] {
        damage(dir.path(), id);
    }
    let mut seen = Vec::new();
    let report = store.verify(false, |progress| seen.push(progress)).unwrap();
    assert_eq!((report.checked, report.bytes), (200, 200 * 64));
    let keys: Vec<_> = report.corrupt.iter().map(|entry| entry.key().to_vec()).collect();
    assert_eq!(keys, [0, 63, 64, 199].map(|number| key(number).hash().to_vec()));
    assert_eq!((report.deleted, store.stats().unwrap().entries), (0, 200));
    assert_eq!(seen.first(), Some(&VerifyProgress { done: 0, total: 200 }));
    assert_eq!(seen.last(), Some(&VerifyProgress { done: 200, total: 200 }));

    assert_eq!(store.verify(true, |_| ()).unwrap().deleted, 4);
    let report = store.verify(true, |_| ()).unwrap();
    assert_eq!((report.checked, report.corrupt.len()), (196, 0));
    assert_eq!(store.stats().unwrap().corrupt, 4);
}

#[test]
fn a_corrupt_entry_serializes_its_key_as_hex() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..1, 4)).unwrap();
    damage(dir.path(), 1);
    let report = serde_json::to_value(store.verify(false, |_| ()).unwrap()).unwrap();
    assert_eq!(report["corrupt"][0]["key"].as_str().unwrap().len(), 64);
}

#[test]
fn a_damaged_structure_is_told_apart_from_a_damaged_entry() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..500, 256)).unwrap();
    store.gc(GcOptions::default()).unwrap();
    drop(store);
    let path = dir.path().join("truenorth.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let size = bytes.len();
    // The first page stays: it is what says that this is our database.
    bytes[16_384 * 2..size / 2].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(dir.path()).and_then(|store| store.verify(true, |_| ()));
    let error = error.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("delete the file"));
}

#[test]
fn gc_removes_the_least_recently_used_down_to_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..1000, 100)).unwrap();
    // Entry 999 is the oldest, entry 0 the newest.
    sql(dir.path(), "UPDATE entries SET used = 2000 - id");
    let before = store.stats().unwrap();
    let options = GcOptions { max_bytes: Some(40_100), older_than: None };
    let would = store.gc_would(options).unwrap();
    assert_eq!(store.stats().unwrap().entries, 1000);
    let report = store.gc(options).unwrap();
    assert_eq!((report.removed, report.bytes, report.kept, report.kept_bytes), (900, 360_000, 100, 40_000));
    assert_eq!(
        GcReport { file_before: 0, file_after: 0, ..would },
        GcReport { file_before: 0, file_after: 0, ..report }
    );
    let after = store.stats().unwrap();
    assert_eq!((after.entries, after.bytes, after.collected), (100, 40_000, 900));
    assert!(report.file_after < before.file_bytes / 3, "{report:?}");
    let kept = store.get_many(&(0..1000).map(key).collect::<Vec<_>>()).unwrap();
    let kept: Vec<bool> = kept.iter().map(Option::is_some).collect();
    assert!(kept[..100].iter().all(|kept| *kept) && !kept[100..].iter().any(|kept| *kept));
}

#[test]
fn gc_spares_what_was_read_though_the_read_is_not_yet_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..10, 4)).unwrap();
    sql(dir.path(), "UPDATE entries SET used = 1000");
    store.get(&key(4)).unwrap().unwrap();
    let day = Duration::from_secs(86_400);
    let report = store.gc(GcOptions { max_bytes: None, older_than: Some(day) }).unwrap();
    assert_eq!(report.removed, 9);
    assert!(store.get(&key(4)).unwrap().is_some());
}

#[test]
fn gc_forgets_contexts_without_entries_and_keeps_working() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..10, 4)).unwrap();
    store.gc(GcOptions { max_bytes: Some(0), older_than: None }).unwrap();
    assert_eq!(store.stats().unwrap().by_context, []);
    store.put_many(&batch(0..10, 4)).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(stats.by_context[0].site, "resid_post.1");
    assert_eq!((stats.entries, stats.computed), (10, 20));
}

#[test]
fn gc_without_limits_removes_nothing() {
    let store = Store::in_memory().unwrap();
    store.put_many(&batch(0..10, 4)).unwrap();
    assert_eq!(store.gc(GcOptions::default()).unwrap().removed, 0);
    assert_eq!(store.stats().unwrap().entries, 10);
}
