//! Jobs and answers on disk, so that a restart loses neither.
//!
//! A folder a job, named by its id: `payload` (as unpacked), `job.json`, and `answer` once there is
//! one. A job is taken once `job.json` is there and finished once it says so; each file is written
//! whole or not at all, and before the one that speaks of it. A folder without `job.json` was
//! never acknowledged and is removed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::ServerError;
use super::record::{Kept, Record, VERSION};
use crate::data::write_atomic;

/// The most bytes of a `job.json`.
const RECORD_BYTES: u64 = 4 << 20;

/// The folder of jobs, held by one server at a time.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Held as long as the server lives; the system lets go of it even if that is killed.
    lock: File,
}

impl Spool {
    /// Opens a spool, making the folder where there is none, and reads its jobs, oldest first.
    /// `notice` hears of what can't be read; it is left where it is.
    pub fn open(folder: &Path, notice: &dyn Fn(&str)) -> Result<(Self, Vec<Record>), ServerError> {
        let at = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ServerError::Spool { doing, path, source }
        };
        make_private(folder).map_err(at("make the folder", folder))?;
        let path = folder.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(ServerError::SpoolInUse { path: folder.to_owned() });
            }
            Err(fs::TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
        }
        let spool = Self { folder: folder.to_owned(), lock };
        let mut records = Vec::new();
        for entry in fs::read_dir(folder).map_err(at("read", folder))? {
            let entry = entry.map_err(at("read", folder))?;
            let Some(id) = entry.file_name().to_str().and_then(|n| Uuid::try_parse(n).ok()) else { continue };
            match spool.read(id) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => drop(fs::remove_dir_all(entry.path())),
                Err(problem) => notice(&format!("left alone: {}: {problem}", entry.path().display())),
            }
        }
        records.sort_by_key(|r| (r.received, r.id));
        Ok((spool, records))
    }

    /// Lets another server have the folder, though this one may still be held somewhere.
    pub fn release(&self) {
        // What can't be unlocked now is when the file is closed.
        let _ = self.lock.unlock();
    }

    /// The record of a folder; none if it was never finished.
    fn read(&self, id: Uuid) -> Result<Option<Record>, String> {
        let path = self.path(id, "job.json");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let mut text = Vec::new();
        file.take(RECORD_BYTES).read_to_end(&mut text).map_err(|e| e.to_string())?;
        let record: Record =
            serde_json::from_slice(&text).map_err(|e| format!("job.json is not a job: {e}"))?;
        if record.version != VERSION || record.id != id {
            return Err(format!(
                "job.json has version {} and id {}, expected {VERSION} and the folder's",
                record.version, record.id
            ));
        }
        Ok(Some(record))
    }

    /// Keeps a new job. On disk when this returns.
    pub fn keep(&self, record: &Record, payload: &[u8]) -> io::Result<()> {
        make_private(&self.folder.join(record.id.to_string()))?;
        let kept = write_atomic(&self.path(record.id, "payload"), |w| w.write_all(payload))
            .and_then(|()| self.write(record));
        if kept.is_err() {
            self.remove(record.id);
        }
        kept
    }

    /// Keeps how a job ended. Its payload goes, as nothing will run it again.
    pub fn finish(&self, record: &Record) -> io::Result<()> {
        self.write(record)?;
        if record.state != Kept::Pending {
            // A payload that stays behind costs space only, until its job is removed.
            let _ = fs::remove_file(self.path(record.id, "payload"));
        }
        Ok(())
    }

    /// Keeps the bytes of an answer.
    pub fn keep_answer(&self, id: Uuid, bytes: &[u8]) -> io::Result<()> {
        write_atomic(&self.answer(id), |w| w.write_all(bytes))
    }

    /// The payload of a job, at most `limit` bytes.
    pub fn payload(&self, id: Uuid, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(id, "payload"))?;
        file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::Error::other(format!("the payload has more than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// Where the answer of a job is.
    pub fn answer(&self, id: Uuid) -> PathBuf {
        self.path(id, "answer")
    }

    /// Removes a job. What can't be removed is tried again at the next start.
    pub fn remove(&self, id: Uuid) {
        // Without its record a folder counts as never taken, should the rest fail.
        let _ = fs::remove_file(self.path(id, "job.json"));
        let _ = fs::remove_dir_all(self.folder.join(id.to_string()));
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(record)?;
        write_atomic(&self.path(record.id, "job.json"), |w| w.write_all(&json))
    }

    fn path(&self, id: Uuid, file: &str) -> PathBuf {
        self.folder.join(id.to_string()).join(file)
    }
}

/// Makes a folder that only its owner can look into: prompts and answers are nobody else's business.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::super::auth::ClientId;
    use super::super::record::now;
    use super::*;

    fn record() -> Record {
        Record {
            version: VERSION,
            id: Uuid::new_v4(),
            client: ClientId::named("c"),
            idempotency_key: Some("k".into()),
            asked: "00".into(),
            model: Default::default(),
            payload: "graph".into(),
            compress: false,
            received: now(),
            finished: None,
            state: Kept::Pending,
            description: String::new(),
            answer: None,
        }
    }

    #[test]
    fn jobs_come_back_oldest_first_and_half_written_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let (mut a, mut b) = (record(), record());
        (a.received, b.received) = (20, 10);
        let (spool, none) = Spool::open(dir.path(), &|_| {}).unwrap();
        assert!(none.is_empty());
        spool.keep(&a, b"asked").unwrap();
        spool.keep(&b, b"asked").unwrap();
        a.state = Kept::Failed;
        spool.finish(&a).unwrap();
        let half = dir.path().join(Uuid::new_v4().to_string());
        fs::create_dir(&half).unwrap();
        fs::write(half.join("payload"), b"x").unwrap();
        drop(spool);
        let (spool, back) = Spool::open(dir.path(), &|_| {}).unwrap();
        assert_eq!(back, [b.clone(), a.clone()]);
        assert!(!half.exists());
        assert_eq!(spool.payload(b.id, 5).unwrap(), b"asked");
        assert!(spool.payload(b.id, 4).is_err());
        assert_eq!(spool.payload(a.id, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_damaged_record_is_told_and_left_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let (good, bad) = (record(), record());
        spool.keep(&good, b"1").unwrap();
        spool.keep(&bad, b"2").unwrap();
        fs::write(spool.path(bad.id, "job.json"), b"{").unwrap();
        drop(spool);
        let told = std::sync::Mutex::new(Vec::new());
        let (_spool, back) = Spool::open(dir.path(), &|t| told.lock().unwrap().push(t.to_owned())).unwrap();
        assert_eq!(back, [good]);
        let told = told.into_inner().unwrap();
        assert!(told.len() == 1 && told[0].contains(&bad.id.to_string()), "{told:?}");
        assert!(dir.path().join(bad.id.to_string()).exists());
    }

    #[test]
    fn two_servers_do_not_share_a_spool() {
        let dir = tempfile::tempdir().unwrap();
        let (_held, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let error = Spool::open(dir.path(), &|_| {}).unwrap_err();
        assert!(matches!(error, ServerError::SpoolInUse { .. }) && error.hint().is_some());
    }
}
