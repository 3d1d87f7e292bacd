//! Whoever has work done: where its files come from, how models are opened, and who is told.

mod local;

use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};
use truenorth_files::write_atomic;
use truenorth_protocol::run::Watch;

use truenorth_report::{Cell, KeyValueList};

use crate::error::{Error, ErrorContext as _};
use crate::session::Session;

pub use local::Local;

/// Where texts are read from, and who is told how they were read.
pub trait Desk: Sync {
    /// Opens a file, with the name that messages give it.
    ///
    /// # Errors
    /// When it can't be read, or will be written.
    fn open(&self, path: &Path) -> Result<(Box<dyn BufRead>, String), Error>;

    /// Notes which names the rows of a file have.
    fn rows(&self, _file: &str, _ids: &[&str]) {}

    /// Notes what the texts of a file begin or end with, which joins them into one cluster.
    fn opening(&self, _sentence: &str) {}

    /// Tells a sentence that whoever reads the results should know.
    fn say(&self, sentence: &str);
}

/// Whoever opens models.
pub trait Host: Sync {
    /// Where the files of the work are read, and who is told.
    fn desk(&self) -> &dyn Desk;

    /// Opens a model, as `--model` names it.
    ///
    /// # Errors
    /// When there is none of that name, or it can't be opened.
    fn model(&self, name: &str) -> Result<Session, Error>;

    /// Opens a model whose weights, where they are fetched for this, can be deleted by [`Host::delete_fetched`].
    ///
    /// # Errors
    /// As [`Host::model`].
    fn model_once(&self, name: &str) -> Result<Session, Error> {
        self.model(name)
    }

    /// Deletes the weights that [`Host::model_once`] fetched, also in a run before; what was there without it stays.
    ///
    /// # Errors
    /// When a file can't be deleted.
    fn delete_fetched(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }

    /// What a model is whatever it is called: its weights where they are at hand, else its name.
    ///
    /// # Errors
    /// When there is none of that name.
    fn identity(&self, name: &str) -> Result<String, Error>;

    /// Opens an untrained model of the architecture of one, its weights drawn from a seed.
    ///
    /// # Errors
    /// When models do not run in this process, or there is none of that name.
    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error>;

    /// Watches some work, counted in `unit`.
    fn watch(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_>;

    /// Tells a note, once however often it is told.
    fn note(&self, note: &str) {
        self.desk().say(&format!("note: {note}"));
    }

    /// What ran in place of what was asked for, if anything did.
    fn fallen(&self) -> Option<Fallen> {
        None
    }
}

/// What ran in place of what, as every result remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallen {
    /// The hosted model that was asked for.
    pub wanted: String,
    /// The service that was to be asked.
    pub service: String,
    /// Why it could not be asked, for people.
    pub because: String,
    /// The model that ran in this process.
    pub model: String,
}

impl Fallen {
    /// The group of a page's provenance that tells of it.
    #[must_use]
    pub fn group(&self) -> KeyValueList {
        KeyValueList::new("Not the model that was asked for (--fallback)")
            .with("asked for", Cell::code(format!("{} on {}", self.wanted, self.service)))
            .with("ran here", Cell::code(self.model.as_str()))
            .with("because", self.because.as_str())
    }
}

/// A result with `fallback` in it if something ran in place of what was asked for; else as it is.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Marked<'a, T> {
    /// The result as it is.
    Plain(&'a T),
    /// The result as JSON, with the entry `fallback`.
    Fallen(serde_json::Value),
}

/// Marks a result that is a JSON object.
///
/// # Errors
/// When it can't be written as JSON.
pub fn marked<T: Serialize>(result: &T, fallen: Option<Fallen>) -> serde_json::Result<Marked<'_, T>> {
    let Some(fallen) = fallen else { return Ok(Marked::Plain(result)) };
    let mut value = serde_json::to_value(result)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("fallback".into(), serde_json::to_value(fallen)?);
    }
    Ok(Marked::Fallen(value))
}

/// Writes pretty JSON to a file, whole or not at all.
pub(crate) fn write_json(host: &dyn Host, path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(&marked(value, host.fallen())?)?;
    write_atomic(path, |w| w.write_all(&text)).context(format!("can't write {}", path.display()))
}

/// Writes rows as JSON lines, whole or not at all.
pub(crate) fn write_jsonl<T: Serialize>(host: &dyn Host, path: &Path, rows: &[T]) -> Result<(), Error> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, &marked(row, host.fallen())?)?;
        text.push(b'\n');
    }
    write_atomic(path, |w| w.write_all(&text)).context(format!("can't write {}", path.display()))
}
