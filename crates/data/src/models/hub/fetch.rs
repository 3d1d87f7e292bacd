//! One file of a repository, from the hub into its cache.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::CONTENT_RANGE;

use super::super::digest::Digest;
use super::super::error::io;
use super::super::hash::remember;
use super::super::{ModelsError, ProgressStage, ResolveOptions};
use super::again::{Patience, again};
use super::cache::{Cache, above};
use super::client::{Client, Found, answer, shown, without_url};
use super::error::HubError;

/// A repository at a commit.
pub(super) struct Source<'a> {
    pub client: &'a Client,
    pub cache: &'a Cache,
    pub id: &'a str,
    pub commit: &'a str,
    pub options: &'a ResolveOptions,
}

impl Source<'_> {
    /// Gets a file into the snapshot, unless it is there.
    pub(super) fn fetch(&self, name: &str) -> Result<(), HubError> {
        let whole = !name.is_empty() && !name.contains(['\\', ':']);
        if !whole || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let reason = format!("the file {name:?} is no path in the repository");
            return Err(HubError::Answer { url: self.id.to_owned(), reason });
        }
        if self.cache.snapshot(self.commit).join(name).exists() {
            return Ok(());
        }
        let found = again(self.options, || self.client.find(self.id, self.commit, name))?;
        let blob = self.cache.blob(&found.etag);
        if !blob.exists() {
            let _lock = self.cache.lock(&found.etag, name, self.options)?;
            // Another process may have been faster.
            if !blob.exists() {
                above(&blob)?;
                self.download(name, &found, &blob)?;
            }
        }
        Ok(self.cache.link(self.commit, name, &found.etag)?)
    }

    fn download(&self, name: &str, found: &Found, blob: &Path) -> Result<(), HubError> {
        let path = blob.with_file_name(format!("{}.incomplete", found.etag));
        let digest = Digest::of(&found.etag);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let mut part = Part { file: file.map_err(io("open", &path))?, path: &path, at: 0 };
        // What an earlier process or another program left may be anything, and counts only where it can be checked.
        let left = part.file.metadata().map_err(io("read", &path))?.len();
        if digest.is_some() && found.size.is_none_or(|size| left <= size) {
            part.at = left;
        }
        let resumed = part.at > 0;
        self.complete(name, found, &mut part)?;
        if let Some(digest) = digest {
            let mut hash = digest.hash(&path, self.options)?;
            if hash != found.etag && resumed {
                part.at = 0;
                self.complete(name, found, &mut part)?;
                hash = digest.hash(&path, self.options)?;
            }
            if hash != found.etag {
                drop(part);
                // It would be fetched anew in any case.
                let _ = std::fs::remove_file(&path);
                let reason = format!("{name} came with the hash {hash}, the hub's is {}", found.etag);
                return Err(answer(&found.url, reason));
            }
        }
        part.file.sync_all().map_err(io("write", &path))?;
        drop(part);
        match std::fs::rename(&path, blob) {
            // On a disk where locks hold nobody off, another process was faster.
            Err(error) if error.kind() == ErrorKind::NotFound && blob.exists() => {}
            renamed => renamed.map_err(io("write", blob))?,
        }
        if let Some(Digest::Sha256) = digest {
            remember(blob, &found.etag, self.options);
        }
        Ok(())
    }

    /// Fetches what is missing, going on where a connection broke off.
    fn complete(&self, name: &str, found: &Found, part: &mut Part) -> Result<(), HubError> {
        let mut patience = Patience::new(self.options);
        let mut url = found.url.clone();
        let mut most = part.at;
        loop {
            let Err(error) =
                self.more(name, &Found { url, etag: found.etag.clone(), size: found.size }, part)
            else {
                return Ok(());
            };
            if part.at > most {
                most = part.at;
                patience.renew();
            }
            // The host has less than this: it is not the same file.
            if matches!(error, HubError::Refused { status: StatusCode::RANGE_NOT_SATISFIABLE, .. }) {
                part.at = 0;
            }
            patience.after(error)?;
            // The address of a host that the hub leads to holds for a while only.
            let new = again(self.options, || self.client.find(self.id, self.commit, name))?;
            if new.etag != found.etag {
                let reason = format!("{name} had the ETag {} and has {}", found.etag, new.etag);
                return Err(answer(&new.url, reason));
            }
            url = new.url;
        }
    }

    /// Fetches what is missing on one connection.
    fn more(&self, name: &str, found: &Found, part: &mut Part) -> Result<(), HubError> {
        let report = |done, total: Option<u64>| {
            self.options.report(ProgressStage::Downloading, name, done, total.unwrap_or(0));
            self.options.check_cancelled()
        };
        if found.size == Some(part.at) {
            part.cut()?;
            return Ok(report(part.at, found.size)?);
        }
        let mut response = self.client.get(&found.url, part.at)?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            part.at = 0;
        } else if starts_at(&response) != Some(part.at) {
            return Err(answer(&found.url, format!("it is not from byte {} on, as was asked", part.at)));
        }
        part.cut()?;
        let total = found.size.or_else(|| response.content_length().map(|left| part.at + left));
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = match response.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(broke_off(found, part.at, total, Some(without_url(error)))),
            };
            part.append(buffer.get(..read).unwrap_or_default())?;
            if total.is_some_and(|total| part.at > total) {
                let total = total.unwrap_or(0);
                part.at = 0;
                return Err(answer(
                    &found.url,
                    format!("{name} is longer than the {total} bytes it should have"),
                ));
            }
            report(part.at, total)?;
        }
        match total.is_some_and(|total| part.at < total) {
            true => Err(broke_off(found, part.at, total, None)),
            false => Ok(()),
        }
    }
}

fn broke_off(found: &Found, done: u64, total: Option<u64>, source: Option<std::io::Error>) -> HubError {
    HubError::BrokeOff { url: shown(&found.url), done, total, source }
}

/// The first byte of a part, as in `bytes 7-9/10`.
fn starts_at(response: &reqwest::blocking::Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A file that is not whole yet.
struct Part<'a> {
    file: File,
    path: &'a Path,
    /// Bytes of it that count.
    at: u64,
}

impl Part<'_> {
    /// Drops what doesn't count.
    fn cut(&mut self) -> Result<(), ModelsError> {
        let cut = |file: &mut File| {
            file.set_len(self.at)?;
            file.seek(SeekFrom::Start(self.at))
        };
        cut(&mut self.file).map(drop).map_err(io("write", self.path))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ModelsError> {
        self.file.write_all(bytes).map_err(io("write", self.path))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
