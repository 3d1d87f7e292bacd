//! Checksums of files, remembered so that a big file is read for one only once.

use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truenorth_protocol::hash::{hex, sha256_hex};

use super::error::io;
use super::{ModelsError, ProgressStage, ResolveOptions};
use truenorth_files::Draft;

const CHUNK: usize = 1 << 20;

/// A file changed less than this ago is not remembered: another change within the clock's
/// resolution would leave the same stamp.
const SETTLED: Duration = Duration::from_secs(2);

pub(super) enum CopyFailure {
    Read,
    Write,
}

/// Copies a stream while hashing it; `progress` is told the bytes done and may end it. `total`
/// bounds the copy: of a longer stream one byte more is read, enough for its checksum to differ.
pub(super) fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    hasher: &mut impl Digest,
    total: u64,
    mut progress: impl FnMut(u64) -> Result<(), ModelsError>,
    failed: impl Fn(CopyFailure, std::io::Error) -> ModelsError,
) -> Result<(), ModelsError> {
    let mut from = from.take(total.saturating_add(1));
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(CopyFailure::Read, error)),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        hasher.update(chunk);
        to.write_all(chunk).map_err(|error| failed(CopyFailure::Write, error))?;
        done += read as u64;
        progress(done)?;
    }
}

/// SHA-256 of a file, in hex.
pub(super) fn file(path: &Path, options: &ResolveOptions) -> Result<String, ModelsError> {
    let mut hasher = Sha256::new();
    read(path, &mut hasher, options)?;
    Ok(hex(&hasher.finalize()))
}

/// Feeds a file to a hash.
pub(super) fn read(
    path: &Path,
    hasher: &mut impl Digest,
    options: &ResolveOptions,
) -> Result<(), ModelsError> {
    let mut file = File::open(path).map_err(io("open", path))?;
    let total = file.metadata().map_err(io("read", path))?.len();
    let item = display_name(path);
    let progress = |done| {
        options.report(ProgressStage::Hashing, &item, done, total);
        options.check_cancelled()
    };
    let failed = |_, source| io("read", path)(source);
    copy(&mut file, &mut std::io::sink(), hasher, total, progress, failed)
}

pub(super) fn display_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    path: PathBuf,
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    /// Inode and time of its last change, where the system has them: they also notice a file
    /// whose time of modification was set back.
    inode: Option<(u64, i64, i64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    stamp: FileStamp,
    sha256: String,
}

/// SHA-256 of a file, in hex, from `CACHE/identity/` where the file is as it was when it was read
/// last. A cache that cannot be written only costs the time to read the file again.
pub(super) fn remembered(path: &Path, options: &ResolveOptions) -> Result<String, ModelsError> {
    let path = path.canonicalize().map_err(io("open", path))?;
    let metadata = path.metadata().map_err(io("read", &path))?;
    let Some(stamp) = stamp(&path, &metadata) else {
        return file(&path, options);
    };
    let note = note_of(&path, options);
    let known = std::fs::read(&note).ok();
    let known = known.and_then(|bytes| serde_json::from_slice::<Remembered>(&bytes).ok());
    if let Some(known) = known.filter(|known| known.stamp == stamp) {
        return Ok(known.sha256);
    }
    let sha256 = file(&path, options)?;
    if is_settled(&metadata) {
        let _ = write(&note, &Remembered { stamp, sha256: sha256.clone() });
    }
    Ok(sha256)
}

/// Remembers the checksum of a file that this process has just written.
pub(super) fn remember(path: &Path, sha256: &str, options: &ResolveOptions) {
    let Ok(path) = path.canonicalize() else {
        return;
    };
    let stamp = path.metadata().ok().and_then(|metadata| stamp(&path, &metadata));
    if let Some(stamp) = stamp {
        let what = Remembered { stamp, sha256: sha256.to_owned() };
        let _ = write(&note_of(&path, options), &what);
    }
}

fn note_of(path: &Path, options: &ResolveOptions) -> PathBuf {
    let name = sha256_hex(path.as_os_str().as_encoded_bytes());
    options.cache_dir.join("identity").join(format!("{name}.json"))
}

fn write(note: &Path, what: &Remembered) -> std::io::Result<()> {
    let folder = note.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut draft = Draft::of(note)?;
    draft.file().write_all(&serde_json::to_vec(what)?)?;
    draft.put(note)
}

fn is_settled(metadata: &Metadata) -> bool {
    let modified = metadata.modified().ok();
    let age = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age >= SETTLED)
}

fn stamp(path: &Path, metadata: &Metadata) -> Option<FileStamp> {
    let modified = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
    };
    #[cfg(not(unix))]
    let inode = None;
    Some(FileStamp { path: path.to_owned(), size: metadata.len(), modified: modified.as_nanos(), inode })
}
