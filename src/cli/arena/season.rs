//! `arena season`: seasons, made, opened, closed and listed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use truenorth::arena::season;

use super::model::Asks;
use super::{Dir, done};
use crate::cli::output;
use crate::cli::progress::Bar;

#[derive(Subcommand, Debug)]
pub enum Season {
    New(New),
    Open(Box<Open>),
    Close(Close),
    List(List),
}

impl Season {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New(v) => v.run(),
            Self::Open(v) => v.run(),
            Self::Close(v) => v.run(),
            Self::List(v) => v.run(),
        }
    }
}

/// Makes a season from a file, copying all that it names; it is not open yet.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth arena season new season.toml --dir arena/\n\nA season's file:\n  \
    name = \"values-1\"\n  title = \"Words that move a model\"\n  high = \"towards the value\"\n  low = \"away from it\"\n  \
    kinds = [\"words\", \"prose\"]\n\n  [model]\n  name = \"smollm2-135m\"\n\n  [scoring]\n  directions = \
    [\"values.safetensors\"]\n  probes = \"probes.jsonl\"\n\n  [rules]\n  tokens = 32\n  per_minute = 6\n\n  [consent]\n  \
    version = \"1\"\n  text = \"I agree that my text and its score are published.\""
)]
pub struct New {
    /// The season's file.
    #[arg(value_name = "SEASON.toml")]
    file: PathBuf,
    #[command(flatten)]
    dir: Dir,
}

impl New {
    fn run(&self) -> anyhow::Result<()> {
        let file = done(season::new(&self.dir.folder(), &self.file))?;
        let (name, dir) = (&file.name, self.dir.dir.display());
        output::answer(&json!({ "season": name, "state": "draft" }), || {
            format!("season `{name}` is made; open it with `truenorth arena season open {name} --dir {dir}`")
        })
    }
}

/// Opens a season: computes the baselines of its probes and seals it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth arena season open values-1 --dir arena/")]
pub struct Open {
    /// Name of the season, as `arena season list` shows it.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
}

impl Open {
    fn run(&self) -> anyhow::Result<()> {
        let folder = self.dir.folder();
        let file = done(folder.file(&self.name))?;
        let backend = self.asks.open(&file)?;
        let bar = Bar::new("reading the probes", 0, "tokens", self.asks.quiet());
        let opened = done(season::open(&folder, &self.name, &*backend, &bar))?;
        drop(bar);
        let seal = done(opened.sealed.seal())?;
        output::answer(&opened.sealed, || format!("season `{}` is open, seal {seal}", self.name))
    }
}

/// Closes a season for submissions, for good.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth arena season close values-1 --dir arena/")]
pub struct Close {
    /// Name of the season, as `arena season list` shows it.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    dir: Dir,
}

impl Close {
    fn run(&self) -> anyhow::Result<()> {
        done(self.dir.folder().close(&self.name))?;
        output::answer(&json!({ "season": self.name, "state": "closed" }), || {
            format!("season `{}` is closed; what waits is still scored where it is served", self.name)
        })
    }
}

/// Lists the seasons of an arena.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth arena season list --dir arena/ --json")]
pub struct List {
    #[command(flatten)]
    dir: Dir,
}

impl List {
    fn run(&self) -> anyhow::Result<()> {
        let all = done(self.dir.folder().list())?;
        if output::wants_json() {
            return output::json(&all);
        }
        let head = ["season", "state", "opened", "closed", "entries", "waiting"].map(str::to_owned).to_vec();
        let row = |l: &truenorth::arena::ListedSeason| {
            vec![
                l.name.clone(),
                l.state.to_string(),
                l.opened.clone().unwrap_or_else(|| "-".into()),
                l.closed.clone().unwrap_or_else(|| "-".into()),
                l.entries.to_string(),
                l.queued.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(all.iter().map(row)).collect();
        for line in output::aligned(&rows) {
            output::line(line)?;
        }
        Ok(())
    }
}
