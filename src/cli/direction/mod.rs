//! `direction`: extract, show, compare, import, export, bake, audit.

mod audit;
mod bake;
mod exchange;
mod extract;
mod show;
pub mod told;

use std::path::{Path, PathBuf};

use clap::Subcommand;
pub use truenorth::analyses::default_permutations;
use truenorth::artifact::{Direction as Artifact, DirectionError, DirectionFormat, Directions};
pub use truenorth::direction::{ExtractionContext, artifact};
use truenorth::estimate::CheckedEstimator;
use truenorth_protocol::{ModelInfo, Site};

use super::output::{RequestContext as _, wrong_hint};
use super::{target, verb};

/// Extracts, shows, compares, imports, exports and bakes directions, and holds what was baked against its origin.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth direction extract --model smollm2-135m --site resid_post.20 \
    --pairs pairs.jsonl --out values.safetensors")]
pub enum Direction {
    Extract(Box<extract::Extract>),
    Show(show::Show),
    Compare(show::Compare),
    Import(exchange::Import),
    Export(exchange::Export),
    Bake(bake::Bake),
    Audit(Box<verb::AnalysisCommand<audit::Audit>>),
}

impl Direction {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Extract(v) => v.run(),
            Self::Show(v) => v.run(),
            Self::Compare(v) => v.run(),
            Self::Import(v) => v.run(),
            Self::Export(v) => v.run(),
            Self::Bake(v) => v.run(),
            Self::Audit(v) => v.run(),
        }
    }
}

/// Reads a direction of one site for use on a model, with its site. Another width is refused; another model
/// of the same width is allowed, as transfer needs it, but said.
pub fn load_for(path: &Path, info: &ModelInfo) -> anyhow::Result<(Artifact, Site)> {
    let directions = load_all_for(path, info)?;
    let one = directions.one().request(format!("can't use {} as a direction", path.display()))?;
    Ok((one.clone(), one.metadata().site))
}

/// Reads directions of one or several sites for use on a model, as [`load_for`].
pub fn load_all_for(path: &Path, info: &ModelInfo) -> anyhow::Result<Directions> {
    let directions = load_all(path)?;
    for direction in directions.members() {
        fits(path, direction, info)?;
    }
    warn_of_model(path, &directions, (&info.name, &info.revision));
    Ok(directions)
}

/// Says where directions were found on another model, or on other weights, than those they are used on: its name and
/// what identifies its weights.
fn warn_of_model(path: &Path, directions: &Directions, (name, revision): (&str, &str)) {
    let file = path.display();
    match directions.members().first().map(|d| d.check_model(name, revision)) {
        Some(Err(DirectionError::Model { direction: found_on, asked })) => {
            eprintln!("warning: {file} was found on {found_on}, not on {asked}");
        }
        Some(Err(DirectionError::Weights { model, direction: was, asked: is })) => {
            eprintln!(
                "warning: {file} was found on other weights of {model}: they were {was} and are {is} now"
            );
        }
        _ => {}
    }
}

/// Refuses a direction that was found in place of another model's (`--fallback`) on any but the model that it was found on.
fn not_in_place_of(path: &Path, direction: &Artifact, (name, revision): (&str, &str)) -> anyhow::Result<()> {
    match direction.check_model(name, revision) {
        Err(DirectionError::Model { direction: found_on, asked })
            if direction.metadata().extra.contains_key("fallback") =>
        {
            Err(wrong_hint(
                format!(
                    "{} was found on {found_on} in place of another model (--fallback), not on {asked}: two models' \
                     numbers would stand side by side",
                    path.display()
                ),
                "extract it on the model that it is used on; to carry a direction over, extract it without --fallback",
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses a direction that a model has no place for.
fn fits(path: &Path, direction: &Artifact, info: &ModelInfo) -> anyhow::Result<()> {
    direction.check_width(info.hidden as usize).request(format!(
        "{} does not fit {}",
        path.display(),
        info.name
    ))?;
    not_in_place_of(path, direction, (&info.name, &info.revision))?;
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
    Ok(())
}

/// Reads a direction of one site.
pub fn load(path: &Path) -> anyhow::Result<Artifact> {
    let directions = load_all(path)?;
    Ok(directions.one().request(format!("can't use {} as a direction", path.display()))?.clone())
}

/// Reads directions of one or several sites; `F@SITE` is one of them.
pub fn load_all(path: &Path) -> anyhow::Result<Directions> {
    let (file, site) = chosen(path);
    let path = &file;
    target::reads(path)?;
    if let Ok(format) = DirectionFormat::of(path)
        && format != DirectionFormat::Safetensors
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
    let what = || format!("can't use {} as a direction", path.display());
    let directions = Directions::load(path).request(what())?;
    match site {
        Some(site) => Ok(directions.at(site).request(what())?.clone().into()),
        None => Ok(directions),
    }
}

/// A file, and the site that is named behind its name; a file that is called so is meant as it is.
pub fn chosen(path: &Path) -> (PathBuf, Option<Site>) {
    let named = path.to_str().and_then(|text| text.rsplit_once('@'));
    match named.and_then(|(file, site)| Some((file, site.parse::<Site>().ok()?))) {
        Some((file, site)) if !path.exists() => (file.into(), Some(site)),
        _ => (path.to_owned(), None),
    }
}

/// An estimator by its name, with its usual hyperparameters.
pub fn estimator(name: &str) -> anyhow::Result<CheckedEstimator> {
    Ok(truenorth::direction::estimator(name)?)
}
