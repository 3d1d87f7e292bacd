//! Jobs and answers on disk, so that a restart loses neither.
//!
//! A folder a job, named by its id: `payload` (as unpacked), `job.json`, `attempts`, a byte for each
//! run of it that began and did not end, and `answer` once there is one. A job is taken once `job.json` is there
//! and finished once it says so; each file is written whole or not at all, and before the one that speaks
//! of it. A folder without `job.json` was never acknowledged and is removed. Nothing is removed that is
//! not one of these files, and no folder that holds anything else.

mod folder;
mod room;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::ServerError;
use super::record::{JobRecord, RecordedState};
use truenorth_files::{DRAFT, Draft, sha256_hex, write_atomic};

pub(super) use room::{footprint, full};

/// The most bytes of a `job.json`.
const RECORD_BYTES: u64 = 4 << 20;
/// The files of a job.
const FILES: [&str; 4] = ["payload", "job.json", "attempts", "answer"];
/// Bytes of `attempts` that are looked at.
const ATTEMPTS: u64 = 64;
/// A run of a job alone, and one with others, of which any may have been at fault.
const ALONE: u8 = b'.';
const TOGETHER: u8 = b'+';

/// The folder of jobs, held by one server at a time.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Held as long as the server lives; the system lets go of it even if that is killed.
    lock: File,
}

/// A job as the spool has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpooledJob {
    pub record: JobRecord,
    /// How often a run of it alone began and did not end.
    pub alone: usize,
    /// Whether any did.
    pub suspect: bool,
    /// Bytes of disk that it takes.
    pub bytes: u64,
}

