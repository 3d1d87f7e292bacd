//! The command line. What was typed, what was meant, and what is shown.

// Before all others, for which it takes the place of the standard macro.
#[macro_use]
mod stderr;

mod about;
#[cfg(feature = "arena")]
mod arena;
#[cfg(not(feature = "arena"))]
#[path = "without_arena.rs"]
mod arena;
mod args;
mod arranged;
mod audit;
mod bench;
mod cache;
mod check;
mod checks;
mod data;
mod desk;
mod direction;
mod doctor;
mod dry;
mod experiment;
mod fallback;
mod geometry;
mod hosted;
mod jobs;
mod judge;
mod judge_url;
mod made;
mod manner;
mod manual;
mod models;
mod monitor;
mod ndif;
mod opening;
mod origin;
mod output;
mod people;
#[cfg(feature = "play")]
mod play;
#[cfg(not(feature = "play"))]
#[path = "without_play.rs"]
mod play;
mod probe;
mod progress;
mod pushes;
mod rate;
mod read;
mod read_with;
mod record;
mod run_models;
mod saved;
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
mod tables;
mod target;
mod texts;
mod tokens;
mod transfer;
mod unless;
mod verb;
mod verdicts;
mod verify;
mod written;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Asks whether a direction in a language model is true.
///
/// Reads and steers the residual stream of a model on this machine, extracts directions
/// from contrastive pairs, and reports what the numbers show and what they do not.
#[derive(Parser)]
#[command(name = "truenorth", version, long_version = about::version(), propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    everywhere: about::Everywhere,
}

/// The command line with its flags in order.
fn command() -> clap::Command {
    arranged::arranged(Cli::command())
}

// Each is told by the docs of its own type: one here would take the place of all that those say.
#[derive(Subcommand)]
enum Verb {
    #[command(subcommand)]
    Models(models::Models),
    Read(read::Read),
    Tokens(Box<tokens::Tokens>),
    Steer(Box<steer::Steer>),
    Monitor(Box<monitor::MonitorCommand>),
    #[command(subcommand)]
    Direction(direction::Direction),
    Score(Box<score::Score>),
    Sweep(Box<verb::AnalysisCommand<sweep::Sweep>>),
    Transfer(Box<transfer::Transfer>),
    #[command(mut_arg("model", |a| a.long("judge").help("The judge: a model in any form that --model takes elsewhere")))]
    Judge(Box<judge::JudgeCommand>),
    #[command(subcommand)]
    Rate(rate::Rate),
    Experiment(Box<experiment::ExperimentCommand>),
    Probe(Box<verb::AnalysisCommand<probe::Probe>>),
    Audit(Box<verb::AnalysisCommand<audit::Audit>>),
    Geometry(Box<geometry::Geometry>),
    #[command(subcommand)]
    Data(data::Data),
    #[command(subcommand)]
    Study(study::Study),
    Verify(verify::Verify),
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    #[command(subcommand)]
    Ndif(ndif::Ndif),
    Serve(serve::Serve),
    Play(Box<play::Play>),
    #[cfg_attr(feature = "arena", command(subcommand))]
    Arena(arena::Arena),
    #[command(subcommand)]
    Cache(cache::Cache),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Verb {
    /// Whether a verb, having no model to ask, says by itself what it would do.
    fn says_itself(&self) -> bool {
        matches!(self, Self::Cache(cache::Cache::Gc(_)))
    }
}

/// Runs the command line and says how it went.
pub fn main() -> ExitCode {
    let began = std::time::Instant::now();
    let mut command = command();
    let typed = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&typed).unwrap_or_else(|e| e.exit());
    manner::settle(&command, &typed);
    output::detail(about::details);
    progress::listen_for_interrupts();
    if dry::asked_for() && !cli.verb.says_itself() {
        return dry::run().unwrap_or_else(|error| output::report(&error));
    }
    dry::begin();
    if let Err(error) = target::named(&command, &typed) {
        return output::report(&error);
    }
    let done = match cli.verb {
        Verb::Models(v) => v.run(),
        Verb::Read(v) => v.run(),
        Verb::Tokens(v) => v.run(),
        Verb::Steer(v) => v.run(),
        Verb::Monitor(v) => v.run(),
        Verb::Direction(v) => v.run(),
        Verb::Score(v) => v.run(),
        Verb::Sweep(v) => v.run(),
        Verb::Transfer(v) => v.run(),
        Verb::Judge(v) => v.run(),
        Verb::Rate(v) => v.run(),
        Verb::Experiment(v) => v.run(),
        Verb::Probe(v) => v.run(),
        Verb::Audit(v) => v.run(),
        Verb::Geometry(v) => v.run(),
        Verb::Data(v) => v.run(),
        Verb::Study(v) => v.run(),
        Verb::Verify(v) => v.run(),
        Verb::Jobs(v) => v.run(),
        Verb::Ndif(v) => v.run(),
        Verb::Serve(v) => v.run(),
        Verb::Play(v) => v.run(),
        Verb::Arena(v) => v.run(),
        Verb::Cache(v) => v.run(),
        Verb::Bench(v) => v.run(),
        Verb::Doctor(v) => v.run(),
        Verb::Completions(v) => v.run(),
        Verb::Man(v) => v.run(),
    };
    output::detail(|| format!("{:.1} s", began.elapsed().as_secs_f64()));
    match done.and_then(|()| dry::leave()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with the words that lead to it.
    fn commands(of: &clap::Command, path: &str, into: &mut Vec<(String, clap::Command)>) {
        for command in of.get_subcommands() {
            let path = format!("{path} {}", command.get_name());
            into.push((path.trim_start().to_owned(), command.clone()));
            commands(command, &path, into);
        }
    }

    #[test]
    fn no_two_flags_of_a_command_share_an_id_or_a_name() {
        // clap checks this where debug assertions are on, and programs and tests are built without them.
        command().debug_assert();
        let mut all = vec![(String::new(), command())];
        commands(&command(), "", &mut all);
        for (path, command) in &all {
            let mut ids = std::collections::HashSet::new();
            let mut names = std::collections::HashSet::new();
            for arg in command.get_arguments() {
                let id = arg.get_id();
                assert!(ids.insert(id.to_string()), "{path}: two flags have the id `{id}`");
                for name in arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default()) {
                    assert!(names.insert(name.to_owned()), "{path}: two flags are called --{name}");
                }
            }
        }
    }

    #[test]
    fn the_help_of_every_verb_is_all_that_its_type_says() {
        let mut all = Vec::new();
        commands(&command(), "", &mut all);
        let mut first_lines = std::collections::BTreeMap::new();
        for (path, command) in &all {
            let about = command.get_about().unwrap_or_else(|| panic!("{path} has no help")).to_string();
            assert!(!about.contains('\n'), "{path}: {about}");
            // The docs of flags that verbs share are those of no verb.
            if let Some(other) = first_lines.insert(about.clone(), path) {
                panic!("{path} and {other}: {about}");
            }
            let flags = command.get_arguments().any(|a| a.get_id() == "model");
            let verb = !path.contains(' ') && (flags || !command.has_subcommands());
            let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(!verb || long.starts_with(&about) && long.lines().count() > 2, "{path}: {long}");
            if !long.is_empty() {
                let shown = command.clone().render_long_help().to_string();
                let words = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(words(&shown).contains(&words(&long)), "{path}: {shown}");
            }
        }
        assert!(all.len() > 40, "{}", all.len());
    }
}
