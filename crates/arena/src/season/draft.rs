//! A season that is made: its inputs checked and copied, not yet opened.

use std::path::{Path, PathBuf};

use truenorth_data::artifact::Directions;
use truenorth_data::{NearCopies, PromptInput, PromptRow, first_prompts, read_prompts};
use truenorth_files::write_atomic;

use super::file::{NAME, SeasonFile};
use super::{Folder, SeasonState};
use crate::error::ArenaError;

/// Makes a season from its file: checks all that it names and copies it into a folder of the arena.
///
/// # Errors
/// When the file or what it names can't be read or used, or the season is there and was opened.
pub fn new(folder: &Folder, file: &Path) -> Result<SeasonFile, ArenaError> {
    let mut season = SeasonFile::load(file)?;
    let beside = file.parent().unwrap_or(Path::new("."));
    let place = folder.of(&season.name);
    if place.join(NAME).exists() && folder.state(&season.name)? != SeasonState::Draft {
        return Err(ArenaError::asked(
            format!("season `{}` was opened, and a season is never edited", season.name),
            "give the new season another `name`; `truenorth arena rescore` takes entries over",
        ));
    }
    let mut copies: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, name) in season.scoring.directions.iter_mut().enumerate() {
        let path = beside.join(&*name);
        let bytes = read(&path)?;
        Directions::from_safetensors(&bytes)
            .map_err(|source| ArenaError::Direction { path: path.clone(), source: Box::new(source) })?;
        *name = format!("direction-{}.safetensors", i + 1);
        copies.push((name.clone(), bytes));
    }
    let path = beside.join(&season.scoring.probes);
    let bytes = read(&path)?;
    probes(&bytes, &path)?;
    season.scoring.probes = kept_as("probes", &path);
    copies.push((season.scoring.probes.clone(), bytes));
    if let Some(audit) = &mut season.scoring.audit {
        let path = beside.join(&*audit);
        let bytes = read(&path)?;
        serde_json::from_slice::<serde_json::Value>(&bytes)
            .map_err(ArenaError::json(path.display().to_string()))?;
        "audit.json".clone_into(audit);
        copies.push((audit.clone(), bytes));
    }
    let text = toml::to_string(&season).map_err(|e| {
        ArenaError::asked(format!("{}: can't be written again: {e}", file.display()), "simplify the file")
    })?;
    std::fs::create_dir_all(&place).map_err(ArenaError::file("make", &place))?;
    for (name, bytes) in copies.iter().chain([&(NAME.to_owned(), text.into_bytes())]) {
        let path = place.join(name);
        write_atomic(&path, |w| w.write_all(bytes)).map_err(ArenaError::file("write", &path))?;
    }
    Ok(season)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, ArenaError> {
    std::fs::read(path).map_err(ArenaError::file("read", path))
}

/// A name by which the file's form is told as by its own.
fn kept_as(role: &str, path: &Path) -> String {
    let plain = |e: &str| e.len() <= 8 && e.bytes().all(|b| b.is_ascii_alphanumeric());
    match path.extension().and_then(|e| e.to_str()).filter(|e| plain(e)) {
        Some(ending) => format!("{role}.{}", ending.to_lowercase()),
        None => format!("{role}.txt"),
    }
}

/// The probes of a file; copies and near copies of earlier ones are refused, since each counts as one.
pub(super) fn probes(bytes: &[u8], path: &Path) -> Result<Vec<PromptRow>, ArenaError> {
    let name = path.display().to_string();
    let rows = read_prompts(bytes, &name)?.rows;
    if let Some(row) = rows.iter().find(|r| !matches!(r.input, PromptInput::Text(_))) {
        return Err(ArenaError::asked(
            format!("{name}: probe `{}` is no text", row.id),
            "give every probe as text: submissions are put before it",
        ));
    }
    let firsts = first_prompts(&rows, NearCopies::default());
    if let Some((row, first)) = rows
        .iter()
        .zip(&firsts.of)
        .enumerate()
        .find_map(|(i, (row, first))| (*first != i).then_some((row, *first)))
    {
        return Err(ArenaError::asked(
            format!("{name}: probe `{}` is a copy or near copy of `{}`", row.id, rows[first].id),
            "leave it out: each probe counts as one",
        ));
    }
    Ok(rows)
}
