//! The document: what a report says, before anything is drawn.
use super::finding::Finding;
use super::number::Num;
use super::plot::Plot;
use super::table::{Cell, Table};
use serde::{Deserialize, Serialize};

/// A whole report. Front matter answers, sections show, provenance lets a reader redo it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Title of the report.
    pub title: String,
    /// One line under the title; empty for none.
    #[serde(default)]
    pub subtitle: String,
    /// Where the numbers come from. The first group stands under the title, the others at the end.
    pub provenance: Vec<KeyValueList>,
    /// What all of it comes to; none where a page shows one analysis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StudyAnswer>,
    /// The answers, most important first.
    pub front: Vec<Finding>,
    /// The sections of the page, in order.
    pub sections: Vec<Section>,
}

/// What a study comes to: a sentence to quote, then a line a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StudyAnswer {
    /// What is asked; `Is this direction true?` where nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// One sentence that can be quoted by itself.
    pub sentence: String,
    /// The questions, most important first.
    pub questions: Vec<AnsweredQuestion>,
    /// What a reader must know beside it: whether the tests were fixed beforehand, and the scope.
    pub notes: Vec<Rich>,
}

/// A question and what its one primary test says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnsweredQuestion {
    /// The question, as it is printed.
    pub asks: String,
    /// What the primary test says of it.
    pub verdict: QuestionVerdict,
    /// The answer in words, with its number.
    pub says: String,
    /// The place in `front` of the test that decides it; none where nothing was asked, or no test could be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<usize>,
    /// Its p, corrected by Holm (1979) for all primary tests of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holm: Option<Num>,
}

/// What a primary test says of its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionVerdict {
    /// Its claim stands after correction.
    Yes,
    /// The opposite stands after correction.
    No,
    /// Neither the claim nor its opposite stands.
    NotShown,
    /// The study has no test of the question.
    NotAsked,
}

impl QuestionVerdict {
    /// The word printed for it, such as `Not shown`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "Yes",
            Self::No => "No",
            Self::NotShown => "Not shown",
            Self::NotAsked => "Not asked",
        }
    }
}

/// A named list of keys and values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyValueList {
    /// Name of the group.
    pub title: String,
    /// The keys and values, in order.
    pub entries: Vec<KeyValue>,
}

impl KeyValueList {
    /// An empty group.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), entries: Vec::new() }
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Cell>) -> Self {
        self.entries.push(KeyValue { key: key.into(), value: value.into() });
        self
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyValue {
    /// What stands on the left.
    pub key: String,
    /// What stands beside it.
    pub value: Cell,
}

/// A numbered section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Unique in the document; what a link names.
    pub id: String,
    /// Heading of the section, without its number.
    pub title: String,
    /// A sentence or two that says what the section found.
    #[serde(default)]
    pub lead: String,
    /// What stands below the lead, in order.
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section without blocks yet.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), lead: lead.into(), blocks: Vec::new() }
    }

    /// Adds a block.
    #[must_use]
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.blocks.push(block.into());
        self
    }

    /// Puts `prefix-` before the ids of the section, its tables and its figures, for a document that has
    /// two sections of one kind. Links in its text keep what they name.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        fn all(blocks: &mut [Block], put: &dyn Fn(&mut String)) {
            for block in blocks {
                match block {
                    Block::Table(table) => put(&mut table.id),
                    Block::Figure(figure) => put(&mut figure.id),
                    Block::Row { figures } => figures.iter_mut().for_each(|f| put(&mut f.id)),
                    Block::Details { blocks, .. } => all(blocks, put),
                    Block::Paragraph { .. }
                    | Block::List { .. }
                    | Block::Note { .. }
                    | Block::Beside { .. }
                    | Block::KeyValues(_) => {}
                }
            }
        }
        let put = |id: &mut String| id.insert_str(0, &format!("{prefix}-"));
        put(&mut self.id);
        all(&mut self.blocks, &put);
        self
    }
}

/// A part of a section.
// A document holds dozens of blocks: a box around the figure would only burden those who build them.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Running text, one paragraph.
    Paragraph {
        /// Its words and marks.
        text: Rich,
    },
    /// A list of short items.
    List {
        /// Whether the items are numbered.
        ordered: bool,
        /// The items, in order.
        items: Vec<Rich>,
    },
    /// A table with caption and limits.
    Table(Table),
    /// A plot with caption and limits.
    Figure(Figure),
    /// Figures side by side where there is room.
    Row {
        /// The figures from left to right, usually two.
        figures: Vec<Figure>,
    },
    /// A remark set apart.
    Note {
        /// What kind of remark it is.
        kind: NoteKind,
        /// The words of the remark.
        text: Rich,
    },
    /// Keys and values.
    KeyValues(KeyValueList),
    /// Texts side by side where there is room, one below the other where there is none.
    Beside {
        /// The texts, each under its own head.
        texts: Vec<TextBeside>,
    },
    /// Blocks folded away behind a summary.
    Details {
        /// The line that is always seen.
        summary: String,
        /// What is seen once it is opened.
        blocks: Vec<Block>,
    },
}

/// A text that stands beside others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextBeside {
    /// Heading of the text.
    pub title: String,
    /// What is wrong with it, or a word on it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remark: String,
    /// The words of the text.
    pub text: Rich,
}

impl Block {
    /// A paragraph.
    #[must_use]
    pub fn text(text: impl Into<Rich>) -> Self {
        Self::Paragraph { text: text.into() }
    }

    /// A remark set apart, of a kind.
    #[must_use]
    pub fn note(kind: NoteKind, text: impl Into<Rich>) -> Self {
        Self::Note { kind, text: text.into() }
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Figure> for Block {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl From<KeyValueList> for Block {
    fn from(group: KeyValueList) -> Self {
        Self::KeyValues(group)
    }
}

/// What kind of remark a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Good to know.
    Remark,
    /// How something was computed or chosen.
    Method,
    /// What a result does not reach.
    Limit,
    /// Likely to be misread, or gone wrong.
    Warning,
}

/// A plot with its caption and its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Unique in the document; what a link names.
    pub id: String,
    /// A short title.
    pub title: String,
    /// The plot and its data.
    pub plot: Plot,
    /// What is seen: n, intervals, nulls.
    pub caption: String,
    /// What this figure does not show; may not be blank.
    pub not_shown: String,
}

impl Figure {
    /// A figure; `not_shown` says what the figure does not show and may not be blank.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        plot: impl Into<Plot>,
        caption: impl Into<String>,
        not_shown: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            plot: plot.into(),
            caption: caption.into(),
            not_shown: not_shown.into(),
        }
    }
}

/// Text with a little emphasis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rich(pub Vec<Span>);

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Words without a mark.
    Plain(String),
    /// Words to be stressed, set in bold.
    Strong(String),
    /// A term or a symbol.
    Em(String),
    /// Names of files, flags, sites.
    Code(String),
    /// What is not in the text that this one is held against.
    Changed(String),
    /// A link to a section, table or figure of this document.
    Link {
        /// The `id` that it leads to.
        to: String,
        /// The words that carry the link.
        text: String,
    },
}

impl<T: Into<String>> From<T> for Rich {
    fn from(text: T) -> Self {
        Self(vec![Span::Plain(text.into())])
    }
}

impl Rich {
    /// Adds a stretch.
    #[must_use]
    pub fn with(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }

    /// Adds text as it is.
    #[must_use]
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    /// Adds a name or a command, set in monospace.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }
}
