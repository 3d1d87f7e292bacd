//! `NAME=F`: a file under a name.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `NAME=F`, or `NAME=F:LABEL` where the file's labels do not say which is the positive one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// What stands before `=`.
    pub name: String,
    /// The file that stands behind it.
    pub path: PathBuf,
    /// The positive label, where the labels do not say it.
    pub positive: Option<String>,
}

/// `F` or `F:LABEL`; a file that is there under the whole name is meant by it.
pub fn file_and_label(text: &str) -> (PathBuf, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, label))
            if !Path::new(text).exists() && !path.is_empty() && !label.contains(['/', '\\']) =>
        {
            (path.into(), Some(label.to_owned()))
        }
        _ => (text.into(), None),
    }
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once('=') {
            Some((name, file)) if !name.trim().is_empty() && !file.is_empty() => {
                let (path, positive) = file_and_label(file);
                Ok(Self { name: name.trim().to_owned(), path, positive })
            }
            _ => Err(format!("`{s}` names no file; expected NAME=F or NAME=F:LABEL")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_the_last_colon() {
        let f: NamedFile = "sentiment=a/b.jsonl:joy".parse().unwrap();
        assert_eq!((f.name.as_str(), f.path.as_path()), ("sentiment", Path::new("a/b.jsonl")));
        assert_eq!(f.positive.as_deref(), Some("joy"));
        let f: NamedFile = "x=C:/data/b.jsonl".parse().unwrap();
        assert_eq!((f.path.as_path(), f.positive), (Path::new("C:/data/b.jsonl"), None));
        for bad in ["file.jsonl", "=f", "n="] {
            assert!(bad.parse::<NamedFile>().is_err(), "{bad}");
        }
    }
}
