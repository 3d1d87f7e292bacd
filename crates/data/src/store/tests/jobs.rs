//! The journal of jobs.

use truenorth_protocol::ModelInfo;

use super::super::{FILE_NAME, Store};
use truenorth_protocol::journal::{Job, JobState};

fn job(key: &str, created: i64) -> Job {
    Job {
        key: key.into(),
        id: None,
        service: "https://api.example.org".into(),
        wire: "ndif".into(),
        model: ModelInfo {
            name: "org/name".into(),
            revision: "main".into(),
            family: "llama".into(),
            layers: 2,
            hidden: 4,
            vocab: 8,
            context: 16,
            path: "ndif/f32".into(),
        },
        graph: vec![1, 2, 3],
        state: JobState::Submitting,
        note: String::new(),
        created,
        changed: created,
    }
}

#[test]
fn a_job_is_written_found_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.job("a").unwrap(), None);
    let mut a = job("a", 1);
    store.put_job(&a).unwrap();
    store.put_job(&job("b", 2)).unwrap();
    (a.id, a.state, a.changed) = (Some("id-1".into()), JobState::Submitted, 5);
    store.put_job(&a).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.job("a").unwrap(), Some(a.clone()));
    assert_eq!(store.jobs().unwrap().iter().map(|j| j.key.clone()).collect::<Vec<_>>(), ["b", "a"]);
    a.state = JobState::Done;
    store.put_job(&a).unwrap();
    assert_eq!(store.job("a").unwrap().unwrap().graph, Vec::<u8>::new());
    assert!(store.forget_job("a").unwrap());
    assert!(!store.forget_job("a").unwrap());
    // A cache's checks and statistics know nothing of jobs.
    assert_eq!(store.stats().unwrap().entries, 0);
}

#[test]
fn a_cache_of_the_first_version_gets_its_journal() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
    raw.execute_batch("DROP TABLE jobs; PRAGMA user_version = 1;").unwrap();
    drop(raw);
    let store = Store::open(dir.path()).unwrap();
    store.put_job(&job("a", 1)).unwrap();
    assert_eq!(store.jobs().unwrap().len(), 1);
}
