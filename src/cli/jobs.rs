//! `jobs`: what was sent to a service, and picking up its answers.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use truenorth::client::ClientError;
use truenorth::journal::{Job, JobState};
use truenorth::run::RunError;
use truenorth::store::Store;
use truenorth_protocol::Graph;
use truenorth_protocol::clock::seconds as now;

use super::args::{Common, ReadingArgs, ServiceArgs};
use super::output::{self, wrong_hint};
use super::progress::{self, Bar};
use super::steer::counted;
use super::{dry, hosted, session};

/// Shows and fetches jobs that were sent to a service.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth jobs list")]
pub enum Jobs {
    /// What was sent and how far it has come, the latest first.
    #[command(after_help = "Example:\n  truenorth jobs list --json")]
    List(List),
    /// One job, with what the service says of it now.
    #[command(after_help = "Example:\n  truenorth jobs show 3f9a")]
    Show(Show),
    /// Waits for jobs and keeps their answers, so that the verb that sent them finds them.
    #[command(after_help = "Example:\n  truenorth jobs fetch --all")]
    Fetch(Fetch),
    /// Forgets jobs, so that equal work is sent anew; what the service still runs, it runs on.
    #[command(after_help = "Example:\n  truenorth jobs forget 3f9a")]
    Forget(Forget),
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub struct Show {
    /// The job: its key or id, or how either begins.
    job: String,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub struct Fetch {
    /// The jobs: keys or ids, or how either begins.
    #[arg(required_unless_present = "all")]
    jobs: Vec<String>,
    /// Every job that a service still has.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    reading: ReadingArgs,
}

#[derive(Args, Debug)]
pub struct Forget {
    /// The jobs: keys or ids, or how either begins.
    #[arg(required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// A job as it is shown; its graph is left out.
#[derive(Serialize)]
struct ShownJob<'a> {
    key: &'a str,
    id: Option<&'a str>,
    service: &'a str,
    wire: &'a str,
    model: &'a str,
    revision: &'a str,
    state: JobState,
    note: &'a str,
    created: i64,
    changed: i64,
    /// What the service says, when it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    /// Why what it says is not known, where it has the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    now_unknown: Option<String>,
}

impl<'a> From<&'a Job> for ShownJob<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            key: &job.key,
            id: job.id.as_deref(),
            service: &job.service,
            wire: &job.wire,
            model: &job.model.name,
            revision: &job.model.revision,
            state: job.state,
            note: note(job),
            created: job.created,
            changed: job.changed,
            now: None,
            now_unknown: None,
        }
    }
}

impl Jobs {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(v) => v.run(),
            Self::Show(v) => v.run(),
            Self::Fetch(v) => v.run(),
            Self::Forget(v) => v.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let jobs = open(&self.common)?.jobs()?;
        if output::wants_json() {
            return output::json(&jobs.iter().map(ShownJob::from).collect::<Vec<_>>());
        }
        let mut rows =
            vec![["job", "id", "state", "age", "model", "service", "note"].map(String::from).to_vec()];
        rows.extend(jobs.iter().map(|job| {
            vec![
                short(&job.key),
                job.id.clone().unwrap_or_else(|| "-".into()),
                state(job.state).into(),
                age(job.created),
                job.model.name.clone(),
                job.service.clone(),
                note(job).lines().next().unwrap_or_default().chars().take(60).collect(),
            ]
        }));
        output::table(&rows);
        Ok(())
    }
}

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let job = find(&open(&self.common)?, &self.job)?;
        let mut shown = ShownJob::from(&job);
        if job.state == JobState::Submitted {
            match self.ask(&job)? {
                Ok(said) => shown.now = Some(said),
                Err(why) => shown.now_unknown = Some(why),
            }
        }
        if output::wants_json() {
            return output::json(&shown);
        }
        let mut rows = vec![
            vec!["job".to_owned(), job.key.clone()],
            vec!["id".into(), job.id.clone().unwrap_or_else(|| "not known".into())],
            vec!["service".into(), format!("{} ({})", job.service, job.wire)],
            vec!["model".into(), format!("{} {}", job.model.name, job.model.revision)],
            vec!["state".into(), format!("{}, sent {} ago", state(job.state), age(job.created))],
        ];
        if !note(&job).is_empty() {
            rows.push(vec!["note".into(), note(&job).to_owned()]);
        }
        let unknown = shown.now_unknown.as_ref().map(|why| format!("nothing: {why}"));
        if let Some(now) = shown.now.clone().or(unknown) {
            rows.push(vec!["the service says".into(), now]);
        }
        output::table(&rows);
        Ok(())
    }

    /// What the service says of a job, or why that is not known: the record is shown all the same. Nobody
    /// else is asked, the model's architecture is of no use here.
    fn ask(&self, job: &Job) -> anyhow::Result<Result<String, String>> {
        if self.common.offline || dry::on() {
            let flag = if self.common.offline { "--offline" } else { "--dry-run" };
            return Ok(Err(format!("it was not asked, because of {flag}")));
        }
        let options = hosted::options_of_job(job, &self.service, None)?;
        match hosted::at_once(options)?.state(job) {
            Ok(None) => Ok(Ok("it does not know this job".into())),
            Ok(Some(update)) if update.description.is_empty() => Ok(Ok(update.status.as_str().into())),
            Ok(Some(update)) => Ok(Ok(format!("{}: {}", update.status.as_str(), update.description))),
            Err(ClientError::Interrupted) => Err(ClientError::Interrupted.into()),
            Err(error) => Ok(Err(format!("{:#}", anyhow::Error::from(error)))),
        }
    }
}

