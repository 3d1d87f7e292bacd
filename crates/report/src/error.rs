//! What can go wrong between a finished [`Document`](super::Document) and its files.
use std::path::PathBuf;

/// A document that cannot be rendered, read back or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A part of the document contradicts itself or leaves out what a report must state.
    #[error("report {path}: {found}, expected {expected}")]
    Invalid {
        /// JSON pointer to the part, such as `/sections/2/blocks/0/rows/3`.
        path: String,
        /// The value that is there.
        found: String,
        /// What the rules of a report ask for.
        expected: String,
    },
    /// The text is not JSON, or not a report's JSON.
    #[error("report is not valid JSON of the report schema")]
    Json(#[source] serde_json::Error),
    /// The JSON names another schema or a version this program does not read.
    #[error("report schema is {found:?}, expected {expected:?}")]
    Schema {
        /// Schema and version found, `name/version`.
        found: String,
        /// Schema and version this program reads.
        expected: String,
    },
    /// What lies where a report is to be written is no report of this program, and would be lost.
    #[error("{} is there, and no report of truenorth; a report would replace it", path.display())]
    Foreign {
        /// The file that is in the way.
        path: PathBuf,
    },
    /// A file could not be written; what was there before is untouched.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder that was to be written.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
}

impl ReportError {
    /// What to do about it, where there is something the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { .. } | Self::Json(_) => None,
            Self::Schema { .. } => Some("render the report again with this version of truenorth"),
            Self::Foreign { .. } => Some("move it away, or name another folder"),
            Self::Write { .. } => Some("check that the folder exists, is writable and has space left"),
        }
    }
}
