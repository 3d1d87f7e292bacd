//! What NDIF services tell about themselves: models, versions, and whose key it is.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use truenorth_protocol::job::Update;
use truenorth_protocol::nnsight::ModelKey;

use super::job_watch::JobWatch;
use super::wait::encode;
use super::{ClientError, Service};
use truenorth_protocol::journal::Job;

/// The versions of `ndif` whose own code this client was tried against.
pub const PROVEN: [&str; 3] = ["0.1.0", "0.1.1", "0.1.2"];
/// The first nnsight that speaks this wire.
const OLDEST: (u32, u32) = (0, 8);

/// The answer to `GET /status`: what the service hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NdifStatus {
    /// One entry a replica, by the service's name for it.
    #[serde(default)]
    pub deployments: BTreeMap<String, Deployment>,
}

/// One copy of a model that the service runs or could run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The text that a job's envelope names the model by.
    #[serde(default)]
    pub model_key: Option<String>,
    /// Repository on the Hugging Face hub, `org/name`.
    #[serde(default)]
    pub repo_id: Option<String>,
    /// Branch, tag or commit; none for the default.
    #[serde(default)]
    pub revision: Option<String>,
    /// Such as `text-generation`.
    #[serde(default)]
    pub task: Option<String>,
    /// `HOT` on an accelerator, `WARM` in memory beside it, `COLD` on disk.
    #[serde(default)]
    pub deployment_level: Option<String>,
    /// `RUNNING`, `DEPLOYING` or `UNHEALTHY`; none of what is not on an accelerator.
    #[serde(default)]
    pub application_state: Option<String>,
    /// The model's `config.json`, as text.
    #[serde(default)]
    pub config: Option<String>,
}

/// A model with all its replicas: what a table shows in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hosting {
    /// Repository on the Hugging Face hub, `org/name`.
    pub model: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Such as `text-generation`.
    pub task: String,
    /// The best level of any replica, in the service's words.
    pub level: String,
    /// The best state of a replica; `NOT_STARTED` of what is not on an accelerator.
    pub state: String,
    /// How many replicas are on an accelerator.
    pub replicas: usize,
    /// The text that a job's envelope names the model by.
    pub model_key: String,
    /// The model's `config.json`, as text, where the service tells it.
    #[serde(skip)]
    pub config: Option<String>,
}

/// The answer to `GET /env`: what the service runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Env {
    /// Its Python, as `sys.version` has it.
    #[serde(default)]
    pub python_version: String,
    /// Versions of packages.
    #[serde(default)]
    pub packages: BTreeMap<String, serde_json::Value>,
}

/// The answer to `GET /whoami`: whose key was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whose key it is; none if the service does not know the key, or asks for none.
    #[serde(default)]
    pub email: Option<String>,
    /// Permissions of the key, in the service's words; none where it tells none.
    #[serde(default)]
    pub tags: Option<Vec<serde_json::Value>>,
}

impl NdifStatus {
    /// Whether the names of the models are those of a service before this wire; none where nothing tells.
    #[must_use]
    pub fn is_old(&self) -> Option<bool> {
        let keys: Vec<&str> = self
            .deployments
            .iter()
            .map(|(name, replica)| replica.model_key.as_deref().unwrap_or(name))
            .collect();
        let any = |part: &str| keys.iter().any(|key| key.contains(part));
        if any("nnsight.modeling.transformers.") {
            return Some(false);
        }
        any("nnsight.modeling.language.").then_some(true)
    }

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
    // The service tells no state of what is not on an accelerator: there is nothing that could run.
    let state = |d: &Deployment| match (&d.application_state, d.deployment_level.as_deref()) {
        (Some(state), _) => state.clone(),
        (None, Some("WARM" | "COLD")) => "NOT_STARTED".into(),
        (None, _) => "UNHEALTHY".into(),
    };
    let (name, best) = replicas.iter().min_by_key(|(_, d)| rank(&level(d), &state(d)))?;
    Some(Hosting {
        model: best.repo_id.clone().unwrap_or_else(|| (*name).to_owned()),
        revision: best.revision.clone().unwrap_or_else(|| "main".into()),
        task: best.task.clone().unwrap_or_else(|| "?".into()),
        level: level(best),
        state: state(best),
        replicas: replicas.iter().filter(|(_, d)| d.deployment_level.as_deref() == Some("HOT")).count(),
        model_key: key.to_owned(),
        config: best.config.clone(),
    })
}

