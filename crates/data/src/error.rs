//! What is wrong with a file, and where.

use std::fmt;

use super::rows::{LISTS, two_sides, unnamed};
use super::strict::JsonFault;
use truenorth_files::UnreadableKind;

/// A file that can't be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub struct DataError {
    /// The file as it was named, or `-` for stdin.
    pub name: String,
    /// Line from 1; `None` when the file as a whole or an item is meant.
    pub line: Option<usize>,
    /// Item from 1 of a file that is one JSON list.
    pub item: Option<usize>,
    /// Row from 1 of a file of columns.
    pub row: Option<usize>,
    /// Byte of the line from 1, where one byte is to blame.
    pub column: Option<usize>,
    /// What is wrong there.
    #[source]
    pub problem: Box<DataProblem>,
}

impl fmt::Display for DataError {
    // The problem is the `source`: writing it here too would print it twice in a chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't read `{}`", self.name)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(item) = self.item {
            write!(f, ", item {item} of the list")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// What is wrong with a line or a file.
#[derive(Debug, thiserror::Error)]
pub enum DataProblem {
    /// The file could not be read to its end.
    #[error("reading failed")]
    Read(#[source] std::io::Error),
    /// Bytes that are not UTF-8.
    #[error("byte 0x{byte:02x} is not UTF-8")]
    NotUtf8 {
        /// The byte that no UTF-8 has there.
        byte: u8,
    },
    /// UTF-16 by its byte order mark.
    #[error("the file starts with a UTF-16 byte order mark; expected UTF-8")]
    Utf16,
    /// A Parquet file that its reader does not take.
    #[error("not a whole Parquet file: {0}")]
    Parquet(String),
    /// More than this machine has memory for.
    #[error("out of memory while the file is read")]
    Memory,
    /// More than is read at once.
    #[error("the file, unpacked, is larger than {most} MiB")]
    Large {
        /// The most MiB that are read.
        most: u64,
    },
    /// Bytes of value 0, which text has none of.
    #[error("a byte of value 0: UTF-16 without its mark, or no text at all")]
    Nul,
    /// Another kind of file.
    #[error("the file is {}", .0.what)]
    Looks(UnreadableKind),
    /// A line that is no JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// A prompt with its answer, where one text is meant.
    #[error(
        "the row has a `{field}` beside its `prompt`, and no `text` or `messages`; which of them is meant is not told"
    )]
    Response {
        /// Name of the field that holds the answer.
        field: &'static str,
    },
    /// Two system prompts of one row.
    #[error(
        "the row has two system prompts that differ (`system`, `system_prompt` and the first of its messages)"
    )]
    Systems,
    /// Descriptions of tools, which no template is given.
    #[error("the row has `tools` beside its messages, and a chat template is given none here")]
    Tools,
    /// A name that a JSON object has twice.
    #[error("two fields of one object are called `{key}`")]
    KeyTwice {
        /// The name that occurs twice.
        key: String,
    },
    /// A list or dict as Python writes it.
    #[error("a list or dict as Python prints it, in single quotes; JSON needs double ones")]
    Python,
    /// What Python's json writes in place of a number, and JSON has not.
    #[error("`{shown}` is no number, and no JSON")]
    NoNumber {
        /// The word as it was written, such as `NaN`.
        shown: &'static str,
    },
    /// A comment, which JSON does not have.
    #[error("`{shown}` is a comment, which is not read")]
    Comment {
        /// The line, cut short.
        shown: String,
    },
    /// Plain text where rows of several fields are needed.
    #[error("`{shown}` is plain text; expected rows with fields")]
    PlainText {
        /// The first line, cut short.
        shown: String,
    },
    /// A file whose first bytes say something else than its ending.
    #[error("the file looks like {found}, and its name does not say so")]
    NotAsNamed {
        /// What the first bytes say.
        found: &'static str,
        /// The ending that such files have.
        ending: &'static str,
    },
    /// A JSON object without exactly one list of rows.
    #[error(
        "expected a list of rows under one name, such as `prompts`; the object {}",
        if have.is_empty() { "is empty".into() } else { format!("holds {}", have.join(", ")) }
    )]
    NoList {
        /// The fields of the object, with their kinds.
        have: Vec<String>,
    },
    /// CSV that can't be taken apart.
    #[error("not CSV")]
    Csv(#[source] csv::Error),
    /// A record with more or fewer fields than the head.
    #[error("{found} fields where the head has {expected}")]
    Ragged {
        /// Fields of the record.
        found: u64,
        /// Fields of the head.
        expected: u64,
    },
    /// The rest of the file inside a quoted field.
    #[error("a quoted field is never closed")]
    OpenQuote,
    /// A first line that names none of the columns that are read.
    #[error("the first line is no head: its columns are `{}`, neither `text` nor another that is read", columns.join("`, `"))]
    Head {
        /// The columns of the first line.
        columns: Vec<String>,
    },
    /// A name that two columns have.
    #[error("two columns are called `{column}`")]
    TwoColumns {
        /// The name that both columns have.
        column: String,
    },
    /// A line that is JSON but no object.
    #[error("expected a JSON object, got {found}")]
    NotAnObject {
        /// The kind of value that is there, such as `a list`.
        found: &'static str,
    },
    /// A field that must be there.
    #[error("missing field `{field}`")]
    Missing {
        /// Name of the field.
        field: &'static str,
        /// Names of the fields that are there.
        have: Vec<String>,
    },
    /// A field of the wrong kind or value.
    #[error("field `{field}` is {found}; expected {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// The value that is there, cut short.
        found: String,
        /// The values that are read, in words.
        expected: &'static str,
    },
    /// A field that is null, or an empty cell of a table.
    #[error("field `{field}` has no value")]
    NoValue {
        /// Name of the field.
        field: &'static str,
    },
    /// A field that this row has and earlier ones have not.
    #[error("the row has an `{field}`, and those before it have none")]
    OthersLack {
        /// Name of the field.
        field: &'static str,
    },
    /// A field without content.
    #[error("field `{field}` is empty")]
    Empty {
        /// Name of the field.
        field: &'static str,
    },
    /// An identifier seen before.
    #[error("id `{id}` was used on {first} already")]
    DuplicateId {
        /// The identifier that occurs twice.
        id: String,
        /// Where it was first used, such as `line 3`.
        first: String,
    },
    /// An identifier that is also the number by which a row without one goes.
    #[error("{}", numbered(id, first, *own))]
    NumberTaken {
        /// The identifier, a number.
        id: String,
        /// The earlier of the two rows, such as `line 3`.
        first: String,
        /// Whether the earlier row has it as its own.
        own: bool,
    },
    /// A pair that contrasts nothing.
    #[error("pair `{id}` has identical `chosen` and `rejected`")]
    Identical {
        /// Id of the pair.
        id: String,
    },
    /// A pair without a prompt where the template shows one.
    #[error("pair `{id}` has no `prompt`, {}", match template.as_str() {
        "chat" => "which is the user's turn of its conversation".to_owned(),
        template => format!("and the template `{template}` shows it"),
    })]
    NoPrompt {
        /// Id of the pair.
        id: String,
        /// The template that shows a prompt.
        template: String,
        /// Names of the fields that are there.
        have: Vec<String>,
    },
    /// A chat whose messages can't be told.
    #[error(
        "field `{field}` is a chat, and {found}; expected messages with `role` and `content`{}",
        if matches!(*field, "chosen" | "rejected") { ", the last of the role `assistant`" } else { "" }
    )]
    Chat {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with the chat.
        found: String,
    },
    /// Two chats that do not answer the same.
    #[error(
        "the chats of pair `{id}` differ before their last messages, so that no prompt is common to them{}",
        if *by_system { "; their system prompts differ" } else { "" }
    )]
    ChatsDiffer {
        /// Id of the pair.
        id: String,
        /// Whether they differ in nothing but what the system says.
        by_system: bool,
    },
    /// Chats that do not begin with their prompt.
    #[error("the chats of pair `{id}` do not begin with its `prompt`")]
    ChatPrompt {
        /// Id of the pair.
        id: String,
    },
    /// Chats of more than a question and an answer.
    #[error("the chats of pair `{id}` have {} messages before the last ones ({}); expected the user's alone", .roles.len(), .roles.join(", "))]
    ChatTurns {
        /// Id of the pair.
        id: String,
        /// Roles of these messages.
        roles: Vec<String>,
    },
    /// Neither or both of two fields of which one is needed.
    #[error("expected either `text` or `tokens`, got {found}")]
    TextOrTokens {
        /// `both` or `neither`.
        found: &'static str,
        /// The fields there are, where it is neither.
        have: Vec<String>,
    },
    /// A file without rows.
    #[error("no rows")]
    NoRows,
}