impl Fetch {
    fn run(self) -> anyhow::Result<()> {
        dry::refuse("`jobs fetch`")?;
        let store = Arc::new(open(&self.common)?);
        let wanted: Vec<Job> = if self.all {
            store.jobs()?.into_iter().filter(|j| j.state == JobState::Submitted).collect()
        } else {
            self.jobs.iter().map(|name| find(&store, name)).collect::<Result<_, _>>()?
        };
        if let Some(job) = wanted.iter().find(|j| j.state != JobState::Submitted) {
            return Err(wrong_hint(
                format!("job {} is {}, so there is nothing to fetch", short(&job.key), state(job.state)),
                "`jobs list` says which jobs a service still has",
            ));
        }
        let bar = Bar::new("fetching", wanted.len() as u64, "jobs", self.common.quiet);
        for (i, job) in wanted.iter().enumerate() {
            if progress::interrupted() {
                return Err(RunError::Interrupted.into());
            }
            let client =
                hosted::of_job(job, &self.service, (&self.common, &self.reading), Some(store.clone()))?;
            let answer = client.fetch(job, &bar)?;
            let graph = Graph::from_bytes(&job.graph).context("the journal holds a damaged graph")?;
            truenorth::analyses::keep(&store, &job.model, &graph, &answer)?;
            // Only now: a kill in between fetches it once more and loses nothing.
            store.put_job(&Job { state: JobState::Done, changed: now(), ..job.clone() })?;
            bar.set(i as u64 + 1);
        }
        drop(bar);
        if output::wants_json() {
            return output::json(&serde_json::json!({ "fetched": keys(&wanted) }));
        }
        eprintln!("{} fetched; run the verb that sent them again to go on", counted(wanted.len(), "job"));
        Ok(())
    }
}

impl Forget {
    fn run(self) -> anyhow::Result<()> {
        dry::refuse("`jobs forget`")?;
        let store = open(&self.common)?;
        let jobs: Vec<Job> = self.jobs.iter().map(|name| find(&store, name)).collect::<Result<_, _>>()?;
        for job in &jobs {
            store.forget_job(&job.key)?;
        }
        if output::wants_json() {
            return output::json(&serde_json::json!({ "forgotten": keys(&jobs) }));
        }
        eprintln!("{} forgotten", counted(jobs.len(), "job"));
        Ok(())
    }
}

fn keys(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.key.as_str()).collect()
}

fn open(common: &Common) -> anyhow::Result<Store> {
    session::open_store(common)?
        .ok_or_else(|| wrong_hint("--no-cache leaves no journal to look at", "leave --no-cache out"))
}

fn find(store: &Store, name: &str) -> anyhow::Result<Job> {
    let begins =
        |job: &Job| job.key.starts_with(name) || job.id.as_deref().is_some_and(|id| id.starts_with(name));
    let mut found: Vec<Job> = store.jobs()?.into_iter().filter(begins).collect();
    match (found.pop(), found.len()) {
        (Some(job), 0) => Ok(job),
        (None, _) => Err(wrong_hint(format!("there is no job `{name}`"), "`jobs list` shows them")),
        (Some(_), more) => Err(wrong_hint(
            format!("`{name}` begins the names of {} jobs", more + 1),
            "give more of the name",
        )),
    }
}

/// What a service said of a job; before it said anything, its note is the client's own.
fn note(job: &Job) -> &str {
    if job.state == JobState::Submitting { "" } else { &job.note }
}

fn short(key: &str) -> String {
    key.chars().take(12).collect()
}

fn state(state: JobState) -> &'static str {
    match state {
        JobState::Submitting => "sent, not acknowledged",
        JobState::Submitted => "at the service",
        JobState::Done => "fetched",
        JobState::Failed => "failed",
        JobState::Lost => "lost by the service",
    }
}

fn age(since: i64) -> String {
    let seconds = now().saturating_sub(since).max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
