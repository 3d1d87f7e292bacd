//! Whether a service can take work for a model, asked before anything is sent.

use std::sync::atomic::AtomicBool;

use truenorth_protocol::nnsight::ModelKey;

use super::architecture::differences;
use super::job_watch::JobWatch;
use super::ndif::{Env, Hosting, NdifStatus};
use super::{Client, ClientError};
use truenorth_protocol::run::Unwatched;

const DOING: &str = "asking for the models";
/// How many models are named in place of one that is not up.
const NEAR: usize = 3;

impl Client {
    /// Refuses unless the model is up or being brought up on an NDIF service right now, whatever
    /// [`ServiceOptions::deploy`](super::ServiceOptions::deploy) allows. Nothing is sent.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn ready(&self) -> Result<(), ClientError> {
        let Some(key) = self.wire.hosted() else { return Ok(()) };
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: &Unwatched, stop: &stop, tick: self.options.patience.tick };
        self.service.block(async {
            let status: NdifStatus = self
                .service
                .http
                .get_once("/status", DOING, &job_watch)
                .await?
                .json(&self.service.http, DOING)?;
            self.refuse_old(Some(&status), &job_watch).await?;
            self.judge(key, &status, false, &job_watch)
        })
    }

    /// Refuses to send a job to a service of an older wire, or for a model that is not there to take it
    /// and may not be brought up. A service that does not say what it has is taken at its word when the
    /// job is sent.
    pub(super) async fn check_up(&self, job_watch: &JobWatch<'_>) -> Result<(), ClientError> {
        let (Some(key), true) = (self.wire.hosted(), self.options.check_up) else { return Ok(()) };
        // Once a client: a model that goes away later is told by the job itself.
        if self.up.get().is_some() {
            return Ok(());
        }
        let status = match self.service.http.get_json::<NdifStatus>("/status", DOING, job_watch).await {
            Ok(status) => Some(status),
            Err(error @ (ClientError::Interrupted | ClientError::Unreachable { .. })) => return Err(error),
            Err(error @ (ClientError::KeyFormat { .. } | ClientError::KeyUnknown { .. })) => {
                return Err(error);
            }
            Err(error) => {
                job_watch.say(&format!("the service does not say which models are up ({error})"));
                None
            }
        };
        self.refuse_old(status.as_ref(), job_watch).await?;
        match status {
            Some(status) => self.judge(key, &status, self.options.deploy, job_watch),
            None => {
                let _ = self.up.set(vec![]);
                Ok(())
            }
        }
    }

    fn judge(
        &self,
        key: &ModelKey,
        status: &NdifStatus,
        deploy: bool,
        job_watch: &JobWatch<'_>,
    ) -> Result<(), ClientError> {
        let models = status.models();
        let near = nearest(key, &models);
        let found = models.iter().find(|m| m.is(key));
        if let (Some(told), Some(read)) = (found.and_then(|m| m.config.as_deref()), self.wire.config()) {
            let differences = differences(read, told);
            if !differences.is_empty() {
                return Err(ClientError::OtherConfig { model: name(key), differences });
            }
        }
        match found {
            Some(model) if model.is_up() => {}
            Some(model) if model.comes_up() => {
                job_watch.say(&format!(
                    "{} is {} {}; the job waits for it",
                    model.model, model.level, model.state
                ));
            }
            found if deploy => job_watch.say(&deployed(key, found, &near)),
            found => {
                let state = found.map_or_else(|| "not".into(), |m| format!("{} {}", m.level, m.state));
                return Err(ClientError::ModelDown { model: name(key), state, near });
            }
        }
        let _ = self.up.set(near);
        Ok(())
    }

    /// Refuses a service that speaks an older wire: by what it calls its models, and where it has none,
    /// by its versions.
    async fn refuse_old(
        &self,
        status: Option<&NdifStatus>,
        job_watch: &JobWatch<'_>,
    ) -> Result<(), ClientError> {
        let told = status.and_then(NdifStatus::is_old);
        if told == Some(false) {
            return Ok(());
        }
        let asked = self.service.http.get_once("/env", "asking for the versions", job_watch).await;
        let env = match asked {
            Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
            asked => {
                asked.and_then(|got| got.json::<Env>(&self.service.http, "asking for the versions")).ok()
            }
        };
        if told.is_none() && !env.as_ref().is_some_and(Env::is_old) {
            return Ok(());
        }
        Err(ClientError::OldService { version: old_version(env.as_ref()) })
    }
}

/// An older service in words.
pub(super) fn old_version(env: Option<&Env>) -> String {
    let version = |package| env.and_then(|env| Some(format!("{package} {}", env.version(package)?)));
    let known: Vec<String> = ["ndif", "nnsight"].into_iter().filter_map(version).collect();
    if known.is_empty() { "a version from before ndif 0.1".into() } else { known.join(", ") }
}

/// What a job for a model that is not up has to wait for.
fn deployed(key: &ModelKey, found: Option<&Hosting>, near: &[String]) -> String {
    let what = match found.map(|m| (m.level.as_str(), m.state.as_str())) {
        Some(("WARM", _)) => {
            "is WARM on the service, in memory but on no accelerator; the queue puts it there first"
        }
        Some(("COLD", _)) => {
            "is COLD on the service, on disk only; the queue loads it first, which takes minutes"
        }
        Some((_, "UNHEALTHY")) => "is UNHEALTHY on the service; the queue starts it anew first",
        _ => "is not listed by the service; its queue may fetch and start it, which takes long, or refuse",
    };
    let up = if near.is_empty() { String::new() } else { format!("; up are {}", near.join(", ")) };
    format!("{} {what}{up} (--no-deploy refuses to wait)", name(key))
}

fn name(key: &ModelKey) -> String {
    match key.revision.as_deref() {
        None | Some("main") => key.repo_id.clone(),
        Some(revision) => format!("{}@{revision}", key.repo_id),
    }
}

/// Models that are up, those first whose names are likest.
fn nearest(key: &ModelKey, models: &[Hosting]) -> Vec<String> {
    let mut near: Vec<&Hosting> = models.iter().filter(|m| m.is_up()).collect();
    let wanted = key.repo_id.to_lowercase();
    // The name without its owner counts as well: people mistake the owner more often.
    let tail = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let likeness = |m: &&Hosting| {
        let name = m.model.to_lowercase();
        strsim::jaro_winkler(&name, &wanted).max(strsim::jaro_winkler(&tail(&name), &tail(&wanted)))
    };
    near.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    near.into_iter().take(NEAR).map(Hosting::name).collect()
}
