//! What can go wrong with a tokenizer.

use std::path::PathBuf;

use thiserror::Error;

use truenorth_files::LFS_REMEDY;

/// A tokenizer could not be built or used. [`TokenizerError::hint`] gives the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file could not be read.
    #[error("cannot read `{}`", .path.display())]
    Io {
        /// The file that was opened.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A stand-in of Git LFS lies where a file should.
    #[error("`{}` is a Git LFS pointer, not the file it stands for", .path.display())]
    LfsPointer {
        /// The file that is a pointer.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("`{}` is not a sound tokenizer file: {problem}", .path.display())]
    Malformed {
        /// The file that was opened.
        path: PathBuf,
        /// What is wrong with it, for people.
        problem: String,
    },
    /// A tokenizer of a GGUF file that is not known.
    #[error("the file's tokenizer has {key} `{found}`, expected one of {expected}")]
    Unknown {
        /// The key of the metadata.
        key: &'static str,
        /// The value in the file.
        found: String,
        /// The values that are known, in words.
        expected: String,
    },
    /// Metadata of a GGUF file's tokenizer that is missing or inconsistent.
    #[error("the file's tokenizer: `{key}` {problem}")]
    Metadata {
        /// The key of the metadata.
        key: &'static str,
        /// What is wrong, to follow the key.
        problem: String,
    },
    /// A text could not be turned into ids.
    #[error("the tokenizer of {} cannot tokenize the text: {problem}", .of)]
    Encode {
        /// The tokenizer's file, as it is named to a reader.
        of: String,
        /// The error of the tokenizer library.
        problem: String,
    },
    /// A text has the token in whose place Code Llama's own class builds a prompt for infilling.
    #[error(
        "the text has `{token}`, in whose place transformers builds a prompt for infilling, which is not done here"
    )]
    Infilling {
        /// The token in the text.
        token: String,
    },
    /// A text has characters without a token, and what stands for them is no token either.
    #[error(
        "the text has characters without a token, and `{token}`, which {who} puts for them, is no token of {of}"
    )]
    NoUnknown {
        /// The tokenizer's file, as it is named to a reader.
        of: String,
        /// The token that should stand for them.
        token: String,
        /// What puts that token there, such as its `model.unk_token`.
        who: String,
    },
}

impl TokenizerError {
    /// A remedy for people, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Io { .. } => "check that the path exists and may be read",
            Self::LfsPointer { .. } => LFS_REMEDY,
            Self::Malformed { .. } => {
                "download the tokenizer's files again, or mend in the file what is named"
            }
            Self::Unknown { .. } => {
                "use the model's folder with `tokenizer.json`, or pass token ids in place of text"
            }
            Self::Metadata { .. } => "convert the model again with a current converter",
            Self::Infilling { .. } => {
                "leave it out, or pass the token ids of the whole prompt in place of the text"
            }
            Self::NoUnknown { .. } => {
                "name the tokenizer class that the vocabulary was made for in tokenizer_config.json \
                 (`\"tokenizer_class\": \"PreTrainedTokenizerFast\"` takes tokenizer.json as it stands, whose \
                 `model.unk_token` may be null); or pass token ids in place of the text"
            }
            Self::Encode { .. } => {
                "use the tokenizer files that the model came with, or pass token ids in place of the text"
            }
        })
    }
}
