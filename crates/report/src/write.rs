//! Files written whole or not at all.
use super::document::Document;
use super::error::ReportError;
use super::render;
use std::path::{Path, PathBuf};
use truenorth_files::{write_atomic, writes_nothing};

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
    if writes_nothing() {
        return Ok([dir.join(JSON_NAME), dir.join(HTML_NAME)]);
    }
    std::fs::create_dir_all(dir).map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    let paths = [dir.join(JSON_NAME), dir.join(HTML_NAME)];
    for (path, text) in paths.iter().zip([json, html]) {
        write_atomic(path, |w| w.write_all(text.as_bytes()))
            .map_err(|source| ReportError::Write { path: path.clone(), source })?;
    }
    Ok(paths)
}
