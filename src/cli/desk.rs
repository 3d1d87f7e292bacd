//! This terminal as the library sees it.

use std::io::{BufRead, BufReader};
use std::path::Path;

use truenorth::data::Split;
use truenorth::error::{Error, ErrorContext as _};
use truenorth::host::{Desk, Fallen, Host};
use truenorth::run::Watch;
use truenorth::session::Session;

use super::args::{Common, ModelArgs, On};
use super::progress::Bar;
use super::{fallback, origin, session, target};

/// Where files are read and notes are shown.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    tells: bool,
}

impl Terminal {
    /// Notes are shown.
    pub const TELLING: Self = Self { tells: true };

    /// They are not: what is told was told before.
    pub const SILENT: Self = Self { tells: false };
}

impl Desk for Terminal {
    /// Opens a file to read, or stdin for `-`.
    fn open(&self, path: &Path) -> Result<(Box<dyn BufRead>, String), Error> {
        if path == Path::new("-") {
            target::reads_stdin().map_err(ours)?;
            return Ok((Box::new(BufReader::new(std::io::stdin())), "stdin".into()));
        }
        if let Some(split) = Split::of(path).request(format!("can't read {}", path.display()))? {
            split.files.iter().try_for_each(|file| target::reads(file)).map_err(ours)?;
            let reader = split.open().request(format!("can't read {}", path.display()))?;
            return Ok((reader, split.name));
        }
        target::reads(path).map_err(ours)?;
        let file = std::fs::File::open(path).request(format!("can't open {}", path.display()))?;
        Ok((Box::new(BufReader::new(file)), path.display().to_string()))
    }

    fn rows(&self, file: &str, ids: &[&str]) {
        origin::note(file, ids.iter().copied());
    }

    fn opening(&self, sentence: &str) {
        origin::note_opening(sentence);
    }

    fn say(&self, sentence: &str) {
        if self.tells {
            eprintln!("{sentence}");
        }
    }
}

/// This terminal with the flags by which models are opened.
pub struct Opens<'a>(pub &'a ModelArgs);

impl Host for Opens<'_> {
    fn desk(&self) -> &dyn Desk {
        &Terminal::TELLING
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        let args = ModelArgs { model: name.to_owned(), ..self.0.clone() };
        Ok(session::Session::open(&args).map_err(ours)?.into_inner())
    }

    fn model_once(&self, name: &str) -> Result<Session, Error> {
        let common = Common { once: true, ..self.0.common.clone() };
        let args = ModelArgs { model: name.to_owned(), common, ..self.0.clone() };
        Ok(session::Session::open(&args).map_err(ours)?.into_inner())
    }

    fn delete_fetched(&self, name: &str) -> Result<(), Error> {
        session::delete_fetched(name, &self.0.common).map_err(ours)
    }

    fn identity(&self, name: &str) -> Result<String, Error> {
        match &self.0.place.on {
            On::Local => Ok(session::resolve(name, &self.0.common).map_err(ours)?.identity),
            _ => Ok(name.to_owned()),
        }
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        if self.0.place.on != On::Local {
            return Err(Error::request("an untrained model of a hosted one is not at hand")
                .with_hint("name one that runs here: --controls random-init:MODEL#SEED"));
        }
        self.model(&format!("random-init:{name}#{seed}"))
    }

    fn watch(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        Box::new(Bar::new(doing, 0, unit, self.0.common.quiet))
    }

    fn fallen(&self) -> Option<Fallen> {
        fallback::taken()
    }

    fn note(&self, note: &str) {
        session::once(note);
    }
}

/// An error of the command line as the library has them.
pub fn ours(error: anyhow::Error) -> Error {
    Error::passed_on(error.reallocate_into_boxed_dyn_error_without_backtrace())
}
