//! Why the arena can't do what was asked.

use std::path::{Path, PathBuf};

use truenorth_data::DataError;
use truenorth_data::artifact::DirectionError;
use truenorth_data::out::OutError;
use truenorth_reading::AnalysisError;

/// Why the arena can't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// The request is wrong, or not allowed now.
    #[error("{what}")]
    Asked {
        /// The offending value, and what was expected.
        what: String,
        /// What to do about it, for people.
        remedy: String,
    },
    /// A season is not as it was sealed.
    #[error("season `{season}` is not as it was sealed: {what}")]
    Tampered {
        /// Name of the season.
        season: String,
        /// The file that differs, and how.
        what: String,
    },
    /// A file or folder can't be read or written.
    #[error("can't {doing} {}", path.display())]
    File {
        /// What was tried, such as `read`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// A season's database failed.
    #[error("the database {} failed", path.display())]
    Database {
        /// The file of the database.
        path: PathBuf,
        /// The error of SQLite.
        #[source]
        source: rusqlite::Error,
    },
    /// A file of rows can't be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A direction can't be used.
    #[error("can't use {} as a direction", path.display())]
    Direction {
        /// The file of the direction.
        path: PathBuf,
        /// What is wrong with the direction.
        #[source]
        source: Box<DirectionError>,
    },
    /// Scores can't be computed.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A table can't be written.
    #[error(transparent)]
    Out(#[from] OutError),
    /// JSON that can't be made or read.
    #[error("can't read or write {what}")]
    Json {
        /// What the JSON is of, for people.
        what: String,
        /// The error of the JSON library.
        #[source]
        source: serde_json::Error,
    },
    /// Something that serves the arena failed.
    #[error("a part of the arena's server failed")]
    Serve(#[source] std::io::Error),
}

impl ArenaError {
    /// An [`ArenaError::Asked`] of this text and remedy.
    pub fn asked(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Asked { what: what.into(), remedy: remedy.into() }
    }

    /// What a file system said of a path.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Json { what, source }
    }

    /// Whether the request is at fault, so that nothing was done.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            Self::Asked { .. } | Self::Data(_) | Self::Direction { .. } => true,
            Self::Analysis(AnalysisError::Run(e)) => e.is_request(),
            _ => false,
        }
    }

    /// A remedy for people, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Asked { remedy, .. } => Some(remedy.clone()),
            Self::Tampered { .. } => Some(
                "put the file back as it was, from a backup of the arena; a season is never edited: for other \
                 settings make a new one (`arena season new`), and `arena rescore` takes its entries over"
                    .into(),
            ),
            Self::Direction { source, .. } => source.hint().map(str::to_owned),
            Self::Analysis(e) => e.hint(),
            _ => None,
        }
    }
}
