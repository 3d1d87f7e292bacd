//! Texts and how they are split: readers with coordinates, content hashes, templates, folds.
//!
//! Every reader takes any [`BufRead`](std::io::BufRead) and a name for its errors and returns [`Loaded`]: the
//! rows in file order with the SHA-256 of the bytes read. All go through one reader of rows, which takes
//! JSON lines, a JSON list, CSV with a head, Parquet and, where a row is a text, plain text; a file is what its ending
//! and its first byte that is not blank say, or it is refused with what it looks like, by line and column.
//! Blank lines are skipped, fields that are not named here are kept in `extra`, and a UTF-8 byte order mark
//! at the start is ignored. Identifiers may be strings or integers and must be unique within a file; a row
//! without one goes by its line number. A name that a JSON object has twice is refused.

pub mod artifact;
mod chat;
mod classes;
mod concepts;
pub mod conversation;
mod data_set;
mod distinct;
mod error;
pub mod import;
pub mod models;
pub mod out;
mod pairs;
mod prompts;
mod rows;
mod sentiment;
mod sequences;
pub mod store;
mod strict;
mod table;
mod template;
mod texts;

pub use classes::{ClassRow, read_classes};
pub use data_set::{DataSetError, Split, data_sha256};
pub use distinct::{
    Copies, CopiesError, Distinct, Firsts, FoundCopy, NearCopies, NearIndex, OPENING_REMEDY, SharedOpening,
    SharedText, copies_between, first_duels, first_prompts, first_replies, first_sequences,
};
pub use error::{DataError, DataProblem};
pub use pairs::{Pair, read_pairs};
pub use prompts::{PromptInput, PromptRow, read_prompts};
pub use rows::{Extra, LISTS, Loaded, holds_pairs, whole_text};
pub use sentiment::{SentimentRow, read_sentiment};
pub use sequences::{SequenceRow, read_sequences};
pub use strict::{JsonFault, strict_json};
pub use table::{TableFile, TableRow, read_table};
pub use template::{Template, TemplateError};
pub use texts::{DuelRow, ReplyRow, read_duels, read_replies};

#[cfg(test)]
mod tests;
