//! Whether the answer on disk is the one that was written there.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::record::AnswerFile;

/// Answers up to this size are hashed whenever they are read; larger ones once for each time that the
/// file changed.
const SMALL: u64 = 1 << 20;
/// Bytes that are hashed at a time.
const STEP: usize = 256 << 10;

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(u64, Option<SystemTime>, u64);

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(meta);
        #[cfg(not(unix))]
        let inode = 0;
        Self(meta.len(), meta.modified().ok(), inode)
    }
}

/// Files that were found to be right.
#[derive(Debug, Default)]
pub(super) struct Vouched(Mutex<HashMap<Uuid, Stamp>>);

/// Why an answer is not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// It holds other bytes than were written.
    #[error("it is damaged: its SHA-256 is {found}, that of what was written {expected}")]
    Damaged { found: String, expected: String },
}

impl Vouched {
    /// Opens an answer and sees that it is what it should be.
    ///
    /// # Errors
    /// When it can't be read, or is something else.
    pub fn open(&self, id: Uuid, path: &Path, answer: &AnswerFile) -> Result<File, Unfit> {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.0 > SMALL && lock().get(&id) == Some(&stamp) {
            return Ok(file);
        }
        let mut hash = Sha256::new();
        let mut step = vec![0; STEP.min(usize::try_from(stamp.0).unwrap_or(STEP).max(1))];
        loop {
            match file.read(&mut step)? {
                0 => break,
                n => hash.update(&step[..n]),
            }
        }
        file.rewind()?;
        let found: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        if found != answer.sha256 {
            return Err(Unfit::Damaged { found, expected: answer.sha256.clone() });
        }
        if stamp.0 > SMALL {
            lock().insert(id, stamp);
        }
        Ok(file)
    }

    /// Forgets an answer that is gone.
    pub fn forget(&self, id: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::sha256_hex;

    #[test]
    fn a_flipped_byte_is_noticed_before_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answer");
        let id = Uuid::new_v4();
        for size in [0, 10, SMALL as usize + 10] {
            let mut bytes = vec![7_u8; size];
            std::fs::write(&path, &bytes).unwrap();
            let answer = AnswerFile { bytes: size as u64, sha256: sha256_hex(&bytes) };
            let vouched = Vouched::default();
            for _ in 0..2 {
                vouched.open(id, &path, &answer).unwrap();
            }
            bytes.push(0);
            std::fs::write(&path, &bytes).unwrap();
            assert!(matches!(vouched.open(id, &path, &answer), Err(Unfit::Damaged { .. })), "{size}");
            std::fs::remove_file(&path).unwrap();
            assert!(matches!(vouched.open(id, &path, &answer), Err(Unfit::Io(_))));
        }
    }
}
