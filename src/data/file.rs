//! Whole files: hashed, and written all or nothing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether files are left as they are; see [`write_nothing`].
static HELD: AtomicBool = AtomicBool::new(false);

/// From now on this process writes no file by [`write_atomic`] and [`write_private`]: what they are
/// given goes nowhere. For a dry run, whose numbers are made up.
pub fn write_nothing() {
    HELD.store(true, Ordering::Relaxed);
}

/// Whether [`write_nothing`] was called.
#[must_use]
pub fn writes_nothing() -> bool {
    HELD.load(Ordering::Relaxed)
}

/// Writes a file so that readers see either the old content or all of the new: to a temporary
/// file in the same folder, flushed to disk, then renamed over the target.
///
/// # Errors
/// Whatever the file system says; the target is then untouched and the temporary file gone.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace(path, false, write)
}

/// [`write_atomic`] for a file that only its owner may read, such as one with a key in it.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, true, |w| w.write_all(bytes))
}

fn replace(
    path: &Path,
    private: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if writes_nothing() {
        return write(&mut io::sink());
    }
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new().prefix(".truenorth-").tempfile_in(folder)?;
    {
        let mut buffered = io::BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    // A temporary file is private to its owner; most results should be like any other new file.
    #[cfg(unix)]
    if !private {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0o644, |m| m.permissions().mode());
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}
