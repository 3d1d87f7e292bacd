//! Why claims could not be read or checked.

use std::io;
use std::path::PathBuf;

use super::super::files::ValuesError;

/// Why claims could not be read or checked; each is the fault of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// A line that is no claim.
    #[error("{file}, line {line}: {why}: {text}")]
    Line {
        /// The file of claims, as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
        /// The line as written.
        text: String,
    },
    /// A file with blank lines and remarks alone.
    #[error("{0} holds no claims")]
    Empty(String),
    /// A run's folder that is none.
    #[error("{} is no folder of a run", .0.display())]
    NoFolder(PathBuf),
    /// A claim that names no file, where no run is named.
    #[error("the claim at line {line} names no file: {text}")]
    NoFile {
        /// Line of the claim in its file, from 1.
        line: usize,
        /// The claim as it was written.
        text: String,
    },
    /// A file of numbers that the system does not give.
    #[error("can't read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file of numbers that is not what its name says.
    #[error("{} {problem}", .file.display())]
    Values {
        /// The file.
        file: PathBuf,
        /// What it is not, to follow its name.
        problem: ValuesError,
    },
}

impl ClaimsError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Line { .. } => Some(
                "write `Spearman is 0.61 in transfer.json`, or \
                 {\"file\": \"transfer.json\", \"pointer\": \"/pairs/0/spearman/value\", \"value\": 0.61}",
            ),
            Self::Empty(_) => Some("write one a line, such as `Spearman is 0.61 in transfer.json`"),
            Self::NoFolder(_) => Some(
                "name a folder that `truenorth study run` made, such as runs/human-values, or leave it out",
            ),
            Self::NoFile { .. } => Some("end it with `in FILE`, or name the run whose report is meant"),
            Self::Read { .. } => None,
            Self::Values { .. } => Some("claims are checked against JSON, JSON lines and safetensors files"),
        }
    }
}
