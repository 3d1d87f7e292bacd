//! Runs jobs on threads where they may block, one at a time, long ones in slices.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Answer, CheckedGraph};

use super::batch::{Pattern, merge};
use super::board::TakenJob;
use super::keep::end;
use super::memory::Share;
use super::refusal::told;
use super::shared::ServerParts;
use super::turns::ModelTurn;
use super::watch::RunProgress;
use truenorth_protocol::run::RunError;

/// The most runs that are begun and not ended; one has the model, the others wait for it or for a disk.
const RUNS: usize = 8;
/// Answers of one run that are written down at a time.
const WRITERS: usize = 4;

enum RunOutcome {
    Answer(Answer),
    Failed(String),
    /// Told to stop, because nobody wants it, it had the model for too long, or the server ends.
    Stopped,
}

/// Jobs that were given out together, with their place in the line and the memory that they may take.
struct JobRun {
    jobs: Vec<TakenJob>,
    turn: ModelTurn,
    /// Free again when the answers are written down.
    _memory: Share,
}

/// Runs whatever is queued until the server drains and what was begun has ended.
pub(super) async fn work(shared: Arc<ServerParts>) {
    let mut runs = JoinSet::new();
    while !shared.board.draining() {
        if runs.len() < RUNS
            && shared.turns.open()
            && let Some(run) = next(&shared)
        {
            runs.spawn(begin(shared.clone(), run));
            continue;
        }
        tokio::select! {
            () = shared.board.work.notified() => {}
            Some(_) = runs.join_next() => {}
        }
    }
    while runs.join_next().await.is_some() {}
}

/// The jobs whose turn it is, of clients that have no run yet, as far as there is memory for them.
fn next(shared: &ServerParts) -> Option<JobRun> {
    let busy = shared.turns.clients();
    let jobs = shared.board.take(&shared.runner.batch(), shared.runs.left(), &busy)?;
    let bytes = jobs.iter().fold(0_u64, |n, j| n.saturating_add(j.weight.memory));
    // Only this task takes any, so what was left is still there.
    let memory = shared.runs.take(bytes)?;
    let clients = jobs.iter().map(|j| j.record.client.clone()).collect();
    Some(JobRun { jobs, turn: shared.turns.join(clients), _memory: memory })
}

async fn begin(shared: Arc<ServerParts>, run: JobRun) {
    let here = shared.clone();
    let ids: Vec<_> = run.jobs.iter().map(|j| j.record.id).collect();
    // Runs that panic are caught within; this is for what is around them.
    if tokio::task::spawn_blocking(move || turn(&here, &run)).await.is_err() {
        for id in ids {
            if let Some(record) = shared.board.ending(id, Err("the server failed; see its log".into())) {
                shared.finish(&record);
                shared.board.end(record);
            }
        }
    }
}

/// Runs jobs that were given out together.
fn turn(shared: &ServerParts, run: &JobRun) {
    run.turn.wait();
    let mut loaded: Vec<(&TakenJob, CheckedGraph)> = Vec::with_capacity(run.jobs.len());
    for job in &run.jobs {
        attempt(shared, job, run.jobs.len() == 1);
        match shared.load(&job.record) {
            Ok((checked, _)) => loaded.push((job, checked)),
            Err(why) => end(shared, job, Err(why)),
        }
    }
    let mut ends: Vec<(&TakenJob, Result<Answer, String>)> = Vec::with_capacity(loaded.len());
    if loaded.len() < 2 || !together(shared, run, &loaded, &mut ends) {
        for (job, checked) in &loaded {
            if job.cancelled.load(Ordering::SeqCst) {
                continue;
            }
            if run.jobs.len() > 1 {
                attempt(shared, job, true);
            }
            match guarded(shared, run, checked, vec![job]) {
                RunOutcome::Answer(answer) => ends.push((job, Ok(answer))),
                RunOutcome::Failed(why) => ends.push((job, Err(why))),
                RunOutcome::Stopped if shared.halt.load(Ordering::SeqCst) => put_back(shared, job),
                RunOutcome::Stopped => ends.push((job, Err(stopped(shared, &run.turn)))),
            }
        }
    }
    // Others may have the model while the answers are written down.
    run.turn.leave();
    shared.board.work.notify_one();
    drop(loaded);
    write_down(shared, ends);
}

