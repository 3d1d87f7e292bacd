//! How a job's end gets to disk, and waits for room there.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use truenorth_protocol::{Answer, frame};

use super::board::TakenJob;
use super::payload;
use super::record::AnswerFile;
use super::refusal::told;
use super::shared::ServerParts;
use super::spool::full;
use truenorth_files::sha256_hex;

/// How long is waited before a full disk is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often an operator is told of the same disk.
const TELL: Duration = Duration::from_secs(60);

enum Unkept {
    /// It fails, and is told why.
    Failed(String),
    /// Nobody wants it any more, or the server ends; what is on disk starts anew.
    Left,
}

/// Keeps how a job ended, then tells. A job that was taken is not thrown away for want of room: its answer
/// waits until there is some.
pub(super) fn end(shared: &ServerParts, job: &TakenJob, outcome: Result<Answer, String>) {
    let id = job.record.id;
    let kept = match outcome {
        Ok(answer) => match keep(shared, job, answer) {
            Ok(file) => Ok(file),
            Err(Unkept::Failed(why)) => Err(why),
            Err(Unkept::Left) if job.cancelled.load(Ordering::SeqCst) => return,
            Err(Unkept::Left) => {
                return shared.board.put_back(id);
            }
        },
        Err(why) => Err(why),
    };
    let Some(record) = shared.board.ending(id, kept) else {
        // Cancelled meanwhile: what is kept says so already.
        let _ = std::fs::remove_file(shared.spool.answer(id));
        return;
    };
    match patiently(shared, job, || shared.spool.finish(&record)) {
        Ok(()) => {}
        Err(Unkept::Left) => return,
        Err(Unkept::Failed(why)) => {
            (shared.notice)(&format!("job {id}: its end can't be written to the spool: {why}"));
        }
    }
    if !shared.board.end(record)
        && let Some(record) = shared.board.record(id)
    {
        // Cancelled between the two: what the clients were told is what is kept.
        shared.finish(&record);
        let _ = std::fs::remove_file(shared.spool.answer(id));
    }
}

/// Writes an answer to the spool.
fn keep(shared: &ServerParts, job: &TakenJob, answer: Answer) -> Result<AnswerFile, Unkept> {
    let failed = Unkept::Failed;
    let payload = payload::of_name(&job.record.payload)
        .ok_or_else(|| failed(format!("payloads of the kind {:?} are not known here", job.record.payload)))?;
    let mut bytes = payload.write(&answer).map_err(|e| failed(told(&e, None)))?;
    // The larger copy goes before the next one is made.
    drop(answer);
    if job.record.compress {
        bytes = frame::compress(&bytes).map_err(|e| failed(told(&e, None)))?;
    }
    // What is left to do ends no server.
    shared.spool.cleared(job.record.id);
    patiently(shared, job, || shared.spool.keep_answer(job.record.id, &bytes))?;
    Ok(AnswerFile { bytes: bytes.len() as u64, sha256: sha256_hex(&bytes) })
}

/// Writes until there is room for it, or it is not wanted any more.
fn patiently(shared: &ServerParts, job: &TakenJob, write: impl Fn() -> io::Result<()>) -> Result<(), Unkept> {
    let mut said: Option<Instant> = None;
    loop {
        let e = match write() {
            Ok(()) => return Ok(()),
            Err(e) if full(&e) => e,
            Err(e) => return Err(Unkept::Failed(format!("the answer can't be kept: {e}"))),
        };
        if shared.halt.load(Ordering::SeqCst) || job.cancelled.load(Ordering::SeqCst) {
            return Err(Unkept::Left);
        }
        let older = shared.board.clear_disk(job.weight.disk, shared.spool.free());
        if !older.is_empty() {
            shared.remove(older);
            continue;
        }
        if said.is_none_or(|s| s.elapsed() > TELL) {
            said = Some(Instant::now());
            (shared.notice)(&format!("job {} waits for room in the spool: {e}", job.record.id));
        }
        std::thread::sleep(AGAIN);
    }
}
