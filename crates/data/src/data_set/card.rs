//! What the head of a card says of the files: the key `configs`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::DataSetError;

/// A configuration of a data set.
pub(super) struct DataSetConfig {
    pub name: String,
    pub default: bool,
    pub files: DataSetFiles,
}

pub(super) enum DataSetFiles {
    /// Splits, each with patterns of its files.
    Named(Vec<(String, Vec<String>)>),
    /// Below a folder, by their names.
    ByName(PathBuf),
}

/// The configurations that a folder's `README.md` names; none without a card or in a card without the key.
pub(super) fn configs(folder: &Path) -> Result<Vec<DataSetConfig>, DataSetError> {
    let file = folder.join("README.md");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(vec![]) };
    let Some(head) = head(&text) else { return Ok(vec![]) };
    let broken = |what: String| DataSetError::Card { file: file.clone(), what };
    let said: Value =
        serde_saphyr::from_str(head).map_err(|e| broken(format!("its head is no YAML: {e}")))?;
    let Some(configs) = said.get("configs") else { return Ok(vec![]) };
    let Some(list) = configs.as_array() else { return Err(broken("`configs` is no list".into())) };
    list.iter()
        .map(|config| {
            let name = config.get("config_name").and_then(Value::as_str).unwrap_or("default").to_owned();
            let below = config.get("data_dir").and_then(Value::as_str).unwrap_or_default();
            let files = match config.get("data_files") {
                None => DataSetFiles::ByName(below.into()),
                Some(said) => DataSetFiles::Named(
                    splits(said)
                        .ok_or_else(|| broken(format!("`data_files` of `{name}` names no files")))?
                        .into_iter()
                        .map(|(split, of)| (split, of.into_iter().map(|p| joined(below, &p)).collect()))
                        .collect(),
                ),
            };
            let default = config.get("default").and_then(Value::as_bool).unwrap_or(false);
            Ok(DataSetConfig { name, default, files })
        })
        .collect()
}

/// The YAML between two lines of three dashes at the head of a text.
fn head(text: &str) -> Option<&str> {
    let text = text.trim_start_matches('\u{feff}');
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let end = rest.find("\n---")?;
    Some(&rest[..=end])
}

fn joined(below: &str, pattern: &str) -> String {
    match below.trim_matches('/') {
        "" => pattern.to_owned(),
        below => format!("{below}/{pattern}"),
    }
}

/// Splits with their patterns: a text or a list of texts is the split `train`.
fn splits(said: &Value) -> Option<Vec<(String, Vec<String>)>> {
    let patterns = |said: &Value| match said {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|p| p.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    if let Some(of) = patterns(said) {
        return Some(vec![("train".to_owned(), of)])
            .filter(|_| said.as_array().is_none_or(|a| !a.is_empty()));
    }
    let list = said.as_array()?;
    list.iter()
        .map(|one| Some((one.get("split")?.as_str()?.to_owned(), patterns(one.get("path")?)?)))
        .collect()
}
