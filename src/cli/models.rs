//! `models`: what there is by name, pulling it, and what a model is.

use clap::{Args, Subcommand};
use serde::Serialize;
use truenorth::engine::{Description, Outline};
use truenorth::models::{self, ModelsError};

use super::args::{Common, NumericsArgs};
use super::cache::human;
use super::output::{RequestContext as _, wrong_hint};
use super::{dry, output, session, settings};

/// Lists, pulls and describes models.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth models show smollm2-135m")]
pub enum Models {
    /// The models known by name, and which are on this machine.
    #[command(after_help = "Example:\n  truenorth models list")]
    List(List),
    /// Fetches a model and checks it.
    #[command(after_help = "Example:\n  truenorth models pull smollm2-135m")]
    Pull(Pull),
    /// Architecture, layers, hidden size, sites, dtype, and what is unusual; weights are not fetched for it.
    #[command(after_help = "Example:\n  truenorth models show random-init:smollm2-135m#0 --json")]
    Show(Show),
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub struct Pull {
    /// The model, in any form that --model takes.
    model: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub struct Show {
    /// The model, in any form that --model takes.
    model: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
}

impl Models {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(v) => v.run(),
            Self::Pull(v) => v.run(),
            Self::Show(v) => v.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let listed = models::list(&settings::cache_dir(self.common.cache.as_ref())?);
        if output::wants_json() {
            return output::json(&listed);
        }
        let mut rows = vec![["name", "size", "here", "licence", "what"].map(String::from).to_vec()];
        for m in &listed {
            let here = if m.path.is_some() { "yes" } else { "no" };
            rows.push(vec![m.name.clone(), human(m.bytes), here.into(), m.licence.clone(), m.about.clone()]);
        }
        output::table(&rows);
        eprintln!("also: a folder, a .gguf file, hf:org/name[@revision], random-init:MODEL#SEED");
        Ok(())
    }
}

impl Pull {
    fn run(self) -> anyhow::Result<()> {
        dry::refuse("`models pull`")?;
        let resolved = session::resolve(&self.model, &self.common)?;
        if output::wants_json() {
            return output::json(&resolved);
        }
        eprintln!("{} ({}) is here, {}", resolved.name, resolved.revision, resolved.identity);
        output::line(resolved.files.path().display().to_string())
    }
}

/// A model's files and what the engine says of them.
#[derive(Serialize)]
struct ShownModel {
    files: models::Resolved,
    #[serde(flatten)]
    description: Description,
}

impl Show {
    /// Showing fetches nothing.
    fn local(&self) -> Common {
        Common { offline: true, ..self.common.clone() }
    }

    /// What can be said of a model whose weights are not here: of a model of the hub what its small files
    /// say, which are fetched; of a named model what it is and how to get it.
    fn not_here(&self, error: anyhow::Error) -> anyhow::Result<ShownModel> {
        match error.downcast_ref::<ModelsError>() {
            Some(ModelsError::NotPulled { name }) => {
                let listed = models::list(&settings::cache_dir(self.common.cache.as_ref())?);
                let Some(model) = listed.iter().find(|m| m.name == *name) else { return Err(error) };
                Err(wrong_hint(
                    format!(
                        "{name} is not on this machine: {}, {}, {} to download",
                        model.about,
                        model.licence,
                        human(model.download_bytes)
                    ),
                    format!("`truenorth models pull {name}` fetches it"),
                ))
            }
            Some(
                ModelsError::Hub { .. } | ModelsError::NoWeights { .. } | ModelsError::MissingShard { .. },
            ) if !self.common.offline && self.model.contains("hf:") => {
                let files = session::resolve_outline(&self.model, &self.common)?;
                let choices = self.numerics.reading.choices();
                let outline = Outline::open(files.files.path(), &files.name, &files.identity, &choices)
                    .request(format!("can't read the architecture of {}", self.model))?;
                session::warn(&outline.notes());
                Ok(ShownModel { description: outline.describe(), files })
            }
            _ => Err(error),
        }
    }

    fn run(self) -> anyhow::Result<()> {
        let shown = match session::open_model(&self.model, &self.local(), &self.numerics) {
            Ok((files, engine)) => ShownModel { files, description: engine.describe() },
            Err(error) => self.not_here(error)?,
        };
        if output::wants_json() {
            return output::json(&shown);
        }
        let d = &shown.description;
        let mut rows: Vec<Vec<String>> = [
            ("model", shown.files.name.clone()),
            ("revision", shown.files.revision.clone()),
            ("identity", shown.files.identity.clone()),
            ("files", shown.files.files.path().display().to_string()),
            ("architecture", d.family.clone()),
            ("blocks", format!("{} (0 to {})", d.layers, d.layers.saturating_sub(1))),
            ("hidden size", d.hidden.to_string()),
            ("vocabulary", d.vocab.to_string()),
            ("context", format!("{} tokens", d.context)),
            ("stored as", d.stored.clone()),
            ("computed as", d.path.clone()),
            ("sites", d.sites.join(" ")),
        ]
        .map(|(k, v)| vec![k.to_owned(), v])
        .to_vec();
        rows.extend(d.unusual.iter().map(|u| vec!["unusual".to_owned(), u.clone()]));
        rows.extend(shown.files.note.iter().map(|n| vec!["note".to_owned(), n.clone()]));
        output::table(&rows);
        Ok(())
    }
}
