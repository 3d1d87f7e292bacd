//! Files of texts, read and checked: what they are is said before any number is made of them.

pub mod checkpoints;
mod named_file;
mod said;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use truenorth_data::{
    ClassRow, Copies, Distinct, Loaded, NearCopies, Pair, PromptInput, PromptRow, SentimentRow, SequenceRow,
    Template, first_prompts, first_sequences, holds_pairs, read_classes, read_pairs, read_prompts,
    read_sentiment, read_sequences, whole_text,
};

pub use named_file::{NamedFile, file_and_label};

use crate::analyses::board::Sequence;
use crate::analyses::categories::{BEHIND_FILE, named_by};
use crate::analyses::extract::{LabelledTexts, ProjectOut};
use crate::analyses::{NamedPrompt, SentimentTexts, sentiment_apart};
use crate::error::{Error, ErrorContext as _};
use crate::host::Desk;

/// Files of texts, read at a desk.
#[derive(Clone, Copy)]
pub struct TextFiles<'a> {
    /// Where they are read, and who is told how.
    pub desk: &'a dyn Desk,
    /// How alike texts must be to be near copies.
    pub near: NearCopies,
}

/// Sequences to be scored.
pub struct Sequences {
    /// The rows as the file has them.
    pub loaded: Loaded<SequenceRow>,
    /// Each with the one that it counts with.
    pub all: Vec<Sequence>,
    /// Copies and near copies that were found.
    pub copies: Copies,
}

/// Prompts of which each is an observation of its own.
pub struct Prompts {
    /// The prompts with their names, ready to be read.
    pub named: Vec<NamedPrompt>,
    /// The rows as the file has them.
    pub loaded: Loaded<PromptRow>,
    /// Copies and near copies that were found.
    pub copies: Copies,
}

