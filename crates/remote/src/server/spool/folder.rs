//! Whose a folder is: only one that is ours, and nobody else can change, is taken for a spool.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use uuid::Uuid;

use super::super::error::ServerError;
use super::super::private;
use super::FILES;
use truenorth_files::{DRAFT, write_private};

/// The file that makes a folder a spool.
const MARKER: &str = ".truenorth-spool";
const MARK: &[u8] = b"Jobs and answers of a truenorth server; it removes them when their time is over.\n";
/// The file that a running server holds.
pub(super) const LOCK: &str = "lock";

/// Makes a folder a spool, or sees that it is one.
///
/// # Errors
/// When the folder can't be made or read, belongs to another user, can be written by others, or has no
/// marker and holds anything that no spool has.
pub(super) fn claim(folder: &Path) -> Result<(), ServerError> {
    let at = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::Spool { doing, path, source }
    };
    let foreign = |problem: String| ServerError::Foreign { path: folder.to_owned(), problem };
    make_private(folder).map_err(at("make the folder", folder))?;
    let meta = fs::metadata(folder).map_err(at("read", folder))?;
    if let Some(problem) = private::trouble(&meta) {
        return Err(foreign(format!("it {problem}")));
    }
    let marker = folder.join(MARKER);
    if marker.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(at("read", folder))? {
        let entry = entry.map_err(at("read", folder))?;
        if !known(&entry) {
            return Err(foreign(format!("it holds {:?}", entry.file_name().to_string_lossy())));
        }
    }
    write_private(&marker, MARK).map_err(at("write", &marker))
}

/// Whether a spool without a marker, as earlier versions made them, could hold this.
fn known(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    if name == LOCK || name.starts_with(DRAFT) {
        return entry.file_type().is_ok_and(|t| t.is_file());
    }
    let ours = |file: DirEntry| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        FILES.contains(&&*name) || name.starts_with(DRAFT)
    };
    job(entry).is_some()
        && fs::read_dir(entry.path()).is_ok_and(|files| files.into_iter().all(|f| f.is_ok_and(ours)))
}

/// The job whose folder this may be.
pub(super) fn job(entry: &DirEntry) -> Option<Uuid> {
    let name = entry.file_name();
    let id = Uuid::try_parse(name.to_str()?).ok().filter(|id| id.to_string() == name.to_string_lossy())?;
    // A link leads to what may be anybody's.
    entry.file_type().is_ok_and(|t| t.is_dir()).then_some(id)
}

/// Makes a folder that only its owner can look into: prompts and answers are nobody else's business.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_with_other_things_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let thesis = dir.path().join(Uuid::new_v4().to_string());
        fs::create_dir(&thesis).unwrap();
        fs::write(thesis.join("thesis.txt"), b"years of work").unwrap();
        let error = claim(dir.path()).unwrap_err();
        assert!(matches!(error, ServerError::Foreign { .. }) && error.is_request(), "{error}");
        assert_eq!(fs::read(thesis.join("thesis.txt")).unwrap(), b"years of work");
        assert!(!dir.path().join(MARKER).exists());
    }

    #[test]
    fn a_spool_of_an_earlier_version_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let job = dir.path().join(Uuid::new_v4().to_string());
        fs::create_dir(&job).unwrap();
        fs::write(job.join("job.json"), b"{}").unwrap();
        fs::write(dir.path().join(LOCK), b"").unwrap();
        claim(dir.path()).unwrap();
        // With the marker, what else comes to lie there is no matter.
        fs::write(dir.path().join("notes"), b"").unwrap();
        claim(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool");
        claim(&spool).unwrap();
        fs::set_permissions(&spool, fs::Permissions::from_mode(0o777)).unwrap();
        let error = claim(&spool).unwrap_err().to_string();
        assert!(error.contains("can be written by others"), "{error}");
    }
}
