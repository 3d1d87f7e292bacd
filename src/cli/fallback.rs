//! `--fallback`: the same work in this process when a service can't take it, and the command for that.
//!
//! It is decided once, before anything is sent, and for the whole command: a command whose numbers are
//! one model's never goes on with another's.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use truenorth::client::ClientError;
use truenorth::engine::Engine;
pub use truenorth::host::Fallen;
use truenorth::host::Marked;
use truenorth::models::{self, ModelsError};

use super::args::{Common, Fallback, ModelArgs};
use super::output::wrong_hint;
use super::{session, settings};

/// What this process has opened so far.
static OPENED: Mutex<FallbackState> = Mutex::new(FallbackState { hosted: None, fallen: None });

struct FallbackState {
    hosted: Option<String>,
    fallen: Option<Fallen>,
}

/// What ran in place of what, if anything did.
pub fn taken() -> Option<Fallen> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner).fallen.clone()
}

/// Marks a result that is a JSON object.
pub fn marked<T: Serialize>(result: &T) -> serde_json::Result<Marked<'_, T>> {
    truenorth::host::marked(result, taken())
}

/// Opens a hosted model, or what is to run in its place if the service can't take work for it.
pub fn open<T>(
    args: &ModelArgs,
    fallback: &Fallback,
    hosted: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<Result<T, Engine>> {
    let wanted = args.model.strip_prefix("hf:").unwrap_or(&args.model).to_owned();
    let spec = match &fallback.0 {
        Some(spec) => spec.clone(),
        None => named(&wanted, &args.common)?.ok_or_else(|| {
            wrong_hint(
                format!("--fallback local: no named model is {wanted}"),
                "say which to run, as in --fallback local:MODEL: a folder, a GGUF file, hf:ORG/NAME, or one of \
                 `truenorth models list`",
            )
        })?,
    };
    let (before, fallen) = {
        let opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        (opened.hosted.clone(), opened.fallen.clone())
    };
    match fallen {
        Some(fallen) if fallen.wanted == wanted => return here(&spec, args).map(Err),
        Some(fallen) => return Err(mixed(&fallen.wanted, "runs in this process", &wanted)),
        None => {}
    }
    let error = match hosted() {
        Ok(opened) => {
            OPENED.lock().unwrap_or_else(PoisonError::into_inner).hosted = Some(wanted);
            return Ok(Ok(opened));
        }
        Err(error) if is_absence(&error) => error,
        Err(error) => return Err(error),
    };
    if let Some(first) = before {
        return Err(error.context(mixed(&first, "runs on the service", &wanted)));
    }
    let service = settings::ndif_host(args.place.service.host.as_deref())?;
    let because = format!("{error:#}");
    eprintln!("warning: {wanted} can't be asked on {service}: {because}");
    eprintln!("warning: --fallback runs {spec} in this process instead; every result says so");
    let engine = here(&spec, args)?;
    let fallen = Fallen { wanted, service, because, model: spec };
    OPENED.lock().unwrap_or_else(PoisonError::into_inner).fallen = Some(fallen);
    Ok(Err(engine))
}

fn here(spec: &str, args: &ModelArgs) -> anyhow::Result<Engine> {
    Ok(session::open_model(spec, &args.common, &args.numerics)?.1)
}

fn mixed(first: &str, runs: &str, other: &str) -> anyhow::Error {
    wrong_hint(
        format!("{first} {runs} and {other} can't: --fallback would put two models' numbers side by side"),
        "run one model a command, or all of them with --on local",
    )
}

/// Refuses several hosted models where one of them might be replaced.
pub fn check_alone(fallback: Option<&Fallback>, models: usize) -> anyhow::Result<()> {
    if fallback.is_some() && models > 1 {
        return Err(wrong_hint(
            format!("--fallback with {models} models would put two models' numbers side by side"),
            "leave it out, or run all of them with --on local",
        ));
    }
    Ok(())
}

/// Whether a service can't take work now, or can't even be asked for what it needs: as opposed to work
/// that is wrong.
fn is_absence(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let client = cause.downcast_ref::<ClientError>().is_some_and(|e| {
            e.is_absence() || matches!(e, ClientError::Broken { .. } | ClientError::Slow { .. })
        });
        client || cause.downcast_ref::<ModelsError>().is_some_and(|e| !e.is_bad_request())
    })
}

