//! FLOOR 5: the command line. What was typed, what was meant, and what is shown.

mod args;
mod audit;
mod bench;
mod cache;
mod data;
mod desk;
mod direction;
mod dry;
mod fallback;
mod geometry;
mod hosted;
mod jobs;
mod judge;
mod made;
mod models;
mod ndif;
mod origin;
mod output;
mod probe;
mod progress;
mod rate;
mod read;
mod record;
mod score;
#[cfg(feature = "serve")]
mod serve;
#[cfg(not(feature = "serve"))]
#[path = "without_serve.rs"]
mod serve;
mod session;
mod settings;
mod steer;
mod study;
mod sweep;
mod target;
mod texts;
mod transfer;
mod verb;
mod verdicts;
mod written;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Asks whether a direction in a language model is true.
///
/// Reads and steers the residual stream of a model on this machine, extracts directions
/// from contrastive pairs, and reports what the numbers show and what they do not.
#[derive(Parser)]
#[command(name = "truenorth", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists, pulls and describes models.
    #[command(subcommand)]
    Models(models::Models),
    /// Reads activations at sites of a model.
    Read(read::Read),
    /// Generates with a direction added or ablated, in several doses.
    Steer(steer::Steer),
    /// Extracts, shows, compares, imports and exports directions.
    #[command(subcommand)]
    Direction(direction::Direction),
    /// Scores sequences by how they move neutral probes along a direction.
    Score(Box<score::Score>),
    /// Sweeps sites: how well a direction found there reads, beside how far it steers.
    Sweep(Box<verb::Verb<sweep::Sweep>>),
    /// Compares what directions say of the same sequences on two or more models.
    Transfer(Box<transfer::Transfer>),
    /// Has a model judge texts, everything asked twice so that its habits cancel.
    #[command(mut_arg("model", |a| a.long("judge").help("The judge: a model in any form that --model takes elsewhere")))]
    Judge(Box<verb::Verb<judge::Judge>>),
    /// Has people rate steered texts against others without knowing which is which.
    #[command(subcommand)]
    Rate(rate::Rate),
    /// Probes texts of two classes at every site, with controls.
    Probe(Box<verb::Verb<probe::Probe>>),
    /// Holds a direction against what it may have been taken for.
    Audit(Box<verb::Verb<audit::Audit>>),
    /// Lays directions beside each other, across categories and over training.
    Geometry(Box<geometry::Geometry>),
    /// Turns public data sets and tables into classes files.
    #[command(subcommand)]
    Data(data::Data),
    /// Runs a study file from prompts to report.
    #[command(subcommand)]
    Study(study::Study),
    /// Shows and fetches jobs that were sent to a service.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Asks an NDIF service what it runs, and keeps the key for it.
    #[command(subcommand)]
    Ndif(ndif::Ndif),
    /// Serves a model to other commands and machines.
    Serve(serve::Serve),
    /// Shows, checks and trims the activation cache.
    #[command(subcommand)]
    Cache(cache::Cache),
    /// Times prefill and decode, with named peers on the same weights where they are installed.
    Bench(bench::Bench),
}

/// Runs the command line and says how it went.
pub fn main() -> ExitCode {
    let typed = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&typed).unwrap_or_else(|e| e.exit());
    progress::listen_for_interrupts();
    if dry::asked_for() {
        return dry::run().unwrap_or_else(|error| output::report(&error));
    }
    dry::begin();
    if let Err(error) = target::named(&Cli::command(), &typed) {
        return output::report(&error);
    }
    let done = match cli.verb {
        Verb::Models(v) => v.run(),
        Verb::Read(v) => v.run(),
        Verb::Steer(v) => v.run(),
        Verb::Direction(v) => v.run(),
        Verb::Score(v) => v.run(),
        Verb::Sweep(v) => v.run(),
        Verb::Transfer(v) => v.run(),
        Verb::Judge(v) => v.run(),
        Verb::Rate(v) => v.run(),
        Verb::Probe(v) => v.run(),
        Verb::Audit(v) => v.run(),
        Verb::Geometry(v) => v.run(),
        Verb::Data(v) => v.run(),
        Verb::Study(v) => v.run(),
        Verb::Jobs(v) => v.run(),
        Verb::Ndif(v) => v.run(),
        Verb::Serve(v) => v.run(),
        Verb::Cache(v) => v.run(),
        Verb::Bench(v) => v.run(),
    };
    match done.and_then(|()| dry::leave()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report(&error),
    }
}
