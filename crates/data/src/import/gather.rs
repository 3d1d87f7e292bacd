//! Rows of all files, made into one set.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

use super::super::chat::joined;
use super::super::classes::ClassRow;
use super::beavertails;
use super::container;
use super::error::{ImportError, ImportFault, ImportProblem};
use super::options::{Disagree, ImportOptions, OptionsError};
use super::recipe::{ImportRecipe, Origin};
use super::record::{ImportedCell, ImportedRow, RowLocation};
use super::sample::{self, Streams};
use super::tally::{Dropped, FileTally, ImportTally, Imported};
use truenorth_files::sha256_hex;
use truenorth_stats::words::folded;

/// Reads one file after another, then says what they amount to.
#[derive(Debug)]
pub struct Importer {
    options: ImportOptions,
    recipe: ImportRecipe,
    tally: ImportTally,
    ids: HashMap<String, String>,
    /// Index of each text in `texts`, letter case and spaces aside.
    known: HashMap<String, usize>,
    /// What the rows of each text say, in the order read.
    texts: Vec<Vec<Vote>>,
}

/// The first row of a text that has this label and category, and how many do.
#[derive(Debug)]
struct Vote {
    row: ClassRow,
    count: usize,
}

impl Importer {
    /// Nothing read yet.
    ///
    /// # Errors
    /// When the options contradict each other or leave something open.
    pub fn new(options: ImportOptions) -> Result<Self, OptionsError> {
        let recipe = ImportRecipe::new(&options)?;
        Ok(Self {
            options,
            recipe,
            tally: ImportTally::default(),
            ids: HashMap::new(),
            known: HashMap::new(),
            texts: Vec::new(),
        })
    }

    /// Reads a file's bytes under a name, of which the stem begins the ids of rows that have none.
    ///
    /// # Errors
    /// An [`ImportError`] with row and column; the importer should then be dropped.
    pub fn read(&mut self, bytes: &[u8], name: &str) -> Result<(), ImportError> {
        let stem = self.stem(name);
        let wanted = self.recipe.wanted();
        let mut rows = 0;
        let mut kinds = HashMap::new();
        let source = self.options.source;
        let between = container::read(source, bytes, name, &wanted, &mut |record| {
            rows += 1;
            self.one_kind(&record, &mut kinds)?;
            self.row(&record, &stem, name)
        })
        .map_err(|fault| fault.in_file(name))?;
        self.tally.files.push(FileTally { name: name.to_owned(), sha256: sha256_hex(bytes), rows, between });
        Ok(())
    }

    /// The file's name without folder and endings, with a number if another file has the same.
    fn stem(&self, name: &str) -> String {
        let stem = |name: &str| {
            let file =
                Path::new(name).file_name().map_or_else(|| name.into(), |n| n.to_string_lossy().into_owned());
            file.split('.').find(|s| !s.is_empty()).unwrap_or("row").to_owned()
        };
        let own = stem(name);
        match self.tally.files.iter().filter(|f| stem(&f.name) == own).count() {
            0 => own,
            others => format!("{own}.{}", others + 1),
        }
    }

