//! Waiting for a job: on its socket while there is one, by polling from then on.

use std::time::Duration;

use rand::Rng as _;
use reqwest::{StatusCode, Url};
use tokio::time::Instant;
use truenorth_protocol::job::{JobStatus, Update};
use truenorth_protocol::nnsight::read_binary_update;

use super::http::Http;
use super::job_watch::{JobWatch, clean};
use super::retry::asked;
use super::socket::{Frame, Socket};
use super::{ClientError, address};

const DOING: &str = "waiting for a job";

/// What nnsight warns of where a loop over steps outlives the generation: in the sandbox, and beside the
/// model.
const ENDED_EARLY: [&str; 2] = [
    "was never reached: the model ran fewer iterations than the loop requested",
    "was never reached: the loop asked for a step the run did not make",
];
/// How an NDIF service begins to say that it could not bring up a model.
const UNDEPLOYED: [&str; 3] =
    ["Could not deploy this model", "Error provisioning model", "Error starting model"];

pub(super) enum ResultLocation {
    /// To be fetched.
    At(Url),
    /// It came along.
    Inline(Vec<u8>),
}

/// What is known of a job before it is waited for.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub id: &'a str,
    /// Its key in the journal.
    pub key: &'a str,
    /// Whether it is at an NDIF service: it has its first status when the queue gets to it, and what a
    /// socket is told is told nowhere else.
    pub queued: bool,
    /// Whether it ever had a status there.
    pub known: bool,
    pub age: Duration,
}

/// A job being waited for.
pub(super) struct JobWait<'a> {
    http: &'a Http,
    of: Of<'a>,
    job_watch: JobWatch<'a>,
    /// Told of every new stage, to write it down.
    stage: &'a mut (dyn FnMut(&Update) + 'a),
    since: Instant,
    last: Option<(JobStatus, String)>,
    said: Instant,
    /// When something new was heard.
    news: Instant,
    /// Whether the next line is the rest of one that was not shown.
    hidden: bool,
}

