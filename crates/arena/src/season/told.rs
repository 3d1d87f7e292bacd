//! What pages tell of a season's files.

use serde_json::Value;
use truenorth_data::artifact::Directions;

use super::{Season, draft};
use crate::error::ArenaError;

/// The texts of the probes.
///
/// # Errors
/// When their file can't be read.
pub(crate) fn read_probes(season: &Season) -> Result<Vec<String>, ArenaError> {
    let path = season.folder.join(&season.sealed.file.scoring.probes);
    let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
    let text = |row: truenorth_data::PromptRow| match row.input {
        truenorth_data::PromptInput::Text(text) => text,
        _ => row.id,
    };
    Ok(draft::probes(&bytes, &path)?.into_iter().map(text).collect())
}

/// What the direction's file says of itself, as names and values.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read_facts(season: &Season) -> Result<Vec<(String, String)>, ArenaError> {
    let mut facts = Vec::new();
    let Some(name) = season.sealed.file.scoring.directions.first() else { return Ok(facts) };
    let path = season.folder.join(name);
    let found = Directions::load(&path)
        .map_err(|source| ArenaError::Direction { path: path.clone(), source: Box::new(source) })?;
    for member in found.members() {
        let said = member.metadata();
        let mut say = |what: &str, value: String| facts.push((format!("{what}, {}", said.site), value));
        say("made from", said.operation.clone());
        say("a positive projection means", said.sign.clone());
        for held in &said.held_out {
            let by = serde_json::to_value(held.by).map_err(ArenaError::json(name.as_str()))?;
            let by = by.as_str().map_or_else(|| by.to_string(), str::to_owned);
            say(&format!("AUROC held out by {by}"), format!("{:.3}, {} units", held.auroc.value, held.units));
        }
        if !said.projected_out.is_empty() {
            let names: Vec<String> = said.projected_out.iter().map(|p| p.name.clone()).collect();
            say("projected out", names.join(", "));
        }
    }
    Ok(facts)
}

/// What the audit that the season came with says of each set.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read_audit(season: &Season) -> Result<Vec<[String; 2]>, ArenaError> {
    let Some(name) = &season.sealed.file.scoring.audit else { return Ok(vec![]) };
    let path = season.folder.join(name);
    let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(ArenaError::json(path.display().to_string()))?;
    let rows = value.get("result").unwrap_or(&value).get("rows").and_then(Value::as_array);
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or("–").to_owned();
    Ok(rows.into_iter().flatten().map(|row| [text(row, "name"), text(row, "says")]).collect())
}
