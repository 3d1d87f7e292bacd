//! Results while they come in: in temporary files without a name, or in memory where they came there.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write as _};
use std::path::PathBuf;

use truenorth_protocol::frame::{self, FrameError};

use super::ClientError;

/// Bytes read and written at a time.
const CHUNK: usize = 128 << 10;

#[derive(Clone, Debug)]
pub(super) struct Temp(pub Option<PathBuf>);

impl Temp {
    pub(super) fn file(&self) -> Result<File, ClientError> {
        let made = self.0.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in);
        made.map_err(|source| self.fail(source))
    }

    pub(super) fn fail(&self, source: io::Error) -> ClientError {
        let folder = self.0.clone().unwrap_or_else(std::env::temp_dir);
        ClientError::Disk { folder: folder.display().to_string(), source }
    }
}

/// Bytes of a result.
#[derive(Debug)]
pub(super) enum ResultBody {
    File(File),
    Memory(Cursor<Vec<u8>>),
}

impl Read for ResultBody {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(out),
            Self::Memory(bytes) => bytes.read(out),
        }
    }
}

impl Seek for ResultBody {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
}

/// A result as it came.
#[derive(Debug)]
pub(super) struct Packed {
    pub body: ResultBody,
    pub compressed: bool,
    /// The most bytes that may come out.
    pub cap: usize,
    pub temp: Temp,
}

impl Packed {
    pub(super) fn stream(self) -> Result<Box<dyn Read>, ClientError> {
        let body = BufReader::with_capacity(CHUNK, self.body);
        Ok(if self.compressed { Box::new(frame::FrameReader::new(body, self.cap)?) } else { Box::new(body) })
    }

    /// The unpacked bytes where every part can be reached.
    pub(super) fn seekable(self) -> Result<BufReader<ResultBody>, ClientError> {
        if !self.compressed {
            return Ok(BufReader::with_capacity(CHUNK, self.body));
        }
        let temp = self.temp.clone();
        let (mut from, mut file) = (self.stream()?, temp.file()?);
        let mut chunk = vec![0; CHUNK];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => file.write_all(&chunk[..n]).map_err(|e| temp.fail(e))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unpacking(error)),
            }
        }
        file.rewind().map_err(|e| temp.fail(e))?;
        Ok(BufReader::with_capacity(CHUNK, ResultBody::File(file)))
    }
}

/// Remembers why reading failed, for decoders that do not pass it on.
pub(super) struct FailureRecorder<R> {
    from: R,
    failed: Option<io::Error>,
}

impl<R: Read> FailureRecorder<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, failed: None }
    }

    pub(super) fn failed(self) -> Option<ClientError> {
        self.failed.map(unpacking)
    }
}

impl<R: Read> Read for FailureRecorder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.from.read(out).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

/// What went wrong while reading from [`Packed::stream`].
fn unpacking(error: io::Error) -> ClientError {
    match error.get_ref().and_then(|e| e.downcast_ref()) {
        Some(FrameError::TooLarge { limit }) => FrameError::TooLarge { limit: *limit }.into(),
        _ => FrameError::Damaged(error).into(),
    }
}
