//! Files of texts that a verb holds a model against.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use truenorth::analysis::Named;
use truenorth::analysis::extract::{ProjectOut, Question};
use truenorth::data::{
    ClassRow, Copies, CopiesError, Distinct, Loaded, NearCopies, Pair, PromptRow, SentimentRow, SequenceRow,
    Template, first_prompts, first_sequences, holds_pairs, read_classes, read_pairs, read_sentiment,
};

use super::origin;
use super::output::{Request as _, wrong_hint};
use super::session::{self, open_input};

/// `NAME=F`, or `NAME=F:LABEL` where the file's labels do not say which is the positive one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub name: String,
    pub path: PathBuf,
    pub positive: Option<String>,
}

/// `F` or `F:LABEL`; a file that is there under the whole name is meant by it.
pub fn file_and_label(text: &str) -> (PathBuf, Option<String>) {
    match text.rsplit_once(':') {
        Some((path, label))
            if !Path::new(text).exists() && !path.is_empty() && !label.contains(['/', '\\']) =>
        {
            (path.into(), Some(label.to_owned()))
        }
        _ => (text.into(), None),
    }
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once('=') {
            Some((name, file)) if !name.trim().is_empty() && !file.is_empty() => {
                let (path, positive) = file_and_label(file);
                Ok(Self { name: name.trim().to_owned(), path, positive })
            }
            _ => Err(format!("`{s}` names no file; expected NAME=F or NAME=F:LABEL")),
        }
    }
}

/// What is one observation.
#[derive(Args, Clone, Copy, Debug)]
pub struct CopiesArgs {
    /// Texts whose sets of words have at least this Jaccard similarity are near copies: they are held out,
    /// relabelled and resampled together. Above 0, up to 1.
    #[arg(long, value_name = "T", default_value = "0.8")]
    pub near_copies: NearCopies,
}

/// Says what was read and which of it are copies, before any number.
fn told<T>(
    name: &str,
    notes: &[String],
    found: Result<Distinct<T>, CopiesError>,
) -> anyhow::Result<Distinct<T>> {
    session::say(notes);
    let found = found.request(format!("can't use {name}"))?;
    say_copies(name, &found.copies);
    Ok(found)
}

/// Says which rows of a file are copies.
pub fn say_copies(name: &str, copies: &Copies) {
    for sentence in copies.sentences() {
        eprintln!("{name}: {sentence}");
    }
}

/// Reads pairs.
pub fn pairs(path: &Path, template: &Template, near: NearCopies) -> anyhow::Result<Distinct<Pair>> {
    let (reader, name) = open_input(path)?;
    let loaded = read_pairs(reader, &name).request(format!("can't read pairs from {name}"))?;
    origin::note(&name, loaded.rows.iter().map(|r| r.id.as_str()));
    told(&name, &loaded.notes.clone(), Distinct::pairs(loaded, template, near))
}

/// Reads classes.
pub fn classes(path: &Path, near: NearCopies) -> anyhow::Result<Distinct<ClassRow>> {
    let (reader, name) = open_input(path)?;
    let loaded = read_classes(reader, &name).request(format!("can't read classes from {name}"))?;
    origin::note(&name, loaded.rows.iter().map(|r| r.id.as_str()));
    told(&name, &loaded.notes.clone(), Distinct::classes(loaded, near))
}

/// Reads texts labelled for sentiment.
pub fn sentiment(path: &Path, near: NearCopies) -> anyhow::Result<Distinct<SentimentRow>> {
    let (reader, name) = open_input(path)?;
    let loaded = read_sentiment(reader, &name).request(format!("can't read sentiment from {name}"))?;
    origin::note(&name, loaded.rows.iter().map(|r| r.id.as_str()));
    told(&name, &loaded.notes.clone(), Distinct::sentiment(loaded, near))
}

