//! `verify`: whether the numbers of a study's run come back, and whether claims about files hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use truenorth::error::Error;
use truenorth::host::Host as _;
use truenorth::store::{FILE_NAME, Store};
use truenorth::study::verify::claims::{self, Checked};
use truenorth::study::verify::{ComparedFile, EarlyStop, FinishedRun, Verified};

use super::args::Common;
use super::opening::OpeningFlags;
use super::output::{self, wrong_hint};
use super::run_models::RunModels;
use super::{settings, study};

/// Recomputes every number of a study's run from what the store holds, and says which do not come back.
///
/// The study is run again in a folder that is thrown away, on the activations and answers of the store; the model
/// is not asked. Every number of report.json and of all other files of the run is held against what came out,
/// and the page against its numbers. Nothing is written into the run's folder.
///
/// A file of claims has one per line, such as `Spearman is 0.61 in transfer.json`, or
/// `{"file": "transfer.json", "pointer": "/pairs/0/spearman/value", "value": 0.61}`. A number agrees with a claim
/// if it rounds to it at the digits written. Without RUN, files are named as from here.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth verify runs/human-values\n  truenorth verify runs/human-values --claims paper.txt"
)]
pub struct Verify {
    /// The folder of the run.
    #[arg(value_name = "RUN", required_unless_present = "claims")]
    run: Option<PathBuf>,
    /// Checks the claims of a file against the numbers of the files that they name, and recomputes nothing.
    #[arg(long, value_name = "F", conflicts_with = "recompute")]
    claims: Option<PathBuf>,
    /// Lets the model compute what the store lacks.
    #[arg(long)]
    recompute: bool,
    /// Folder for models and activations; default the one that the run used.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// A file that holds the API key of the service, where --recompute asks one.
    #[arg(long, value_name = "F", requires = "recompute")]
    api_key_file: Option<PathBuf>,
    /// Uses only what is on this machine.
    #[arg(long)]
    offline: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

/// Of one file, so many places are shown.
const SHOWN: usize = 20;

impl Verify {
    pub fn run(self) -> anyhow::Result<()> {
        match (&self.claims, &self.run) {
            (Some(file), run) => self.claims(file, run.as_deref()),
            (None, Some(run)) => self.numbers(run),
            (None, None) => {
                Err(wrong_hint("no run is named", "name the folder of one, such as runs/human-values"))
            }
        }
    }

    fn numbers(&self, folder: &Path) -> anyhow::Result<()> {
        let run = FinishedRun::read(folder)?;
        let opening: OpeningFlags = serde_json::from_value(run.flags().clone()).map_err(|e| {
            let file = folder.join("run.json");
            let error = Error::failed(format!("can't use the flags of the run in {}: {e}", file.display()));
            error.with_hint(
                "run `truenorth study run` with the study again: what is in the store is not computed again",
            )
        })?;
        let store = self.store(&run)?;
        let common = Common {
            cache: self.cache.clone().or_else(|| store.parent().map(Path::to_owned)),
            no_cache: run.store().is_none(),
            offline: self.offline,
            quiet: self.quiet,
            dry_run: None,
            once: false,
        };
        let mut args = opening.args(run.model(), run.seed(), common)?;
        args.place.service.api_key_file.clone_from(&self.api_key_file);
        let stored = match self.recompute {
            true => None,
            false => Some(Arc::new(open(&store, &run)?)),
        };
        let scratch = tempfile::tempdir().context("can't make a temporary folder")?;
        let again = RunModels { run: &run, args, stored };
        let place = scratch.path().join("run");
        let verified = run.verify(|| again.model(run.model()), &again, &study::program()?, &place)?;
        self.tell(&verified)
    }

    fn store(&self, run: &FinishedRun) -> anyhow::Result<PathBuf> {
        if let Some(cache) = &self.cache {
            return Ok(cache.join("activations"));
        }
        match run.store() {
            Some(store) if store.join(FILE_NAME).exists() => Ok(store.to_owned()),
            _ => Ok(settings::cache_dir(None)?.join("activations")),
        }
    }