impl<'a> JobWait<'a> {
    pub(super) fn new(
        http: &'a Http,
        of: Of<'a>,
        job_watch: JobWatch<'a>,
        stage: &'a mut (dyn FnMut(&Update) + 'a),
    ) -> Self {
        let now = Instant::now();
        Self { http, of, job_watch, stage, since: now, last: None, said: now, news: now, hidden: false }
    }

    /// Waits until the job is done.
    ///
    /// # Errors
    /// When the job failed, is lost, its service stays away for too long, or the user wants to stop;
    /// in the last two cases it may be waited for again.
    pub(super) async fn done(
        mut self,
        first: Option<Frame>,
        socket: Option<Socket>,
    ) -> Result<ResultLocation, ClientError> {
        if let Some(ready) = first.map_or(Ok(None), |frame| self.frame(frame))? {
            return Ok(ready);
        }
        if let Some(socket) = socket {
            if let Some(ready) = self.listen(socket).await? {
                return Ok(ready);
            }
            if self.of.queued {
                return Err(ClientError::SocketLost { id: self.of.id.to_owned() });
            }
            self.job_watch.say(&format!("the socket of job {} closed; polling goes on", self.of.id));
        }
        self.poll().await
    }

    /// Listens until the job is done, or the socket is gone.
    async fn listen(&mut self, mut socket: Socket) -> Result<Option<ResultLocation>, ClientError> {
        loop {
            let reminder = self.said + self.http.times.remind;
            let job_watch = self.job_watch;
            tokio::select! {
                biased;
                () = job_watch.stopped() => return Err(ClientError::Interrupted),
                frame = socket.next() => match frame {
                    None => return Ok(None),
                    Some(frame) => match self.frame(frame) {
                        // What can't be read on the socket may still be had otherwise.
                        Err(ClientError::Reply(error)) if !self.of.queued => {
                            self.job_watch.say(&format!("a frame of job {} can't be read: {error}", self.of.id));
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                        Ok(Some(ready)) => return Ok(Some(ready)),
                        Ok(None) => {}
                    },
                },
                () = tokio::time::sleep_until(reminder) => {
                    self.remind();
                    self.stalled()?;
                }
            }
        }
    }

    /// Asks how the job is until it is done.
    async fn poll(&mut self) -> Result<ResultLocation, ClientError> {
        let times = self.http.times;
        let path = format!("/response/{}", encode(self.of.id));
        let mut pause = times.poll_first;
        let (mut missing, mut away) = (None, None);
        loop {
            let mut wanted = None;
            let failed = match self.http.get_once(&path, DOING, &self.job_watch).await {
                Ok(got) if got.status == StatusCode::NOT_FOUND => {
                    away = None;
                    let waited = missing.get_or_insert_with(Instant::now).elapsed();
                    let limit = if self.of.queued && !self.of.known {
                        times.first_status.saturating_sub(self.of.age).max(times.missing)
                    } else {
                        times.missing
                    };
                    if waited >= limit {
                        self.lost(waited).await?;
                        missing = None;
                    } else if waited >= times.missing && self.said.elapsed() >= times.remind {
                        self.said = Instant::now();
                        self.job_watch.say(&format!(
                            "job {} was taken and has no status yet; the service writes the first one when its \
                             queue gets to it, which is waited for up to {}",
                            self.of.id,
                            short(limit)
                        ));
                    }
                    None
                }
                Ok(got) if got.status.is_success() => match got.json::<Update>(self.http, DOING) {
                    Ok(update) => {
                        (missing, away) = (None, None);
                        self.of.known = true;
                        let before = self.last.clone();
                        if let Some(ready) = self.update(update, None)? {
                            return Ok(ready);
                        }
                        if self.last != before {
                            pause = times.poll_first;
                        }
                        None
                    }
                    Err(error) => Some(error),
                },
                Ok(got) => {
                    wanted = asked(&got.headers);
                    Some(self.http.refusal(&got, DOING))
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failed {
                if !error.passes() || away.get_or_insert_with(Instant::now).elapsed() >= times.outage {
                    return Err(error);
                }
                self.job_watch.say(&format!("{error}; asking again"));
            }
            self.remind_in_time();
            self.stalled()?;
            // Spread, so that many jobs are not asked after all at once.
            let spread = pause.mul_f64(rand::rng().random_range(0.75..1.25));
            self.job_watch.sleep(wanted.unwrap_or_default().max(spread)).await?;
            pause = pause.mul_f64(1.5).min(times.poll_most);
        }
    }

    /// Refuses to wait on for a job that its service has forgotten. An NDIF service that can't reach its
    /// models keeps what it took and has not looked at yet, so it may still come to the job.
    async fn lost(&self, waited: Duration) -> Result<(), ClientError> {
        let lost = Err(ClientError::Lost { id: self.of.id.to_owned(), waited });
        if !self.of.queued {
            return lost;
        }
        match self.http.get_once("/connected", DOING, &self.job_watch).await {
            Ok(got) if got.status == StatusCode::SERVICE_UNAVAILABLE => {}
            Err(error) if error.passes() => {}
            Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
            _ => return lost,
        }
        self.job_watch
            .say(&format!("the service can't reach its models now; job {} may wait there", self.of.id));
        Ok(())
    }

    /// Refuses to wait on for a job that is at one stage for longer than any should be: a queue that is
    /// lost leaves it there for ever.
    fn stalled(&self) -> Result<(), ClientError> {
        let waited = self.news.elapsed();
        if !self.of.queued || waited < self.http.times.silent {
            return Ok(());
        }
        let stage = self.last.as_ref().map_or("SENT", |(status, _)| status.as_str()).to_owned();
        let (key, id) = (self.of.key.to_owned(), self.of.id.to_owned());
        Err(ClientError::Stalled { key, id, stage, waited })
    }

    /// The lines of a log that are about the job, and not the loop's own warning that a generation ended
    /// before its last step, which is what a stop token is for.
    fn shown(&mut self, words: &str) -> String {
        let mut lines = Vec::new();
        for line in words.lines() {
            let rest = std::mem::take(&mut self.hidden) && line.trim_start().starts_with("warnings.warn(");
            self.hidden = ENDED_EARLY.iter().any(|words| line.contains(words));
            if !rest && !self.hidden {
                lines.push(line);
            }
        }
        lines.join("\n")
    }

    fn frame(&mut self, frame: Frame) -> Result<Option<ResultLocation>, ClientError> {
        match frame {
            Frame::Update(update) => self.update(update, None),
            Frame::Binary(bytes) => {
                let (update, result) = read_binary_update(&bytes)?;
                self.update(update, result)
            }
        }
    }

    fn update(
        &mut self,
        update: Update,
        result: Option<Vec<u8>>,
    ) -> Result<Option<ResultLocation>, ClientError> {
        if update.id != self.of.id {
            return Ok(None);
        }
        let words = self.http.shown(update.description.trim());
        match &update.status {
            JobStatus::Log => {
                self.news = Instant::now();
                let words = self.shown(&words);
                if !words.is_empty() {
                    self.job_watch.say(&format!("job {} says: {words}", self.of.id));
                }
            }
            JobStatus::Error if UNDEPLOYED.iter().any(|start| words.starts_with(start)) => {
                return Err(ClientError::NotDeployed {
                    id: self.of.id.to_owned(),
                    detail: words,
                    near: vec![],
                });
            }
            JobStatus::Error => {
                return Err(ClientError::Job { id: self.of.id.to_owned(), traceback: words });
            }
            status => {
                let now = (status.clone(), words);
                if self.last.as_ref() != Some(&now) {
                    self.last = Some(now);
                    self.news = Instant::now();
                    (self.stage)(&update);
                    self.remind();
                }
            }
        }
        if update.status != JobStatus::Completed {
            return Ok(None);
        }
        if let Some(result) = result {
            return Ok(Some(ResultLocation::Inline(result)));
        }
        let at = update.data.as_ref().and_then(|d| d.as_str());
        match at.and_then(|at| address::resolve(&self.http.base, at)) {
            Some(url) => Ok(Some(ResultLocation::At(url))),
            None => Err(ClientError::Message { doing: DOING, source: None }),
        }
    }

    /// Says what the job does, and since when.
    fn remind(&mut self) {
        self.said = Instant::now();
        let stage = self.last.as_ref().map_or("SENT", |(status, _)| status.as_str());
        let words = self.last.as_ref().map_or("", |(_, words)| words);
        let colon = if words.is_empty() { "" } else { ": " };
        self.job_watch.say(&format!(
            "job {} {stage} after {}{colon}{words}",
            self.of.id,
            short(self.since.elapsed())
        ));
    }

    fn remind_in_time(&mut self) {
        if self.said.elapsed() >= self.http.times.remind {
            self.remind();
        }
    }
}

/// An id as part of a path, whatever a service puts into it.
pub(super) fn encode(id: &str) -> String {
    clean(id).replace(['/', '?', '#', '%', '\\'], "_").replace("..", "_")
}

fn short(time: Duration) -> String {
    let s = time.as_secs();
    if s < 60 { format!("{s} s") } else { format!("{} min {} s", s / 60, s % 60) }
}
