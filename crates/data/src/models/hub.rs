//! Models of the Hugging Face hub.
//!
//! The hub has a cache of its own, which other programs share; files stay there.

mod again;
mod cache;
mod client;
mod error;
mod fetch;

use std::path::PathBuf;

use glob::{MatchOptions, Pattern};

use super::error::io;
use super::folder::{require_config, shards, weights};
use super::sources::{HUB_TEMPLATES, INDEX, MODEL_FILES, SINGLE};
use super::spec::Repository;
use super::{Files, ModelsError, ResolveOptions, Resolved, digest};
use again::again;
use cache::Cache;
use client::Client;
use error::HubError;
use fetch::Source;

/// Everything but weights that a model may need, in a file of a name of its own.
fn small() -> impl Iterator<Item = &'static str> {
    MODEL_FILES.into_iter().filter(|name| *name != SINGLE)
}

/// How the hub reads patterns: `*` stands for no folder.
const IN_ONE_FOLDER: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

pub(super) fn resolve(
    repository: &Repository,
    untrained: bool,
    options: &ResolveOptions,
) -> Result<Resolved, ModelsError> {
    let Repository { id, revision } = repository;
    options.check_cancelled()?;
    let cache = Cache::of(id, options);
    let (commit, folder) = match options.offline {
        true => cache.known(revision).map_err(|error| explain(repository, error))?,
        false => fetch(repository, untrained, &cache, options)?,
    };
    require_config(&folder)?;
    let weights = if untrained { Vec::new() } else { weights(&folder)? };
    let mut files: Vec<PathBuf> =
        small().map(|name| folder.join(name)).filter(|file| file.is_file()).collect();
    files.extend(weights.iter().cloned());
    let unnamed = digest::check(&repository.id, &files, options)?;
    Ok(Resolved {
        weights,
        files: Files::Folder(folder),
        name: id.clone(),
        identity: match digest::of(&unnamed, options)? {
            None => format!("hf:{id}@{commit}"),
            Some(own) => format!("hf:{id}@{commit}+sha256:{own}"),
        },
        revision: commit,
        random_init_seed: None,
        instruct: None,
        note: None,
    })
}

/// Gets what is missing of a repository into the cache; gives the commit and its snapshot.
fn fetch(
    repository: &Repository,
    untrained: bool,
    cache: &Cache,
    options: &ResolveOptions,
) -> Result<(String, PathBuf), ModelsError> {
    let explain = |error| explain(repository, error);
    let Repository { id, revision } = repository;
    let client = Client::new(&options.hub).map_err(explain)?;
    let info = again(options, || client.info(id, revision)).map_err(explain)?;
    // From here on the commit, lest a branch move between two files.
    let commit = info.sha;
    let names: Vec<&str> = info.siblings.iter().map(|file| file.name.as_str()).collect();
    let source = Source { client: &client, cache, id, commit: &commit, options };
    for name in names.iter().filter(|name| is_small(name)) {
        source.fetch(name).map_err(explain)?;
    }
    cache.note(revision, &commit).map_err(|error| explain(error.into()))?;
    let folder = cache.snapshot(&commit);
    require_config(&folder)?;
    if !untrained {
        let fetch = |name: &str| {
            options.check_cancelled()?;
            let here = folder.join(name);
            if let Some(fetching) = options.fetching.as_ref().filter(|_| !here.exists()) {
                fetching(&here).map_err(io("note what is fetched for", &here))?;
            }
            source.fetch(name).map_err(explain)
        };
        // A whole file wins over shards, as in transformers.
        if names.contains(&SINGLE) {
            fetch(SINGLE)?;
        } else {
            let index = folder.join(INDEX);
            if !index.is_file() {
                return Err(ModelsError::NoWeights { path: folder, other: None });
            }
            for shard in shards(&index)? {
                fetch(&shard)?;
            }
        }
    }
    Ok((commit, folder))
}

fn is_small(name: &str) -> bool {
    small()
        .chain([HUB_TEMPLATES])
        .any(|pattern| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(name, IN_ONE_FOLDER)))
}

/// Says of which repository an error is.
fn explain(repository: &Repository, error: HubError) -> ModelsError {
    match error {
        HubError::Other(error) => error,
        error => ModelsError::Hub {
            repository: repository.id.clone(),
            revision: repository.revision.clone(),
            failure: error.failure(),
            source: error.into(),
        },
    }
}
