//! Whole files: hashed, and written all or nothing.

mod draft;

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub use truenorth_protocol::hash::sha256_hex;

pub use draft::{DRAFT, Draft};

/// Symbolic links that are followed before they are taken for a circle.
const LINKS: usize = 40;

/// What lies where a file is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// Nothing, or a file that is replaced: the path behind all symbolic links.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// A device such as `/dev/null`, a pipe, or an open file under `/dev/fd`: written through.
    Stream(PathBuf),
}

impl WriteTarget {
    /// Looks at a path; nothing is opened or made. `-` and the names of standard output mean that.
    ///
    /// # Errors
    /// When the path is a folder, a block device or a socket, has a circle of links, or can't be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let named = |name: &str| path == Path::new(name);
        if ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].into_iter().any(named) {
            return Ok(Self::Stdout);
        }
        // `/proc/self/cwd/F` and the like are ordinary files by another way.
        let in_fd = path.parent().is_some_and(|folder| folder.ends_with("fd"));
        let open_file =
            in_fd && (path.starts_with("/dev") || path.starts_with("/proc")) || named("/dev/stderr");
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            let kind = match std::fs::symlink_metadata(&at) {
                Ok(about) => about.file_type(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::File(at)),
                Err(e) => return Err(e),
            };
            if open_file || is_stream(kind) {
                return Ok(Self::Stream(path.to_owned()));
            }
            if !kind.is_symlink() {
                return match not_written(kind) {
                    None => Ok(Self::File(at)),
                    Some(what) => Err(io::Error::other(format!("it is {what}"))),
                };
            }
            let to = std::fs::read_link(&at)?;
            at = at.parent().unwrap_or(Path::new("")).join(to);
        }
        Err(io::Error::other("its symbolic links go round in a circle"))
    }
}

#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_char_device() || kind.is_fifo()
}

#[cfg(unix)]
fn not_written(kind: FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt as _;
    match kind {
        k if k.is_dir() => Some("a folder"),
        // A disk is no place for a result, and what lies on it would be lost.
        k if k.is_block_device() => Some("a block device"),
        k if k.is_socket() => Some("a socket"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn is_stream(_: FileType) -> bool {
    false
}

#[cfg(not(unix))]
fn not_written(kind: FileType) -> Option<&'static str> {
    kind.is_dir().then_some("a folder")
}

/// Refuses a target that can't be written, so that this is known before any work. A new file is tried in its
/// folder and removed again; what lies at the target is left as it is.
///
/// # Errors
/// Whatever the file system says.
pub fn writable(target: &WriteTarget) -> io::Result<()> {
    match target {
        WriteTarget::Stdout => Ok(()),
        // Opening a pipe waits for its reader, and closing it again would end that.
        WriteTarget::Stream(path) => match std::fs::metadata(path)?.file_type() {
            kind if kind.is_file() || is_pipe(kind) => Ok(()),
            _ => OpenOptions::new().write(true).open(path).map(drop),
        },
        WriteTarget::File(path) => {
            if path.exists() {
                OpenOptions::new().write(true).open(path)?;
            }
            Draft::of(path).map(drop)
        }
    }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

/// Whether files are left as they are; see [`write_nothing`].
static HELD: AtomicBool = AtomicBool::new(false);

/// Whether from now on this process writes no file by [`write_atomic`] and [`write_private`]: what they
/// are given goes nowhere. For a dry run, whose numbers are made up.
pub fn write_nothing(held: bool) {
    HELD.store(held, Ordering::Relaxed);
}

/// Whether [`write_nothing`] holds.
#[must_use]
pub fn writes_nothing() -> bool {
    HELD.load(Ordering::Relaxed)
}

/// What a file holds; none where there is no file.
///
/// # Errors
/// Whatever else the file system says.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a file so that readers see either the old content or all of the new: to a hidden
/// file in the same folder, flushed to disk, then renamed over the target. What a process that was killed
/// left of one is removed by the next that writes the same file. Symbolic links are followed; devices and
/// pipes are written through, and `-` is standard output.
///
/// # Errors
/// Whatever the file system says; a file at the target is then untouched and the hidden one gone.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if writes_nothing() {
        return write(&mut io::sink());
    }
    match WriteTarget::of(path)? {
        WriteTarget::File(path) => replace(&path, false, write),
        WriteTarget::Stdout => through(io::stdout().lock(), write),
        WriteTarget::Stream(path) => through(OpenOptions::new().append(true).open(path)?, write),
    }
}

fn through(to: impl Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = io::BufWriter::new(to);
    write(&mut buffered)?;
    buffered.flush()
}

/// [`write_atomic`] for a file that only its owner may read, such as one with a key in it.
///
/// # Errors
/// As [`write_atomic`], and when the target is a device or a pipe.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if writes_nothing() {
        return Ok(());
    }
    match WriteTarget::of(path)? {
        WriteTarget::File(path) => replace(&path, true, |w| w.write_all(bytes)),
        WriteTarget::Stdout | WriteTarget::Stream(_) => {
            Err(io::Error::other("it is no file, and its content is secret"))
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

fn replace(
    path: &Path,
    private: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // What takes another's place may hold what only its owner is to read, so that it begins private as well.
    let before = std::fs::metadata(path).ok().filter(|_| !private);
    let mut draft = if private || before.is_some() { Draft::of(path)? } else { Draft::shared(path)? };
    {
        let mut buffered = io::BufWriter::new(draft.file());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    // One that takes another's place is like that; a new one is what the umask made of it.
    #[cfg(unix)]
    if let Some(before) = before {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        draft.file().set_permissions(std::fs::Permissions::from_mode(before.permissions().mode()))?;
        // Only root may give files away; for all others the owner is theirs already.
        let _ = std::os::unix::fs::fchown(draft.file(), Some(before.uid()), Some(before.gid()));
    }
    draft.file().sync_all()?;
    draft.put(path)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    File::open(folder(path))?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        write_atomic(&path, |w| w.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |w| {
            w.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A new file is like any that the system makes under the umask at hand, whatever that is.
    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_mode_of_any_other_and_one_in_anothers_place_keeps_that() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| std::fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        File::create(at("touched")).unwrap();
        write_atomic(&at("written"), |w| w.write_all(b"a")).unwrap();
        assert_eq!(mode("written"), mode("touched"));
        for kept in [0o600, 0o640, 0o664] {
            std::fs::set_permissions(at("written"), std::fs::Permissions::from_mode(kept)).unwrap();
            write_atomic(&at("written"), |w| w.write_all(b"b")).unwrap();
            assert_eq!(mode("written"), kept);
        }
        write_private(&at("key"), b"secret").unwrap();
        write_private(&at("touched"), b"secret").unwrap();
        assert_eq!([mode("key"), mode("touched")], [0o600; 2]);
    }
}
