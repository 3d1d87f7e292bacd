//! Files of a folder: those that a pattern matches, and those whose names say their split.

use std::path::{Component, Path, PathBuf};

use super::{DataSetError, Named};

/// Endings of files of rows.
const ENDINGS: [&str; 8] = ["parquet", "jsonl", "ndjson", "jsonlines", "json", "csv", "tsv", "txt"];
/// Files that say something of the data and hold none.
const ASIDE: [&str; 4] = ["dataset_infos.json", "dataset_info.json", "config.json", "requirements.txt"];
/// What `save_to_disk` leaves.
const SAVED: [&str; 2] = ["dataset_dict.json", "state.json"];
/// Words of a file's name that say its split, as `datasets` knows them.
const WORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "val", "dev"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];
/// How far folders are looked into.
const DEPTH: usize = 4;

/// The files in a folder that the patterns of its card match, in the order of their names.
pub(super) fn matching(
    folder: &Path,
    split: &str,
    patterns: &[String],
) -> Result<Vec<PathBuf>, DataSetError> {
    let mut found: Vec<PathBuf> = Vec::new();
    let whole = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    for pattern in patterns {
        let wrong = || DataSetError::Pattern { folder: folder.to_owned(), pattern: pattern.clone() };
        let inside =
            Path::new(pattern).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !inside || pattern.contains("://") || pattern.contains('{') {
            return Err(wrong());
        }
        let all = format!("{}/{pattern}", glob::Pattern::escape(&folder.to_string_lossy()));
        let files = glob::glob_with(&all, whole).map_err(|_| wrong())?.flatten().filter(|f| f.is_file());
        let before = found.len();
        for file in files.filter(|f| ending(f).is_some()) {
            if !found.contains(&file) {
                found.push(file);
            }
        }
        if found.len() == before {
            return Err(DataSetError::NoFile {
                folder: folder.to_owned(),
                split: split.to_owned(),
                pattern: pattern.clone(),
            });
        }
    }
    Ok(found)
}

/// The splits that the names of the files below `below` say. Several files of one split must be numbered parts.
pub(super) fn splits(folder: &Path, below: &Path) -> Result<Vec<Named>, DataSetError> {
    if SAVED.iter().any(|s| below.join(s).is_file()) {
        return Err(DataSetError::SavedToDisk { folder: folder.to_owned() });
    }
    let mut files = Vec::new();
    walk(below, DEPTH, &mut files);
    files.sort();
    let of = |file: &PathBuf| split_of(file.strip_prefix(below).unwrap_or(file));
    let mut found: Vec<Named> = Vec::new();
    for (split, _) in WORDS {
        let own: Vec<PathBuf> = files.iter().filter(|f| of(f) == Some(split)).cloned().collect();
        if !own.is_empty() {
            found.push((split.to_owned(), own));
        }
    }
    if found.is_empty() && !files.is_empty() {
        found.push(("train".to_owned(), files));
    }
    if found.is_empty() {
        return Err(DataSetError::NoData { folder: folder.to_owned() });
    }
    match found.iter().find(|(_, files)| files.len() > 1 && !parts(files)) {
        Some((_, files)) => {
            let shown = |f: &PathBuf| f.strip_prefix(folder).unwrap_or(f).display().to_string();
            Err(DataSetError::Several { folder: folder.to_owned(), have: files.iter().map(shown).collect() })
        }
        None => Ok(found),
    }
}

/// Whether a name is one that the names of files can say.
pub(super) fn is_split(name: &str) -> bool {
    WORDS.iter().any(|(split, _)| *split == name)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().map(|e| e.path()) {
        let Some(name) = entry.file_name().and_then(|n| n.to_str()) else { continue };
        if name.starts_with(['.', '_']) || ASIDE.contains(&name) {
            continue;
        }
        if entry.is_dir() && depth > 1 {
            walk(&entry, depth - 1, found);
        } else if entry.is_file() && ending(&entry).is_some() {
            found.push(entry);
        }
    }
}

fn ending(file: &Path) -> Option<&'static str> {
    let own = file.extension()?.to_str()?.to_lowercase();
    ENDINGS.into_iter().find(|e| **e == own)
}

/// The split that a word of a path says, the last that does.
fn split_of(path: &Path) -> Option<&'static str> {
    let text = path.with_extension("").to_string_lossy().to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).collect();
    words.iter().rev().find_map(|w| WORDS.iter().find(|(_, of)| of.contains(w)).map(|(split, _)| *split))
}

/// Whether files are the numbered parts of one table, `NAME-00000-of-00003.parquet`.
fn parts(files: &[PathBuf]) -> bool {
    let stem = |f: &PathBuf| {
        let name = f.file_name()?.to_str()?;
        let (start, end) = name.rsplit_once("-of-")?;
        let (stem, number) = start.rsplit_once('-')?;
        number
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| (f.parent().map(Path::to_owned), stem.to_owned(), end.to_owned()))
    };
    let first = stem(&files[0]);
    first.is_some() && files.iter().all(|f| stem(f) == first)
}
