//! The life of one job: looked up, sent, waited for, fetched, read.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use truenorth_protocol::frame;
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::job::{Envelope, JobStatus, Update};
use truenorth_protocol::{Answer, CheckedGraph, Graph, Prompt};

use super::job_watch::JobWatch;
use super::retry::RetryState;
use super::socket::{Frame, Socket};
use super::submit::{Between, JobUpload, Sent, submit};
use super::temp::{Packed, ResultBody, Temp};
use super::wait::{JobWait, Of, ResultLocation, encode};
use super::{Client, ClientError, download, journal};
use truenorth_protocol::journal::{Job, JobState};

/// How often in a row a result is refused, its address asked for anew each time, before it is gone.
const GONE: u32 = 3;

impl Client {
    /// Answers a graph: with a job that was sent before, or a new one. The journal learns that the
    /// answer is kept only once the caller says so, see [`Client::keep`].
    pub(super) async fn work(
        &self,
        checked: &CheckedGraph,
        job_watch: JobWatch<'_>,
    ) -> Result<(Answer, Job), ClientError> {
        job_watch.go_on()?;
        let new = journal::job(self.wire.as_ref(), self.service.http.base.as_str(), checked)?;
        // Whose job it is, until it has an answer: of two runs of one command, one sends.
        let _hold = self.journal.hold(&new.key, &job_watch).await?;
        let Some(known) = self.journal.find(&new.key)? else {
            // Without a journal nobody can tell a repeat of the work from a repeat of the sending.
            let repeat = if self.journal.0.is_some() { new.key.clone() } else { unique() };
            return self.send(checked, new, repeat, job_watch).await;
        };
        match (known.state, known.id.clone()) {
            (JobState::Submitted, Some(id)) => {
                job_watch.say(&format!("job {id} was sent before; waiting for it"));
                let mut job = Job { graph: new.graph, ..known };
                let answer = self.finish(checked, &mut job, None, None, job_watch).await?;
                Ok((answer, job))
            }
            (JobState::Submitting | JobState::Submitted, _) if self.wire.repeatable() => {
                let repeat = if known.note.is_empty() { new.key.clone() } else { known.note.clone() };
                self.send(checked, Job { created: known.created, ..new }, repeat, job_watch).await
            }
            (JobState::Submitting | JobState::Submitted, _) => {
                Err(ClientError::Uncertain { key: new.key, source: None })
            }
            (state, _) => {
                // The service may still have what this machine no longer keeps.
                if state == JobState::Done
                    && let Some(answer) = self.again(checked, &known, &job_watch).await?
                {
                    return Ok((answer, known));
                }
                let job = Job { created: known.created, ..new };
                // A new name, because the service would give the old job back under the old one.
                let repeat = format!("{}-{}", job.key, unique());
                self.send(checked, job, repeat, job_watch).await
            }
        }
    }

