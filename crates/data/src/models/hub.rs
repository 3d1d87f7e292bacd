//! Models of the Hugging Face hub.
//!
//! hf-hub keeps its own cache (`HF_HOME`), which other programs share; files stay there.

use std::path::PathBuf;

use hf_hub::progress::{DownloadEvent, FileStatus, Progress as HubProgress, ProgressEvent, ProgressHandler};
use hf_hub::{HFClientBuilder, HFError, HFRepositorySync, RepoTypeModel};

use super::error::{Cause, io};
use super::folder::{require_config, shards, weights};
use super::sources::{HUB_TEMPLATES, INDEX, MODEL_FILES, SINGLE};
use super::spec::Repository;
use super::{
    Files, HubFailure, HubOptions, ModelsError, Progress, ProgressFn, ProgressStage, ResolveOptions,
    Resolved, digest,
};

/// Everything but weights that a model may need, in a file of a name of its own.
fn small() -> impl Iterator<Item = &'static str> {
    MODEL_FILES.into_iter().filter(|name| *name != SINGLE)
}

pub(super) fn resolve(
    repository: &Repository,
    untrained: bool,
    options: &ResolveOptions,
) -> Result<Resolved, ModelsError> {
    let Repository { id, revision } = repository;
    let explain = |error| explain(repository, error);
    options.check_cancelled()?;
    let model = open(repository, &options.hub).map_err(explain)?;
    let progress = options.progress.clone().map(|report| HubProgress::new(Reporter { report }));
    let folder = model
        .snapshot_download()
        .revision(revision.clone())
        .allow_patterns(small().chain([HUB_TEMPLATES]).map(str::to_owned).collect::<Vec<String>>())
        .local_files_only(options.offline)
        .maybe_progress(progress.clone())
        .send()
        .map_err(explain)?;
    require_config(&folder)?;
    // From here on the commit, lest a branch move between two files.
    let commit = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !untrained && !options.offline {
        let fetch = |name: &str| {
            options.check_cancelled()?;
            let here = folder.join(name);
            if let Some(fetching) = options.fetching.as_ref().filter(|_| !here.exists()) {
                fetching(&here).map_err(io("note what is fetched for", &here))?;
            }
            let sent = model
                .download_file()
                .filename(name.to_owned())
                .revision(commit.clone())
                .maybe_progress(progress.clone())
                .send();
            match sent {
                Err(HFError::EntryNotFound { .. }) if name == SINGLE => Ok(false),
                sent => sent.map_err(explain).map(|_| true),
            }
        };
        // A whole file wins over shards, as in transformers.
        if !fetch(SINGLE)? {
            let index = folder.join(INDEX);
            if !index.is_file() {
                return Err(ModelsError::NoWeights { path: folder, other: None });
            }
            for shard in shards(&index)? {
                fetch(&shard)?;
            }
        }
    }
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

fn open(repository: &Repository, options: &HubOptions) -> Result<HFRepositorySync<RepoTypeModel>, HFError> {
    let mut builder = HFClientBuilder::new().user_agent(concat!("truenorth/", env!("CARGO_PKG_VERSION")));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.endpoint(endpoint);
    }
    if let Some(token) = &options.token {
        builder = builder.token(token);
    }
    if let Some(cache_dir) = &options.cache_dir {
        builder = builder.cache_dir(cache_dir);
    }
    let (owner, name) = hf_hub::split_id(&repository.id);
    Ok(builder.build_sync()?.model(owner, name))
}

fn explain(repository: &Repository, error: HFError) -> ModelsError {
    let failure = match &error {
        HFError::Request { .. } => HubFailure::Unreachable,
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } | HFError::EntryNotFound { .. } => {
            HubFailure::NotFound
        }
        HFError::AuthRequired { .. } | HFError::Forbidden { .. } => HubFailure::Denied,
        HFError::RateLimited { .. } => HubFailure::Limited,
        HFError::LocalEntryNotFound { .. } => HubFailure::NotCached,
        _ => HubFailure::Failed,
    };
    // These two print their cause and name it as source as well; the cause alone says it once.
    let source: Cause = match error {
        HFError::Request { source, .. } => source.into(),
        HFError::Xet { source, .. } => source,
        other => other.into(),
    };
    ModelsError::Hub {
        repository: repository.id.clone(),
        revision: repository.revision.clone(),
        failure,
        source,
    }
}

struct Reporter {
    report: ProgressFn,
}

impl ProgressHandler for Reporter {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else {
            return;
        };
        let report = |item: &str, done, total| {
            (self.report)(&Progress {
                stage: ProgressStage::Downloading,
                item: item.to_owned(),
                done,
                total,
            });
        };
        match event {
            DownloadEvent::Progress { files } => {
                for file in files.iter().filter(|file| file.status != FileStatus::Started) {
                    report(&file.filename, file.bytes_completed, file.total_bytes);
                }
            }
            DownloadEvent::AggregateProgress { bytes_completed, total_bytes, .. } => {
                report("weights", *bytes_completed, *total_bytes);
            }
            DownloadEvent::Start { .. } | DownloadEvent::Complete => {}
        }
    }
}
