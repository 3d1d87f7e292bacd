//! What is wrong with a data-set folder.

use std::path::PathBuf;

use crate::error::DataError;

/// A folder that can't be read as a data set.
#[derive(Debug, thiserror::Error)]
pub enum DataSetError {
    /// A card whose head is no YAML that `datasets` would take.
    #[error("the card {} can't be read: {what}", .file.display())]
    Card {
        /// The card, `README.md` of the folder.
        file: PathBuf,
        /// What is wrong with its head, for people.
        what: String,
    },
    /// A folder without files of data.
    #[error("{} is a folder without files of a data set", .folder.display())]
    NoData {
        /// The folder as it was named.
        folder: PathBuf,
    },
    /// A folder as `save_to_disk` leaves it.
    #[error("{} was left by save_to_disk, in Arrow's own form", .folder.display())]
    SavedToDisk {
        /// The folder as it was named.
        folder: PathBuf,
    },
    /// Several files that nothing says are parts of one table.
    #[error("{} is a folder of several files: {}", .folder.display(), .have.join(", "))]
    Several {
        /// The folder as it was named.
        folder: PathBuf,
        /// Names of the files of rows.
        have: Vec<String>,
    },
    /// Several splits where one is wanted.
    #[error("the data set {} has the splits {}", .folder.display(), .have.join(", "))]
    Splits {
        /// The folder as it was named.
        folder: PathBuf,
        /// Names of its splits.
        have: Vec<String>,
    },
    /// Several configurations where one is wanted.
    #[error("the data set {} has the configurations {}", .folder.display(), .have.join(", "))]
    Configs {
        /// The folder as it was named.
        folder: PathBuf,
        /// Names of its configurations.
        have: Vec<String>,
    },
    /// A split that is not there.
    #[error("the data set {} has no split `{split}`; it has {}", .folder.display(), .have.join(", "))]
    NoSplit {
        /// The folder as it was named.
        folder: PathBuf,
        /// The split that was asked for.
        split: String,
        /// Names of its splits.
        have: Vec<String>,
    },
    /// A pattern of the card that no file matches.
    #[error("the card of {} names `{pattern}` for the split `{split}`, and no file is called so", .folder.display())]
    NoFile {
        /// The folder as it was named.
        folder: PathBuf,
        /// The split that the card gives it to.
        split: String,
        /// The pattern that no file matches.
        pattern: String,
    },
    /// A pattern of the card that is not one of files in the folder.
    #[error("the card of {} names `{pattern}`, which is no pattern of files in the folder", .folder.display())]
    Pattern {
        /// The folder as it was named.
        folder: PathBuf,
        /// The pattern as the card has it.
        pattern: String,
    },
    /// A file that can't be opened.
    #[error("can't open {}", .file.display())]
    Open {
        /// The file that was to be opened.
        file: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// A file whose rows can't be read.
    #[error(transparent)]
    Rows(DataError),
}

impl DataSetError {
    /// A remedy, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let below = |folder: &std::path::Path, name: Option<&String>| {
            format!("name one of them, as in {}", folder.join(name.map_or("NAME", |n| n)).display())
        };
        Some(match self {
            Self::NoData { .. } => {
                "name a file, or a folder with files of rows: .parquet, .jsonl, .json or .csv".into()
            }
            Self::SavedToDisk { .. } => "write it with `to_parquet` or `to_json`, and name that file".into(),
            Self::Several { folder, have } => below(folder, have.first()),
            Self::Splits { folder, have }
            | Self::Configs { folder, have }
            | Self::NoSplit { folder, have, .. } => below(folder, have.first()),
            Self::Card { .. } | Self::NoFile { .. } | Self::Pattern { .. } => {
                "name the file itself, or mend the head of README.md".into()
            }
            Self::Rows(e) => return e.hint(),
            Self::Open { .. } => return None,
        })
    }
}
