//! Runs jobs, one run at a time, on a thread where it may block.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Answer, Checked, frame};

use super::batch::{Pattern, merge};
use super::board::Taken;
use super::payload;
use super::record::AnswerFile;
use super::refusal::told;
use super::shared::Shared;
use super::watch::Progress;
use crate::data::sha256_hex;
use crate::run::RunError;

/// How a run went.
enum Outcome {
    Answer(Answer),
    Failed(String),
    /// Told to stop, because nobody wants it or the server ends.
    Stopped,
}

/// Runs whatever is queued until the server drains.
pub(super) async fn work(shared: Arc<Shared>) {
    while !shared.board.draining() {
        let Some(jobs) = shared.board.take(&shared.runner.batch()) else {
            shared.board.work.notified().await;
            continue;
        };
        let here = shared.clone();
        let ids: Vec<_> = jobs.iter().map(|j| j.record.id).collect();
        // Runs that panic are caught within; this is for what is around them.
        if tokio::task::spawn_blocking(move || turn(&here, &jobs)).await.is_err() {
            for id in ids {
                if let Some(record) = shared.board.ending(id, Err("the server failed; see its log".into())) {
                    shared.finish(&record);
                    shared.board.end(record);
                }
            }
        }
    }
}

/// Runs jobs that were given out together.
fn turn(shared: &Shared, jobs: &[Taken]) {
    let mut loaded: Vec<(&Taken, Checked)> = Vec::with_capacity(jobs.len());
    for job in jobs {
        match shared.load(&job.record) {
            Ok(checked) => loaded.push((job, checked)),
            Err(why) => end(shared, job, Err(why)),
        }
    }
    if loaded.len() > 1 && together(shared, &loaded) {
        return;
    }
    for (job, checked) in loaded {
        if job.cancelled.load(Ordering::SeqCst) {
            continue;
        }
        match guarded(shared, &checked, vec![job]) {
            Outcome::Answer(answer) => end(shared, job, Ok(answer)),
            Outcome::Failed(why) => end(shared, job, Err(why)),
            Outcome::Stopped => shared.board.put_back(job.record.id),
        }
    }
}

/// Runs jobs as one; false if each has to run alone after all, such as when one of them would fail
/// the others.
fn together(shared: &Shared, jobs: &[(&Taken, Checked)]) -> bool {
    let Some(pattern) = jobs.first().and_then(|(job, _)| job.pattern.as_ref()) else { return false };
    let graphs: Vec<_> = jobs.iter().map(|(_, checked)| checked.graph()).collect();
    let limits = CheckLimits { answer_bytes: shared.runner.batch().answer_bytes as u64 };
    let Some(Ok(merged)) = merge(&graphs).map(|g| g.check(shared.runner.info(), &limits)) else {
        return false;
    };
    match guarded(shared, &merged, jobs.iter().map(|(job, _)| *job).collect()) {
        Outcome::Answer(answer) => {
            let Some(parts) = split(pattern, answer, jobs) else { return false };
            shared.metrics.merged_runs.inc();
            for ((job, _), part) in jobs.iter().zip(parts) {
                end(shared, job, Ok(part));
            }
            true
        }
        Outcome::Failed(_) => false,
        Outcome::Stopped => {
            jobs.iter().rev().for_each(|(job, _)| shared.board.put_back(job.record.id));
            true
        }
    }
}

fn split(pattern: &Pattern, answer: Answer, jobs: &[(&Taken, Checked)]) -> Option<Vec<Answer>> {
    let prompts = |c: &Checked| c.graph().groups.first().map_or(0, |g| g.prompts.len());
    let counts: Vec<usize> = jobs.iter().map(|(_, checked)| prompts(checked)).collect();
    pattern.split(answer, &counts).ok()
}

/// Runs a graph; a panic in the model fails this run and nothing else.
fn guarded(shared: &Shared, checked: &Checked, jobs: Vec<&Taken>) -> Outcome {
    let run = || {
        let progress = Progress::new(shared, jobs, checked);
        shared.runner.run(checked, &progress)
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(answer)) => Outcome::Answer(answer),
        Ok(Err(RunError::Interrupted)) => Outcome::Stopped,
        Ok(Err(error)) => Outcome::Failed(told(&error, error.hint())),
        Err(panic) => {
            let why = message(panic.as_ref());
            (shared.notice)(&format!("a run panicked: {why}"));
            Outcome::Failed(format!(
                "the run panicked: {why}\nhint: this is a bug of the server; other jobs are not affected"
            ))
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Keeps how a job ended, then tells.
fn end(shared: &Shared, job: &Taken, outcome: Result<Answer, String>) {
    let id = job.record.id;
    let kept = outcome.and_then(|answer| keep(shared, job, answer));
    let Some(record) = shared.board.ending(id, kept) else {
        // Cancelled meanwhile: what is kept says so already.
        let _ = std::fs::remove_file(shared.spool.answer(id));
        return;
    };
    shared.finish(&record);
    if !shared.board.end(record)
        && let Some(record) = shared.board.record(id)
    {
        // Cancelled between the two: what the clients were told is what is kept.
        shared.finish(&record);
        let _ = std::fs::remove_file(shared.spool.answer(id));
    }
}

/// Writes an answer to the spool.
fn keep(shared: &Shared, job: &Taken, answer: Answer) -> Result<AnswerFile, String> {
    let payload = payload::of_name(&job.record.payload)
        .ok_or_else(|| format!("payloads of the kind {:?} are not known here", job.record.payload))?;
    let mut bytes = payload.write(&answer).map_err(|e| told(&e, None))?;
    // The larger copy goes before the next one is made.
    drop(answer);
    if job.record.compress {
        bytes = frame::compress(&bytes).map_err(|e| told(&e, None))?;
    }
    shared
        .spool
        .keep_answer(job.record.id, &bytes)
        .map_err(|e| format!("the answer can't be kept: {e}\nhint: the server's disk may be full"))?;
    Ok(AnswerFile { bytes: bytes.len() as u64, sha256: sha256_hex(&bytes) })
}