/// What mends a record of fewer fields than the head has.
pub(crate) const SHORT_RECORD: &str =
    "give the row a field for every column, empty ones too, as in `a,,`; or take it out if it is no row";

fn numbered(id: &str, first: &str, own: bool) -> String {
    if own {
        format!("the row has no id and would go by its number, but id `{id}` was used on {first}")
    } else {
        format!("id `{id}` is the number of {first}, which has no id and goes by it")
    }
}

impl DataProblem {
    /// A JSON value that can't be used: its line and byte, and what is wrong.
    pub(super) fn json(fault: JsonFault) -> (usize, usize, Self) {
        match fault {
            JsonFault::Twice { key, line, column } => (line, column, Self::KeyTwice { key }),
            JsonFault::Syntax(e) => (e.line(), e.column(), Self::Json(e)),
        }
    }
}

impl DataError {
    pub(super) fn at(name: &str, line: Option<usize>, column: Option<usize>, problem: DataProblem) -> Self {
        Self { name: name.to_owned(), line, item: None, row: None, column, problem: Box::new(problem) }
    }

    /// What would mend the file, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &*self.problem {
            DataProblem::NotUtf8 { .. } | DataProblem::Utf16 | DataProblem::Nul => "save the file as UTF-8".into(),
            DataProblem::Parquet(_) => "fetch or write the file again, with snappy, zstd, gzip or lz4, or none".into(),
            DataProblem::Memory => "name a smaller file, or end what else takes memory".into(),
            DataProblem::Large { .. } => "split it into several files".into(),
            DataProblem::Looks(look) => look.remedy.into(),
            DataProblem::Json(_) | DataProblem::NotAnObject { .. } if self.name.ends_with(".json") => {
                "a .json file holds one list, such as [{\"id\": \"a\", \"text\": \"…\"}, …]".into()
            }
            DataProblem::Json(_) | DataProblem::NotAnObject { .. } => {
                "JSONL holds one object a line, such as {\"id\": \"a\", \"text\": \"…\"}".into()
            }
            DataProblem::Response { field } => format!(
                "write both as turns into `messages`, or as the model sees them into one `text`, or take `{field}` out"
            ),
            DataProblem::Systems => "keep one of them".into(),
            DataProblem::Tools => {
                "write what the model is told of them into the system turn and take `tools` out, or give the whole as `text`"
                    .into()
            }
            DataProblem::KeyTwice { .. } => "keep one of the two, or give the other a name of its own".into(),
            DataProblem::Python => "write the file with json.dump".into(),
            DataProblem::NoNumber { .. } => "give it a number, or null where the field may be missing; or take the row out".into(),
            DataProblem::Comment { .. } => "take the line out".into(),
            DataProblem::PlainText { .. } => {
                "give JSON lines (.jsonl), a JSON list (.json) or CSV with a head (.csv)".into()
            }
            DataProblem::NotAsNamed { ending, .. } if *ending == ".csv" || *ending == ".tsv" => format!(
                "give it a name that ends in {ending}; if its lines are texts as they are, put another line first, as its first \
                 line reads like names of columns"
            ),
            DataProblem::NotAsNamed { ending, .. } => format!("give it a name that ends in {ending}"),
            DataProblem::NoList { .. } => format!("keep the rows under one of {}", LISTS.join(", ")),
            DataProblem::Ragged { found, expected } if found < expected => SHORT_RECORD.into(),
            DataProblem::Ragged { .. } | DataProblem::OpenQuote | DataProblem::Csv(_) => {
                "quote fields that hold a comma, a quote or a line break, and double the quotes inside".into()
            }
            DataProblem::TwoColumns { .. } => "give one of them another name".into(),
            DataProblem::Head { columns } if two_sides(columns).is_some() => two_sides(columns)?,
            DataProblem::Head { .. } => {
                "if it is a row, put a head above it, such as `text,label`; if it is the head, call the column that is \
                 meant `text`"
                    .into()
            }
            DataProblem::Missing { field, have } => unnamed(field, have),
            DataProblem::NoValue { .. } | DataProblem::Empty { .. } => "give it one, or take the row out".into(),
            DataProblem::OthersLack { field } => format!("give every row a `{field}`, or none"),
            DataProblem::DuplicateId { .. } => "give each row an id of its own".into(),
            DataProblem::NumberTaken { .. } => "give every row an id of its own, or none".into(),
            DataProblem::Identical { .. } => {
                "a pair needs two different responses; leave it out or rewrite one".into()
            }
            // No other template goes with a chat.
            DataProblem::NoPrompt { have, template, .. } if template == "chat" => format!(
                "{}; or, of whole texts, leave --chat (`chat` in a study) out and put in --template \"{{response}}\"",
                unnamed("prompt", have)
            ),
            DataProblem::NoPrompt { have, .. } => format!(
                "{}, or leave {{prompt}} out of the template, as in \"{{response}}\"",
                unnamed("prompt", have)
            ),
            DataProblem::Chat { field: "messages" | "conversations" | "conversation", .. } => {
                "give every message a `role` and its text as `content`, as in {\"role\": \"user\", \"content\": \"…\"}, or \
                 take the row out"
                    .into()
            }
            DataProblem::ChatsDiffer { by_system: true, .. } => {
                "add --chat (`chat = true` in a study), by which each side has its own, or write `prompt`, `chosen` and \
                 `rejected` as texts"
                    .into()
            }
            DataProblem::Chat { .. } | DataProblem::ChatsDiffer { .. } | DataProblem::ChatPrompt { .. } => {
                "write `prompt`, `chosen` and `rejected` as texts, or take the row out".into()
            }
            DataProblem::ChatTurns { .. } => "add --chat (`chat = true` in a study), which takes all turns, or write these messages as one `prompt`, in the markup of the model's chat \
                template, and `chosen` and `rejected` as texts"
                .into(),
            DataProblem::TextOrTokens { found: "neither", have } => unnamed("text", have),
            DataProblem::TextOrTokens { .. } => "take one of the two out".into(),
            _ => return None,
        })
    }
}