/// The named model that is a repository of the hub.
fn named(repo: &str, common: &Common) -> anyhow::Result<Option<String>> {
    let repo = repo.strip_suffix("@main").unwrap_or(repo);
    let all = models::list(&settings::cache_dir(common.cache.as_ref())?);
    Ok(all.into_iter().find(|m| m.origin.ends_with(&format!("/{repo}"))).map(|m| m.name))
}

/// How the same can be had on this machine, where it can: a hosted model may be a hundred times too large
/// for it. `parameters` is the model's size.
pub fn stand_in(model: &str, parameters: u64, common: &Common) -> anyhow::Result<Option<String>> {
    let model = model.strip_prefix("hf:").unwrap_or(model);
    if let Some(name) = named(model, common)? {
        return Ok(Some(format!("on this machine: `{}`", command(std::env::args().skip(1), &name))));
    }
    let free = truenorth::available_memory();
    let says = elsewhere(parameters, free, common.offline);
    Ok(says.map(|how| {
        let command = command(std::env::args().skip(1), &format!("hf:{model}"));
        format!("{how}: `{command}`")
    }))
}

/// How a model that lies on the hub can run here, if its weights fit into what memory is free.
fn elsewhere(parameters: u64, free: u64, offline: bool) -> Option<String> {
    // Stored in 16 bits as a rule; computed in f32, with a third as much again for the run.
    let (stored, computed) = (parameters.saturating_mul(2), parameters.saturating_mul(4));
    let fits = computed.saturating_add(computed / 3) <= free;
    let gigabytes = tenths(stored);
    (fits && !offline)
        .then(|| format!("on this machine, where the Hugging Face hub gives its {gigabytes} GB or so"))
}

/// Bytes as gigabytes with one digit.
fn tenths(bytes: u64) -> String {
    let tenths = bytes / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn command(args: impl Iterator<Item = String>, model: &str) -> String {
    let gone = [
        "--on",
        "--model",
        "--host",
        "--api-key-file",
        "--config",
        "--reply-dtype",
        "--jobs-at-once",
        "--fallback",
    ];
    let mut out = vec!["truenorth".to_owned()];
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        let flag = arg.split_once('=').map_or(arg.as_str(), |(flag, _)| flag);
        if gone.contains(&flag) {
            if flag == arg {
                args.next();
            }
        } else if arg != "--no-deploy" {
            out.push(quoted(&arg));
        }
    }
    out.push(format!("--on local --model {}", quoted(model)));
    out.join(" ")
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@#+%".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.into()
    } else {
        format!("'{}'", arg.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_does_not_fit_here_is_not_offered() {
        let says = elsewhere(135_000_000, 8 << 30, false).unwrap();
        assert!(says.contains("0.2 GB"), "{says}");
        assert_eq!(elsewhere(70_000_000_000, 24 << 30, false), None, "70 B in 24 GiB");
        assert_eq!(elsewhere(135_000_000, 8 << 30, true), None, "nothing is fetched with --offline");
    }

    #[test]
    fn the_command_for_this_machine_keeps_all_but_the_service() {
        let args = "read --on ndif --model a/b --host=http://h --site resid_post.1 --no-deploy --input";
        let args = args.split(' ').map(str::to_owned).chain(["my prompts.txt".to_owned()]);
        assert_eq!(
            command(args, "hf:a/b@main"),
            "truenorth read --site resid_post.1 --input 'my prompts.txt' --on local --model hf:a/b@main"
        );
    }
}
