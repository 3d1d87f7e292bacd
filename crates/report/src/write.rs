//! Files written whole or not at all.
use super::document::Document;
use super::error::ReportError;
use super::render;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use truenorth_files::{write_atomic, writes_nothing};

/// Name of the data file.
pub const JSON_NAME: &str = "report.json";
/// Name of the page.
pub const HTML_NAME: &str = "report.html";

/// Bytes from the start of a page that its maker stands in, whatever the page holds.
const HEAD: u64 = 2048;

/// Refuses a folder whose `report.json` or `report.html` was not written by [`write()`]: it would be replaced.
/// An empty file is nobody's loss; devices and pipes are written through.
///
/// # Errors
/// [`ReportError::Foreign`] with the file, or [`ReportError::Write`] if one that is there cannot be read.
pub fn free(dir: &Path) -> Result<(), ReportError> {
    let json = |text: &str| text.contains(&format!("\"{}\"", render::SCHEMA));
    let html = |text: &str| text.contains("\"generator\"") && text.contains("\"truenorth ");
    own(&dir.join(JSON_NAME), json)?;
    own(&dir.join(HTML_NAME), html)
}

/// Refuses a page of its own name that is there and was not written by this program.
///
/// # Errors
/// As [`free`].
pub fn free_page(path: &Path) -> Result<(), ReportError> {
    own(path, |text| text.contains("\"generator\"") && text.contains("\"truenorth "))
}

/// Writes a page of its own beside `report.html`, whole or not at all.
///
/// # Errors
/// [`ReportError::Foreign`] if something else is at its place, [`ReportError::Write`] if it cannot be written.
pub fn write_page(dir: &Path, name: &str, html: &str) -> Result<PathBuf, ReportError> {
    let path = dir.join(name);
    if writes_nothing() {
        return Ok(path);
    }
    free_page(&path)?;
    std::fs::create_dir_all(dir).map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    write_atomic(&path, |w| w.write_all(html.as_bytes()))
        .map_err(|source| ReportError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// Whether a file, if it is there, begins as this program begins it.
fn own(path: &Path, begins: impl Fn(&str) -> bool) -> Result<(), ReportError> {
    if !path.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(|source| ReportError::Write { path: path.to_owned(), source })?;
    match head.is_empty() || begins(&String::from_utf8_lossy(&head)) {
        true => Ok(()),
        false => Err(ReportError::Foreign { path: path.to_owned() }),
    }
}

/// Renders `document` and writes `report.json` and `report.html` into `dir`, which is made if missing.
/// Each file is written beside its place and renamed into it; nothing is written if the document is invalid
/// or files of another hand are there ([`free`]).
///
/// # Errors
/// [`ReportError::Invalid`] if the document is not whole, [`ReportError::Foreign`] if something else is at a file's
/// place, [`ReportError::Write`] if a file cannot be written.
pub fn write(dir: &Path, document: &Document) -> Result<[PathBuf; 2], ReportError> {
    let json = render::json(document)?;
    let html = render::html(document);
    if writes_nothing() {
        return Ok([dir.join(JSON_NAME), dir.join(HTML_NAME)]);
    }
    free(dir)?;
    std::fs::create_dir_all(dir).map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    let paths = [dir.join(JSON_NAME), dir.join(HTML_NAME)];
    for (path, text) in paths.iter().zip([json, html]) {
        write_atomic(path, |w| w.write_all(text.as_bytes()))
            .map_err(|source| ReportError::Write { path: path.clone(), source })?;
    }
    Ok(paths)
}
