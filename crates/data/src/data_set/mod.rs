//! A folder as the package `datasets` keeps a data set: a card that names the files of every split, or files that are
//! named after their split.
//!
//! `DIR` names the one split of a folder, `DIR/SPLIT` one of several, and `DIR/CONFIG/SPLIT` one of a configuration.

mod card;
mod error;
mod named;

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

use truenorth_files::sha256_hex;

use super::table::read_table;
pub use error::DataSetError;

/// The files of one split of a data-set folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What messages call it.
    pub name: String,
    /// Its files, in the order in which their rows follow each other; at least one.
    pub files: Vec<PathBuf>,
}

/// A split's name and its files.
type Named = (String, Vec<PathBuf>);

impl Split {
    /// What a path names in a data-set folder; none if it is a file, or nothing.
    ///
    /// # Errors
    /// When the path is a folder of which it can't be told what to read.
    pub fn of(path: &Path) -> Result<Option<Self>, DataSetError> {
        if path.is_dir() {
            return one(path, splits(path, None)?).map(Some);
        }
        if path.exists() {
            return Ok(None);
        }
        let Some((folder, rest)) = above(path) else { return Ok(None) };
        // What no card calls a data set may be any folder, and the path a slip.
        let configs = card::configs(folder).unwrap_or_default();
        let is_config = |name: &String| configs.iter().any(|c| c.name == *name);
        match &rest[..] {
            [config] if is_config(config) => one(path, splits(folder, Some(config))?).map(Some),
            // Without a card only names that files could say are looked for: a slip walks through no folder.
            [split] if configs.is_empty() && !named::is_split(split) => Ok(None),
            [split] if configs.is_empty() => {
                let found = splits(folder, None).unwrap_or_default();
                Ok(found.into_iter().find(|(name, _)| name == split).map(|of| Self::new(path, of)))
            }
            [split] => Self::called(path, folder, split, splits(folder, None)?).map(Some),
            [config, split] if is_config(config) => {
                Self::called(path, &folder.join(config), split, splits(folder, Some(config))?).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn called(path: &Path, folder: &Path, split: &str, found: Vec<Named>) -> Result<Self, DataSetError> {
        let have = found.iter().map(|(name, _)| name.clone()).collect();
        match found.into_iter().find(|(name, _)| name == split) {
            Some(of) => Ok(Self::new(path, of)),
            None => Err(DataSetError::NoSplit { folder: folder.to_owned(), split: split.to_owned(), have }),
        }
    }

    fn new(path: &Path, (_, files): Named) -> Self {
        let name = match &files[..] {
            [one] => one.display().to_string(),
            many => format!("{} ({} files)", path.display(), many.len()),
        };
        Self { name, files }
    }

    /// The rows of the split, with the name for messages: of one file as it is, of several as JSON lines, one after the other.
    ///
    /// # Errors
    /// When a file can't be opened or, of several, read.
    pub fn open(&self) -> Result<Box<dyn BufRead>, DataSetError> {
        if let [one] = &self.files[..] {
            let file = std::fs::File::open(one)
                .map_err(|source| DataSetError::Open { file: one.clone(), source })?;
            return Ok(Box::new(BufReader::new(file)));
        }
        Ok(Box::new(Cursor::new(self.lines()?)))
    }

    /// The bytes that [`Split::open`] gives, and of one file its own.
    ///
    /// # Errors
    /// As [`Split::open`].
    pub fn bytes(&self) -> Result<Vec<u8>, DataSetError> {
        match &self.files[..] {
            [one] => std::fs::read(one).map_err(|source| DataSetError::Open { file: one.clone(), source }),
            _ => self.lines(),
        }
    }

    fn lines(&self) -> Result<Vec<u8>, DataSetError> {
        let mut lines = Vec::new();
        for file in &self.files {
            let opened = std::fs::File::open(file)
                .map_err(|source| DataSetError::Open { file: file.clone(), source })?;
            let name = file.display().to_string();
            let table = read_table(BufReader::new(opened), &name).map_err(DataSetError::Rows)?;
            for row in table.rows {
                lines.extend(serde_json::Value::Object(row.fields).to_string().into_bytes());
                lines.push(b'\n');
            }
        }
        Ok(lines)
    }
}

/// The SHA-256 of what a path of data is read as: a file, or a split of a data-set folder. None where it can't be read.
#[must_use]
pub fn data_sha256(path: &Path) -> Option<String> {
    let bytes = match Split::of(path).ok()? {
        Some(split) => split.bytes().ok()?,
        None => std::fs::read(path).ok()?,
    };
    Some(sha256_hex(&bytes))
}

/// The splits of a folder: as its card says, else by the names of its files.
fn splits(folder: &Path, config: Option<&str>) -> Result<Vec<Named>, DataSetError> {
    let configs = card::configs(folder)?;
    if configs.is_empty() {
        return named::splits(folder, folder);
    }
    let names = || configs.iter().map(|c| c.name.clone()).collect();
    let chosen = match (config, &configs[..]) {
        (Some(name), all) => all.iter().find(|c| c.name == name),
        (None, [only]) => Some(only),
        (None, all) => all.iter().find(|c| c.default).or_else(|| all.iter().find(|c| c.name == "default")),
    };
    let Some(chosen) = chosen else {
        return Err(DataSetError::Configs { folder: folder.to_owned(), have: names() });
    };
    match &chosen.files {
        card::DataSetFiles::Named(splits) => splits
            .iter()
            .map(|(split, patterns)| Ok((split.clone(), named::matching(folder, split, patterns)?)))
            .collect(),
        card::DataSetFiles::ByName(below) => named::splits(folder, &folder.join(below)),
    }
}

fn one(path: &Path, mut found: Vec<Named>) -> Result<Split, DataSetError> {
    match found.len() {
        1 => Ok(Split::new(path, found.swap_remove(0))),
        _ => Err(DataSetError::Splits {
            folder: path.to_owned(),
            have: found.into_iter().map(|(name, _)| name).collect(),
        }),
    }
}

/// The nearest folder that is there, at most two names up, and the names below it.
fn above(path: &Path) -> Option<(&Path, Vec<String>)> {
    let mut rest = Vec::new();
    let mut at = path;
    while rest.len() < 2 {
        rest.insert(0, at.file_name()?.to_string_lossy().into_owned());
        at = at.parent()?;
        if at.is_dir() {
            return Some((at, rest));
        }
    }
    None
}