impl Spool {
    /// Opens a spool, making the folder where there is none, and reads its jobs, oldest first.
    /// `notice` hears of what can't be read; it is left where it is.
    pub fn open(folder: &Path, notice: &dyn Fn(&str)) -> Result<(Self, Vec<SpooledJob>), ServerError> {
        let at = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ServerError::Spool { doing, path, source }
        };
        folder::claim(folder)?;
        let path = folder.join(folder::LOCK);
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
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(at("read", folder))? {
            let entry = entry.map_err(at("read", folder))?;
            let Some(id) = folder::job(&entry) else { continue };
            match spool.read(id) {
                Ok(Some(one)) => found.push(one),
                Ok(None) => spool.remove(id),
                Err(problem) => notice(&format!("left alone: {}: {problem}", entry.path().display())),
            }
        }
        found.sort_by_key(|f| (f.record.received, f.record.id));
        Ok((spool, found))
    }

    /// Lets another server have the folder, though this one may still be held somewhere.
    pub fn release(&self) {
        // What can't be unlocked now is when the file is closed.
        let _ = self.lock.unlock();
    }

    /// The record of a folder; none if it was never finished.
    fn read(&self, id: Uuid) -> Result<Option<SpooledJob>, String> {
        let path = self.path(id, "job.json");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let mut text = Vec::new();
        file.take(RECORD_BYTES).read_to_end(&mut text).map_err(|e| e.to_string())?;
        let (record, old) = JobRecord::from_json(&text)?;
        if record.id != id {
            return Err(format!("job.json has the id {}, expected the folder's", record.id));
        }
        if old {
            self.write(&record).map_err(|e| format!("job.json can't be written with its hash: {e}"))?;
        }
        let size = |name| fs::metadata(self.path(id, name)).map_or(0, |m| m.len());
        let bytes = footprint(&[size("payload"), text.len() as u64, size("answer")]);
        let mut attempts = Vec::new();
        if let Ok(file) = File::open(self.path(id, "attempts")) {
            file.take(ATTEMPTS).read_to_end(&mut attempts).map_err(|e| e.to_string())?;
        }
        let alone = attempts.iter().filter(|b| **b == ALONE).count();
        Ok(Some(SpooledJob { record, alone, suspect: !attempts.is_empty(), bytes }))
    }

    /// Keeps a new job. On disk when this returns.
    pub fn keep(&self, record: &JobRecord, payload: &[u8]) -> io::Result<()> {
        folder::make_private(&self.folder.join(record.id.to_string()))?;
        let kept = self.put(record.id, "payload", payload).and_then(|()| self.write(record));
        if kept.is_err() {
            self.remove(record.id);
        }
        kept
    }

    /// Notes that a run of a job begins, before it does: what ends the server then is known to the next
    /// one. The death of a process leaves what it wrote, so nothing is waited for.
    pub fn attempt(&self, id: Uuid, alone: bool) -> io::Result<()> {
        let mark = if alone { ALONE } else { TOGETHER };
        File::options().create(true).append(true).open(self.path(id, "attempts"))?.write_all(&[mark])
    }

    /// A run of the job came to an end: whatever ended the server before, it was not this job.
    pub fn cleared(&self, id: Uuid) {
        // A mark that stays costs a job that ends the server one of its tries.
        let _ = fs::remove_file(self.path(id, "attempts"));
    }

    /// Keeps how a job ended. Its payload goes, as nothing will run it again.
    pub fn finish(&self, record: &JobRecord) -> io::Result<()> {
        self.write(record)?;
        if record.state != RecordedState::Pending {
            // What stays behind costs space only, until its job is removed.
            let _ = fs::remove_file(self.path(record.id, "payload"));
            let _ = fs::remove_file(self.path(record.id, "attempts"));
        }
        Ok(())
    }

    /// Keeps the bytes of an answer.
    pub fn keep_answer(&self, id: Uuid, bytes: &[u8]) -> io::Result<()> {
        self.put(id, "answer", bytes)
    }

    /// The payload of a job, at most `limit` bytes, as it was when it was taken: `asked` begins with its
    /// SHA-256.
    pub fn payload(&self, id: Uuid, limit: usize, asked: &str) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(id, "payload"))?;
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if size > limit {
            return Err(io::Error::other(format!("the payload has more than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size)?;
        file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        let found = sha256_hex(&bytes);
        if !asked.starts_with(&found) {
            return Err(io::Error::other(format!("its SHA-256 is {found}, that of what was sent {asked}")));
        }
        Ok(bytes)
    }

    pub fn answer(&self, id: Uuid) -> PathBuf {
        self.path(id, "answer")
    }

    /// Bytes that the disk still has for us; none where it does not say.
    pub fn free(&self) -> Option<u64> {
        crate::available::free(&self.folder)
    }

    /// Removes a job: its files, and its folder if nothing else is in it. What can't be removed is tried
    /// again at the next start.
    pub fn remove(&self, id: Uuid) {
        // Without its record a folder counts as never taken, should the rest fail.
        let _ = fs::remove_file(self.path(id, "job.json"));
        for name in FILES {
            let _ = fs::remove_file(self.path(id, name));
        }
        let folder = self.folder.join(id.to_string());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let _ = fs::remove_dir(folder);
    }

    /// Writes a file whole or not at all. Its name is on disk once a record is written after it, which makes
    /// the folder durable; file systems keep the order of the two.
    fn put(&self, id: Uuid, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(id, name);
        let mut draft = Draft::of(&path)?;
        draft.file().write_all(bytes)?;
        draft.file().sync_data()?;
        draft.put(&path)
    }

    fn write(&self, record: &JobRecord) -> io::Result<()> {
        let json = record.to_json()?;
        write_atomic(&self.path(record.id, "job.json"), |w| w.write_all(&json))
    }

    fn path(&self, id: Uuid, file: &str) -> PathBuf {
        self.folder.join(id.to_string()).join(file)
    }
}

#[cfg(test)]
mod tests {
    use super::super::auth::ClientId;
    use super::super::record::{VERSION, now};
    use super::*;

    fn record() -> JobRecord {
        JobRecord {
            version: VERSION,
            id: Uuid::new_v4(),
            client: ClientId::named("c"),
            idempotency_key: Some("k".into()),
            asked: sha256_hex(b"asked"),
            model: Default::default(),
            payload: "graph".into(),
            compress: false,
            received: now(),
            finished: None,
            state: RecordedState::Pending,
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
        a.state = RecordedState::Failed;
        spool.finish(&a).unwrap();
        let half = dir.path().join(Uuid::new_v4().to_string());
        fs::create_dir(&half).unwrap();
        fs::write(half.join("payload"), b"x").unwrap();
        drop(spool);
        let (spool, back) = Spool::open(dir.path(), &|_| {}).unwrap();
        assert_eq!(back.iter().map(|f| &f.record).collect::<Vec<_>>(), [&b, &a]);
        assert!(!half.exists());
        assert_eq!(spool.payload(b.id, 5, &b.asked).unwrap(), b"asked");
        assert!(spool.payload(b.id, 5, "00").unwrap_err().to_string().contains("SHA-256"));
        assert!(spool.payload(b.id, 4, &b.asked).is_err());
        assert_eq!(spool.payload(a.id, 5, &a.asked).unwrap_err().kind(), io::ErrorKind::NotFound);
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
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].record, good);
        let told = told.into_inner().unwrap();
        assert!(told.len() == 1 && told[0].contains(&bad.id.to_string()), "{told:?}");
        assert!(dir.path().join(bad.id.to_string()).exists());
    }

    #[test]
    fn no_flipped_bit_of_a_record_is_taken_for_what_was_written() {
        let mut one = record();
        one.answer = Some(super::super::record::AnswerFile { bytes: 90, sha256: sha256_hex(b"answer") });
        let json = one.to_json().unwrap();
        assert_eq!(JobRecord::from_json(&json).unwrap(), (one.clone(), false));
        for at in 0..json.len() {
            for bit in 0..8 {
                let mut flipped = json.clone();
                flipped[at] ^= 1 << bit;
                // What is read in spite of it reads the same: white space, the case of an id.
                if let Ok((read, _)) = JobRecord::from_json(&flipped) {
                    assert_eq!(read, one, "bit {bit} of byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_record_of_the_version_without_a_hash_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let one = record();
        spool.keep(&one, b"asked").unwrap();
        let path = spool.path(one.id, "job.json");
        let old = JobRecord { version: 1, ..one.clone() };
        fs::write(&path, serde_json::to_vec_pretty(&old).unwrap()).unwrap();
        drop(spool);
        let (_spool, back) = Spool::open(dir.path(), &|t| panic!("{t}")).unwrap();
        assert_eq!(back[0].record, one);
        assert_eq!(JobRecord::from_json(&fs::read(&path).unwrap()).unwrap(), (one, false));
    }

    #[test]
    fn two_servers_do_not_share_a_spool() {
        let dir = tempfile::tempdir().unwrap();
        let (_held, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let error = Spool::open(dir.path(), &|_| {}).unwrap_err();
        assert!(matches!(error, ServerError::SpoolInUse { .. }) && error.hint().is_some());
    }

    #[test]
    fn attempts_are_counted_until_one_ends() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let one = record();
        spool.keep(&one, b"asked").unwrap();
        for _ in 0..3 {
            spool.attempt(one.id, false).unwrap();
        }
        spool.attempt(one.id, true).unwrap();
        drop(spool);
        let (spool, back) = Spool::open(dir.path(), &|_| {}).unwrap();
        assert_eq!((back[0].alone, back[0].suspect), (1, true));
        assert!(back[0].bytes > 5);
        spool.cleared(one.id);
        drop(spool);
        assert!(!Spool::open(dir.path(), &|_| {}).unwrap().1[0].suspect);
    }

    #[test]
    fn what_is_not_ours_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(dir.path(), &|_| {}).unwrap();
        let half = dir.path().join(Uuid::new_v4().to_string());
        fs::create_dir_all(half.join("drafts")).unwrap();
        fs::write(half.join("payload"), b"x").unwrap();
        fs::write(half.join("thesis.txt"), b"years").unwrap();
        fs::write(dir.path().join("notes"), b"more").unwrap();
        let one = record();
        spool.keep(&one, b"asked").unwrap();
        fs::write(spool.path(one.id, "mine.txt"), b"x").unwrap();
        spool.remove(one.id);
        drop(spool);
        let (_spool, back) = Spool::open(dir.path(), &|_| {}).unwrap();
        assert!(back.is_empty());
        assert!(half.join("thesis.txt").exists() && half.join("drafts").exists());
        assert!(!half.join("payload").exists());
        assert!(dir.path().join("notes").exists());
        assert!(dir.path().join(one.id.to_string()).join("mine.txt").exists());
    }
}
