//! A season: what is scored and how, sealed when it is opened and never edited after.

mod draft;
mod file;
mod score;
mod seal;
mod told;

#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

pub use draft::new;
pub(crate) use file::handle_pattern;
pub use file::{Consent, Rules, Scoring, SeasonFile, SeasonModel};
pub(crate) use score::fresh_scorer;
pub use score::{ScoringBasis, marks, open_scorer};
pub use seal::{SealedSeason, open};
pub(crate) use told::{read_audit, read_facts, read_probes};

use crate::error::ArenaError;
use crate::store::{SeasonState, SeasonStore};

/// The folder of an arena: a folder a season, each of which can be moved by copying it.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A season as `season list` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedSeason {
    /// Its name, which is that of its folder.
    pub name: String,
    /// Heading of its pages.
    pub title: String,
    /// Whether it is a draft, open or closed.
    pub state: SeasonState,
    /// When it was opened.
    pub opened: Option<String>,
    /// When it was closed.
    pub closed: Option<String>,
    /// Entries that are scored and shown.
    pub entries: u64,
    /// Submissions that wait.
    pub queued: u64,
    /// SHA-256 of all that was sealed; none for a draft.
    pub seal: Option<String>,
}

/// A season that was opened, with its entries.
#[derive(Debug)]
pub struct Season {
    /// What was sealed, checked against the files.
    pub sealed: SealedSeason,
    /// The database of its entries.
    pub store: SeasonStore,
    folder: PathBuf,
}

impl Folder {
    /// A folder that is there or is made when the first season is.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder of the arena, which has its seasons in `seasons`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of the season of this name.
    #[must_use]
    pub fn of(&self, name: &str) -> PathBuf {
        self.0.join("seasons").join(name)
    }

    /// The file of a season, opened or not.
    ///
    /// # Errors
    /// When there is no such season, or its file can't be read.
    pub fn file(&self, name: &str) -> Result<SeasonFile, ArenaError> {
        SeasonFile::load(&self.known(name)?.join(file::NAME))
    }

    /// The names of its seasons, in order.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn names(&self) -> Result<Vec<String>, ArenaError> {
        let seasons = self.0.join("seasons");
        let entries = match std::fs::read_dir(&seasons) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            other => other.map_err(ArenaError::file("read", &seasons))?,
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|e| is_season(&e.path()))
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The state of a season.
    ///
    /// # Errors
    /// When there is no such season, or its database fails.
    pub fn state(&self, name: &str) -> Result<SeasonState, ArenaError> {
        let folder = self.known(name)?;
        match SeasonStore::open_if_there(&folder)? {
            Some(store) => store.state(),
            None => Ok(SeasonState::Draft),
        }
    }

    /// The one season that is open.
    ///
    /// # Errors
    /// When the folder can't be read, or two seasons are open, as after a copy of one under another name.
    pub fn open_season(&self) -> Result<Option<String>, ArenaError> {
        let mut found: Option<String> = None;
        for name in self.names()? {
            if self.state(&name)? == SeasonState::Open {
                if let Some(first) = found {
                    return Err(ArenaError::asked(
                        format!("seasons `{first}` and `{name}` are both open; exactly one may be"),
                        format!(
                            "close one of them: truenorth arena season close {name} --dir {}",
                            self.0.display()
                        ),
                    ));
                }
                found = Some(name);
            }
        }
        Ok(found)
    }

    /// The season that pages are about: the open one, else the one that was closed last.
    ///
    /// # Errors
    /// As [`Folder::open_season`], and when no season was ever opened.
    pub fn current(&self) -> Result<String, ArenaError> {
        if let Some(open) = self.open_season()? {
            return Ok(open);
        }
        let mut closed: Vec<(String, String)> = Vec::new();
        for listed in self.list()?.into_iter().filter(|l| l.state == SeasonState::Closed) {
            closed.push((listed.closed.unwrap_or_default(), listed.name));
        }
        closed.sort();
        closed.pop().map(|(_, name)| name).ok_or_else(|| {
            ArenaError::asked(
                format!("no season of {} was opened", self.0.display()),
                format!(
                    "make one with `truenorth arena season new SEASON.toml --dir {0}`, then `truenorth arena season \
                     open NAME --dir {0}`",
                    self.0.display()
                ),
            )
        })
    }

    /// All seasons with what they hold.
    ///
    /// # Errors
    /// When a season can't be read.
    pub fn list(&self) -> Result<Vec<ListedSeason>, ArenaError> {
        self.names()?.iter().map(|name| self.listed(name)).collect()
    }

    fn listed(&self, name: &str) -> Result<ListedSeason, ArenaError> {
        let folder = self.known(name)?;
        let file = SeasonFile::load(&folder.join(file::NAME))?;
        let mut listed = ListedSeason {
            name: name.to_owned(),
            title: file.title,
            state: SeasonState::Draft,
            opened: None,
            closed: None,
            entries: 0,
            queued: 0,
            seal: None,
        };
        if let Some(store) = SeasonStore::open_if_there(&folder)? {
            let counts = store.counts()?;
            listed.state = store.state()?;
            listed.opened = store.meta("opened")?;
            listed.closed = store.meta("closed")?;
            listed.seal = store.meta("seal")?;
            (listed.entries, listed.queued) = (counts.scored, counts.queued);
        }
        Ok(listed)
    }

    /// Opens a season that was sealed, and checks that it is as it was.
    ///
    /// # Errors
    /// When there is no such season, it was never opened, or a file of it is another than was sealed.
    pub fn season(&self, name: &str) -> Result<Season, ArenaError> {
        let folder = self.known(name)?;
        let Some(store) = SeasonStore::open_if_there(&folder)? else {
            return Err(ArenaError::asked(
                format!("season `{name}` was not opened yet"),
                format!("open it: truenorth arena season open {name} --dir {}", self.0.display()),
            ));
        };
        let sealed = SealedSeason::load(&folder, name, store.meta("seal")?.as_deref())?;
        Ok(Season { sealed, store, folder })
    }

    /// Closes the season for submissions; what waits is still scored.
    ///
    /// # Errors
    /// When it is not open.
    pub fn close(&self, name: &str) -> Result<(), ArenaError> {
        self.season(name)?.close()
    }

    fn known(&self, name: &str) -> Result<PathBuf, ArenaError> {
        let folder = self.of(name);
        if file::good_name(name) && is_season(&folder) {
            return Ok(folder);
        }
        let names = self.names()?;
        Err(ArenaError::asked(
            format!("no season `{name}` in {}", self.0.display()),
            if names.is_empty() {
                "make one with `truenorth arena season new SEASON.toml`".to_owned()
            } else {
                format!("name one of {}", names.join(", "))
            },
        ))
    }
}

/// Whether a folder is that of a season, whole or not.
fn is_season(folder: &Path) -> bool {
    [file::NAME, crate::store::FILE].iter().any(|name| folder.join(name).is_file())
}

impl Season {
    /// Name of the season, which is that of its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.sealed.file.name
    }

    /// The folder that is all there is of the season.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Closes it for submissions.
    ///
    /// # Errors
    /// When it is not open, or the database fails.
    pub fn close(&self) -> Result<(), ArenaError> {
        match self.store.state()? {
            SeasonState::Open => self.store.close(),
            other => Err(ArenaError::asked(
                format!("season `{}` is {other}, not open", self.name()),
                "name the season that is open; `truenorth arena season list` shows it",
            )),
        }
    }
}
