//! The models of a study's run once more: out of the store alone, or opened as they were then.

use std::sync::Arc;

use truenorth::engine::Outline;
use truenorth::error::{Error, ErrorContext as _};
use truenorth::host::{Desk, Fallen, Host};
use truenorth::run::Watch;
use truenorth::session::Session;
use truenorth::store::Store;
use truenorth::study::verify::{FinishedRun, StoredTokenizer, untrained};

use super::args::{ModelArgs, On};
use super::desk::{Terminal, ours};
use super::progress::Bar;
use super::{hosted, session};

/// A run's models.
pub struct RunModels<'a> {
    pub run: &'a FinishedRun,
    pub args: ModelArgs,
    /// The store that has all they computed; without one they compute again.
    pub stored: Option<Arc<Store>>,
}

impl RunModels<'_> {
    /// What ran in this process in place of a hosted model is opened as what it is.
    fn flags(&self, name: &str) -> ModelArgs {
        let mut args = ModelArgs { model: name.to_owned(), ..self.args.clone() };
        let wanted = name.strip_prefix("hf:").unwrap_or(name);
        if let Some(fallen) = self.run.fallen().filter(|f| f.wanted == wanted) {
            args.model.clone_from(&fallen.model);
            args.place.on = On::Local;
        }
        if args.place.on == On::Local {
            args.model = self.run.from_here(&args.model);
        }
        args.place.service.config = args.place.service.config.map(|config| self.run.from_here(&config));
        args
    }

    fn open_again(&self, name: &str) -> anyhow::Result<Session> {
        let args = self.flags(name);
        let Some(store) = &self.stored else {
            let session = session::Session::open(&args)?.into_inner();
            let (was, is) = (self.run.path(name)?, &session.runner().info().path);
            if was != is {
                eprintln!(
                    "note: {name} is computed by {is} here, and the run by {was}; last digits may be others"
                );
            }
            self.same_weights(name, &session.runner().info().revision)?;
            return Ok(session);
        };
        if let On::Url(_) = args.place.on {
            let service = hosted::open(&args.place.on, &args, None)?;
            return Ok(self.run.stored(name, StoredTokenizer::Remote(Box::new(service)), store.clone())?);
        }
        let found = match (&args.place.on, &args.place.service.config) {
            (On::Local, _) if args.model.starts_with("hf:") => {
                session::resolve_outline(&args.model, &args.common)?
            }
            (On::Local, _) => session::resolve(&args.model, &args.common)?,
            (_, config) => {
                let model = args.model.strip_prefix("hf:").unwrap_or(&args.model);
                let (repo, _) = hosted::key_of(model);
                let spec =
                    config.as_deref().map_or_else(|| format!("hf:{model}"), |c| hosted::of_many(c, repo));
                session::resolve_outline(&spec, &args.common)?
            }
        };
        if args.place.on == On::Local {
            self.same_weights(name, &found.identity)?;
        }
        let choices = args.numerics.reading.choices();
        let outline = Outline::open(found.files.path(), &found.name, &found.identity, &choices)
            .context(format!("can't read the tokenizer of {name}"))?;
        Ok(self.run.stored(name, StoredTokenizer::Local(Arc::new(outline.words)), store.clone())?)
    }

    /// Says where a model is no longer the one that ran.
    fn same_weights(&self, name: &str, is: &str) -> anyhow::Result<()> {
        let was = self.run.revision(name)?;
        if was != is {
            let whose = match self.stored {
                Some(_) => "the store has what those of the run computed",
                None => "the numbers will be those of other weights",
            };
            eprintln!("warning: the weights of {name} were {was} in the run and are {is} now; {whose}");
        }
        Ok(())
    }
}

impl Host for RunModels<'_> {
    /// What the run said of its files it says again, and that is no news.
    fn desk(&self) -> &dyn Desk {
        &Terminal::SILENT
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        self.open_again(name).map_err(ours)
    }

    fn identity(&self, name: &str) -> Result<String, Error> {
        let known = self.run.identity(name).map(str::to_owned);
        known.context(format!("the run's record does not say what {name} was"))
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        self.model(&untrained(name, seed))
    }

    fn watch(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        Box::new(Bar::new(doing, 0, unit, self.args.common.quiet))
    }

    fn note(&self, _: &str) {}

    fn fallen(&self) -> Option<Fallen> {
        self.run.fallen().cloned()
    }
}