/// Reads sequences, and which of them stand for their copies in what is said of all.
pub fn sequences(path: &Path, near: NearCopies) -> anyhow::Result<(Loaded<SequenceRow>, Vec<bool>)> {
    let rows = session::sequences(path)?;
    let name = path.display().to_string();
    let (first, copies) = first_sequences(&rows.rows, near);
    say_copies(&name, &copies);
    Ok((rows, first))
}

/// Reads prompts of which each is an observation of its own: copies and near copies of earlier ones are left
/// out, and said.
pub fn distinct_prompts(path: &Path, near: NearCopies) -> anyhow::Result<(Vec<Named>, Loaded<PromptRow>)> {
    let (mut named, mut loaded) = session::prompts(path)?;
    let (first, copies) = first_prompts(&loaded.rows, near);
    say_copies(&path.display().to_string(), &copies);
    let mut keep = first.iter();
    named.retain(|_| keep.next().copied().unwrap_or(true));
    let mut keep = first.iter();
    loaded.rows.retain(|_| keep.next().copied().unwrap_or(true));
    Ok((named, loaded))
}

/// Texts labelled for sentiment, which projecting it out can't do without.
pub fn sentiment_for(
    path: Option<&PathBuf>,
    project_out: &[ProjectOut],
    near: NearCopies,
) -> anyhow::Result<Option<Distinct<SentimentRow>>> {
    match path {
        Some(path) => sentiment(path, near).map(Some),
        None if project_out.contains(&ProjectOut::Sentiment) => Err(wrong_hint(
            "projecting sentiment out needs texts labelled for it",
            "name them with --sentiment F.jsonl",
        )),
        None => Ok(None),
    }
}

/// Pairs, classes or, of a set called `sentiment`, texts with a sentiment label: whichever the file holds.
pub fn question(file: &NamedFile, template: &Template, near: NearCopies) -> anyhow::Result<Question> {
    let (mut reader, name) = open_input(&file.path)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).request(format!("can't read {name}"))?;
    let what = format!("can't use {name} as `{}`", file.name);
    if !holds_pairs(&bytes[..], &name).request(&what)? {
        if file.name == "sentiment"
            && file.positive.is_none()
            // A sentiment set of another form says so below.
            && let Ok(rows) = read_sentiment(&bytes[..], &name)
        {
            origin::note(&name, rows.rows.iter().map(|r| r.id.as_str()));
            let rows = told(&name, &rows.notes.clone(), Distinct::sentiment(rows, near))?;
            return Question::sentiment(&rows).request(what);
        }
        let rows = read_classes(&bytes[..], &name).request(&what)?;
        origin::note(&name, rows.rows.iter().map(|r| r.id.as_str()));
        let rows = told(&name, &rows.notes.clone(), Distinct::classes(rows, near))?;
        return Question::classes(&rows, file.positive.as_deref()).request(what);
    }
    if let Some(label) = &file.positive {
        return Err(wrong_hint(
            format!("{name} holds pairs, which have no label `{label}`"),
            "leave the label out: the chosen side is the positive one",
        ));
    }
    let mut rows = read_pairs(&bytes[..], &name).request(&what)?;
    origin::note(&name, rows.rows.iter().map(|r| r.id.as_str()));
    if file.name == ACTION {
        action_first(&mut rows).request(what)?;
    }
    let rows = told(&name, &rows.notes.clone(), Distinct::pairs(rows, template, near))?;
    Ok(Question::pairs(&rows, template))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_the_last_colon() {
        let f: NamedFile = "sentiment=a/b.jsonl:joy".parse().unwrap();
        assert_eq!((f.name.as_str(), f.path.as_path()), ("sentiment", Path::new("a/b.jsonl")));
        assert_eq!(f.positive.as_deref(), Some("joy"));
        let f: NamedFile = "x=C:/data/b.jsonl".parse().unwrap();
        assert_eq!((f.path.as_path(), f.positive), (Path::new("C:/data/b.jsonl"), None));
        for bad in ["file.jsonl", "=f", "n="] {
            assert!(bad.parse::<NamedFile>().is_err(), "{bad}");
        }
    }
}
