//! Files of texts as verbs read them: at this terminal.

use clap::Args;
use truenorth::data::NearCopies;
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
    Texts { desk: &Terminal::TELLING, near }
}

/// A way to project out, by name.
pub fn project_method(name: &str) -> anyhow::Result<ProjectMethod> {
    name.parse().map_err(|e: String| super::output::wrong(e))
}
