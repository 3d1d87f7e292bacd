//! Files and folders that nobody else may change.

use std::path::Path;

use super::error::ServerError;

/// Refuses a file of secrets that others than its owner can write.
///
/// # Errors
/// When the file can't be looked at, belongs to somebody else, or can be written by others.
pub(super) fn check(path: &Path) -> Result<(), ServerError> {
    let meta =
        std::fs::metadata(path).map_err(|source| ServerError::KeyFile { path: path.to_owned(), source })?;
    match trouble(&meta) {
        Some(problem) => Err(ServerError::Writable { path: path.to_owned(), problem }),
        None => Ok(()),
    }
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
