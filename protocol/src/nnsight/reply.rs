//! What a service sends back.

use std::io::{Read, Seek};

use super::Request;
use crate::torch_file::TorchFileError;
use crate::{Answer, job};

/// Bytes that are not what a service should have sent.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// Not a `torch.save` archive that may be read.
    #[error("the service's reply can't be read")]
    File(#[from] TorchFileError),
    /// A reply of another form.
    #[error("the service's reply is no {expected}")]
    Form {
        /// What was expected.
        expected: &'static str,
    },
    /// A saved value is not there.
    #[error("the service's reply has no value `{name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A value that the graph does not save.
    #[error("the service's reply has a value `{name}` that was not asked for")]
    Unexpected {
        /// Its name, cut short if long.
        name: String,
    },
    /// A value of another type or shape.
    #[error("value `{name}` of the reply is {found}; expected {expected}")]
    Value {
        /// Its name.
        name: String,
        /// What the graph says it is.
        expected: String,
        /// What came.
        found: String,
    },
}

impl ReplyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => {
                Some("fetch the job's result again; if it stays so, the service is not to be trusted")
            }
            _ => Some("the service may run another version of nnsight or of the model; see `ndif status`"),
        }
    }
}

/// The answer out of a result archive.
pub(super) fn answer(
    _request: &Request<'_>,
    _body: impl Read + Seek,
    _decode: &dyn Fn(&[u32]) -> String,
) -> Result<Answer, ReplyError> {
    Err(ReplyError::Form { expected: "result" })
}

/// Reads a binary frame of the socket: a `torch.save` archive of an update whose `data` may be the
/// result itself, which is returned beside it (still zstd-compressed if the envelope asked for it).
///
/// # Errors
/// A [`ReplyError`] for anything else; nothing in it is executed.
pub fn read_binary_update(_bytes: &[u8]) -> Result<(job::Update, Option<Vec<u8>>), ReplyError> {
    Err(ReplyError::Form { expected: "status" })
}
