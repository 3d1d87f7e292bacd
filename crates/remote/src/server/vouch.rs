//! Whether the answer on disk is the one that was written there.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use truenorth_protocol::hash::hex;
use uuid::Uuid;

use super::record::AnswerFile;

/// Bytes that are read, hashed and sent at a time.
pub(super) const CHUNK: usize = 64 << 10;

/// What tells that a file was written since it was hashed. Bits that flip on a disk change none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WriteStamp(u64, Option<SystemTime>, u64);

impl WriteStamp {
    fn of(meta: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(meta);
        #[cfg(not(unix))]
        let inode = 0;
        Self(meta.len(), meta.modified().ok(), inode)
    }
}

/// The SHA-256 of each chunk of an answer.
type Chunks = Arc<[[u8; 32]]>;

/// Files that were found to be right as a whole, and what their chunks were then.
#[derive(Debug, Default)]
pub(super) struct Vouched(Mutex<HashMap<Uuid, (WriteStamp, Chunks)>>);

/// An answer that was right as a whole; each chunk of it is looked at again when it is read.
#[derive(Debug)]
pub(super) struct Vouching {
    file: File,
    chunks: Chunks,
    bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// It holds other bytes than were written.
    #[error("it is damaged: its SHA-256 is {found}, that of what was written {expected}")]
    Damaged { found: String, expected: String },
    /// It has more or fewer bytes than were written.
    #[error("it is damaged: it has {found} bytes, {expected} were written")]
    Length { found: u64, expected: u64 },
    /// A part of it is not what it was when the whole was right.
    #[error("it is damaged: the SHA-256 of its bytes from {start} on is not that of what was written")]
    Changed { start: u64 },
}

impl Vouched {
    /// Opens an answer and sees that it is what it should be. The whole of it is read the first time, and
    /// once more for each time that the file was written since.
    ///
    /// # Errors
    /// When it can't be read, or is something else.
    pub fn open(&self, id: Uuid, path: &Path, answer: &AnswerFile) -> Result<Vouching, Unfit> {
        let mut file = File::open(path)?;
        let stamp = WriteStamp::of(&file.metadata()?);
        if stamp.0 != answer.bytes {
            return Err(Unfit::Length { found: stamp.0, expected: answer.bytes });
        }
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&id).filter(|(of, _)| *of == stamp).map(|(_, chunks)| chunks.clone());
        let chunks = match known {
            Some(chunks) => chunks,
            None => {
                let chunks = hash(&mut file, answer)?;
                lock().insert(id, (stamp, chunks.clone()));
                chunks
            }
        };
        Ok(Vouching { file, chunks, bytes: answer.bytes })
    }

    /// Forgets an answer that is gone.
    pub fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// The hashes of a file's chunks, if that of the whole is right.
fn hash(file: &mut File, answer: &AnswerFile) -> Result<Chunks, Unfit> {
    let (mut whole, mut chunks) = (Sha256::new(), Vec::new());
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.clear();
        if file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)? == 0 {
            break;
        }
        whole.update(&chunk);
        chunks.push(Sha256::digest(&chunk).into());
    }
    let found = hex(&whole.finalize());
    if found == answer.sha256 {
        Ok(chunks.into())
    } else {
        Err(Unfit::Damaged { found, expected: answer.sha256.clone() })
    }
}

impl Vouching {
    /// Bytes from `at` on, before `end`: as many as their chunk has.
    ///
    /// # Errors
    /// When they can't be read, or are not what was written.
    pub fn read(&mut self, at: u64, end: u64) -> Result<Vec<u8>, Unfit> {
        let size = CHUNK as u64;
        let start = at / size * size;
        let length = size.min(self.bytes.saturating_sub(start));
        self.file.seek(SeekFrom::Start(start))?;
        let mut chunk = Vec::with_capacity(CHUNK);
        self.file.by_ref().take(length).read_to_end(&mut chunk)?;
        let expected = usize::try_from(at / size).ok().and_then(|i| self.chunks.get(i));
        if expected != Some(&Sha256::digest(&chunk).into()) {
            return Err(Unfit::Changed { start });
        }
        // Both are within the chunk, which has fewer bytes than a usize can count.
        chunk.truncate(usize::try_from(end.saturating_sub(start)).unwrap_or(CHUNK));
        chunk.drain(..usize::try_from(at - start).unwrap_or(CHUNK).min(chunk.len()));
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use truenorth_files::sha256_hex;

    fn answer(bytes: &[u8]) -> AnswerFile {
        AnswerFile { bytes: bytes.len() as u64, sha256: sha256_hex(bytes) }
    }

    #[test]
    fn what_was_written_over_is_noticed_before_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answer");
        let id = Uuid::new_v4();
        for size in [0, 10, CHUNK, 3 * CHUNK + 10] {
            let mut bytes = vec![7_u8; size];
            std::fs::write(&path, &bytes).unwrap();
            let answer = answer(&bytes);
            let vouched = Vouched::default();
            for _ in 0..2 {
                vouched.open(id, &path, &answer).unwrap();
            }
            bytes.push(0);
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(vouched.open(id, &path, &answer), Err(Unfit::Length { .. })), "{size}");
            if let Some(first) = bytes.first_mut().filter(|_| size > 0) {
                *first = 8;
                bytes.pop();
                std::fs::write(&path, &bytes).unwrap();
                let read = vouched.open(id, &path, &answer).and_then(|mut file| file.read(0, 1));
                assert!(matches!(read, Err(Unfit::Damaged { .. } | Unfit::Changed { .. })), "{size}");
            }
            std::fs::remove_file(&path).unwrap();
            assert!(matches!(vouched.open(id, &path, &answer), Err(Unfit::Io(_))));
        }
    }

    #[test]
    fn any_range_is_read_and_a_flipped_bit_that_leaves_no_trace_is_found_in_its_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answer");
        let mut bytes: Vec<u8> = (0..2 * CHUNK + 100).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let (id, answer, vouched) = (Uuid::new_v4(), answer(&bytes), Vouched::default());
        let end = bytes.len() as u64;
        let read = |at: u64, end: u64| vouched.open(id, &path, &answer).unwrap().read(at, end);
        for (at, end, want) in [
            (0, end, 0..CHUNK),
            (5, 9, 5..9),
            (CHUNK as u64 - 1, end, CHUNK - 1..CHUNK),
            (2 * CHUNK as u64 + 7, end, 2 * CHUNK + 7..2 * CHUNK + 100),
        ] {
            assert_eq!(read(at, end).unwrap(), &bytes[want]);
        }
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        bytes[CHUNK + 3] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        assert_eq!(read(0, end).unwrap(), &bytes[..CHUNK]);
        assert!(matches!(read(CHUNK as u64, end), Err(Unfit::Changed { start }) if start == CHUNK as u64));
    }
}
