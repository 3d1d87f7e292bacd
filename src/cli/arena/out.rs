//! `arena check`, `rescore`, `import`, `export` and `backup`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use truenorth::arena::live::{Live, score_all};
use truenorth::arena::out;
use truenorth::data::out::{TableForm, card, csv_bytes, parquet_bytes};

use super::model::Asks;
use super::{Dir, done};
use crate::cli::output::{self, RequestContext as _};
use crate::cli::progress::Bar;
use crate::cli::{saved, session};

#[derive(Args, Debug)]
pub struct Check {
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
    /// The season; default the open one, else the one that was closed last.
    #[arg(long, value_name = "NAME")]
    season: Option<String>,
    /// Entries to score anew, spread over the board; default all.
    #[arg(long, value_name = "N")]
    entries: Option<usize>,
    /// The largest gap that counts as none, as a share of the standard deviation of the scores.
    #[arg(long, value_name = "SHARE", default_value_t = saved::WITHIN)]
    within: f64,
}

impl Check {
    pub fn run(&self) -> anyhow::Result<()> {
        let season = self.dir.season(self.season.as_deref())?;
        let backend = self.asks.open(&season.sealed.file)?;
        let bar = Bar::new("scoring", 0, "tokens", self.asks.quiet());
        let found = done(out::check(&season, &*backend, (self.entries, self.within), &bar))?;
        drop(bar);
        output::json(&found)?;
        if found.board.agrees {
            return Ok(());
        }
        let largest = &found.board.largest;
        anyhow::bail!(
            "entry {} scores {:.6} where {:.6} was kept: {:.3e} apart, and {:.3e} counts as none (--within)",
            largest.id,
            largest.score,
            largest.expected,
            largest.gap.abs(),
            found.board.within
        )
    }
}

#[derive(Args, Debug)]
pub struct Rescore {
    /// The season whose entries are taken over.
    #[arg(value_name = "NAME")]
    from: String,
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
}

impl Rescore {
    pub fn run(&self) -> anyhow::Result<()> {
        let from = self.dir.season(Some(&self.from))?;
        into_open(&self.dir, &self.asks, |live| Ok((done(out::rescore(&from, live))?, vec![])))
    }
}

#[derive(Args, Debug)]
pub struct Import {
    /// The texts, with or without scores, which are not used: a JSON list or object with `entries`, JSON lines, CSV or
    /// Parquet; `-` is stdin.
    #[arg(value_name = "BOARD")]
    board: PathBuf,
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
    /// The version of the consent text that those who sent the texts agreed to; without it they are never exported.
    #[arg(long, value_name = "VERSION")]
    consent: Option<String>,
}

impl Import {
    pub fn run(&self) -> anyhow::Result<()> {
        let (mut reader, name) = session::open_input(&self.board)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).request(format!("can't read {name}"))?;
        into_open(&self.dir, &self.asks, |live| {
            done(out::import(&bytes, &name, live, self.consent.as_deref()))
        })
    }
}

/// Takes entries into the open season, and scores them.
fn into_open(
    dir: &Dir,
    asks: &Asks,
    take: impl FnOnce(&Live) -> anyhow::Result<(usize, Vec<String>)>,
) -> anyhow::Result<()> {
    let season = dir.season(None)?;
    let backend = asks.open(&season.sealed.file)?;
    let live = done(Live::new(season, backend))?;
    let (taken, notes) = take(&live)?;
    session::say(&notes);
    let bar = Bar::new("scoring", 0, "tokens", asks.quiet());
    let scored = done(score_all(&live, &bar))?;
    drop(bar);
    let season = live.season.name();
    output::answer(&json!({ "season": season, "taken": taken, "scored": scored }), || {
        format!("{taken} entries taken over, {scored} scored in season `{season}`")
    })
}

#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    dir: Dir,
    /// The season; default the open one, else the one that was closed last.
    #[arg(long, value_name = "NAME")]
    season: Option<String>,
    /// The file to write, also .csv or .parquet, or a folder (with a slash behind it) for a data set with a card; default
    /// stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
}

impl Export {
    pub fn run(&self) -> anyhow::Result<()> {
        let season = self.dir.season(self.season.as_deref())?;
        self.out.as_deref().map_or(Ok(()), session::writes_rows)?;
        let found = done(out::export_rows(&season))?;
        let rows = &found.rows;
        if found.without_consent > 0 {
            eprintln!("note: {} entries stay here, since no consent is known of them", found.without_consent);
        }
        let write = |path: &Path, bytes: &[u8]| {
            truenorth::files::write_atomic(path, |w| w.write_all(bytes))
                .with_context(|| format!("can't write {}", path.display()))
        };
        match (self.out.as_deref(), self.out.as_deref().map(TableForm::of)) {
            (Some(path), Some(TableForm::Csv)) => {
                write(path, &csv_bytes(rows).request("can't write a table")?)
            }
            (Some(path), Some(TableForm::Parquet)) => {
                write(path, &parquet_bytes(rows).request("can't write a table")?)
            }
            (Some(folder), Some(TableForm::Folder)) => {
                let bytes = parquet_bytes(rows).request("can't write a data-set folder")?;
                let data = folder.join("data");
                std::fs::create_dir_all(&data).with_context(|| format!("can't make {}", data.display()))?;
                write(&data.join("train-00000-of-00001.parquet"), &bytes)?;
                let text = card(&done(out::card(&season))?, &[("train", rows.as_slice())]);
                write(&folder.join("README.md"), text.as_bytes())
            }
            (Some(path), _) => write(path, &done(out::json_lines(rows))?),
            (None, _) => {
                Ok(std::io::Write::write_all(&mut std::io::stdout().lock(), &done(out::json_lines(rows))?)?)
            }
        }
    }
}

#[derive(Args, Debug)]
pub struct Backup {
    #[command(flatten)]
    dir: Dir,
    /// The folder to write, empty or not there yet.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

impl Backup {
    pub fn run(&self) -> anyhow::Result<()> {
        let n = done(out::backup(&self.dir.folder(), &self.to))?;
        output::answer(&json!({ "seasons": n, "to": self.to }), || {
            format!("{n} seasons -> {}", self.to.display())
        })
    }
}

impl Dir {
    /// A season by its name, or the one that pages are about.
    pub(super) fn season(&self, name: Option<&str>) -> anyhow::Result<truenorth::arena::Season> {
        let folder = self.folder();
        let name = match name {
            Some(name) => name.to_owned(),
            None => done(folder.current())?,
        };
        done(folder.season(&name))
    }
}