    fn one_kind(
        &self,
        record: &ImportedRow,
        kinds: &mut HashMap<String, (&'static str, RowLocation)>,
    ) -> Result<(), ImportFault> {
        for column in self.recipe.one_kind() {
            let cell = record.cell(column);
            if cell.is_blank() {
                continue;
            }
            let kind = cell.kind();
            let (first_kind, first) = *kinds.entry(column.clone()).or_insert((kind, record.place));
            if kind != first_kind {
                let problem = ImportProblem::Mixed { found: cell.shown(), kind, first_kind, first };
                return Err(ImportFault::at(record.place, problem).column(column));
            }
        }
        Ok(())
    }

    fn row(&mut self, record: &ImportedRow, stem: &str, name: &str) -> Result<(), ImportFault> {
        let id = self.id(record, stem, name)?;
        // A conversation is a row of turns; of several columns it would be a part of a text, which it is not.
        let turns = match self.recipe.text.as_slice() {
            [only] => match record.cell(&only.column) {
                ImportedCell::Chat(turns) => turns.clone(),
                _ => vec![],
            },
            _ => vec![],
        };
        let text = if turns.is_empty() { self.text(record)? } else { Some(joined(&turns)) };
        let Some(text) = text else {
            self.tally.drop(Dropped::Empty, 1);
            return Ok(());
        };
        let mut extra = BTreeMap::new();
        let (label, category) = if self.recipe.label == Origin::Judged {
            match beavertails::judge(record, self.options.several)? {
                Err(why) => {
                    self.tally.drop(why, 1);
                    return Ok(());
                }
                Ok(judged) => {
                    if let Some(names) = judged.source_category {
                        extra.insert("source_category".to_owned(), Value::String(names));
                    }
                    (judged.label.to_owned(), judged.category.map(str::to_owned))
                }
            }
        } else {
            let label = field(record, &self.recipe.label)?;
            let column = match &self.recipe.label {
                Origin::Column(column) => column,
                _ => "",
            };
            let none = || ImportFault::at(record.place, ImportProblem::NoLabel).column(column);
            (label.ok_or_else(none)?, field(record, &self.recipe.category)?)
        };
        let label = renamed(record, "label", &label, &self.options.labels)?;
        let category =
            category.map(|c| renamed(record, "category", &c, &self.options.categories)).transpose()?;
        let group = self.group(record)?;
        if let Some((column, field)) = self.recipe.keep
            && let Some(value) = record.label(column)?
        {
            extra.insert(field.to_owned(), Value::String(value));
        }
        self.vote(ClassRow { id, text, label, category, group, turns, extra });
        Ok(())
    }

    fn id(&mut self, record: &ImportedRow, stem: &str, name: &str) -> Result<String, ImportFault> {
        let (RowLocation::Line(number) | RowLocation::Row(number)) = record.place;
        let numbered = || format!("{stem}-{number}");
        let id = match &self.recipe.id {
            None => numbered(),
            Some(column) if self.recipe.usual_id() => record.label(column)?.unwrap_or_else(numbered),
            Some(column) => record.label(column)?.ok_or_else(|| {
                let problem = ImportProblem::Value { found: "blank".into(), expected: "an id" };
                ImportFault::at(record.place, problem).column(column)
            })?,
        };
        let here = format!("`{name}`, {}", record.place);
        match self.ids.insert(id.clone(), here) {
            None => Ok(id),
            Some(first) => Err(ImportFault::at(record.place, ImportProblem::DuplicateId { id, first })),
        }
    }

    /// The text without outer spaces, which a model would read too; `None` where it is left out.
    fn text(&mut self, record: &ImportedRow) -> Result<Option<String>, ImportFault> {
        let mut parts = Vec::new();
        let mut lacks = None;
        let mut trimmed = false;
        for part in &self.recipe.text {
            let whole = record.string(&part.column)?;
            let text = whole.trim();
            trimmed |= !text.is_empty() && text.len() != whole.len();
            if !text.is_empty() {
                parts.push(text);
            } else if part.needed {
                lacks = Some(&part.column);
            }
        }
        let first = self.recipe.text.first().map(|p| &p.column);
        let lacks = lacks.or(if parts.is_empty() { first } else { None });
        match lacks {
            None => {
                self.tally.trimmed += usize::from(trimmed);
                Ok(Some(parts.join("\n\n")))
            }
            Some(_) if self.options.skip_empty => Ok(None),
            Some(column) => Err(ImportFault::at(record.place, ImportProblem::Empty).column(column)),
        }
    }

    fn group(&self, record: &ImportedRow) -> Result<Option<String>, ImportFault> {
        match (&self.recipe.group, self.recipe.group_hash) {
            (Some(column), _) => record.label(column),
            (None, Some(column)) => {
                let hash = sha256_hex(folded(record.string(column)?).as_bytes());
                Ok(Some(format!("{column}-{}", hash.get(..16).unwrap_or(&hash))))
            }
            (None, None) => Ok(None),
        }
    }

    fn vote(&mut self, row: ClassRow) {
        let next = self.texts.len();
        let index = *self.known.entry(folded(&row.text)).or_insert(next);
        if index == next {
            self.texts.push(Vec::new());
        }
        let votes = &mut self.texts[index];
        match votes.iter_mut().find(|v| v.row.label == row.label && v.row.category == row.category) {
            Some(vote) => vote.count += 1,
            None => votes.push(Vote { row, count: 1 }),
        }
    }

    /// The rows of all files, decided, drawn and split.
    ///
    /// # Errors
    /// When no row is left, or a part of the split gets none.
    pub fn finish(self, streams: &Streams<'_>) -> Result<Imported, ImportError> {
        let Self { options, mut tally, texts, .. } = self;
        let mut rows = Vec::with_capacity(texts.len());
        for votes in texts {
            let all: usize = votes.iter().map(|v| v.count).sum();
            match decide(votes, options.disagree) {
                Some((row, count)) => {
                    rows.push(row);
                    tally.drop(Dropped::Duplicate, count - 1);
                    tally.drop(Dropped::Disagreement, all - count);
                }
                None => tally.drop(Dropped::Disagreement, all),
            }
        }
        if let Some(count) = options.take {
            let dropped = sample::take(&mut rows, count, streams);
            tally.drop(Dropped::NotTaken, dropped);
        }
        let whole = |problem| {
            let names: Vec<&str> = tally.files.iter().map(|f| f.name.as_str()).collect();
            ImportFault::of(problem).in_file(&names.join(", "))
        };
        if rows.is_empty() {
            let why: Vec<String> = tally.dropped.iter().map(|(why, n)| format!("{n} {why}")).collect();
            return Err(whole(ImportProblem::NothingKept { read: tally.read(), why: why.join(", ") }));
        }
        if let Some(shares) = &options.split {
            let parts = sample::split(&rows, shares, streams)
                .map_err(|(part, groups)| whole(ImportProblem::EmptyPart { part, groups }))?;
            for (row, part) in rows.iter_mut().zip(parts) {
                row.extra.insert("split".to_owned(), Value::String(part));
            }
        }
        for row in &rows {
            let part = row.extra.get("split").and_then(Value::as_str).map(str::to_owned);
            *tally.kept.entry((row.label.clone(), row.category.clone(), part)).or_default() += 1;
        }
        Ok(Imported { rows, tally })
    }
}

/// The row that stands for a text, and how many agree with it.
fn decide(mut votes: Vec<Vote>, disagree: Disagree) -> Option<(ClassRow, usize)> {
    if votes.len() > 1 && disagree == Disagree::Drop {
        return None;
    }
    // Stable: of equals the one read first, which a tie then rules out.
    votes.sort_by_key(|v| std::cmp::Reverse(v.count));
    let mut votes = votes.into_iter();
    let first = votes.next()?;
    match votes.next() {
        Some(second) if second.count == first.count => None,
        _ => Some((first.row, first.count)),
    }
}

fn field(record: &ImportedRow, from: &Origin) -> Result<Option<String>, ImportFault> {
    match from {
        Origin::Fixed(value) => Ok(Some(value.clone())),
        Origin::Column(column) => record.label(column),
        Origin::Nowhere | Origin::Judged => Ok(None),
    }
}

fn renamed(
    record: &ImportedRow,
    what: &'static str,
    value: &str,
    names: &super::options::Renames,
) -> Result<String, ImportFault> {
    names.apply(value).ok_or_else(|| {
        let known: Vec<&str> = names.names.keys().map(String::as_str).collect();
        let problem = ImportProblem::NotRenamed { value: value.to_owned(), known: known.join(", ") };
        ImportFault::at(record.place, problem).column(what)
    })
}
