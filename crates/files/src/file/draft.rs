//! Files that are being written: beside their target, and nobody else's.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{folder, sha256_hex};

/// What the names of drafts begin with.
pub const DRAFT: &str = ".truenorth-";
/// Drafts of one target that may be written at a time under names that are looked at again.
const AT_ONCE: usize = 16;

/// A file that takes the place of its target once it is whole; dropped before, it goes.
///
/// Its name is made from the target's, and it is locked while it is written. So a draft that nobody holds
/// was left by a process that was killed, and the next one that writes the same target removes it.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    put: bool,
}

impl Draft {
    /// Begins a draft that only its owner may read.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn of(target: &Path) -> io::Result<Self> {
        Self::with(target, 0o600)
    }

    /// Begins a draft that others may read as any new file: what the umask leaves.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn shared(target: &Path) -> io::Result<Self> {
        Self::with(target, 0o666)
    }

    fn with(target: &Path, mode: u32) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().as_encoded_bytes();
        let stem = format!("{DRAFT}{}", &sha256_hex(name)[..12]);
        let folder = folder(target);
        let at = |n: usize| folder.join(if n == 0 { stem.clone() } else { format!("{stem}-{n}") });
        let mut tried = 0;
        while tried < AT_ONCE {
            let path = at(tried);
            match begin(path.clone(), mode) {
                Ok(Some(draft)) => {
                    // Those of processes that wrote at the same time and were killed with it.
                    let others = (tried + 1..AT_ONCE).map(at).take_while(|p| p.symlink_metadata().is_ok());
                    others.for_each(|p| drop(clear(&p)));
                    return Ok(draft);
                }
                // Somebody took it for left behind before it was locked.
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    if !clear(&path)? {
                        tried += 1;
                    }
                }
                Err(e) => return Err(e),
            }
        }
        // Where files can't be locked, or others fill our names, one that nobody has.
        let path = folder.join(format!("{stem}-{}", uuid::Uuid::new_v4().simple()));
        Ok(Self { file: new(&path, mode)?, path, put: false })
    }

    /// The open file, which takes its target's place with [`Draft::put`].
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives it the target's name, in place of what had it.
    ///
    /// # Errors
    /// Whatever the file system says; the draft is gone then.
    pub fn put(mut self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)?;
        self.put = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.put {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// A new file under this name, locked; none if it was removed before it was.
fn begin(path: PathBuf, mode: u32) -> io::Result<Option<Draft>> {
    let file = new(&path, mode)?;
    match file.lock() {
        Ok(()) if !is_at(&file, &path) => Ok(None),
        // Without locks it is as good, and only stays where it is after a kill.
        _ => Ok(Some(Draft { file, path, put: false })),
    }
}

/// Removes a draft that nobody holds; whether it, or the one that held it, is gone.
fn clear(path: &Path) -> io::Result<bool> {
    // A link is none of ours, and a pipe would be waited for.
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Ok(false),
        Err(e) => return gone(e),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
        Err(e) => return gone(e),
    };
    match file.try_lock() {
        // Whoever holds the lock of what has the name is the only one that takes the name away.
        Ok(()) if is_at(&file, path) => match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(e) => gone(e),
        },
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(false),
    }
}

fn gone(e: io::Error) -> io::Result<bool> {
    if e.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(e) }
}

/// Whether the name still leads to the file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(held), Ok(named)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}

/// Whether the name still leads to the file: one that is open can't be removed here.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// What a process that is killed leaves: no destructor runs, and the system lets go of its locks.
    fn kill(mut draft: Draft) {
        draft.file().write_all(b"half").unwrap();
        draft.put = true;
    }

    fn write(target: &Path, text: &str) {
        let mut draft = Draft::of(target).unwrap();
        draft.file().write_all(text.as_bytes()).unwrap();
        draft.put(target).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_removed_by_the_next_that_writes_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.json");
        for left in [1, 3] {
            let drafts: Vec<Draft> = (0..left).map(|_| Draft::of(&target).unwrap()).collect();
            drafts.into_iter().for_each(kill);
            let drafts = names(folder.path()).iter().filter(|n| n.starts_with(DRAFT)).count();
            assert_eq!(drafts, left);
            write(&target, "whole");
            assert_eq!(names(folder.path()), ["out.json"]);
        }
        // Those of other files are not looked at: they may be written elsewhere without locks.
        kill(Draft::of(&folder.path().join("other.json")).unwrap());
        write(&target, "again");
        assert_eq!(names(folder.path()).len(), 2);
        assert_eq!(std::fs::read(&target).unwrap(), b"again");
    }

    #[test]
    fn a_draft_that_is_written_is_left_to_who_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.json");
        let mut slow = Draft::of(&target).unwrap();
        slow.file().write_all(b"slow").unwrap();
        write(&target, "fast");
        slow.put(&target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"slow");
        assert_eq!(names(folder.path()), ["out.json"]);
    }

    #[test]
    fn many_that_write_one_file_leave_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.json");
        std::thread::scope(|scope| {
            for thread in 0..2 * AT_ONCE {
                let target = &target;
                scope.spawn(move || (0..20).for_each(|_| write(target, &format!("{thread:4}"))));
            }
        });
        assert_eq!(names(folder.path()), ["out.json"]);
        assert_eq!(std::fs::read(&target).unwrap().len(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_under_the_name_of_a_draft_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.json");
        let foreign = folder.path().join("foreign");
        std::fs::write(&foreign, "theirs").unwrap();
        let draft = Draft::of(&target).unwrap();
        let name = draft.path.clone();
        drop(draft);
        std::os::unix::fs::symlink(&foreign, &name).unwrap();
        write(&target, "ours");
        assert_eq!(std::fs::read(&foreign).unwrap(), b"theirs");
        assert_eq!(std::fs::read(&target).unwrap(), b"ours");
        assert!(name.symlink_metadata().unwrap().is_symlink());
    }
}
