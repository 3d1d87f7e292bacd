//! Who works on a job: a locked file for each, which the kernel unlocks when its process ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A job that is worked on. Its file goes with it.
#[derive(Debug)]
struct JobLock {
    path: PathBuf,
    /// Locked for as long as it is open.
    _file: File,
}

impl Drop for JobLock {
    fn drop(&mut self) {
        // Still locked; who opened it before looks again, see `take`. What stays is an empty file.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes the job of this key in the folder of the store; none while another process, or another run in
/// this one, has it.
pub(super) fn take(store: &Path, key: &str) -> io::Result<Option<impl Send + Sync + use<>>> {
    let folder = store.join("jobs");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{key}.lock"));
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => return Ok(Some(JobLock { path, _file: file })),
            // Removed by its owner after it was opened here: whoever comes next makes another.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let of = |m: fs::Metadata| (m.dev(), m.ino());
    let there = fs::metadata(path).map(of).ok();
    there.is_some() && there == file.metadata().map(of).ok()
}

/// Elsewhere a file that is open is not removed.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_a_job_at_a_time_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path(), "k").unwrap();
        assert!(first.is_some() && take(dir.path(), "k").unwrap().is_none());
        assert!(take(dir.path(), "other").unwrap().is_some());
        drop(first);
        assert_eq!(fs::read_dir(dir.path().join("jobs")).unwrap().count(), 0);
        // What a killed process leaves is in nobody's way.
        fs::write(dir.path().join("jobs/k.lock"), "").unwrap();
        assert!(take(dir.path(), "k").unwrap().is_some());
    }

    #[test]
    fn many_that_take_turns_never_have_it_together() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, turns) = (std::sync::atomic::AtomicU32::new(0), std::sync::atomic::AtomicU32::new(0));
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    while turns.load(order) < 200 {
                        let Some(held) = take(dir.path(), "k").unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, order), 0, "two have it");
                        turns.fetch_add(1, order);
                        inside.fetch_sub(1, order);
                        drop(held);
                    }
                });
            }
        });
    }
}
