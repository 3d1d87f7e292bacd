//! Where a model runs: this process, a truenorth server, NDIF.

use std::path::PathBuf;
use std::sync::Arc;

use truenorth_data::models::{ResolveOptions, resolve, resolve_outline};
use truenorth_data::store::Store;
use truenorth_engine::{Engine, EngineOptions, Outline};
use truenorth_protocol::DType;
use truenorth_protocol::journal::Journal;
use truenorth_protocol::nnsight::ModelKey;
use truenorth_protocol::run::Runner;
use truenorth_remote::client::{ApiKey, Client, Hosted, ServiceOptions};

use super::Options;
use crate::error::{Error, ErrorContext as _};
use crate::session::Session;
use crate::settings;

/// NDIF's public address.
const NDIF: &str = "https://api.ndif.us";

impl Options {
    pub(super) fn folder(&self) -> Result<PathBuf, Error> {
        self.cache.clone().map_or_else(settings::cache, Ok)
    }

    pub(super) fn found(&self) -> Result<ResolveOptions, Error> {
        let mut options = ResolveOptions::new(self.folder()?);
        options.offline = self.offline;
        options.hub = settings::hub();
        Ok(options)
    }

    fn store(&self) -> Result<Option<Arc<Store>>, Error> {
        if !self.keep {
            return Ok(None);
        }
        let folder = self.folder()?.join("activations");
        let store = Store::open(&folder).context(format!("can't open the store in {}", folder.display()))?;
        Ok(Some(Arc::new(store)))
    }

    /// A model with its store, where its name says that it runs. Notes of how its files were read go to `say`.
    pub(super) fn session(&self, model: &str, say: impl Fn(&str)) -> Result<Session, Error> {
        let store = self.store()?;
        let runner: Box<dyn Runner> = if model.starts_with("http://") || model.starts_with("https://") {
            Box::new(Client::truenorth(self.service(model, "TRUENORTH_API_KEY", store.clone())?)?)
        } else if let Some(name) = model.strip_prefix("ndif:") {
            Box::new(self.ndif(name, store.clone())?)
        } else {
            let engine = self.engine(model)?;
            engine.notes().iter().for_each(|note| say(note));
            Box::new(engine)
        };
        Ok(Session::new(runner, store))
    }

    fn engine(&self, model: &str) -> Result<Engine, Error> {
        let found = resolve(model, &self.found()?)?;
        let options = EngineOptions {
            name: found.name.clone(),
            revision: found.identity.clone(),
            random_init: found.random_init_seed,
            ..self.engine.clone()
        };
        Engine::open(found.files.path(), &options).request(format!("can't open the model {model}"))
    }

    fn service(&self, url: &str, key: &str, store: Option<Arc<Store>>) -> Result<ServiceOptions, Error> {
        let mut options = ServiceOptions::new(url);
        let key = self.key.clone().or_else(|| settings::variable(key));
        options.key = key.map(|key| ApiKey::new(&key)).transpose()?;
        options.journal = store.map(|store| store as Arc<dyn Journal>);
        Ok(options)
    }

    fn ndif(&self, model: &str, store: Option<Arc<Store>>) -> Result<Client, Error> {
        let host = self.host.clone().or_else(|| settings::variable("NDIF_HOST"));
        let options = self.service(&host.unwrap_or_else(|| NDIF.to_owned()), "NDIF_API_KEY", store)?;
        let (repo, revision) = match model.split_once('@') {
            Some((repo, "main")) => (repo, None),
            Some((repo, revision)) => (repo, Some(revision.to_owned())),
            None => (model, None),
        };
        let spec = self.config.clone().unwrap_or_else(|| format!("hf:{model}"));
        let found = resolve_outline(&spec, &self.found()?)?;
        let outline = Outline::open(found.files.path(), repo, &found.identity, &self.engine.choices)
            .request(format!("can't read the architecture of {model}"))?;
        let hosted = Hosted {
            info: outline.info,
            modules: outline.modules,
            config: outline.stated,
            key: ModelKey { repo_id: repo.to_owned(), revision },
            stop: outline.words.stop().to_vec(),
            vocabulary: Arc::new(outline.words),
            reply: DType::F32,
        };
        Ok(Client::ndif(options, hosted)?)
    }
}
