//! The order of a verb's flags in its help: its own first, then those that verbs share, by what they are about.

use clap::{Arg, Command};

/// Flags that verbs share, by heading.
const SHARED: [(&str, &[&str]); 4] = [
    ("How texts go in", &["chat", "system", "special_tokens"]),
    (
        "Where the model runs",
        &["on", "host", "api_key_file", "config", "reply_dtype", "jobs_at_once", "no_deploy", "fallback"],
    ),
    (
        "How numbers are computed",
        &["seed", "dtype", "keep_quantized", "threads", "transformers", "accept_config_key"],
    ),
    ("What is kept and said", &["cache", "no_cache", "offline", "quiet", "dry_run", "json", "verbose"]),
];

/// A flag that only a client of services has.
const OF_CLIENTS: &str = "jobs_at_once";
/// A flag that only a model has.
const OF_MODELS: &str = "dtype";

/// The command with every flag of every verb under its heading.
pub fn arranged(command: Command) -> Command {
    let has = |id: &str| command.get_arguments().any(|a| a.get_id() == id);
    let (client, model) = (has(OF_CLIENTS), has(OF_MODELS));
    // A flag of that name may be the verb's own, as the keys of a server are.
    let theirs = move |heading: &str| match heading {
        "Where the model runs" => client,
        "How texts go in" => client && model,
        "How numbers are computed" => model,
        _ => true,
    };
    let under = move |arg: Arg| {
        let id = arg.get_id().as_str().to_owned();
        let shared = SHARED.iter().find(|(heading, ids)| ids.contains(&id.as_str()) && theirs(heading));
        match shared {
            Some((heading, _)) if !arg.is_positional() => arg.help_heading(*heading),
            _ => arg,
        }
    };
    command.mut_args(under).mut_subcommands(arranged)
}
