//! A host whose models are all asked as the study says.

use truenorth_protocol::run::Watch;

use crate::analyses::Speech;
use crate::error::Error;
use crate::host::{Desk, Fallen, Host};
use crate::session::Session;

/// Opens models at another host, and puts texts before them in one way.
pub(super) struct Speaking<'a> {
    pub host: &'a dyn Host,
    pub speech: Speech,
}

impl Speaking<'_> {
    fn speaking(&self, session: Session) -> Result<Session, Error> {
        let (session, note) = session.speaking(&self.speech)?;
        if let Some(note) = note {
            self.host.note(&note);
        }
        Ok(session)
    }
}

impl Host for Speaking<'_> {
    fn desk(&self) -> &dyn Desk {
        self.host.desk()
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        self.speaking(self.host.model(name)?)
    }

    fn model_once(&self, name: &str) -> Result<Session, Error> {
        self.speaking(self.host.model_once(name)?)
    }

    fn delete_fetched(&self, name: &str) -> Result<(), Error> {
        self.host.delete_fetched(name)
    }

    fn identity(&self, name: &str) -> Result<String, Error> {
        self.host.identity(name)
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        // What it is called says nothing of how it was trained: that it was not is the point.
        Ok(self.host.untrained(name, seed)?.speaking(&self.speech)?.0)
    }

    fn watch(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        self.host.watch(doing, unit)
    }

    fn note(&self, note: &str) {
        self.host.note(note);
    }

    fn fallen(&self) -> Option<Fallen> {
        self.host.fallen()
    }
}
