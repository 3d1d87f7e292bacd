//! `ndif doctor`: all that a job needs, tried step by step, each with what to do about it.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use truenorth::client::Client;
use truenorth::client::ndif::{Env, Identity, NdifStatus};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Builder, ReadAt, Site};

use super::super::args::{Common, ReadingArgs, ServiceArgs};
use super::super::checks::{CheckStatus, Checks};
use super::super::output;
use super::super::{dry, hosted, settings};
use super::ShownVersions;

/// Tries all that a job needs, step by step: key, versions, wire, and a tiny job end to end.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The model to ask; else the first that is up.
    #[arg(long, value_name = "M")]
    model: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Serialize)]
struct TinyJobCost {
    seconds: f64,
    bytes_sent: u64,
    bytes_received: u64,
}

#[derive(Debug, Serialize)]
struct NdifReport {
    host: String,
    #[serde(flatten)]
    checks: Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<TinyJobCost>,
}

impl std::ops::Deref for NdifReport {
    type Target = Checks;

    fn deref(&self) -> &Checks {
        &self.checks
    }
}

impl std::ops::DerefMut for NdifReport {
    fn deref_mut(&mut self) -> &mut Checks {
        &mut self.checks
    }
}

impl Doctor {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("`ndif doctor`")?;
        let host = settings::ndif_host(self.service.host.as_deref())?;
        let mut report = NdifReport { host, checks: Checks::default(), job: None };
        self.all(&mut report)?;
        if output::wants_json() {
            output::json(&report)?;
        } else {
            report.show();
        }
        if report.ok { Ok(()) } else { Err(anyhow::anyhow!("not all is well with {}", report.host)) }
    }

    fn all(&self, report: &mut NdifReport) -> anyhow::Result<()> {
        let key = settings::ndif_key(self.service.api_key_file.as_deref())?;
        let service = hosted::at_once(hosted::ndif_options(&self.service, None)?)?;
        let Some((_, reaches)) = report.got("address", service.ping()) else { return Ok(()) };
        report.note("address", CheckStatus::Ok, format!("{} answers", service.url()), None);
        if reaches {
            report.note("cluster", CheckStatus::Ok, "the service reaches its models", None);
        } else {
            let remedy = "wait: whoever runs the service has to mend it; https://status.ndif.us may say more";
            report.note("cluster", CheckStatus::Fail, "the service can't reach its models", Some(remedy));
        }
        let who = report.got("key", service.whoami());
        if let Some(who) = &who {
            check_key(report, key.as_ref(), who);
        }
        let env = service.env();
        let status = report.got("models", service.status());
        let told = env.as_ref().ok().filter(|env| env.version("nnsight").is_some());
        let old = status.as_ref().and_then(NdifStatus::is_old).or(told.map(Env::is_old));
        match old {
            Some(true) => {
                let remedy =
                    "this program needs ndif 0.1.0 or later (nnsight 0.8): give such a service with --host";
                report.note("wire", CheckStatus::Fail, "older than ndif 0.1", Some(remedy));
                return Ok(());
            }
            Some(false) => report.note("wire", CheckStatus::Ok, "that of ndif 0.1 and nnsight 0.8", None),
            None => {
                report.note("wire", CheckStatus::Warn, "nothing tells which", Some("the job below shows it"))
            }
        }
        if let Some(env) = report.got("versions", env) {
            check_versions(report, &env);
        }
        if let Some(who) = &who {
            let found = match &who.email {
                _ if who.is_trusted() => "beside the model: this key is trusted",
                Some(_) => "in a process apart from the model, as for every ordinary key",
                None => "not told: the service knows no such key, or asks for none and trusts everybody",
            };
            report.note("sandbox", CheckStatus::Ok, found, None);
        }
        // Services before ndif 0.1.2 tell no task.
        let writes = |task: &str| matches!(task, "text-generation" | "?");
        let up = status.iter().flat_map(NdifStatus::models).find(|m| m.is_up() && writes(&m.task));
        match (&self.model, up) {
            (Some(model), _) => self.job(report, model),
            (None, Some(up)) => self.job(report, &up.name()),
            (None, None) => {
                let remedy = "name one with --model, which the service then has to bring up";
                report.note("job", CheckStatus::Skipped, "no model is up", Some(remedy));
            }
        }
        Ok(())
    }

    fn job(&self, report: &mut NdifReport, model: &str) {
        let done = hosted::alone(model, &self.service, (&self.common, &ReadingArgs::default()))
            .and_then(|client| tiny(&client));
        if let Some(took) = report.got("job", done) {
            let found = format!(
                "{model} answered in {:.1} s; {} bytes sent, {} received",
                took.seconds, took.bytes_sent, took.bytes_received
            );
            report.note("job", CheckStatus::Ok, found, None);
            report.job = Some(took);
        }
    }
}

/// Reads one token in the middle of the model.
fn tiny(client: &Client) -> anyhow::Result<TinyJobCost> {
    let mut b = Builder::new();
    let prompts = b.texts(["The north star"]);
    let site = Site::ResidPost(client.info().layers / 2);
    let read = b.read(prompts, site, ReadAt::Last);
    b.save("x", read);
    let checked =
        b.finish().check(client.info(), &CheckLimits::default()).map_err(truenorth::run::RunError::from)?;
    let start = Instant::now();
    client.run(&checked, &Unwatched)?;
    let (bytes_sent, bytes_received) = client.moved();
    Ok(TinyJobCost { seconds: start.elapsed().as_secs_f64(), bytes_sent, bytes_received })
}

fn check_key(report: &mut NdifReport, key: Option<&settings::KeyWithOrigin>, who: &Identity) {
    let from = key.map(|k| format!(" from {}", k.origin)).unwrap_or_default();
    match (key, &who.email) {
        (Some(_), Some(email)) => {
            report.note("key", CheckStatus::Ok, format!("{email}'s, the one{from}"), None)
        }
        (Some(_), None) => {
            let found = format!("the service has no user for the key{from}, or asks for none");
            let remedy = "get a key at https://login.ndif.us and keep it with `ndif login`";
            report.note("key", CheckStatus::Warn, found, Some(remedy));
        }
        (None, _) => {
            let remedy =
                "get one at https://login.ndif.us and keep it with `ndif login`, or set NDIF_API_KEY";
            report.note("key", CheckStatus::Warn, "none is set", Some(remedy));
        }
    }
}

fn check_versions(report: &mut NdifReport, env: &Env) {
    let shown = ShownVersions::new(env);
    let python = env.python_version.split_whitespace().next().unwrap_or("?");
    let more: Vec<String> = ["transformers", "torch"]
        .into_iter()
        .filter_map(|name| Some(format!("{name} {}", env.version(name)?)))
        .collect();
    let found = format!(
        "{}; Python {python}{}{}",
        shown.words(),
        if more.is_empty() { "" } else { ", " },
        more.join(", ")
    );
    if shown.is_proven() {
        report.note("versions", CheckStatus::Ok, found, None);
    } else {
        let remedy =
            "other versions may work as well; hold a few numbers against --on local before you trust them";
        report.note("versions", CheckStatus::Warn, found, Some(remedy));
    }
}
