//! Texts and how they are split: readers with coordinates, content hashes, templates, folds.
//!
//! Every reader takes any [`BufRead`](std::io::BufRead) and a name for its errors, refuses what
//! it can't read with line and column, and returns [`Loaded`]: the rows in file order with the
//! SHA-256 of the bytes read. In JSONL files blank lines are skipped, fields that are not named
//! here are kept in `extra`, and a UTF-8 byte order mark at the start is ignored; UTF-16 is
//! refused. Identifiers may be strings or integers and must be unique within a file.

mod classes;
mod error;
mod file;
pub mod import;
mod lfs;
mod lines;
mod pairs;
mod prompts;
mod sentiment;
mod sequences;
mod split;
mod template;
mod texts;

pub use classes::{ClassRow, read_classes};
pub use error::{DataError, Problem};
pub use file::{sha256_hex, write_atomic, write_private};
pub use lfs::is_lfs_pointer;
pub use lines::{Extra, Loaded};
pub use pairs::{Pair, read_pairs};
pub use prompts::{PromptInput, PromptRow, read_prompts};
pub use sentiment::{SentimentRow, read_sentiment};
pub use sequences::{SequenceRow, read_sequences};
pub use split::{Folds, SplitError, group_folds};
pub use template::{Template, TemplateError};
pub use texts::{DuelRow, ReplyRow, read_duels, read_replies};

#[cfg(test)]
mod tests;