/// Lower is nearer to an answer.
fn rank(level: &str, state: &str) -> (usize, usize) {
    let place = |names: &[&str], name| names.iter().position(|n| *n == name).unwrap_or(names.len());
    (place(&["HOT", "WARM"], level), place(&["RUNNING", "DEPLOYING", "NOT_STARTED"], state))
}

impl Identity {
    /// Whether programs of this key run beside the model, in its process.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.tags.iter().flatten().any(|tag| tag == "trusted")
    }
}

impl Hosting {
    /// Whether a job for it gets to run.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.level == "HOT" && self.state == "RUNNING"
    }

    /// Whether it is being brought up now.
    #[must_use]
    pub fn comes_up(&self) -> bool {
        self.level == "HOT" && matches!(self.state.as_str(), "DEPLOYING" | "NOT_STARTED")
    }

    /// Whether a job that names `key` is for it. Of what is only on disk the service knows the name alone.
    #[must_use]
    pub fn is(&self, key: &ModelKey) -> bool {
        self.model_key == key.to_string()
            || (self.model_key == self.model && self.model == key.repo_id && key.revision.is_none())
    }

    /// The name that `--model` takes: the repository, with the revision unless it is `main`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.revision == "main" { self.model.clone() } else { format!("{}@{}", self.model, self.revision) }
    }
}

impl Env {
    /// The version of a package, where the service has it.
    #[must_use]
    pub fn version(&self, package: &str) -> Option<&str> {
        let found = self.packages.get(package)?;
        found.as_str().or_else(|| found.get("version")?.as_str())
    }

    /// The service in words, if it is of a time before this client's wire: its nnsight says so.
    #[must_use]
    pub fn is_old(&self) -> bool {
        let minor = |v: &str| {
            let mut parts = v.split('.').map(|p| p.parse::<u32>().ok());
            Some((parts.next()??, parts.next()??))
        };
        self.version("nnsight").and_then(minor).is_some_and(|found| found < OLDEST)
    }
}

impl Service {
    /// The models of the service.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn status(&self) -> Result<NdifStatus, ClientError> {
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

    /// Whether an API answers at the address, and whether it reaches its models, which an older one does not
    /// tell: `/ping` and `/connected`.
    ///
    /// # Errors
    /// As [`ClientError`], where nothing answers at all.
    pub fn ping(&self) -> Result<(bool, bool), ClientError> {
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: self.watch.as_ref(), stop: &stop, tick: self.http.times.tick };
        let doing = "asking whether it is there";
        self.block(async {
            let ping = self.http.get_once("/ping", doing, &job_watch).await?;
            let reaches = self.http.get_once("/connected", doing, &job_watch).await?;
            Ok((ping.status.is_success(), reaches.status.as_u16() != 503))
        })
    }

    /// What the service knows of a job; none if it does not know it.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn state(&self, job: &Job) -> Result<Option<Update>, ClientError> {
        let Some(id) = &job.id else { return Ok(None) };
        let doing = "asking for a job";
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: self.watch.as_ref(), stop: &stop, tick: self.http.times.tick };
        let got = self.block(self.http.get(&format!("/response/{}", encode(id)), doing, &job_watch))?;
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
        let job_watch = JobWatch { watch: self.watch.as_ref(), stop: &stop, tick: self.http.times.tick };
        self.block(self.http.get_json(path, doing, &job_watch))
    }
}
