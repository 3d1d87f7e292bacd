//! `ndif`: what a service of hosted models runs, and the key for it.

mod doctor;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use truenorth::client::ndif::{Env, PROVEN};
use truenorth::client::{ClientError, NNSIGHT, Service};

use super::args::ServiceArgs;
use super::output::{self, wrong_hint};
use super::{hosted, settings};

/// Asks an NDIF service what it runs, and keeps the key for it.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth ndif status")]
pub enum Ndif {
    /// The models, their revisions, and whether they are up.
    #[command(after_help = "Example:\n  truenorth ndif status Olmo --json")]
    Status(Status),
    /// The versions of Python and of the packages on the service, and those this program was tried with.
    #[command(after_help = "Example:\n  truenorth ndif env")]
    Env(NdifArgs),
    #[command(after_help = "Example:\n  truenorth ndif doctor --model openai-community/gpt2")]
    Doctor(doctor::Doctor),
    /// Whose key is used.
    #[command(after_help = "Example:\n  truenorth ndif whoami")]
    Whoami(NdifArgs),
    /// Keeps a key where nnsight looks for it too. The key is read from the terminal, unseen, or from stdin.
    #[command(after_help = "Example:\n  truenorth ndif login")]
    Login(Login),
}

#[derive(Args, Debug)]
pub struct Status {
    /// Shows only models with this in their name.
    name: Option<String>,
    #[command(flatten)]
    plain: NdifArgs,
}

#[derive(Args, Debug)]
pub struct NdifArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
pub struct Login {
    #[command(flatten)]
    service: ServiceArgs,
    /// Keeps the key without asking the service whose it is.
    #[arg(long)]
    unchecked: bool,
}

impl Ndif {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Status(v) => v.run(),
            Self::Env(v) => v.env(),
            Self::Doctor(v) => v.run(),
            Self::Whoami(v) => v.whoami(),
            Self::Login(v) => v.run(),
        }
    }
}

impl Status {
    fn run(self) -> anyhow::Result<()> {
        let mut models = self.plain.open()?.status()?.models();
        if let Some(name) = &self.name {
            let name = name.to_lowercase();
            models.retain(|m| m.model.to_lowercase().contains(&name));
        }
        if output::wants_json() {
            return output::json(&models);
        }
        if models.is_empty() {
            eprintln!("no such model is on the service");
            return Ok(());
        }
        let mut rows =
            vec![["model", "revision", "task", "level", "state", "replicas"].map(String::from).to_vec()];
        rows.extend(
            models
                .into_iter()
                .map(|m| vec![m.model, m.revision, m.task, m.level, m.state, m.replicas.to_string()]),
        );
        let idle = ["WARM", "COLD"].map(|level| rows.iter().skip(1).any(|row| row[3] == level));
        output::table(&rows);
        for (level, _) in [(WARM, idle[0]), (COLD, idle[1])].into_iter().filter(|(_, any)| *any) {
            eprintln!("{level}");
        }
        Ok(())
    }
}

const WARM: &str = "WARM: in memory but on no accelerator; a job brings it up and waits for that";
const COLD: &str = "COLD: on disk only; a job brings it up, which takes longer";

/// The service's versions beside those that were tried.
#[derive(Serialize)]
struct ShownVersions<'a> {
    #[serde(flatten)]
    env: &'a Env,
    /// Versions whose own code was tried.
    proven: Proven,
    /// Versions that matter of what the service runs.
    runs: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Proven {
    ndif: [&'static str; 3],
    nnsight: &'static str,
}

impl<'a> ShownVersions<'a> {
    fn new(env: &'a Env) -> Self {
        let named = ["ndif", "nnsight", "transformers", "torch"];
        let runs = named.into_iter().filter_map(|name| Some((name, env.version(name)?))).collect();
        Self { env, proven: Proven { ndif: PROVEN, nnsight: NNSIGHT }, runs }
    }

    fn words(&self) -> String {
        let [first, .., last] = PROVEN;
        let runs: Vec<String> = ["ndif", "nnsight"]
            .into_iter()
            .filter_map(|name| Some(format!("{name} {}", self.runs.get(name)?)))
            .collect();
        let runs = if runs.is_empty() { "versions that it does not tell".into() } else { runs.join(", ") };
        format!("proven against ndif {first} to {last}, nnsight {NNSIGHT}; the service runs {runs}")
    }

    /// Whether the service runs what was tried.
    fn is_proven(&self) -> bool {
        self.runs.get("ndif").is_none_or(|v| PROVEN.contains(v)) && self.runs.get("nnsight") == Some(&NNSIGHT)
    }
}

impl NdifArgs {
    fn open(&self) -> anyhow::Result<Service> {
        hosted::at_once(hosted::ndif_options(&self.service, None)?)
    }

    fn env(self) -> anyhow::Result<()> {
        let env = self.open()?.env()?;
        let shown = ShownVersions::new(&env);
        if output::wants_json() {
            return output::json(&shown);
        }
        let mut rows = vec![vec!["python".to_owned(), env.python_version.clone()]];
        // A version may stand alone or with what else is known of the package.
        let version = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        rows.extend(env.packages.iter().map(|(name, v)| vec![name.clone(), version(v)]));
        output::table(&rows);
        output::say(shown.words());
        Ok(())
    }

    fn whoami(self) -> anyhow::Result<()> {
        // The service could only say that it got none.
        if settings::ndif_key(self.service.api_key_file.as_deref())?.is_none() {
            return Err(hosted::no_key());
        }
        let who = self.open()?.whoami()?;
        if output::wants_json() {
            return output::json(&who);
        }
        match who.email {
            Some(email) => output::say(email),
            None => output::say("the service does not know this key, or asks for none"),
        }
        Ok(())
    }
}

/// A key that a service answered and did not know.
fn not_kept(why: &str) -> anyhow::Error {
    wrong_hint(
        format!("the key was not kept: {why}"),
        "copy the key from https://login.ndif.us; --unchecked keeps a key without asking the service",
    )
}

impl Login {
    fn run(self) -> anyhow::Result<()> {
        let key = match &self.service.api_key_file {
            Some(_) => {
                settings::ndif_key(self.service.api_key_file.as_deref())?.map(|k| k.text).unwrap_or_default()
            }
            None if std::io::stdin().is_terminal() => {
                rpassword::prompt_password("NDIF API key: ").context("can't read a key from the terminal")?
            }
            None => {
                let mut text = String::new();
                std::io::stdin()
                    .take(4096)
                    .read_to_string(&mut text)
                    .context("can't read a key from stdin")?;
                text
            }
        };
        let key = key.trim();
        if key.is_empty() {
            return Err(wrong_hint("no key was given", "copy it from https://login.ndif.us"));
        }
        if !self.unchecked {
            let mut options = hosted::ndif_options(&self.service, None)?;
            options.key = Some(truenorth::client::ApiKey::new(key)?);
            match hosted::at_once(options)?.whoami() {
                Ok(who) => match who.email {
                    Some(email) => eprintln!("the key is {email}'s"),
                    None => return Err(not_kept("the service does not know this key, or asks for none")),
                },
                // What is no key must not take the place of one that was kept before.
                Err(error @ (ClientError::KeyFormat { .. } | ClientError::KeyUnknown { .. })) => {
                    return Err(not_kept(&error.to_string()));
                }
                Err(error) => eprintln!("warning: the key was not checked: {error}"),
            }
        }
        let path = settings::save_ndif_key(key)?;
        if output::wants_json() {
            return output::json(&serde_json::json!({ "file": path }));
        }
        eprintln!("kept in {}", path.display());
        Ok(())
    }
}