impl TextFiles<'_> {
    /// Reads pairs.
    ///
    /// # Errors
    /// When the file can\'t be read, or its rows contradict each other.
    pub fn pairs(&self, path: &Path, template: &Template) -> Result<Distinct<Pair>, Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_pairs(reader, &name, template).request(format!("can't read pairs from {name}"))?;
        self.named(&name, loaded.rows.iter().map(|r| r.id.as_str()));
        self.told(&name, &loaded.notes.clone(), Distinct::pairs(loaded, template, self.near))
    }

    /// Reads classes.
    ///
    /// # Errors
    /// When the file can\'t be read, or its rows contradict each other.
    pub fn classes(&self, path: &Path) -> Result<Distinct<ClassRow>, Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_classes(reader, &name).request(format!("can't read classes from {name}"))?;
        self.named(&name, loaded.rows.iter().map(|r| r.id.as_str()));
        let found = self.told(&name, &loaded.notes.clone(), Distinct::classes(loaded, self.near))?;
        self.say_dealt(&name, &found);
        Ok(found)
    }

    /// Reads texts labelled for sentiment.
    ///
    /// # Errors
    /// When the file can\'t be read, or its rows contradict each other.
    pub fn sentiment(&self, path: &Path) -> Result<Distinct<SentimentRow>, Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_sentiment(reader, &name).request(format!("can't read sentiment from {name}"))?;
        self.named(&name, loaded.rows.iter().map(|r| r.id.as_str()));
        if let Some(first) = loaded.rows.first()
            && loaded.rows.iter().all(|r| r.positive == first.positive)
        {
            return Err(Error::request(format!(
                "all {} texts of {name} have the label {}",
                loaded.rows.len(),
                if first.positive { "positive (or 1)" } else { "negative (or 0)" }
            ))
            .with_hint("give texts of both sentiments, labelled 0 and 1 or negative and positive"));
        }
        self.told(&name, &loaded.notes.clone(), Distinct::sentiment(loaded, self.near))
    }

    /// Reads texts labelled for sentiment, without those that the direction is fitted on.
    ///
    /// # Errors
    /// As [`TextFiles::sentiment`], and when one sentiment is missing without them.
    pub fn sentiment_apart_from(&self, fitted: &LabelledTexts, path: &Path) -> Result<SentimentTexts, Error> {
        let rows = self.sentiment(path)?;
        let texts = sentiment_apart(rows, fitted, self.near)
            .request(format!("can't project sentiment out with {}", path.display()))?;
        self.say_apart(texts.apart.as_ref());
        Ok(texts)
    }

    /// Texts labelled for sentiment, which projecting it out can't do without; said where nobody does.
    ///
    /// # Errors
    /// As [`TextFiles::sentiment_apart_from`], and when they are needed and not named.
    pub fn sentiment_for(
        &self,
        fitted: &LabelledTexts,
        path: Option<&PathBuf>,
        project_out: &[ProjectOut],
    ) -> Result<Option<SentimentTexts>, Error> {
        match path {
            Some(path) if !project_out.contains(&ProjectOut::Sentiment) => {
                let rows = self.sentiment_apart_from(fitted, path)?;
                self.desk.say(&format!(
                    "note: sentiment is not projected out; what the texts of {} reach alone is said beside the direction",
                    path.display()
                ));
                Ok(Some(rows))
            }
            Some(path) => self.sentiment_apart_from(fitted, path).map(Some),
            None if project_out.contains(&ProjectOut::Sentiment) => {
                Err(Error::request("projecting sentiment out needs texts labelled for it")
                    .with_hint("name them with --sentiment F.jsonl"))
            }
            None => Ok(None),
        }
    }

    /// Reads sequences, and says which of them are copies.
    ///
    /// # Errors
    /// As [`TextFiles::pairs`].
    pub fn sequences(&self, path: &Path) -> Result<Sequences, Error> {
        let loaded = self.read_sequences(path)?;
        let name = path.display().to_string();
        let cant = || format!("can't tell the sequences of {name} apart");
        let firsts = first_sequences(&loaded.rows, self.near).map_err(|e| {
            Error::request(format!("{}: {e}", cant())).with_hint(e.hint().unwrap_or_default())
        })?;
        self.say_copies(&name, &firsts.copies);
        Ok(Sequences { all: Sequence::all(&loaded.rows, &firsts), loaded, copies: firsts.copies })
    }

    /// Reads prompts of which each is an observation of its own: copies and near copies of earlier ones are left
    /// out, and said.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn distinct_prompts(&self, path: &Path) -> Result<Prompts, Error> {
        let (mut named, mut loaded) = self.prompts(path)?;
        let firsts = first_prompts(&loaded.rows, self.near);
        self.say_copies(&path.display().to_string(), &firsts.copies);
        let stands = firsts.stands();
        let mut keep = stands.iter();
        named.retain(|_| *keep.next().expect("every row is kept or left out"));
        let mut keep = stands.iter();
        loaded.rows.retain(|_| *keep.next().expect("every row is kept or left out"));
        Ok(Prompts { named, loaded, copies: firsts.copies })
    }

    /// Pairs, classes or, of a set called `sentiment`, texts with a sentiment label: whichever the file holds.
    ///
    /// # Errors
    /// As [`TextFiles::pairs`].
    pub fn question(&self, file: &NamedFile, template: &Template) -> Result<LabelledTexts, Error> {
        let (mut reader, name) = self.desk.open(&file.path)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).request(format!("can't read {name}"))?;
        let what = format!("can't use {name} as `{}`", file.name);
        if !holds_pairs(&bytes[..], &name).request(&what)? {
            if file.name == "sentiment"
                && file.positive.is_none()
                // A sentiment set of another form says so below.
                && let Ok(rows) = read_sentiment(&bytes[..], &name)
            {
                self.named(&name, rows.rows.iter().map(|r| r.id.as_str()));
                let rows = self.told(&name, &rows.notes.clone(), Distinct::sentiment(rows, self.near))?;
                return LabelledTexts::sentiment(&rows).request(what);
            }
            let rows = read_classes(&bytes[..], &name).request(&what)?;
            self.named(&name, rows.rows.iter().map(|r| r.id.as_str()));
            let rows = self.told(&name, &rows.notes.clone(), Distinct::classes(rows, self.near))?;
            self.say_dealt(&name, &rows);
            return LabelledTexts::classes(&rows, file.positive.as_deref())
                .map_err(|e| named_by(e, BEHIND_FILE))
                .request(what);
        }
        if let Some(label) = &file.positive {
            return Err(Error::request(format!("{name} holds pairs, which have no label `{label}`"))
                .with_hint("leave the label out: the chosen side is the positive one"));
        }
        let mut rows = read_pairs(&bytes[..], &name, template).request(&what)?;
        self.named(&name, rows.rows.iter().map(|r| r.id.as_str()));
        if file.name == ACTION {
            action_first(&mut rows).request(what)?;
        }
        let rows = self.told(&name, &rows.notes.clone(), Distinct::pairs(rows, template, self.near))?;
        Ok(LabelledTexts::pairs(&rows, template))
    }

    /// Reads prompts, copies and all.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn prompts(&self, path: &Path) -> Result<(Vec<NamedPrompt>, Loaded<PromptRow>), Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_prompts(reader, &name).request(format!("can't read prompts from {name}"))?;
        self.note(&loaded.notes);
        self.named(&name, loaded.rows.iter().map(|r| r.id.as_str()));
        let named = loaded
            .rows
            .iter()
            .map(|row| match &row.input {
                PromptInput::Text(t) => NamedPrompt::text(&row.id, t),
                PromptInput::Tokens(t) => NamedPrompt::tokens(&row.id, t.clone()),
                PromptInput::Messages(turns) => NamedPrompt::conversation(&row.id, turns.clone()),
                PromptInput::Said(text, turns) => NamedPrompt::text(&row.id, text).in_turns(turns.clone()),
            })
            .collect();
        Ok((named, loaded))
    }

    fn read_sequences(&self, path: &Path) -> Result<Loaded<SequenceRow>, Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_sequences(reader, &name).request(format!("can't read sequences from {name}"))?;
        self.note(&loaded.notes);
        self.named(&name, loaded.rows.iter().map(|r| r.id.as_str()));
        Ok(loaded)
    }

    /// Words or phrases, one a line, or the texts of any other form that sequences come in; with the SHA-256 of
    /// the file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn words(&self, path: &Path) -> Result<(String, String), Error> {
        let (reader, name) = self.desk.open(path)?;
        let loaded = read_sequences(reader, &name).request(format!("can't read the word list {name}"))?;
        let words: Vec<String> = loaded.rows.into_iter().map(|r| r.text).collect();
        Ok((words.join("\n"), loaded.sha256))
    }

    fn named<'r>(&self, file: &str, ids: impl Iterator<Item = &'r str>) {
        self.desk.rows(file, &ids.collect::<Vec<_>>());
    }
}

