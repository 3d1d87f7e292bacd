//! Files of texts as verbs read them: at this terminal.

use std::path::{Path, PathBuf};

use clap::Args;
use truenorth::analyses::extract::{ProjectOut, Question};
use truenorth::analyses::{LeftOutTexts, SentimentTexts};
use truenorth::artifact::Direction as Artifact;
use truenorth::data::{ClassRow, Copies, Distinct, NearCopies, Pair, Template};
use truenorth::estimate::ProjectMethod;
use truenorth::inputs::Texts;

pub use truenorth::inputs::{NamedFile, Prompts, Sequences, file_and_label};

use super::desk::Terminal;

/// What is one observation.
#[derive(Args, Clone, Copy, Debug)]
pub struct CopiesArgs {
    /// Texts whose sets of words have at least this Jaccard similarity are near copies: they are held out,
    /// relabelled and resampled together. Above 0, up to 1.
    #[arg(long, value_name = "T", default_value = "0.8")]
    pub near_copies: NearCopies,
}

/// Files of texts, read at this terminal.
pub fn at(near: NearCopies) -> Texts<'static> {
    Texts { desk: &Terminal, near }
}

/// Says which rows of a file are copies.
pub fn say_copies(name: &str, copies: &Copies) {
    at(NearCopies::default()).say_copies(name, copies);
}

/// Says what a set had in common with what was fitted on.
pub fn say_apart(found: Option<&LeftOutTexts>) {
    at(NearCopies::default()).say_apart(found);
}

/// Says what a confound set has in common with what was fitted on.
pub fn say_shared(set: &Question, fitted: &Question, name: &str, near: NearCopies) {
    at(near).say_shared(set, fitted, name);
}

/// Says that a file is the one that a direction was fitted on.
pub fn say_fitted_on(direction: &Artifact, role: &str, sha256: &str) {
    at(NearCopies::default()).say_fitted_on(direction, role, sha256);
}

/// Reads pairs.
pub fn pairs(path: &Path, template: &Template, near: NearCopies) -> anyhow::Result<Distinct<Pair>> {
    Ok(at(near).pairs(path, template)?)
}

/// Reads classes.
pub fn classes(path: &Path, near: NearCopies) -> anyhow::Result<Distinct<ClassRow>> {
    Ok(at(near).classes(path)?)
}

/// Reads sequences, and says which of them are copies.
pub fn sequences(path: &Path, near: NearCopies) -> anyhow::Result<Sequences> {
    Ok(at(near).sequences(path)?)
}

/// Reads prompts of which each is an observation of its own.
pub fn distinct_prompts(path: &Path, near: NearCopies) -> anyhow::Result<Prompts> {
    Ok(at(near).distinct_prompts(path)?)
}

/// Says which prompts to generate from are prompts of pairs.
pub fn say_prompts_of_pairs(pairs: &[Pair], prompts: &Prompts, near: NearCopies) {
    at(near).say_prompts_of_pairs(pairs, prompts);
}

/// Refuses pairs of fewer than two axes where axes are held out.
pub fn needs_axes(path: &Path, pairs: &[Pair], why: &str) -> anyhow::Result<()> {
    Ok(truenorth::inputs::needs_axes(path, pairs, why)?)
}

/// A way to project out, by name.
pub fn project_method(name: &str) -> anyhow::Result<ProjectMethod> {
    name.parse().map_err(|e: String| super::output::wrong(e))
}

/// Texts labelled for sentiment, which projecting it out can't do without; said where nobody does.
pub fn sentiment_for(
    fitted: &Question,
    path: Option<&PathBuf>,
    project_out: &[ProjectOut],
    near: NearCopies,
) -> anyhow::Result<Option<SentimentTexts>> {
    Ok(at(near).sentiment_for(fitted, path, project_out)?)
}

/// Pairs, classes or texts with a sentiment label: whichever the file holds.
pub fn question(file: &NamedFile, template: &Template, near: NearCopies) -> anyhow::Result<Question> {
    Ok(at(near).question(file, template)?)
}