    fn tell(&self, verified: &Verified) -> anyhow::Result<()> {
        if output::wants_json() {
            output::json(verified)?;
        } else {
            show(verified)?;
        }
        if verified.holds() {
            return Ok(());
        }
        let run = verified.run.display();
        let again = "`truenorth study run` with the study makes the run anew; a number that is another then was not \
                     its study's";
        let error = match (&verified.stopped, verified.did_not) {
            (Some(stopped), _) => early(stopped, &format!("not every number of {run} could be recomputed")),
            (None, 0) => Error::failed(format!("{run} is not what its study leaves")).with_hint(again),
            (None, n) => {
                Error::failed(format!("{n} of {} numbers of {run} do not come back", verified.numbers))
                    .with_hint(again)
            }
        };
        Err(error.into())
    }

    fn claims(&self, file: &Path, run: Option<&Path>) -> anyhow::Result<()> {
        let text = super::session::text(file, "the claims")?;
        let claims = claims::parse(&text, &file.display().to_string())?;
        let checked = claims::check(&claims, run)?;
        if output::wants_json() {
            output::json(&checked)?;
        } else {
            checked.iter().flat_map(Checked::lines).try_for_each(output::line)?;
        }
        let hold = checked.iter().filter(|c| c.holds()).count();
        output::say(format!("{hold} of {} claims hold", checked.len()));
        match checked.len() - hold {
            0 => Ok(()),
            n => Err(Error::failed(format!(
                "{n} of {} claims of {} do not hold",
                checked.len(),
                file.display()
            ))
            .into()),
        }
    }
}

/// Why a recomputation ended early, as an error with its causes and remedies.
fn early(stopped: &EarlyStop, what: &str) -> Error {
    let mut hints = stopped.hints.iter();
    let mut whole: Option<Error> = None;
    for said in stopped.because.iter().rev().map(String::as_str).chain([what]) {
        let mut error = Error::failed(said);
        if let Some(hint) = hints.next() {
            error = error.with_hint(hint);
        }
        if let Some(cause) = whole {
            error = error.caused_by(cause);
        }
        whole = Some(error);
    }
    whole.unwrap_or_else(|| Error::failed(what))
}

/// Opens a store that is there; a new one would have nothing.
fn open(folder: &Path, run: &FinishedRun) -> anyhow::Result<Store> {
    if run.store().is_none() {
        return Err(wrong_hint(
            "the run kept nothing in a store (--no-cache), so its numbers can't be recomputed from one",
            "--recompute lets the model compute them again",
        ));
    }
    if !folder.join(FILE_NAME).exists() {
        return Err(wrong_hint(
            format!("there is no store in {}", folder.display()),
            "name the folder that the run used with --cache DIR, or let the model compute again with --recompute",
        ));
    }
    Store::open(folder).with_context(|| format!("can't open the store in {}", folder.display()))
}

fn show(verified: &Verified) -> anyhow::Result<()> {
    let head = ["file", "numbers", "came back", "did not", "words that differ"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for file in &verified.files {
        let counts = [
            file.numbers,
            file.numbers - file.numbers_differ,
            file.numbers_differ,
            file.differ.len() - file.numbers_differ,
        ];
        rows.push([file.file.clone()].into_iter().chain(counts.map(|n| n.to_string())).collect());
    }
    output::table(&rows);
    for (file, why) in &verified.not_compared {
        eprintln!("{file}: {why}");
    }
    for (what, count) in &verified.excluded {
        eprintln!("not compared: {what} ({count} values)");
    }
    if verified.near > 0 {
        eprintln!("{} numbers came back to nine digits and not to the last", verified.near);
    }
    verified.notes.iter().for_each(|note| eprintln!("note: {note}"));
    for file in &verified.changed {
        let path = file.path.display();
        output::line(match &file.is {
            Some(is) => {
                format!("{path} ({}) was changed: SHA-256 {} in the run, {is} now", file.role, file.was)
            }
            None => format!("{path} ({}) can't be read; the run read one of SHA-256 {}", file.role, file.was),
        })?;
    }
    verified.files.iter().try_for_each(differences)?;
    output::say(format!(
        "{} numbers compared: {} came back, {} did not; {} values were not compared",
        verified.numbers,
        verified.came_back,
        verified.did_not,
        verified.excluded.values().sum::<usize>()
    ));
    Ok(())
}

fn differences(file: &ComparedFile) -> anyhow::Result<()> {
    for difference in file.differ.iter().take(SHOWN) {
        output::line(difference.line(&file.file))?;
    }
    match file.differ.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => output::line(format!("{}: and {more} more; --json has all", file.file)),
    }
}