/// Keeps how jobs ended. Several at a time, as each waits for the disk and not for the processor.
fn write_down(shared: &ServerParts, ends: Vec<(&TakenJob, Result<Answer, String>)>) {
    let writers = ends.len().min(WRITERS);
    let ends = Mutex::new(ends.into_iter());
    let next = || ends.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((job, outcome)) = next() {
            end(shared, job, outcome);
        }
    };
    if writers < 2 {
        return work();
    }
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(work);
        }
    });
}

/// Notes that a run of a job begins, alone or with others.
fn attempt(shared: &ServerParts, job: &TakenJob, alone: bool) {
    if let Err(e) = shared.spool.attempt(job.record.id, alone) {
        (shared.notice)(&format!("job {}: its attempt can't be noted: {e}", job.record.id));
    }
}

fn put_back(shared: &ServerParts, job: &TakenJob) {
    shared.spool.cleared(job.record.id);
    shared.board.put_back(job.record.id);
}

/// Why a run stopped that nobody cancelled: cancelled jobs have ended already.
fn stopped(shared: &ServerParts, turn: &ModelTurn) -> String {
    let limit = shared.limits.job_time;
    if turn.used() >= limit {
        format!(
            "the run took {limit:?}, the most that one job may\nhint: ask about fewer prompts or generate fewer tokens at a time"
        )
    } else {
        "the run stopped before its end".into()
    }
}

/// Runs jobs as one; false if each has to run alone after all, such as when one of them would fail
/// the others.
fn together<'a>(
    shared: &ServerParts,
    run: &JobRun,
    jobs: &[(&'a TakenJob, CheckedGraph)],
    ends: &mut Vec<(&'a TakenJob, Result<Answer, String>)>,
) -> bool {
    let Some(pattern) = jobs.first().and_then(|(job, _)| job.pattern.as_ref()) else { return false };
    let graphs: Vec<_> = jobs.iter().map(|(_, checked)| checked.graph()).collect();
    let answer_bytes = shared.runner.batch().answer_bytes as u64;
    let limits = CheckLimits { answer_bytes, ..shared.check_limits() };
    let Some(Ok(merged)) = merge(&graphs).map(|g| g.check(shared.runner.info(), &limits)) else {
        return false;
    };
    match guarded(shared, run, &merged, jobs.iter().map(|(job, _)| *job).collect()) {
        RunOutcome::Answer(answer) => {
            let Some(parts) = split(pattern, answer, jobs) else { return false };
            shared.metrics.merged_runs.inc();
            ends.extend(jobs.iter().zip(parts).map(|((job, _), part)| (*job, Ok(part))));
            true
        }
        RunOutcome::Stopped if shared.halt.load(Ordering::SeqCst) => {
            jobs.iter().rev().for_each(|(job, _)| put_back(shared, job));
            true
        }
        RunOutcome::Failed(_) | RunOutcome::Stopped => false,
    }
}

fn split(pattern: &Pattern, answer: Answer, jobs: &[(&TakenJob, CheckedGraph)]) -> Option<Vec<Answer>> {
    let prompts = |c: &CheckedGraph| c.graph().groups.first().map_or(0, |g| g.prompts.len());
    let counts: Vec<usize> = jobs.iter().map(|(_, checked)| prompts(checked)).collect();
    pattern.split(answer, &counts).ok()
}

/// Runs a graph; a panic in the model fails this run and nothing else.
fn guarded(shared: &ServerParts, run: &JobRun, checked: &CheckedGraph, jobs: Vec<&TakenJob>) -> RunOutcome {
    let go = || {
        let progress = RunProgress::new(shared, &run.turn, jobs, checked);
        shared.runner.run(checked, &progress)
    };
    match catch_unwind(AssertUnwindSafe(go)) {
        Ok(Ok(answer)) => RunOutcome::Answer(answer),
        Ok(Err(RunError::Interrupted)) => RunOutcome::Stopped,
        Ok(Err(error)) => RunOutcome::Failed(told(&error, error.hint())),
        Err(panic) => {
            let why = message(panic.as_ref());
            (shared.notice)(&format!("a run panicked: {why}"));
            RunOutcome::Failed(format!(
                "the run panicked: {why}\nhint: this is a bug of the server; other jobs are not affected"
            ))
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
