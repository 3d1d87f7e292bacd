//! What was expected of a study, sealed before the first activation is read.
//!
//! The seal is the hash of the whole study as it runs (tables, primary tests, expectations) and of every data file.
//! A study that is changed afterwards says so on its page.

use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use truenorth_files::{read_if_there, sha256_hex, write_atomic};

use super::data::StudyData;
use super::file::StudyFile;
use super::refused;
use crate::error::{Error, ErrorContext as _};
use crate::experiment::changed_files;

/// Name of the registration's file in the run's folder.
pub const NAME: &str = "register.json";

/// What was expected of a study, sealed before it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyRegistration {
    /// When it was sealed.
    pub sealed_at: String,
    /// The version of the program that sealed it.
    pub truenorth: String,
    /// Whether the run's folder held results already.
    pub after_results: bool,
    /// The study, without the places of its files.
    pub study: Value,
    /// Role, rows and SHA-256 of every data file.
    pub files: Vec<(String, usize, String)>,
    /// SHA-256 of all the above but the version.
    pub sha256: String,
}

impl StudyRegistration {
    /// Of a study as it would run now.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn new(study: &StudyFile, data: &StudyData, after_results: bool) -> Result<Self, Error> {
        let mut written = serde_json::to_value(study)?;
        // Where files lie is no part of what is asked; what is in them is.
        written["data"] = json!({ "positive": study.data.positive });
        // Which label behind a file is the positive one is asked too.
        let labels = study.labels();
        if !labels.is_empty() {
            written["data"]["labels"] = json!(labels);
        }
        if let Some(words) = written.pointer_mut("/sweep/keywords").and_then(Value::as_object_mut) {
            words.values_mut().for_each(|list| list["file"] = Value::Null);
        }
        // So are those of an experiment.
        if let Some(mut plain) = study.experiment.clone() {
            plain.files().for_each(|file| *file = "".into());
            written["experiment"] = serde_json::to_value(&plain)?;
        }
        let files = data.files().into_iter().map(|(role, rows, sha)| (role, rows, sha.to_owned())).collect();
        let mut made = Self {
            sealed_at: httpdate::fmt_http_date(SystemTime::now()),
            truenorth: env!("CARGO_PKG_VERSION").into(),
            after_results,
            study: written,
            files,
            sha256: String::new(),
        };
        made.sha256 = made.hash()?;
        Ok(made)
    }

    fn hash(&self) -> Result<String, Error> {
        let of = (&self.sealed_at, self.after_results, &self.study, &self.files);
        Ok(sha256_hex(&serde_json::to_vec(&of)?))
    }

    /// Reads the one of a run's folder, if it is there.
    ///
    /// # Errors
    /// When it can't be read, or was changed after it was sealed.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(NAME);
        let there = read_if_there(&path).context(format!("can't read {}", path.display()))?;
        let Some(bytes) = there else { return Ok(None) };
        let found: Self =
            serde_json::from_slice(&bytes).request(format!("{} is no registration", path.display()))?;
        if found.hash()? != found.sha256 {
            return Err(refused(
                format!("{} was changed after it was sealed", path.display()),
                "put the sealed file back, or move this one away: the study is then exploratory or registered anew",
            ));
        }
        Ok(Some(found))
    }

    /// What of the study is not as it was sealed, by name.
    fn changes(&self, now: &Self) -> Vec<String> {
        let mut out = Vec::new();
        if let (Some(then), Some(now)) = (self.study.as_object(), now.study.as_object()) {
            let keys = then.keys().chain(now.keys().filter(|k| !then.contains_key(*k)));
            out.extend(keys.filter(|k| then.get(*k) != now.get(*k)).cloned());
        }
        out.extend(changed_files(&self.files, &now.files));
        out
    }
}

/// Seals a study that has a `[register]` table, where its folder holds no registration yet.
///
/// # Errors
/// When the one that is there can't be read or was changed, or the file can't be written.
pub fn seal(study: &StudyFile, data: &StudyData, folder: &Path) -> Result<Option<StudyRegistration>, Error> {
    if let Some(found) = StudyRegistration::read(folder)? {
        return Ok(Some(found));
    }
    if study.register.is_none() {
        return Ok(None);
    }
    let results = std::fs::read_dir(folder.join("stages")).is_ok_and(|mut d| d.next().is_some());
    let made = StudyRegistration::new(study, data, results)?;
    let (path, text) = (folder.join(NAME), serde_json::to_vec_pretty(&made)?);
    write_atomic(&path, |w| w.write_all(&text)).context(format!("can't write {}", path.display()))?;
    Ok(Some(made))
}

/// What the page says first: registered, or exploratory and why. `found` are the activations that were in the store
/// already when the direction was first computed.
///
/// # Errors
/// When the study can't be written as JSON.
pub fn says(
    registration: Option<&StudyRegistration>,
    study: &StudyFile,
    data: &StudyData,
    found: Option<u64>,
) -> Result<Vec<String>, Error> {
    let Some(r) = registration else {
        return Ok(vec![
            "Exploratory: no hypothesis was registered before the first activation was read.".into(),
        ]);
    };
    let changes = r.changes(&StudyRegistration::new(study, data, r.after_results)?);
    let mut out = vec![if r.after_results {
        format!("Exploratory: registered on {}, when results were there already.", r.sealed_at)
    } else if changes.is_empty() {
        format!(
            "Registered on {}, before the first activation was read here (seal {}).",
            r.sealed_at,
            &r.sha256[..16]
        )
    } else {
        format!("Exploratory: registered on {}, and changed since then: {}.", r.sealed_at, changes.join(", "))
    }];
    if let Some(register) = &study.register {
        out.push(format!("Hypothesis: {}", register.hypothesis.trim()));
    }
    if let Some(found) = found.filter(|n| *n > 0) {
        out.push(format!(
            "{found} of the activations behind the direction were in the store when it was first computed here, so \
             they may have been looked at before."
        ));
    }
    out.push("A seal shows that nothing was changed after its date; publish it to show the date too.".into());
    Ok(out)
}
