//! `arena`: a public board of short texts.

mod model;
mod out;
#[cfg(feature = "play")]
mod play;
mod report;
mod season;
mod serve;

use std::error::Error as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use truenorth::arena::{ArenaError, Folder};
use truenorth::error::Error;

/// A board of short texts that anyone may submit to, in frozen seasons.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth arena season new season.toml --dir arena/\n  \
    truenorth arena season open values-1 --dir arena/\n  truenorth arena serve arena/ --listen 127.0.0.1:7998")]
pub enum Arena {
    /// Makes, opens, closes and lists seasons.
    #[command(subcommand, after_help = "Example:\n  truenorth arena season new season.toml --dir arena/")]
    Season(season::Season),
    /// Serves the board: pages and a JSON API.
    #[command(after_help = "Example:\n  truenorth arena serve arena/ --listen 127.0.0.1:7998\n  \
        truenorth arena serve arena/ --on ndif --public https://arena.example.org --hops 1 \
        --operator-key-file operator.key\n  truenorth arena serve arena/ --play --play-max-tokens 32")]
    Serve(Box<serve::Serve>),
    /// Says whether entries score as on the day they were scored.
    #[command(after_help = "Example:\n  truenorth arena check --dir arena/ --season values-1 --entries 50")]
    Check(Box<out::Check>),
    /// Takes the entries of a season over into the open one, and scores them there.
    #[command(after_help = "Example:\n  truenorth arena rescore values-1 --dir arena/")]
    Rescore(Box<out::Rescore>),
    /// Takes the texts of a board of elsewhere into the open season, and scores them there.
    #[command(after_help = "Example:\n  truenorth arena import board.json --dir arena/")]
    Import(Box<out::Import>),
    /// Writes the entries that were consented to, without what tells who sent them.
    #[command(after_help = "Example:\n  truenorth arena export --dir arena/ --out values-1/")]
    Export(out::Export),
    /// Says what a season's board shows as a whole.
    #[command(
        after_help = "Example:\n  truenorth arena report --dir arena/ --out report.json --report report/"
    )]
    Report(Box<report::Report>),
    /// Copies an arena while it is served.
    #[command(after_help = "Example:\n  truenorth arena backup --dir arena/ --to backup/2026-11-30")]
    Backup(out::Backup),
}

impl Arena {
    pub fn run(self) -> anyhow::Result<()> {
        super::dry::refuse("the arena")?;
        match self {
            Self::Season(v) => v.run(),
            Self::Serve(v) => v.run(),
            Self::Check(v) => v.run(),
            Self::Rescore(v) => v.run(),
            Self::Import(v) => v.run(),
            Self::Export(v) => v.run(),
            Self::Report(v) => v.run(),
            Self::Backup(v) => v.run(),
        }
    }
}

/// The folder of an arena.
#[derive(Args, Clone, Debug)]
struct Dir {
    /// The folder of the arena, in which each season has a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "arena")]
    dir: PathBuf,
}

impl Dir {
    fn folder(&self) -> Folder {
        Folder::at(&self.dir)
    }
}

/// An error of the arena, with whose fault it is, its causes and its remedy.
fn done<T>(result: Result<T, ArenaError>) -> anyhow::Result<T> {
    result.map_err(|e| {
        // Whose fault it is, and whether it was interrupted, is known of these as they are.
        let e = match e {
            ArenaError::Analysis(e) => return e.into(),
            e => e,
        };
        let mut said = e.to_string();
        let mut cause = e.source();
        while let Some(e) = cause {
            let next = e.to_string();
            if !said.contains(&next) {
                said = format!("{said}: {next}");
            }
            cause = e.source();
        }
        let error = if e.is_request() { Error::request(said) } else { Error::failed(said) };
        match e.hint() {
            Some(hint) => error.with_hint(hint).into(),
            None => error.into(),
        }
    })
}
