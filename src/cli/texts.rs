//! Files of texts that a verb holds a model against.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use truenorth::analysis::extract::{ProjectOut, Question};
use truenorth::analysis::score::Sequence;
use truenorth::analysis::{LeftOutTexts, Named, sentiment_apart};
use truenorth::data::{
    ClassRow, Copies, CopiesError, Distinct, Loaded, NearCopies, Pair, PromptRow, SentimentRow, SequenceRow,
    Template, copies_between, first_prompts, first_sequences, holds_pairs, read_classes, read_pairs,
    read_sentiment,
};
use truenorth::estimate::Direction as Artifact;
use truenorth_protocol::Prompt;

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
    if let Some(opening) = &copies.opening {
        origin::note_opening(format!("{name}: {}", opening.sentence(&copies.unit)));
    }
}

/// Says what a set had in common with what was fitted on.
pub fn say_apart(found: Option<&LeftOutTexts>) {
    for sentence in found.into_iter().flat_map(LeftOutTexts::sentences) {
        eprintln!("{sentence}");
    }
}

/// Says what a confound set has in common with what was fitted on: with copies its test is circular.
pub fn say_shared(set: &Question, fitted: &Question, name: &str, near: NearCopies) {
    let (found, _) = set.shared_with(fitted, name, near);
    if let Some([id, of]) = found.ids.first() {
        eprintln!(
            "set {name}: {} of {} rows are copies of what was fitted on (first `{id}` of `{of}`); a test on them is \
             circular",
            found.copies, found.rows
        );
    }
    say_apart(Some(&LeftOutTexts { copies: 0, near: 0, ..found }));
}

/// Says that a file is the one that a direction was fitted on: what the direction says of it is no news.
pub fn say_fitted_on(direction: &Artifact, role: &str, sha256: &str) {
    if direction.metadata().data_sha256 == sha256 {
        eprintln!(
            "warning: the {role} are the file that the direction was fitted on; what it says of them is no test of it"
        );
    }
}

/// Reads pairs.
pub fn pairs(path: &Path, template: &Template, near: NearCopies) -> anyhow::Result<Distinct<Pair>> {
    let (reader, name) = open_input(path)?;
    let loaded = read_pairs(reader, &name, template).request(format!("can't read pairs from {name}"))?;
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
    if let Some(first) = loaded.rows.first()
        && loaded.rows.iter().all(|r| r.positive == first.positive)
    {
        return Err(wrong_hint(
            format!(
                "all {} texts of {name} have the label {}",
                loaded.rows.len(),
                if first.positive { "positive (or 1)" } else { "negative (or 0)" }
            ),
            "give texts of both sentiments, labelled 0 and 1 or negative and positive",
        ));
    }
    told(&name, &loaded.notes.clone(), Distinct::sentiment(loaded, near))
}

/// Sequences to be scored.
pub struct Sequences {
    /// As the file has them.
    pub loaded: Loaded<SequenceRow>,
    /// Each with the one that it counts with.
    pub all: Vec<Sequence>,
    pub copies: Copies,
}

/// Reads sequences, and says which of them are copies.
pub fn sequences(path: &Path, near: NearCopies) -> anyhow::Result<Sequences> {
    let loaded = session::sequences(path)?;
    let name = path.display().to_string();
    let cant = || format!("can't tell the sequences of {name} apart");
    let firsts = first_sequences(&loaded.rows, near)
        .map_err(|e| wrong_hint(format!("{}: {e}", cant()), e.hint().unwrap_or_default()))?;
    say_copies(&name, &firsts.copies);
    Ok(Sequences { all: Sequence::all(&loaded.rows, &firsts), loaded, copies: firsts.copies })
}

/// Prompts of which each is an observation of its own.
pub struct Prompts {
    pub named: Vec<Named>,
    pub loaded: Loaded<PromptRow>,
    pub copies: Copies,
}

/// Reads prompts of which each is an observation of its own: copies and near copies of earlier ones are left
/// out, and said.
pub fn distinct_prompts(path: &Path, near: NearCopies) -> anyhow::Result<Prompts> {
    let (mut named, mut loaded) = session::prompts(path)?;
    let firsts = first_prompts(&loaded.rows, near);
    say_copies(&path.display().to_string(), &firsts.copies);
    let stands = firsts.stands();
    let mut keep = stands.iter();
    named.retain(|_| keep.next().copied().unwrap_or(true));
    let mut keep = stands.iter();
    loaded.rows.retain(|_| keep.next().copied().unwrap_or(true));
    Ok(Prompts { named, loaded, copies: firsts.copies })
}

/// Says which prompts to generate from are prompts of pairs: what is generated from these is no news to a direction
/// that was fitted on all pairs.
pub fn say_prompts_of_pairs(pairs: &[Pair], prompts: &Prompts, near: NearCopies) {
    let first: Vec<&str> = pairs.iter().map(|p| p.prompt.as_str()).collect();
    let plain = prompts.named.iter().filter_map(|n| match &n.prompt {
        Prompt::Text(text) => Some((n.id.as_str(), text.as_str())),
        Prompt::Tokens(_) => None,
    });
    let (ids, second): (Vec<&str>, Vec<&str>) = plain.unzip();
    let shared = copies_between(&first, &second, near);
    if let Some(one) = shared.first() {
        eprintln!(
            "{} of {} prompts to generate from are copies or near copies of prompts of pairs (first `{}` of pair `{}`); \
             projections of what follows them are not held out",
            shared.len(),
            prompts.named.len(),
            ids[one.text],
            pairs[one.cluster[0]].id
        );
    }
}

/// Refuses pairs of fewer than two axes where axes are held out.
pub fn needs_axes(path: &Path, pairs: &[Pair], why: &str) -> anyhow::Result<()> {
    let axes: std::collections::BTreeSet<&str> = pairs.iter().map(|p| p.axis.as_str()).collect();
    match axes.len() {
        0 | 1 => Err(wrong_hint(
            match axes.first() {
                Some(one) if !one.is_empty() => {
                    format!("all pairs of {} are of the axis `{one}`; {why}", path.display())
                }
                _ => format!("no pair of {} has an `axis`; {why}", path.display()),
            },
            "give every pair an `axis`, two different ones at least",
        )),
        _ => Ok(()),
    }
}

/// Reads texts labelled for sentiment, without those that the direction is fitted on.
pub fn sentiment_apart_from(
    fitted: &Question,
    path: &Path,
    near: NearCopies,
) -> anyhow::Result<Distinct<SentimentRow>> {
    let rows = sentiment(path, near)?;
    let (rows, found) = sentiment_apart(rows, fitted, near)
        .request(format!("can't project sentiment out with {}", path.display()))?;
    say_apart(Some(&found));
    Ok(rows)
}

/// Texts labelled for sentiment, which projecting it out can't do without; said where nobody does.
pub fn sentiment_for(
    fitted: &Question,
    path: Option<&PathBuf>,
    project_out: &[ProjectOut],
    near: NearCopies,
) -> anyhow::Result<Option<Distinct<SentimentRow>>> {
    match path {
        Some(path) if !project_out.contains(&ProjectOut::Sentiment) => {
            sentiment(path, near)?;
            eprintln!(
                "warning: --sentiment {} is not used, since sentiment is not projected out; --project-out sentiment \
                 does that",
                path.display()
            );
            Ok(None)
        }
        Some(path) => sentiment_apart_from(fitted, path, near).map(Some),
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
    let mut rows = read_pairs(&bytes[..], &name, template).request(&what)?;
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