/// The whole text of a file that is no rows, such as a template; a file of another kind is named as such.
///
/// # Errors
/// When the file can't be read or is no text.
pub fn text(desk: &dyn Desk, path: &Path, what: &str) -> Result<String, Error> {
    let (mut reader, name) = desk.open(path)?;
    let cant = format!("can't read {what} {name}");
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).request(cant.clone())?;
    Ok(whole_text(&bytes, &name).request(cant)?.to_owned())
}

/// Refuses pairs of fewer than two axes where axes are held out, and such whose axes rows in common make one.
///
/// # Errors
/// When there are fewer than two.
pub fn needs_axes(path: &Path, pairs: &Distinct<Pair>, template: &Template, why: &str) -> Result<(), Error> {
    if let Some(chain) = LabelledTexts::pairs(pairs, template).chains().into_iter().find(|c| c.all) {
        let (what, remedy) = chain.said("pairs");
        return Err(Error::request(format!("{}: {what}; {why}", path.display())).with_hint(remedy));
    }
    let axes: std::collections::BTreeSet<&str> = pairs.rows.iter().map(|p| p.axis.as_str()).collect();
    match axes.len() {
        0 | 1 => Err(Error::request(match axes.first() {
            Some(one) if !one.is_empty() => {
                format!("all pairs of {} are of the axis `{one}`; {why}", path.display())
            }
            _ => format!("no pair of {} has an `axis`; {why}", path.display()),
        })
        .with_hint(
            "give every pair an `axis`, two different ones at least; `truenorth direction extract` takes pairs of one",
        )),
        _ => Ok(()),
    }
}

/// The set of action against inaction, whose `chosen` side is the one for the value.
const ACTION: &str = "action";

/// Swaps sides so that every `chosen` one acts, by the field `aligned`; sets without the field have it
/// so already.
fn action_first(rows: &mut Loaded<Pair>) -> Result<(), Misaligned> {
    for pair in &mut rows.rows {
        match pair.extra.get("aligned").map(|v| v.as_str().unwrap_or_default()) {
            None | Some("action") => {}
            Some("inaction") => std::mem::swap(&mut pair.chosen, &mut pair.rejected),
            Some(_) => return Err(Misaligned(pair.id.clone())),
        }
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("pair `{0}` has a field `aligned` that is neither \"action\" nor \"inaction\"")]
struct Misaligned(String);
