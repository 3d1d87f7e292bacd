//! Waiting for a job: on its socket while there is one, by polling from then on.

use std::time::Duration;

use rand::Rng as _;
use reqwest::{StatusCode, Url};
use tokio::time::Instant;
use truenorth_protocol::job::{Status, Update};
use truenorth_protocol::nnsight::read_binary_update;

use super::http::Http;
use super::retry::asked;
use super::see::{See, clean};
use super::socket::{Frame, Socket};
use super::{ClientError, address};

const DOING: &str = "waiting for a job";

/// Where a result is.
pub(super) enum Ready {
    /// To be fetched.
    At(Url),
    /// It came along.
    Here(Vec<u8>),
}

/// A job being waited for.
pub(super) struct Wait<'a> {
    http: &'a Http,
    id: &'a str,
    see: See<'a>,
    /// Told of every new stage, to write it down.
    stage: &'a mut (dyn FnMut(&Update) + 'a),
    since: Instant,
    last: Option<(Status, String)>,
    said: Instant,
}

impl<'a> Wait<'a> {
    pub(super) fn new(
        http: &'a Http,
        id: &'a str,
        see: See<'a>,
        stage: &'a mut (dyn FnMut(&Update) + 'a),
    ) -> Self {
        let now = Instant::now();
        Self { http, id, see, stage, since: now, last: None, said: now }
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
    ) -> Result<Ready, ClientError> {
        if let Some(ready) = first.map_or(Ok(None), |frame| self.frame(frame))? {
            return Ok(ready);
        }
        if let Some(socket) = socket {
            if let Some(ready) = self.listen(socket).await? {
                return Ok(ready);
            }
            self.see.say(&format!("the socket of job {} closed; polling goes on", self.id));
        }
        self.poll().await
    }

    /// Listens until the job is done, or the socket is gone.
    async fn listen(&mut self, mut socket: Socket) -> Result<Option<Ready>, ClientError> {
        loop {
            let reminder = self.said + self.http.times.remind;
            let see = self.see;
            tokio::select! {
                biased;
                () = see.stopped() => return Err(ClientError::Interrupted),
                frame = socket.next() => match frame {
                    None => return Ok(None),
                    Some(frame) => match self.frame(frame) {
                        // What can't be read on the socket may still be had otherwise.
                        Err(ClientError::Reply(error)) => {
                            self.see.say(&format!("a frame of job {} can't be read: {error}", self.id));
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                        Ok(Some(ready)) => return Ok(Some(ready)),
                        Ok(None) => {}
                    },
                },
                () = tokio::time::sleep_until(reminder) => self.remind(),
            }
        }
    }

    /// Asks how the job is until it is done.
    async fn poll(&mut self) -> Result<Ready, ClientError> {
        let times = self.http.times;
        let path = format!("/response/{}", encode(self.id));
        let mut pause = times.poll_first;
        let (mut missing, mut away) = (None, None);
        loop {
            let mut wanted = None;
            let failed = match self.http.get_once(&path, DOING, &self.see).await {
                Ok(got) if got.status == StatusCode::NOT_FOUND => {
                    away = None;
                    let waited = missing.get_or_insert_with(Instant::now).elapsed();
                    if waited >= times.missing {
                        return Err(ClientError::Lost { id: self.id.to_owned(), waited });
                    }
                    None
                }
                Ok(got) if got.status.is_success() => match got.json::<Update>(self.http, DOING) {
                    Ok(update) => {
                        (missing, away) = (None, None);
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
                self.see.say(&format!("{error}; asking again"));
            }
            self.remind_in_time();
            // Spread, so that many jobs are not asked after all at once.
            let spread = pause.mul_f64(rand::rng().random_range(0.75..1.25));
            self.see.sleep(wanted.unwrap_or_default().max(spread)).await?;
            pause = pause.mul_f64(1.5).min(times.poll_most);
        }
    }

    fn frame(&mut self, frame: Frame) -> Result<Option<Ready>, ClientError> {
        match frame {
            Frame::Update(update) => self.update(update, None),
            Frame::Binary(bytes) => {
                let (update, result) = read_binary_update(&bytes)?;
                self.update(update, result)
            }
        }
    }

    fn update(&mut self, update: Update, result: Option<Vec<u8>>) -> Result<Option<Ready>, ClientError> {
        if update.id != self.id {
            return Ok(None);
        }
        let words = self.http.shown(update.description.trim());
        match &update.status {
            Status::Log => self.see.say(&format!("job {} says: {words}", self.id)),
            Status::Error => {
                return Err(ClientError::Job { id: self.id.to_owned(), traceback: words });
            }
            status => {
                let now = (status.clone(), words);
                if self.last.as_ref() != Some(&now) {
                    self.last = Some(now);
                    (self.stage)(&update);
                    self.remind();
                }
            }
        }
        if update.status != Status::Completed {
            return Ok(None);
        }
        if let Some(result) = result {
            return Ok(Some(Ready::Here(result)));
        }
        let at = update.data.as_ref().and_then(|d| d.as_str());
        match at.and_then(|at| address::resolve(&self.http.base, at)) {
            Some(url) => Ok(Some(Ready::At(url))),
            None => Err(ClientError::Message { doing: DOING, source: None }),
        }
    }

    /// Says what the job does, and since when.
    fn remind(&mut self) {
        self.said = Instant::now();
        let stage = self.last.as_ref().map_or("SENT", |(status, _)| status.as_str());
        let words = self.last.as_ref().map_or("", |(_, words)| words);
        let colon = if words.is_empty() { "" } else { ": " };
        self.see.say(&format!("job {} {stage} after {}{colon}{words}", self.id, short(self.since.elapsed())));
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
