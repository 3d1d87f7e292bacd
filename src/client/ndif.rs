//! What NDIF services tell about themselves: models, versions, and whose key it is.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use truenorth_protocol::job::Update;
use truenorth_protocol::nnsight::ModelKey;

use super::see::See;
use super::wait::encode;
use super::{Client, ClientError, Service};
use crate::jobs::Job;

/// `GET /status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// One entry a replica, by the service's name for it.
    #[serde(default)]
    pub deployments: BTreeMap<String, Deployment>,
}

/// One replica of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// What a job has to name.
    #[serde(default)]
    pub model_key: Option<String>,
    /// `org/name`.
    #[serde(default)]
    pub repo_id: Option<String>,
    /// Branch, tag or commit; none for the default.
    #[serde(default)]
    pub revision: Option<String>,
    /// Such as `text-generation`.
    #[serde(default)]
    pub task: Option<String>,
    /// `HOT` on an accelerator, `WARM` in memory, `COLD` on disk.
    #[serde(default)]
    pub deployment_level: Option<String>,
    /// `RUNNING`, `DEPLOYING`, `NOT_STARTED` or `UNHEALTHY`.
    #[serde(default)]
    pub application_state: Option<String>,
}

/// A model with all its replicas: what a table shows in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hosting {
    /// `org/name`.
    pub model: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Such as `text-generation`.
    pub task: String,
    /// The best level of a replica.
    pub level: String,
    /// The best state of a replica.
    pub state: String,
    /// How many replicas are on an accelerator.
    pub replicas: usize,
    /// What a job has to name.
    pub model_key: String,
}

/// `GET /env`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Env {
    /// As `sys.version` says it.
    #[serde(default)]
    pub python_version: String,
    /// Versions of packages.
    #[serde(default)]
    pub packages: BTreeMap<String, serde_json::Value>,
}

/// `GET /whoami`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whose key it is; none if the service does not know the key, or asks for none.
    #[serde(default)]
    pub email: Option<String>,
    /// What the key may do.
    #[serde(default)]
    pub tags: Option<Vec<serde_json::Value>>,
}

impl Status {
    /// A row a model, replicas counted, those that are up first, then by name.
    #[must_use]
    pub fn models(&self) -> Vec<Hosting> {
        let mut by_key: BTreeMap<&str, Vec<(&str, &Deployment)>> = BTreeMap::new();
        for (name, replica) in &self.deployments {
            by_key.entry(replica.model_key.as_deref().unwrap_or(name)).or_default().push((name, replica));
        }
        let mut rows: Vec<Hosting> = by_key.into_iter().filter_map(|(key, all)| hosting(key, &all)).collect();
        rows.sort_by(|a, b| (rank(&a.level, &a.state), &a.model).cmp(&(rank(&b.level, &b.state), &b.model)));
        rows
    }
}

fn hosting(key: &str, replicas: &[(&str, &Deployment)]) -> Option<Hosting> {
    let level = |d: &Deployment| d.deployment_level.clone().unwrap_or_else(|| "?".into());
    let state = |d: &Deployment| d.application_state.clone().unwrap_or_else(|| "UNHEALTHY".into());
    let (name, best) = replicas.iter().min_by_key(|(_, d)| rank(&level(d), &state(d)))?;
    Some(Hosting {
        model: best.repo_id.clone().unwrap_or_else(|| (*name).to_owned()),
        revision: best.revision.clone().unwrap_or_else(|| "main".into()),
        task: best.task.clone().unwrap_or_else(|| "?".into()),
        level: level(best),
        state: state(best),
        replicas: replicas.iter().filter(|(_, d)| d.deployment_level.as_deref() == Some("HOT")).count(),
        model_key: key.to_owned(),
    })
}

/// Lower is nearer to an answer.
fn rank(level: &str, state: &str) -> (usize, usize) {
    let place = |names: &[&str], name| names.iter().position(|n| *n == name).unwrap_or(names.len());
    (place(&["HOT", "WARM"], level), place(&["RUNNING", "DEPLOYING", "NOT_STARTED"], state))
}

