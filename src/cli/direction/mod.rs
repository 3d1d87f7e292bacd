//! `direction`: extract, show, compare, import, export.

mod exchange;
mod extract;
mod show;

use std::path::Path;

use clap::Subcommand;
pub use truenorth::analyses::default_permutations;
use truenorth::artifact::{Direction as Artifact, DirectionError, Format};
pub use truenorth::direction::{Made, artifact};
use truenorth::estimate::CheckedEstimator;
use truenorth_protocol::{ModelInfo, Site};

use super::output::{Request as _, wrong_hint};
use super::target;

/// Extracts, shows, compares, imports and exports directions.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth direction extract --model smollm2-135m --site resid_post.20 \
    --pairs pairs.jsonl --out values.safetensors")]
pub enum Direction {
    Extract(Box<extract::Extract>),
    Show(show::Show),
    Compare(show::Compare),
    Import(exchange::Import),
    Export(exchange::Export),
}

impl Direction {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Extract(v) => v.run(),
            Self::Show(v) => v.run(),
            Self::Compare(v) => v.run(),
            Self::Import(v) => v.run(),
            Self::Export(v) => v.run(),
        }
    }
}

/// Reads a direction for use on a model, with its site. Another width is refused; another model
/// of the same width is allowed, as transfer needs it, but said.
pub fn load_for(path: &Path, info: &ModelInfo) -> anyhow::Result<(Artifact, Site)> {
    let direction = load(path)?;
    direction.check_width(info.hidden as usize).request(format!(
        "{} does not fit {}",
        path.display(),
        info.name
    ))?;
    if let Err(DirectionError::Model { direction: found_on, asked }) = direction.check_model(&info.name) {
        if direction.metadata().extra.contains_key("fallback") {
            return Err(wrong_hint(
                format!(
                    "{} was found on {found_on} in place of another model (--fallback), not on {asked}: two models' \
                     numbers would stand side by side",
                    path.display()
                ),
                "extract it on the model that it is used on; to carry a direction over, extract it without --fallback",
            ));
        }
        eprintln!("warning: {} was found on {found_on}, not on {asked}", path.display());
    }
    let site = direction.metadata().site;
    if let Some(layer) = site.layer().filter(|l| *l >= info.layers) {
        return Err(wrong_hint(
            format!(
                "{} lives at {site}; {} has {} blocks, no block {layer}",
                path.display(),
                info.name,
                info.layers
            ),
            "use the model it was extracted from",
        ));
    }
    Ok((direction, site))
}

/// Reads a direction.
pub fn load(path: &Path) -> anyhow::Result<Artifact> {
    target::reads(path)?;
    if let Ok(format) = Format::of(path)
        && format != Format::Safetensors
        && path.is_file()
    {
        return Err(wrong_hint(
            format!(
                "{} is a .{} file, and a direction is used from safetensors",
                path.display(),
                format.name()
            ),
            format!(
                "import it first: truenorth direction import {} --site S --sign TEXT --out F.safetensors",
                path.display()
            ),
        ));
    }
    Artifact::load(path).request(format!("can't use {} as a direction", path.display()))
}

/// An estimator by its name, with its usual hyperparameters.
pub fn estimator(name: &str) -> anyhow::Result<CheckedEstimator> {
    Ok(truenorth::direction::estimator(name)?)
}