    /// The answer of a job that was done once, if its service still has it.
    async fn again(
        &self,
        checked: &CheckedGraph,
        known: &Job,
        job_watch: &JobWatch<'_>,
    ) -> Result<Option<Answer>, ClientError> {
        let Some(id) = known.id.as_deref() else { return Ok(None) };
        let got = match self
            .service
            .http
            .get(&format!("/response/{}", encode(id)), "asking for a job", job_watch)
            .await
        {
            Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
            Err(_) => return Ok(None),
            Ok(got) => got,
        };
        let Ok(update) = got.json::<Update>(&self.service.http, "asking for a job") else { return Ok(None) };
        let mut nothing = |_: &Update| {};
        let wait = JobWait::new(&self.service.http, self.of(known, id), *job_watch, &mut nothing);
        if update.status != JobStatus::Completed {
            return Ok(None);
        }
        let Ok(ready) = wait.done(Some(Frame::Update(update)), None).await else { return Ok(None) };
        match self.fetch_ready(checked, self.of(known, id), ready, job_watch).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::Interrupted) => Err(ClientError::Interrupted),
            Err(_) => Ok(None),
        }
    }

    async fn send(
        &self,
        checked: &CheckedGraph,
        mut job: Job,
        repeat: String,
        job_watch: JobWatch<'_>,
    ) -> Result<(Answer, Job), ClientError> {
        self.check_up(&job_watch).await?;
        let payload = self.pack(checked)?;
        job_watch.go_on()?;
        let mut socket = self.subscribe(&job_watch).await?;
        let envelope = Envelope {
            model_key: self.wire.model_key(),
            session_id: socket.as_ref().map(|s| s.session.clone()).unwrap_or_default(),
            compress: self.options.compress,
            env: self.wire.env(),
        };
        let repeat = self.wire.repeatable().then_some(repeat);
        // The name under which it may be sent again, should nobody learn its id.
        job.note = repeat.clone().unwrap_or_default();
        job.state = JobState::Submitting;
        let job_upload = JobUpload::new(&envelope, payload, repeat)?;
        job_watch.go_on()?;
        self.journal.put(&mut job)?;
        let sent = submit(&self.service.http, &job_upload, &job_watch, &mut |at| {
            self.between(&mut job, at, &job_watch)
        })
        .await;
        drop(job_upload);
        let first = match sent {
            Ok(Sent::Taken(update)) => Frame::Update(update),
            Ok(Sent::Unknown(error)) => match self.receipt(socket.as_mut(), &error, &job_watch).await {
                Some(frame) => frame,
                None if matches!(error, ClientError::Interrupted) => return Err(error),
                // The next run repeats it, and the service recognises it.
                None if self.wire.repeatable() => return Err(error),
                None => return Err(ClientError::Uncertain { key: job.key, source: Some(Box::new(error)) }),
            },
            Err(error) => {
                let why = if matches!(error, ClientError::Interrupted) {
                    "not sent".into()
                } else {
                    error.to_string()
                };
                self.journal.note(&mut job, JobState::Failed, &why, &job_watch);
                return Err(error);
            }
        };
        let id = match &first {
            Frame::Update(update) => update.id.clone(),
            Frame::Binary(bytes) => truenorth_protocol::nnsight::read_binary_update(bytes)?.0.id,
        };
        job.id = Some(id);
        self.journal.note(&mut job, JobState::Submitted, "RECEIVED", &job_watch);
        let answer = self.finish(checked, &mut job, Some(first), socket, job_watch).await?;
        Ok((answer, job))
    }

    /// Writes down what is known between two tries of sending, so that a run which dies there leaves no
    /// doubt where there is none.
    fn between(&self, job: &mut Job, at: Between<'_>, job_watch: &JobWatch<'_>) -> Result<(), ClientError> {
        match at {
            Between::Refused(why) => {
                let name = std::mem::take(&mut job.note);
                self.journal.note(job, JobState::Failed, &why.to_string(), job_watch);
                (job.state, job.note) = (JobState::Submitting, name);
                Ok(())
            }
            Between::Again => self.journal.put(job),
        }
    }

    /// The first word of a job whose receipt got lost: its socket is its own, so anything there names it.
    async fn receipt(
        &self,
        socket: Option<&mut Socket>,
        lost: &ClientError,
        job_watch: &JobWatch<'_>,
    ) -> Option<Frame> {
        let socket = socket?;
        job_watch.say(&format!("{lost}; listening for the job on its socket"));
        // Someone who wants to stop has waited for the receipt already.
        let stopped = matches!(lost, ClientError::Interrupted);
        let time = if stopped { job_watch.tick } else { self.service.http.times.receipt };
        timeout(time, socket.next()).await.ok().flatten()
    }

    async fn subscribe(&self, job_watch: &JobWatch<'_>) -> Result<Option<Socket>, ClientError> {
        let wanted = self.options.socket.unwrap_or(self.wire.repeatable() || self.journal.0.is_none());
        if !wanted {
            return Ok(None);
        }
        match job_watch.until(Socket::open(&self.service.http, self.options.answer_bytes)).await? {
            Ok(socket) => Ok(Some(socket)),
            Err(why) => {
                job_watch.say(&format!("no socket for news of the job ({why}); polling instead"));
                Ok(None)
            }
        }
    }

    fn pack(&self, checked: &CheckedGraph) -> Result<Bytes, ClientError> {
        let payload = self.wire.payload(checked, &format!("truenorth-{}", unique()))?;
        Ok(if self.options.compress { frame::compress(&payload)? } else { payload }.into())
    }

    /// Waits for a job that has an id and reads its answer; the journal learns how it goes.
    pub(super) async fn finish(
        &self,
        checked: &CheckedGraph,
        job: &mut Job,
        first: Option<Frame>,
        socket: Option<Socket>,
        job_watch: JobWatch<'_>,
    ) -> Result<Answer, ClientError> {
        // Such a job is told of on its socket alone, and that ends here, well or badly.
        let alone = socket.is_some() && self.wire.socket_alone();
        let id = job.id.clone().expect("a job that is waited for was taken");
        let http = &self.service.http;
        let at = job.clone();
        let of = self.of(&at, &id);
        let ready = {
            let mut stage = |update: &Update| {
                let words = http.shown(&update.description);
                let note = format!("{} {words}", update.status.as_str());
                self.journal.note(job, JobState::Submitted, note.trim(), &job_watch);
            };
            JobWait::new(http, of, job_watch, &mut stage).done(first, socket).await
        };
        let answer = match ready {
            Ok(ready) => self.fetch_ready(checked, of, ready, &job_watch).await,
            Err(ClientError::NotDeployed { id, detail, .. }) => {
                let near = self.up.get().cloned().unwrap_or_default();
                Err(ClientError::NotDeployed { id, detail, near })
            }
            Err(error) => Err(error),
        };
        match &answer {
            Ok(_) => job_watch.watch.tokens(tokens(checked.graph())),
            Err(ClientError::Job { traceback: why, .. } | ClientError::NotDeployed { detail: why, .. }) => {
                self.journal.note(job, JobState::Failed, why, &job_watch);
            }
            Err(error) if error.is_lost() => {
                self.journal.note(job, JobState::Lost, &error.to_string(), &job_watch);
            }
            Err(error) if alone => {
                let lost = "its answer went to a socket that is closed";
                job_watch.say(&format!("job {id} is lost: {lost}"));
                self.journal.note(job, JobState::Lost, &format!("{lost}: {error}"), &job_watch);
            }
            Err(_) => {}
        }
        answer
    }

    /// What a wait for a job has to know of it.
    fn of<'a>(&self, job: &'a Job, id: &'a str) -> Of<'a> {
        // An acknowledgement is no status: that comes from the queue.
        let known = !job.note.is_empty() && !job.note.starts_with(JobStatus::Received.as_str());
        let age = Duration::from_secs(u64::try_from(journal::now() - job.changed).unwrap_or(0));
        Of { id, key: &job.key, queued: self.wire.socket_alone(), known, age }
    }

    /// Fetches and reads a result; asks for a new address, or for the bytes once more, where that helps.
    async fn fetch_ready(
        &self,
        checked: &CheckedGraph,
        of: Of<'_>,
        mut ready: ResultLocation,
        job_watch: &JobWatch<'_>,
    ) -> Result<Answer, ClientError> {
        let (http, cap) = (&self.service.http, self.options.answer_bytes);
        let temp = Temp(self.options.temp.clone());
        let mut tries = RetryState::new(http.times.backoff);
        let mut gone = 0;
        loop {
            let (body, url) = match ready {
                ResultLocation::Inline(bytes) => (Ok(ResultBody::Memory(std::io::Cursor::new(bytes))), None),
                ResultLocation::At(url) => {
                    (download::fetch(http, url.clone(), &temp, cap, job_watch).await, Some(url))
                }
            };
            let read = body.and_then(|body| {
                let packed = Packed { body, compressed: self.options.compress, cap, temp: temp.clone() };
                self.wire.answer(checked, packed)
            });
            let stale = |e: &ClientError| matches!(e, ClientError::Refused { status: 403 | 404 | 410, .. });
            match (read, url) {
                (Err(ClientError::Refused { status, detail, .. }), Some(_))
                    if matches!(status, 403 | 404 | 410) && gone + 1 == GONE =>
                {
                    return Err(ClientError::Expired {
                        id: of.id.to_owned(),
                        detail: format!("{status} {detail}"),
                    });
                }
                (Err(error), Some(url)) if error.is_damage() || stale(&error) => {
                    gone = if stale(&error) { gone + 1 } else { 0 };
                    let Some(wait) = tries.again(None) else { return Err(error) };
                    job_watch.say(&format!("{error}; fetching it again"));
                    job_watch.sleep(wait).await?;
                    let mut nothing = |_: &Update| {};
                    let asked = http
                        .get(&format!("/response/{}", encode(of.id)), "asking for a job", job_watch)
                        .await;
                    let update = match asked {
                        Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
                        asked => asked.and_then(|got| got.json::<Update>(http, "asking for a job")),
                    };
                    // A service that tells its sockets alone has no newer address than the old one.
                    ready = match update {
                        Ok(update) if update.status.is_final() => {
                            JobWait::new(http, of, *job_watch, &mut nothing)
                                .done(Some(Frame::Update(update)), None)
                                .await?
                        }
                        _ => ResultLocation::At(url),
                    };
                }
                (read, _) => return read,
            }
        }
    }

    /// The answer is where it should be: the job is done with.
    pub(super) fn keep(&self, mut job: Job, job_watch: &JobWatch<'_>) {
        if job.state != JobState::Done {
            self.journal.note(&mut job, JobState::Done, "COMPLETED", job_watch);
        }
    }

    /// The graph of a job out of the journal, checked against the model that it was made for.
    pub(super) fn graph_of(&self, job: &Job) -> Result<CheckedGraph, ClientError> {
        let here = (self.service.http.base.as_str(), self.wire.name(), &self.wire.info().name);
        let wanted = (job.service.as_str(), job.wire.as_str(), &job.model.name);
        if here != wanted {
            let text =
                |(service, wire, model): (&str, &str, &String)| format!("{model} on {service} ({wire})");
            return Err(ClientError::OtherService { wanted: text(wanted), found: text(here) });
        }
        let graph = Graph::from_bytes(&job.graph)?;
        graph.check(&job.model, &CheckLimits::default()).map_err(|e| ClientError::Run(e.into()))
    }
}

/// A name that nothing else has.
fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Tokens of the prompts that are given as such; of the others only the service knows.
fn tokens(graph: &Graph) -> u64 {
    let count = |prompt: &Prompt| match prompt {
        Prompt::Tokens(tokens) => tokens.len() as u64,
        Prompt::Text(_) => 0,
    };
    graph.groups.iter().flat_map(|g| &g.prompts).map(count).sum()
}
