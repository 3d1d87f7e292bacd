//! Files written whole or not at all.
use super::document::Document;
use super::error::ReportError;
use super::render;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the data file.
pub const JSON_NAME: &str = "report.json";
/// Name of the page.
pub const HTML_NAME: &str = "report.html";

/// Renders `document` and writes `report.json` and `report.html` into `dir`, which is made if missing.
/// Each file is written beside its place and renamed into it; nothing is written if the document is invalid.
///
/// # Errors
/// [`ReportError::Invalid`] if the document is not whole, [`ReportError::Write`] if a file cannot be written.
pub fn write(dir: &Path, document: &Document) -> Result<[PathBuf; 2], ReportError> {
    let json = render::json(document)?;
    let html = render::html(document);
    std::fs::create_dir_all(dir).map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    let paths = [dir.join(JSON_NAME), dir.join(HTML_NAME)];
    for (path, text) in paths.iter().zip([json, html]) {
        replace(dir, path, text.as_bytes())
            .map_err(|source| ReportError::Write { path: path.clone(), source })?;
    }
    Ok(paths)
}

fn replace(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-");
    // A temporary file is private; a report is as readable as the user's mask allows.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself is durable once the folder is.
    #[cfg(unix)]
    std::fs::File::open(dir)?.sync_all()?;
    Ok(())
}
