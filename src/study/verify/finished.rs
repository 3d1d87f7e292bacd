//! A finished run, and what it knew of its models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use truenorth_data::models;
use truenorth_data::store::Store;

use super::stored::{StoredModel, StoredTokenizer};
use crate::error::Error;
use crate::host::Fallen;
use crate::session::Session;
use crate::study::journal::{RunJournal, RunState};
use crate::study::record::{self, AskedModel, RunRecord};

/// A finished run, as its folder has it.
pub struct FinishedRun {
    pub(super) folder: PathBuf,
    pub(super) record: RunRecord,
    pub(super) state: RunState,
}

impl FinishedRun {
    /// Reads what a run left.
    ///
    /// # Errors
    /// When the folder is none of a run, the run did not end, or was made by a version that left no record of it.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let shown = folder.display();
        if !folder.is_dir() {
            let what = if folder.exists() { "is a file" } else { "is not there" };
            return Err(Error::request(format!("{shown} {what}; the folder of a study's run was expected"))
                .with_hint("name a folder that `truenorth study run` made, such as runs/human-values"));
        }
        let aside =
            "move the folder away and run the study again: what is in the store is not computed again";
        let Some(state) = RunJournal::read(folder).map_err(|e| e.with_hint(aside))? else {
            return Err(Error::request(format!(
                "{shown} holds no run of a study: there is no state.json in it"
            ))
            .with_hint("name a folder that `truenorth study run` made, such as runs/human-values"));
        };
        let again =
            "run `truenorth study run` with the study again: what is in the store is not computed again";
        if !state.done {
            let at = state.stages.last().map_or("its start", |s| s.name.as_str());
            return Err(Error::request(format!("the run in {shown} did not end; it was cut short at {at}"))
                .with_hint("run `truenorth study run` with the study again; it goes on where it stopped"));
        }
        let Some(record) = RunRecord::read(folder)? else {
            return Err(Error::request(format!(
                "{shown} does not say what it was made from: there is no {} in it, which older versions did not write",
                record::NAME
            ))
            .with_hint(again));
        };
        Ok(Self { folder: folder.to_owned(), record, state })
    }

    /// The study's model, as the study names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.record.study.model
    }

    /// The seed that the run was made with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.record.study.seed
    }

    /// How models were opened, as whoever ran it said.
    #[must_use]
    pub fn flags(&self) -> &Value {
        &self.record.flags
    }

    /// The folder of the store that the run used; none if it used none.
    #[must_use]
    pub fn store(&self) -> Option<&Path> {
        self.record.store.as_deref()
    }

    /// What ran in place of what was asked for.
    #[must_use]
    pub fn fallen(&self) -> Option<&Fallen> {
        self.record.fallback.as_ref()
    }

    /// What a model was when the run asked what it is.
    #[must_use]
    pub fn identity(&self, name: &str) -> Option<&str> {
        self.record.identities.get(name).map(String::as_str)
    }

    /// A name of a model that runs in this process as it is from here: paths were relative to where the run began.
    #[must_use]
    pub fn from_here(&self, name: &str) -> String {
        let (lead, rest) = match name.strip_prefix("random-init:") {
            Some(rest) => ("random-init:", rest),
            None => ("", name),
        };
        let (place, seed) = match rest.rsplit_once('#').filter(|_| !lead.is_empty()) {
            Some((place, seed)) => (place, format!("#{seed}")),
            None => (rest, String::new()),
        };
        // A named model wins over a folder of its name.
        let named = models::list(Path::new("")).iter().any(|m| m.name == place);
        let path = self.record.started_in.join(place);
        if named || !path.exists() { name.to_owned() } else { format!("{lead}{}{seed}", path.display()) }
    }

    /// A model of the run that is not asked: all it computed comes out of the store.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn stored(&self, name: &str, words: StoredTokenizer, store: Arc<Store>) -> Result<Session, Error> {
        let asked = self.asked(name)?.clone();
        let place = store.file().and_then(Path::parent).unwrap_or(Path::new("memory")).to_owned();
        Ok(Session::new(Box::new(StoredModel::new(asked, words, place)), Some(store)))
    }

    /// What the run knew of the weights of a model.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn revision(&self, name: &str) -> Result<&str, Error> {
        Ok(&self.asked(name)?.info.revision)
    }

    /// Which numeric path computed for the run.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn path(&self, name: &str) -> Result<&str, Error> {
        Ok(&self.asked(name)?.info.path)
    }

    fn asked(&self, name: &str) -> Result<&AskedModel, Error> {
        self.record.asked(name).ok_or_else(|| {
            Error::failed(format!(
                "{} does not say what {name} was; the run did not ask it",
                self.folder.join(record::NAME).display()
            ))
            .with_hint("run `truenorth study run` with the study again")
        })
    }
}
