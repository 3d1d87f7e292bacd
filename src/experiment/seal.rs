//! What was expected of an experiment, sealed before anything is written under it.

use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use truenorth_files::{read_if_there, sha256_hex, write_atomic};

use super::ExperimentFile;
use crate::error::{Error, ErrorContext as _};

/// Name of the seal's file, beside the results.
pub const SEAL: &str = "register.json";

/// The experiment as it was to be run, with its expectations and the hashes of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSeal {
    /// When it was sealed.
    pub sealed_at: String,
    /// Whether there were results already.
    pub after_results: bool,
    /// The experiment, without the places of its files.
    pub experiment: Value,
    /// Role, rows and SHA-256 of every file.
    pub files: Vec<(String, usize, String)>,
    /// SHA-256 of all the above.
    pub sha256: String,
}

impl ExperimentSeal {
    fn new(
        file: &ExperimentFile,
        files: &[(String, usize, String)],
        after_results: bool,
    ) -> Result<Self, Error> {
        let mut plain = file.clone();
        // Where files lie is no part of what is asked; what is in them is.
        plain.experiment.files().for_each(|path| *path = "".into());
        let mut experiment = serde_json::to_value(&plain)?;
        experiment["data"] = Value::Null;
        let mut made = Self {
            sealed_at: httpdate::fmt_http_date(SystemTime::now()),
            after_results,
            experiment,
            files: files.to_vec(),
            sha256: String::new(),
        };
        made.sha256 = made.hash()?;
        Ok(made)
    }

    fn hash(&self) -> Result<String, Error> {
        let of = (&self.sealed_at, self.after_results, &self.experiment, &self.files);
        Ok(sha256_hex(&serde_json::to_vec(&of)?))
    }

    /// What is not as it was sealed, by name.
    fn changes(&self, now: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let mut differ = |before: &str, then: &Value, now: &Value| {
            let (Some(then), Some(now)) = (then.as_object(), now.as_object()) else { return };
            let keys = then.keys().chain(now.keys().filter(|k| !then.contains_key(*k)));
            out.extend(keys.filter(|k| then.get(*k) != now.get(*k)).map(|k| format!("{before}{k}")));
        };
        let part = |of: &Self| of.experiment.get("experiment").cloned().unwrap_or_default();
        let rest = |of: &Self| {
            let mut value = of.experiment.clone();
            value["experiment"] = Value::Null;
            value
        };
        differ("", &rest(self), &rest(now));
        differ("experiment.", &part(self), &part(now));
        out.extend(changed_files(&self.files, &now.files));
        out
    }
}

/// Files, by role, rows and SHA-256, that are not as they were sealed.
pub(crate) fn changed_files(
    then: &[(String, usize, String)],
    now: &[(String, usize, String)],
) -> Vec<String> {
    let of = |all: &[(String, usize, String)], role: &str| all.iter().find(|f| f.0 == role).cloned();
    let roles = then.iter().chain(now.iter().filter(|f| of(then, &f.0).is_none()));
    let changed = roles.filter(|(role, ..)| of(then, role) != of(now, role));
    changed.map(|(role, ..)| format!("the file of {role}")).collect()
}

/// Seals an experiment that has predictions, where its folder has no seal yet, and says what the page says first.
///
/// # Errors
/// When the seal that is there can't be read or was changed, or it can't be written.
pub fn seal(
    file: &ExperimentFile,
    files: &[(String, usize, String)],
    (folder, results): (&Path, &str),
) -> Result<Vec<String>, Error> {
    let Some(register) = &file.register else {
        return Ok(vec!["Exploratory: nothing was predicted before it was run.".into()]);
    };
    let path = folder.join(SEAL);
    let there = read_if_there(&path).context(format!("can't read {}", path.display()))?;
    let sealed = match there {
        Some(bytes) => {
            let found: ExperimentSeal =
                serde_json::from_slice(&bytes).request(format!("{} is no seal", path.display()))?;
            if found.hash()? != found.sha256 {
                return Err(Error::request(format!("{} was changed after it was sealed", path.display()))
                    .with_hint("put the sealed file back, or name another folder with --out"));
            }
            found
        }
        None => {
            let made = ExperimentSeal::new(file, files, folder.join(results).exists())?;
            let text = serde_json::to_vec_pretty(&made)?;
            write_atomic(&path, |w| w.write_all(&text)).context(format!("can't write {}", path.display()))?;
            made
        }
    };
    let changes = sealed.changes(&ExperimentSeal::new(file, files, sealed.after_results)?);
    let first = if sealed.after_results {
        format!("Exploratory: sealed on {}, when results were there already.", sealed.sealed_at)
    } else if changes.is_empty() {
        format!(
            "Sealed on {}, before anything was written here (seal {}).",
            sealed.sealed_at,
            &sealed.sha256[..16]
        )
    } else {
        format!(
            "Exploratory: sealed on {}, and changed since then: {}.",
            sealed.sealed_at,
            changes.join(", ")
        )
    };
    Ok(vec![first, format!("Hypothesis: {}", register.hypothesis.trim())])
}
