use std::time::{Duration, Instant};

use super::super::{FILE_NAME, Store, StoreError};
use super::{batch, key, sql, value};

#[test]
fn a_full_disk_is_named_and_leaves_the_earlier_entries() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..50, 64)).unwrap();
    let pages: i64 = {
        let inner = store.lock();
        let pages = inner.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        inner
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
            .unwrap();
        pages
    };
    let error = store.put_many(&batch(50..500, 4096)).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("truenorth cache gc"));
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.computed), (50, 50), "at {pages} pages");
    assert_eq!(store.get(&key(49)).unwrap(), Some(value(49, 64)));
    assert_eq!(store.session().writes, 50);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = "this is a diary, and longer than the header of a database would be. ".repeat(20);
    std::fs::write(dir.path().join(FILE_NAME), &text).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("truenorth.db is not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(dir.path().join(FILE_NAME)).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    sql(dir.path(), "CREATE TABLE recipes (name TEXT)");
    let before = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { found: 0, .. }), "{error:?}");
    assert_eq!(std::fs::read(dir.path().join(FILE_NAME)).unwrap(), before);

    let dir = tempfile::tempdir().unwrap();
    sql(dir.path(), "PRAGMA application_id = 7");
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { found: 7, .. }), "{error:?}");
}

#[test]
fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    sql(dir.path(), "PRAGMA user_version = 9");
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 9, supported: 2, .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("update truenorth"));
}

#[test]
fn an_empty_file_becomes_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), b"").unwrap();
    Store::open(dir.path()).unwrap().put(&key(1), &value(1, 2)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Store::open(&file.join("cache")).unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("--cache DIR"));
    // A folder in the database's place cannot be opened either.
    std::fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
}

#[test]
fn a_database_that_turns_read_only_is_named_on_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.put(&key(1), &value(1, 2)).unwrap();
    store.lock().connection.pragma_update(None, "query_only", true).unwrap();
    let error = store.put(&key(2), &value(2, 2)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert_eq!(store.get(&key(1)).unwrap(), Some(value(1, 2)));
}

#[cfg(unix)]
#[test]
fn a_write_protected_file_is_refused_on_opening() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let file = dir.path().join(FILE_NAME);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&file).is_ok() {
        return; // Permissions do not bind the superuser.
    }
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn waiting_for_a_lock_ends() {
    let dir = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(200);
    let store = Store::open_with(dir.path(), patience).unwrap();
    store.put(&key(1), &value(1, 2)).unwrap();
    let other = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let error = store.put(&key(2), &value(2, 2)).unwrap_err();
    assert!(matches!(error, StoreError::Locked { waited, .. } if waited == patience), "{error:?}");
    assert!(started.elapsed() >= patience);
    // Readers are not in a writer's way.
    assert_eq!(store.get(&key(1)).unwrap(), Some(value(1, 2)));
    other.execute_batch("ROLLBACK").unwrap();
    store.put(&key(2), &value(2, 2)).unwrap();
}

#[test]
fn a_cause_is_in_source_and_not_in_the_message() {
    use std::error::Error as _;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), "not a database, certainly not".repeat(50)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(!error.to_string().contains(&cause), "{error} / {cause}");
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_cache() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let modes = || -> Vec<u32> {
        let files = std::fs::read_dir(dir.path()).unwrap();
        files.map(|f| f.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect()
    };
    let store = Store::open(dir.path()).unwrap();
    store.put_many(&batch(0..5, 8)).unwrap();
    assert!(modes().len() > 1 && modes().iter().all(|m| *m == 0o600), "{:?}", modes());
    drop(store);
    // One of an earlier version is made so.
    let file = dir.path().join(FILE_NAME);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(modes(), [0o600]);
}
