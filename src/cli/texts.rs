//! Files of texts as verbs read them: at this terminal.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::extract::{LabelledTexts, ProjectOut};
use truenorth::data::{NearCopies, Template};
use truenorth::estimate::ProjectMethod;
use truenorth::inputs::TextFiles;

pub use truenorth::inputs::{NamedFile, Prompts, Sequences, file_and_label};

use super::desk::Terminal;
use super::output::{RequestContext as _, wrong};

/// What is one observation.
#[derive(Args, Clone, Copy, Debug)]
pub struct CopiesArgs {
    /// Texts whose sets of words have at least this Jaccard similarity are near copies: they are held out,
    /// relabelled and resampled together. Above 0, up to 1. Scripts without spaces, long words and texts of signs
    /// alone are compared by their characters (docs/src/sites.md, Files and copies).
    #[arg(long, value_name = "T", default_value = "0.8")]
    pub near_copies: NearCopies,
}

impl CopiesArgs {
    /// Files of texts, read with these near copies in mind.
    pub fn texts(self) -> TextFiles<'static> {
        at(self.near_copies)
    }

    /// What a direction tells apart: pairs, or else two classes with the label of the positive end.
    pub fn contrast(
        self,
        (pairs, classes): (Option<&PathBuf>, Option<&PathBuf>),
        positive: Option<&str>,
        template: &Template,
    ) -> anyhow::Result<LabelledTexts> {
        if let Some(path) = pairs {
            return Ok(LabelledTexts::pairs(&self.texts().pairs(path, template)?, template));
        }
        let path = classes.context("pairs or classes are required")?;
        LabelledTexts::classes(&self.texts().classes(path)?, positive)
            .request(format!("can't use {}", path.display()))
    }
}

/// Files of texts, read at this terminal.
pub fn at(near: NearCopies) -> TextFiles<'static> {
    TextFiles { desk: &Terminal::TELLING, near }
}

pub fn names(project_out: &[ProjectOut]) -> Vec<&'static str> {
    project_out.iter().map(|p| p.name()).collect()
}

/// A way to project out, by name.
pub fn project_method(name: &str) -> anyhow::Result<ProjectMethod> {
    name.parse().map_err(|e: String| wrong(e))
}
