//! What is frozen when a season is opened, and how it is known to be as it was.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use truenorth_boards::board::Over;
use truenorth_files::{sha256_hex, write_atomic};
use truenorth_protocol::run::Watch;

use super::file::{NAME, SeasonFile};
use super::score::{self, BASELINES};
use super::{Folder, Season, SeasonState};
use crate::backend::ScoringModel;
use crate::error::ArenaError;
use crate::store::SeasonStore;
use crate::time;

/// What the seal is called in the season's folder.
const SEALED: &str = "sealed.json";

/// A season as it was sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SealedSeason {
    /// Version of truenorth that sealed it.
    pub truenorth: String,
    /// When it was opened.
    pub opened: String,
    /// The model's name as it called itself.
    pub model: String,
    /// The identity of its weights, or the revision of a hosted model.
    pub revision: String,
    /// The numeric path that computed the baselines.
    pub path: String,
    /// Width of the residual stream.
    pub hidden: u32,
    /// The sites that are read, as they are written.
    pub sites: Vec<String>,
    /// The sites of the direction that makes the board.
    pub board_sites: usize,
    /// Ids of the probes, in order.
    pub probes: Vec<String>,
    /// Whether tokens can be counted before a submission is queued.
    pub tokenizer: bool,
    /// SHA-256 of every file of the season, by name.
    pub files: BTreeMap<String, String>,
    /// The season's file as it was sealed.
    pub file: SeasonFile,
}

impl SealedSeason {
    /// The hash of all that is sealed.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn seal(&self) -> Result<String, ArenaError> {
        let text = serde_json::to_vec(self).map_err(ArenaError::json("a seal"))?;
        Ok(sha256_hex(&text))
    }

    /// The sites of the direction that makes the board.
    #[must_use]
    pub fn sites_of_board(&self) -> &[String] {
        self.sites.get(..self.board_sites).unwrap_or(&self.sites)
    }

    /// What no |z| can exceed: the root of the width, of all sites together where their mean is the score.
    #[must_use]
    pub fn z_bound(&self) -> f64 {
        let sites = match self.file.scoring.over {
            Over::Mean => self.board_sites.max(1),
            Over::Worst => 1,
        };
        #[allow(clippy::cast_precision_loss, reason = "a count of sites")]
        let sites = sites as f64;
        (f64::from(self.hidden) * sites).sqrt()
    }

    /// Reads a seal and holds the season's folder against it.
    pub(super) fn load(folder: &Path, name: &str, seal: Option<&str>) -> Result<Self, ArenaError> {
        let tampered = |what: String| ArenaError::Tampered { season: name.to_owned(), what };
        let path = folder.join(SEALED);
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(tampered(format!("{SEALED} is missing")));
            }
            other => other.map_err(ArenaError::file("read", &path))?,
        };
        let sealed: Self =
            serde_json::from_slice(&bytes).map_err(|e| tampered(format!("{SEALED} is no seal: {e}")))?;
        let own = sealed.seal()?;
        if seal != Some(own.as_str()) {
            return Err(tampered(format!(
                "{SEALED} has the hash {own}, the database {}",
                seal.unwrap_or("none")
            )));
        }
        if sealed.file.name != name {
            return Err(tampered(format!("it was sealed as `{}`; rename its folder back", sealed.file.name)));
        }
        for (file, expected) in &sealed.files {
            let path = folder.join(file);
            let found = match std::fs::read(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(tampered(format!("{file} is missing")));
                }
                other => sha256_hex(&other.map_err(ArenaError::file("read", &path))?),
            };
            if found != *expected {
                return Err(tampered(format!("{file} has the SHA-256 {found}, sealed was {expected}")));
            }
        }
        Ok(sealed)
    }
}

/// Opens a season: computes the probes' baselines, seals all of it and lets submissions in.
///
/// # Errors
/// When another season is open, this one was opened before, the model is another or does not fit the directions, or
/// the baselines can't be computed.
pub fn open(
    folder: &Folder,
    name: &str,
    backend: &dyn ScoringModel,
    watch: &dyn Watch,
) -> Result<Season, ArenaError> {
    let place = folder.known(name)?;
    if let Some(other) = folder.open_season()? {
        return Err(ArenaError::asked(
            format!("season `{other}` is open, and exactly one may be"),
            format!("close it first: truenorth arena season close {other} --dir {}", folder.path().display()),
        ));
    }
    if folder.state(name)? != SeasonState::Draft {
        return Err(ArenaError::asked(
            format!("season `{name}` was closed, and is not opened again"),
            "make a new season; `truenorth arena rescore` takes entries over",
        ));
    }
    let file = SeasonFile::load(&place.join(NAME))?;
    let info = backend.runner().info().clone();
    if let Some(wanted) = &file.model.revision
        && *wanted != info.revision
    {
        return Err(ArenaError::asked(
            format!("the model's revision is {}, and season `{name}` wants {wanted}", info.revision),
            "open that revision, or leave model.revision out of the season's file and make it again",
        ));
    }
    let marks = score::read(&place, &file, &info)?;
    let reader = backend.reader();
    let scorer = marks.scorer(&reader, &file.scoring, watch)?;
    let baselines = score::baselines(&scorer, &info)?;
    let path = place.join(BASELINES);
    write_atomic(&path, |w| w.write_all(&baselines)).map_err(ArenaError::file("write", &path))?;
    let tokenizer = backend.runner().encode("a", false).ok().flatten().is_some();
    let mut files = BTreeMap::new();
    let named = file.scoring.directions.iter().map(String::as_str);
    let named = named.chain([NAME, BASELINES, &file.scoring.probes]).chain(file.scoring.audit.as_deref());
    for name in named {
        let path = place.join(name);
        let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
        files.insert(name.to_owned(), sha256_hex(&bytes));
    }
    let sealed = SealedSeason {
        truenorth: env!("CARGO_PKG_VERSION").into(),
        opened: time::now(),
        model: info.name,
        revision: info.revision,
        path: info.path,
        hidden: info.hidden,
        sites: scorer.sites().iter().map(ToString::to_string).collect(),
        board_sites: marks.directions[0].len(),
        probes: marks.probes.iter().map(|p| p.id.clone()).collect(),
        tokenizer,
        files,
        file,
    };
    let text = serde_json::to_vec_pretty(&sealed).map_err(ArenaError::json("a seal"))?;
    let path = place.join(SEALED);
    write_atomic(&path, |w| w.write_all(&text)).map_err(ArenaError::file("write", &path))?;
    // The database comes last: a season is open once it is there with its seal.
    let store = SeasonStore::create(&place, &sealed.seal()?, &sealed.opened)?;
    Ok(Season { sealed, store, folder: place })
}
