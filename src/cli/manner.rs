//! How a command answers, as its flags say.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use super::args::DryRun;
use super::output::{self, Manner};

/// The command that was asked for, below all the names of families, with what it was given.
fn leaf<'a>(mut command: &'a Command, mut typed: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    while let Some((name, below)) = typed.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, typed) = (found, below);
    }
    (command, typed)
}

fn given<'a>(typed: &'a ArgMatches, id: &str) -> Option<&'a Path> {
    let found = typed.try_get_one::<PathBuf>(id).ok().flatten();
    found.map(PathBuf::as_path)
}

/// Settles how this command answers: whether stdout is for data, so that tables go to stderr.
pub fn settle(command: &Command, typed: &ArgMatches) {
    let (command, typed) = leaf(command, typed);
    let flag = |id: &str| typed.try_get_one::<bool>(id).ok().flatten().copied().unwrap_or(false);
    let out = command.get_arguments().find(|a| a.get_id() == "out");
    // An analysis shows its table to whoever reads along, a verb that writes rows the rows.
    let analysis = out.is_some_and(|a| a.get_value_names().is_some_and(|names| names == ["F.json"]));
    let dry = typed.try_get_one::<DryRun>("dry_run").ok().flatten();
    let json = flag("json") || dry == Some(&DryRun::Json);
    let shown = analysis && !json && output::is_read();
    let rows = match given(typed, "out") {
        Some(path) => path == Path::new("-"),
        None => out.is_some() && !shown,
    };
    let compared = given(typed, "expect").is_some();
    output::settle(Manner { json, data: json || rows || compared, verbose: flag("verbose") });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_below_all_families_is_found() {
        let command = Command::new("all").subcommand(Command::new("family").subcommand(Command::new("verb")));
        let typed = command.clone().get_matches_from(["all", "family", "verb"]);
        assert_eq!(leaf(&command, &typed).0.get_name(), "verb");
    }
}
