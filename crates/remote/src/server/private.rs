//! Files and folders that nobody else may change.

use std::path::{Path, PathBuf};

use super::error::ServerError;

/// Refuses a file of secrets that others than its owner can write.
///
/// # Errors
/// When the file can't be looked at, belongs to somebody else, or can be written by others; so when that is
/// true of a folder that it is in, where others could put another file in its place.
pub(super) fn check(path: &Path) -> Result<(), ServerError> {
    let meta =
        std::fs::metadata(path).map_err(|source| ServerError::KeyFile { path: path.to_owned(), source })?;
    if let Some(problem) = trouble(&meta) {
        return Err(ServerError::Writable { path: path.to_owned(), problem });
    }
    match open_folder(path).map_err(|source| ServerError::KeyFile { path: path.to_owned(), source })? {
        Some((path, problem)) => Err(ServerError::Writable { path, problem }),
        None => Ok(()),
    }
}

/// The folder above something where others could put something else in its place, and why.
#[cfg(unix)]
fn open_folder(path: &Path) -> std::io::Result<Option<(PathBuf, &'static str)>> {
    use std::os::unix::fs::MetadataExt;
    // Where others can write, what is there stays its owner's if the folder is sticky, as /tmp is.
    const STICKY: u32 = 0o1000;
    for folder in path.canonicalize()?.ancestors().skip(1) {
        let meta = std::fs::metadata(folder)?;
        if meta.mode() & STICKY == 0
            && let Some(problem) = trouble(&meta)
        {
            return Ok(Some((folder.to_owned(), problem)));
        }
    }
    Ok(None)
}

#[cfg(not(unix))]
fn open_folder(_: &Path) -> std::io::Result<Option<(PathBuf, &'static str)>> {
    Ok(None)
}

/// Whom something belongs to, if not to this process or root, and who else can write it.
#[cfg(unix)]
pub(super) fn trouble(meta: &std::fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me && meta.uid() != 0 {
        return Some("belongs to another user");
    }
    (meta.mode() & 0o022 != 0).then_some("can be written by others than its owner")
}

/// Elsewhere, access is not a matter of modes.
#[cfg(not(unix))]
pub(super) fn trouble(_: &std::fs::Metadata) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_could_replace_is_refused_as_one_that_they_can_write() {
        let dir = tempfile::tempdir().unwrap();
        let (open, inner) = (dir.path().join("open"), dir.path().join("open/inner"));
        create_dir(&open).unwrap();
        create_dir(&inner).unwrap();
        let keys = inner.join("keys");
        write(&keys, b"alpha\n").unwrap();
        for (path, mode, fine) in [
            (&keys, 0o600, true),
            (&keys, 0o622, false),
            (&keys, 0o644, true),
            (&inner, 0o777, false),
            (&inner, 0o1777, true),
            (&inner, 0o755, true),
            (&open, 0o775, false),
        ] {
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
            match check(&keys) {
                Ok(()) => assert!(fine, "{path:?} {mode:o}"),
                Err(ServerError::Writable { path: named, .. }) => {
                    assert!(!fine && named == path.canonicalize().unwrap(), "{named:?} {mode:o}");
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
}
