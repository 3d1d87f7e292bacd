//! A copy of an arena that is being served.

use std::path::Path;

use truenorth_files::write_atomic;

use crate::error::ArenaError;
use crate::season::Folder;
use crate::store::FILE;

/// Copies every season into another folder: sealed files as they are, databases as each is at one moment. How many.
///
/// # Errors
/// When the other folder holds something, or can't be written.
pub fn backup(folder: &Folder, to: &Path) -> Result<usize, ArenaError> {
    let used = std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(ArenaError::asked(
            format!("{} holds something already", to.display()),
            "name a folder that is empty or not there yet; a backup is never written over another",
        ));
    }
    let names = folder.names()?;
    if names.is_empty() {
        return Err(ArenaError::asked(
            format!("{} has no season to copy", folder.path().display()),
            "name the folder of an arena with --dir",
        ));
    }
    let copy = Folder::at(to);
    for name in &names {
        let (from, into) = (folder.of(name), copy.of(name));
        std::fs::create_dir_all(&into).map_err(ArenaError::file("make", &into))?;
        let entries = std::fs::read_dir(&from).map_err(ArenaError::file("read", &from))?;
        for path in entries.flatten().map(|e| e.path()).filter(|p| p.is_file()) {
            let name = path.file_name().unwrap_or_default();
            let text = name.to_string_lossy();
            // The database is copied below, and what is hidden is somebody's draft.
            if text.starts_with(FILE) || text.starts_with('.') {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
            let target = into.join(name);
            write_atomic(&target, |w| w.write_all(&bytes)).map_err(ArenaError::file("write", &target))?;
        }
        if from.join(FILE).is_file() {
            folder.season(name)?.store.backup(&into.join(FILE))?;
            // It is what it says it is, or it is no backup.
            copy.season(name)?;
        }
    }
    Ok(names.len())
}