impl Hosting {
    /// Whether a job for it gets to run.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.level == "HOT" && self.state == "RUNNING"
    }

    /// Whether a job for it waits until the service has brought it up.
    fn comes_up(&self) -> bool {
        matches!(self.level.as_str(), "HOT" | "WARM") && self.state != "UNHEALTHY"
    }
}

impl Service {
    /// The models of the service.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn status(&self) -> Result<Status, ClientError> {
        self.question("/status", "asking for the models")
    }

    /// Python and packages of the service.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn env(&self) -> Result<Env, ClientError> {
        self.question("/env", "asking for the versions")
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn whoami(&self) -> Result<Identity, ClientError> {
        self.question("/whoami", "asking whose key it is")
    }

    /// What the service knows of a job; none if it does not know it.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn state(&self, job: &Job) -> Result<Option<Update>, ClientError> {
        let Some(id) = &job.id else { return Ok(None) };
        let doing = "asking for a job";
        let stop = AtomicBool::new(false);
        let see = See { watch: self.watch.as_ref(), stop: &stop, tick: self.http.times.tick };
        let got = self.block(self.http.get(&format!("/response/{}", encode(id)), doing, &see))?;
        if got.status.as_u16() == 404 {
            return Ok(None);
        }
        let mut update: Update = got.json(&self.http, doing)?;
        update.description = self.http.shown(&update.description);
        Ok(Some(update))
    }

    fn question<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        doing: &'static str,
    ) -> Result<T, ClientError> {
        let stop = AtomicBool::new(false);
        let see = See { watch: self.watch.as_ref(), stop: &stop, tick: self.http.times.tick };
        self.block(self.http.get_json(path, doing, &see))
    }
}

impl Client {
    /// Refuses to send a job for a model that is not there to take it. A service that does not say
    /// what it has is taken at its word when the job is sent.
    pub(super) async fn check_up(&self, see: &See<'_>) -> Result<(), ClientError> {
        let (Some(key), true) = (self.wire.hosted(), self.options.check_up) else { return Ok(()) };
        // Once a client: a model that goes away later is told by the job itself.
        if self.up.get().is_some() {
            return Ok(());
        }
        let status: Status = match self.service.http.get_json("/status", "asking for the models", see).await {
            Ok(status) => status,
            Err(error @ (ClientError::Interrupted | ClientError::Unreachable { .. })) => return Err(error),
            Err(_) => return Ok(()),
        };
        let models = status.models();
        match models.iter().find(|m| m.model_key == key.to_string()) {
            Some(model) if model.is_up() => {}
            Some(model) if model.comes_up() => {
                see.say(&format!("{} is {} {}; the job waits for it", model.model, model.level, model.state));
            }
            found => return Err(down(key, found, &models)),
        }
        let _ = self.up.set(());
        Ok(())
    }
}

/// How many models are named in place of one that is not up.
const NEAR: usize = 3;

fn down(key: &ModelKey, found: Option<&Hosting>, models: &[Hosting]) -> ClientError {
    let revision = key.revision.as_deref().unwrap_or("main");
    let state = found.map_or_else(|| "not".into(), |m| format!("{} {}", m.level, m.state));
    let mut near: Vec<&Hosting> = models.iter().filter(|m| m.is_up()).collect();
    let wanted = key.repo_id.to_lowercase();
    // The name without its owner counts as well: people mistake the owner more often.
    let tail = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let likeness = |m: &&Hosting| {
        let name = m.model.to_lowercase();
        strsim::jaro_winkler(&name, &wanted).max(strsim::jaro_winkler(&tail(&name), &tail(&wanted)))
    };
    near.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let name = |m: &Hosting| {
        if m.revision == "main" { m.model.clone() } else { format!("{}@{}", m.model, m.revision) }
    };
    ClientError::ModelDown {
        model: if revision == "main" { key.repo_id.clone() } else { format!("{}@{revision}", key.repo_id) },
        state,
        near: near.into_iter().take(NEAR).map(name).collect(),
    }
}
