//! Reading what a user wrote after `--model`.

use std::path::{Path, PathBuf};

use super::ModelsError;
use super::named::NamedModel;

/// Similarity (Jaro-Winkler) from which a name counts as near.
const NEAR: f64 = 0.75;

#[derive(Debug)]
pub(super) struct Spec {
    pub source: ModelSource,
    /// Set for `random-init:`.
    pub seed: Option<u64>,
}

#[derive(Debug)]
pub(super) enum ModelSource {
    Named(&'static NamedModel),
    Folder(PathBuf),
    Gguf(PathBuf),
    Hub(Repository),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// `org/name`, or a bare `name` of the hub's early days.
    pub id: String,
    pub revision: String,
}

pub(super) fn parse(table: &'static [NamedModel], spec: &str) -> Result<Spec, ModelsError> {
    let bad = |reason| ModelsError::BadSpec { spec: spec.to_owned(), reason };
    let Some(inner) = spec.strip_prefix("random-init:") else {
        return Ok(Spec { source: source(table, spec)?, seed: None });
    };
    let (model, seed) =
        inner.rsplit_once('#').ok_or_else(|| bad("random-init: needs a seed, as in random-init:MODEL#0"))?;
    let seed = seed.parse().map_err(|_| bad("the seed after # must be a whole number from 0 to 2^64 - 1"))?;
    if model.starts_with("random-init:") {
        return Err(bad("random-init: cannot be applied twice"));
    }
    Ok(Spec { source: source(table, model)?, seed: Some(seed) })
}

fn source(table: &'static [NamedModel], spec: &str) -> Result<ModelSource, ModelsError> {
    if spec.trim().is_empty() {
        return Err(ModelsError::BadSpec { spec: spec.to_owned(), reason: "it is empty" });
    }
    if let Some(repository) = spec.strip_prefix("hf:") {
        return Ok(ModelSource::Hub(repository_of(repository)?));
    }
    if let Some(model) = table.iter().find(|model| model.name == spec) {
        return Ok(ModelSource::Named(model));
    }
    let path = Path::new(spec);
    if path.is_dir() {
        return Ok(ModelSource::Folder(path.to_owned()));
    }
    if path.exists() {
        return Ok(ModelSource::Gguf(path.to_owned()));
    }
    let is_path = spec.contains(['/', '\\'])
        || spec.starts_with(['.', '~'])
        || path.extension().is_some_and(|extension| extension == "gguf" || extension == "safetensors");
    if is_path {
        let repository = !spec.starts_with(['/', '.', '~'])
            && path.components().count() == 2
            && repository_of(spec).is_ok();
        return Err(ModelsError::NoSuchPath { path: path.to_owned(), repository });
    }
    Err(ModelsError::Unknown { spec: spec.to_owned(), near: near(table, spec) })
}

/// Takes `org/name[@revision]` apart.
fn repository_of(text: &str) -> Result<Repository, ModelsError> {
    let bad = |reason| ModelsError::BadSpec { spec: format!("hf:{text}"), reason };
    let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if id.split('/').count() > 2 || !id.split('/').all(part) {
        return Err(bad("expected hf:org/name[@revision]"));
    }
    let sound = !revision.is_empty()
        && !revision.split('/').any(|piece| piece.is_empty() || piece == "." || piece == "..")
        && !revision.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    if !sound {
        return Err(bad("the revision after @ must be a branch, a tag or a commit"));
    }
    Ok(Repository { id: id.to_owned(), revision: revision.to_owned() })
}

fn near(table: &[NamedModel], spec: &str) -> Vec<String> {
    let spec = spec.to_lowercase();
    let mut near: Vec<(f64, &str)> = table
        .iter()
        .map(|model| (strsim::jaro_winkler(&spec, model.name), model.name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}
