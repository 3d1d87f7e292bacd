//! The model of a season, opened by flags.

use std::sync::Arc;

use clap::Args;
use truenorth::analyses::Reader;
use truenorth::arena::{ScoringModel, SeasonFile};
use truenorth::run::Runner;

use crate::cli::args::{Common, ModelArgs, NumericsArgs, On, PlaceArgs, SpeechArgs};
use crate::cli::fallback;
use crate::cli::session::Session;

/// Where the season's model is.
#[derive(Args, Clone, Debug)]
pub struct Asks {
    /// The model, where it is here under another name than the season's file has.
    #[arg(long, value_name = "M")]
    model: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
}

/// A model behind the arena's seam.
pub struct Behind {
    session: Session,
    /// Whether it runs elsewhere: its jobs are then in the store, and picked up after a restart.
    hosted: bool,
}

impl Asks {
    /// How the model of a season is opened, as its file says that texts are put before it.
    fn model(&self, file: &SeasonFile) -> ModelArgs {
        let said = &file.model;
        ModelArgs {
            model: self.model.clone().unwrap_or_else(|| said.name.clone()),
            place: self.place.clone(),
            seed: 0,
            speech: SpeechArgs {
                chat: said.chat.is_on().then(|| said.chat.clone()),
                system: said.system.clone(),
                special_tokens: said.special_tokens,
                of_study: false,
            },
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        }
    }

    /// Opens the model of a season.
    pub fn open(&self, file: &SeasonFile) -> anyhow::Result<Arc<Behind>> {
        let session = Session::open(&self.model(file))?;
        let hosted = self.place.on != On::Local && fallback::taken().is_none();
        Ok(Arc::new(Behind { session, hosted }))
    }

    /// The same model for what others type: of a service by a client without a journal, so that no prompt is on a disk.
    #[cfg(feature = "play")]
    pub fn unwritten(&self, file: &SeasonFile, behind: &Behind) -> anyhow::Result<Arc<dyn Runner>> {
        match behind.hosted {
            true => Ok(Session::unwritten(&self.model(file))?.shared()),
            false => Ok(behind.session.shared()),
        }
    }

    /// Whether nothing but errors is said.
    pub fn quiet(&self) -> bool {
        self.common.quiet
    }
}

impl Behind {
    /// The session, for what a result records of its model.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl ScoringModel for Behind {
    fn runner(&self) -> &dyn Runner {
        self.session.runner()
    }

    fn reader(&self) -> Reader<'_> {
        // What is computed here is not kept: the season keeps the scores, and memory stays as it is.
        let store = self.session.store().filter(|_| self.hosted);
        let reader = Reader::new(self.session.runner(), store);
        match self.session.reader().spoken() {
            Some(spoken) => reader.speaking(spoken),
            None => reader,
        }
    }
}
