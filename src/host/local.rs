//! Work done in this process, for a program that uses the library.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use truenorth_data::Split;
use truenorth_data::models::{Fetched, ResolveOptions, resolve};
use truenorth_data::store::Store;
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::run::{Unwatched, Watch};

use super::{Desk, Host};
use crate::error::{Error, ErrorContext as _};
use crate::session::Session;
use crate::settings;

/// Files of this machine and models in this process; notes go to a function.
pub struct Local<F: Fn(&str) + Sync = fn(&str)> {
    /// Where models are found, and whether they may be fetched.
    pub models: ResolveOptions,
    /// How they are opened; name, revision and seed are those of what was found.
    pub engine: EngineOptions,
    /// Where activations are kept; none keeps them for as long as a model is open.
    pub store: Option<Arc<Store>>,
    /// Gets every note.
    pub say: F,
}

impl Local {
    /// Models are kept in `cache`, nothing is stored, and notes are dropped.
    pub fn new(cache: impl Into<std::path::PathBuf>) -> Self {
        Self {
            models: ResolveOptions { hub: settings::hub(), ..ResolveOptions::new(cache) },
            engine: EngineOptions::default(),
            store: None,
            say: |_| {},
        }
    }
}

impl<F: Fn(&str) + Sync> Local<F> {
    fn opened(&self, name: &str, models: &ResolveOptions) -> Result<Session, Error> {
        let found = resolve(name, models)?;
        let options = EngineOptions {
            name: found.name.clone(),
            revision: found.identity.clone(),
            random_init: found.random_init_seed,
            ..self.engine.clone()
        };
        let engine =
            Engine::open(found.files.path(), &options).request(format!("can't open the model {name}"))?;
        engine.notes().iter().for_each(|note| self.say(note));
        Ok(Session::new(Box::new(engine), self.store.clone()))
    }
}

impl<F: Fn(&str) + Sync> Desk for Local<F> {
    fn open(&self, path: &Path) -> Result<(Box<dyn BufRead>, String), Error> {
        if let Some(split) = Split::of(path).request(format!("can't read {}", path.display()))? {
            return Ok((split.open().request(format!("can't read {}", path.display()))?, split.name));
        }
        let file = std::fs::File::open(path).request(format!("can't open {}", path.display()))?;
        Ok((Box::new(BufReader::new(file)), path.display().to_string()))
    }

    fn say(&self, sentence: &str) {
        (self.say)(sentence);
    }
}

impl<F: Fn(&str) + Sync> Host for Local<F> {
    fn desk(&self) -> &dyn Desk {
        self
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        self.opened(name, &self.models)
    }

    fn model_once(&self, name: &str) -> Result<Session, Error> {
        let noting = Fetched::of(name, &self.models.cache_dir).noting(self.models.clone());
        self.opened(name, &noting)
    }

    fn delete_fetched(&self, name: &str) -> Result<(), Error> {
        Fetched::of(name, &self.models.cache_dir).delete()?;
        Ok(())
    }
    fn identity(&self, name: &str) -> Result<String, Error> {
        Ok(resolve(name, &self.models)?.identity)
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        self.model(&format!("random-init:{name}#{seed}"))
    }

    fn watch(&self, _: &str, _: &str) -> Box<dyn Watch + '_> {
        Box::new(Unwatched)
    }
}
