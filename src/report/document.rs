//! The document: what a report says, before anything is drawn.
use super::number::Num;
use super::plot::Plot;
use super::table::{Cell, Table};
use serde::{Deserialize, Serialize};

/// A whole report. Front matter answers, sections show, provenance lets a reader redo it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Title of the report.
    pub title: String,
    /// One line under the title.
    #[serde(default)]
    pub subtitle: String,
    /// Where the numbers come from. The first group stands under the title, the others at the end.
    pub provenance: Vec<Group>,
    /// The answers, most important first.
    pub front: Vec<Finding>,
    /// The evidence.
    pub sections: Vec<Section>,
}

/// A named list of keys and values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name of the group.
    pub title: String,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}

impl Group {
    /// An empty group.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), entries: Vec::new() }
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Cell>) -> Self {
        self.entries.push(Entry { key: key.into(), value: value.into() });
        self
    }
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub key: String,
    /// Its value.
    pub value: Cell,
}

/// How far the evidence carries a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The interval lies outside the null.
    Supported,
    /// The evidence speaks against it, or it is within the null.
    NotSupported,
    /// The evidence allows both.
    Unclear,
    /// True as stated, and easily misread.
    Caution,
}

impl Status {
    /// The word printed for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::Unclear => "unclear",
            Self::Caution => "caution",
        }
    }

    /// The sign beside the word: the colour never stands alone.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Supported => "●",
            Self::NotSupported => "○",
            Self::Unclear => "◐",
            Self::Caution => "▲",
        }
    }

    /// Class that colours it, on the page and in plots.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Supported => "ok",
            Self::NotSupported => "no",
            Self::Unclear => "unsure",
            Self::Caution => "care",
        }
    }
}

/// One line of the front page: a statement with its number, n, interval and null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How far the evidence carries it.
    pub status: Status,
    /// The statement, a short sentence.
    pub statement: String,
    /// The number it rests on.
    pub measure: Measure,
    /// How many, and of what, the number was computed from.
    pub n: Sample,
    /// Uncertainty of the number.
    pub interval: Interval,
    /// What the number would be if there were nothing to find.
    pub null: Null,
    /// Id of the section, table or figure that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub see: Option<String>,
}

/// A named number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Name with its unit, such as `AUROC`.
    pub name: String,
    /// The number.
    pub value: Num,
    /// Decimals to print.
    pub digits: usize,
}

impl Measure {
    /// A number printed with two decimals.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Num>) -> Self {
        Self { name: name.into(), value: value.into(), digits: 2 }
    }
}

/// A sample size that says what was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many.
    pub count: u64,
    /// Of what, plural: `held-out pairs`.
    pub of: String,
}

impl Sample {
    /// `count` units called `of`.
    #[must_use]
    pub fn new(count: u64, of: impl Into<String>) -> Self {
        Self { count, of: of.into() }
    }
}

/// A confidence interval with its level and method. A missing bound carries the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub low: Num,
    /// Upper bound.
    pub high: Num,
    /// Nominal coverage in (0, 1).
    pub level: Num,
    /// How it was computed, such as `cluster bootstrap over axes, 2000 draws`.
    pub method: String,
}

impl Interval {
    /// A 95 % interval.
    #[must_use]
    pub fn p95(low: impl Into<Num>, high: impl Into<Num>, method: impl Into<String>) -> Self {
        Self { low: low.into(), high: high.into(), level: Num::new(0.95), method: method.into() }
    }

    /// No interval, for a stated reason.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        let bound = || Num::missing(reason);
        Self { low: bound(), high: bound(), level: bound(), method: "none".to_owned() }
    }
}

/// The null: where the number falls when there is nothing to find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Null {
    /// How it was made, such as `labels shuffled, whole pipeline rerun`.
    pub method: String,
    /// Lower end of its central 95 %.
    pub low: Num,
    /// Upper end of its central 95 %.
    pub high: Num,
    /// p value against it.
    pub p: Num,
    /// Number of random draws, where it is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<u64>,
}

impl Null {
    /// A null without a p value.
    #[must_use]
    pub fn new(method: impl Into<String>, low: impl Into<Num>, high: impl Into<Num>) -> Self {
        Self { method: method.into(), low: low.into(), high: high.into(), p: Num::default(), draws: None }
    }

    /// Adds the p value, and the number of draws behind it if random.
    #[must_use]
    pub fn with_p(mut self, p: impl Into<Num>, draws: Option<u64>) -> Self {
        self.p = p.into();
        self.draws = draws;
        self
    }

    /// No null, for a stated reason.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        let gap = || Num::missing(reason);
        Self { method: "none".to_owned(), low: gap(), high: gap(), p: gap(), draws: None }
    }
}

/// A numbered section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Unique in the document; what a link names.
    pub id: String,
    /// Heading.
    pub title: String,
    /// A sentence or two that says what the section found.
    #[serde(default)]
    pub lead: String,
    /// The rest, in order.
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
}

/// A part of a section.
// A document holds dozens of blocks: a box around the figure would only burden those who build them.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Running text.
    Paragraph {
        /// Its spans.
        text: Rich,
    },
    /// A list of short items.
    List {
        /// Whether the items are numbered.
        ordered: bool,
        /// The items.
        items: Vec<Rich>,
    },
    /// A table.
    Table(Table),
    /// A figure.
    Figure(Figure),
    /// Figures side by side where there is room.
    Row {
        /// The figures, usually two.
        figures: Vec<Figure>,
    },
    /// A remark set apart.
    Note {
        /// Its weight.
        kind: NoteKind,
        /// Its text.
        text: Rich,
    },
    /// Keys and values.
    KeyValues(Group),
    /// Blocks folded away behind a summary.
    Details {
        /// The line that stays visible.
        summary: String,
        /// What is folded.
        blocks: Vec<Block>,
    },
}

impl Block {
    /// Running text.
    #[must_use]
    pub fn text(text: impl Into<Rich>) -> Self {
        Self::Paragraph { text: text.into() }
    }

    /// A remark.
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

impl From<Group> for Block {
    fn from(group: Group) -> Self {
        Self::KeyValues(group)
    }
}

/// The weight of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Good to know.
    Remark,
    /// How it was done.
    Method,
    /// Where the result ends.
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
    /// What is drawn.
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
    /// As it is.
    Plain(String),
    /// Stressed.
    Strong(String),
    /// A term or a symbol.
    Em(String),
    /// Names of files, flags, sites.
    Code(String),
    /// A link to a section, table or figure of this document.
    Link {
        /// Its id.
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

    /// Adds code.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }
}
