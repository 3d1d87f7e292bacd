//! Other processes: this test binary runs itself again as a child with a role in its environment.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::super::{FILE_NAME, GcOptions, Store};
use super::{batch, key, value};

const DIR: &str = "TRUENORTH_TEST_STORE";
const ROLE: &str = "TRUENORTH_TEST_ROLE";
const WIDTH: usize = 300;
const BATCH: u32 = 64;
const ROUNDS: u32 = 8;
/// Numbers of two rounds are this far apart.
const APART: u32 = 1_000_000;

fn child(dir: &Path, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::concurrent::as_a_child", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test by itself: what the children of this file do.
#[test]
#[ignore = "the child of the tests in this file"]
fn as_a_child() {
    let (Ok(dir), Ok(role)) = (std::env::var(DIR), std::env::var(ROLE)) else {
        return;
    };
    let dir = Path::new(&dir);
    let store = Store::open(dir).unwrap();
    let (role, range) = role.split_once(' ').unwrap();
    let (from, to) = range.split_once("..").unwrap();
    let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
    let mut out = std::io::stdout();
    match role {
        // Tells of every batch once it is committed.
        "write" => {
            for start in (from..to).step_by(BATCH as usize) {
                store.put_many(&batch(start..start + BATCH, WIDTH)).unwrap();
                writeln!(out, "stored {start}").unwrap();
                out.flush().unwrap();
            }
        }
        // Reads before it writes, entry by entry, as a study does.
        "fill" => {
            for number in from..to {
                match store.get(&key(number)).unwrap() {
                    Some(found) => assert_eq!(found, value(number, WIDTH)),
                    None => store.put(&key(number), &value(number, WIDTH)).unwrap(),
                }
            }
        }
        "gc" => {
            for _ in from..to {
                store.gc(GcOptions { max_bytes: Some(40_000), older_than: None }).unwrap();
                store.verify(true, |_| ()).unwrap();
            }
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn a_kill_loses_nothing_told_and_leaves_no_half_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let from = round * APART;
        let mut child = child(dir.path(), &format!("write {from}..{}", from + APART));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stored = Vec::new();
        let mut note = |line: std::io::Result<String>| {
            // The harness may have written its own words on the same line.
            if let Some((_, start)) = line.unwrap().split_once("stored ") {
                stored.push(start.parse::<u32>().unwrap());
            }
        };
        for line in lines.by_ref().take(3 + 7 * round as usize) {
            note(line);
        }
        // SIGKILL on Unix: no handler, no destructor. The child is most likely in a transaction.
        child.kill().unwrap();
        lines.for_each(note);
        assert!(!child.wait().unwrap().success());
        assert!(!stored.is_empty());
        told.extend(stored);
    }

    let store = Store::open(dir.path()).unwrap();
    let report = store.verify(false, |_| ()).unwrap();
    assert_eq!(report.corrupt, []);
    // No batch is there in part: neither those told nor the one after them.
    let mut whole = 0;
    for round in 0..ROUNDS {
        let mut start = round * APART;
        loop {
            let keys: Vec<_> = (start..start + BATCH).map(key).collect();
            let there = store.get_many(&keys).unwrap().iter().flatten().count();
            assert!(there == 0 || there == BATCH as usize, "{there} of batch {start}");
            if there == 0 {
                break;
            }
            whole += 1;
            start += BATCH;
        }
    }
    assert_eq!(report.checked, whole * u64::from(BATCH));
    for start in told {
        let keys: Vec<_> = (start..start + BATCH).map(key).collect();
        let expected: Vec<_> = (start..start + BATCH).map(|number| Some(value(number, WIDTH))).collect();
        assert_eq!(store.get_many(&keys).unwrap(), expected, "batch {start}");
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.computed, stats.rewritten), (stats.entries, 0));
}

#[test]
fn two_processes_write_the_same_and_different_keys() {
    let dir = tempfile::tempdir().unwrap();
    // The file does not exist yet, so they also race to create it.
    let children = [child(dir.path(), "write 0..640"), child(dir.path(), "write 320..960")];
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let store = Store::open(dir.path()).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.computed, stats.rewritten), (960, 960, 320));
    let found = store.get_many(&(0..960).map(key).collect::<Vec<_>>()).unwrap();
    for (number, entry) in (0..960).zip(found) {
        assert_eq!(entry, Some(value(number, WIDTH)));
    }
    assert_eq!(store.verify(false, |_| ()).unwrap().corrupt, []);
}

#[test]
fn a_second_run_after_a_finished_one_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let child = child(dir.path(), "fill 0..100");
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let stats = Store::open(dir.path()).unwrap().stats().unwrap();
    assert_eq!((stats.entries, stats.computed, stats.rewritten), (100, 100, 0));
}

#[test]
fn gc_and_verify_run_beside_readers_and_writers() {
    let dir = tempfile::tempdir().unwrap();
    let roles = ["fill 0..400", "gc 0..30", "fill 200..600", "write 5000..5640"];
    let children = roles.map(|role| child(dir.path(), role));
    for (child, role) in children.into_iter().zip(roles) {
        assert!(child.wait_with_output().unwrap().status.success(), "{role}");
    }
    let store = Store::open(dir.path()).unwrap();
    let report = store.verify(false, |_| ()).unwrap();
    assert_eq!(report.corrupt, []);
    let payloads: i64 =
        store.lock().connection.query_row("SELECT count(*) FROM payloads", [], |row| row.get(0)).unwrap();
    assert_eq!(payloads as u64, report.checked, "payloads without an entry");
    assert!(dir.path().join(FILE_NAME).exists());
}
