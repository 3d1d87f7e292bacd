//! The zip archive around a file of `torch.save`.

use std::io::{self, Read, Seek, SeekFrom};

use super::{FileLimits, TorchFileError};

/// An open archive.
pub(super) struct Archive<R> {
    zip: zip::ZipArchive<R>,
    /// The folder in it that holds everything.
    pub root: String,
    /// Bytes of the whole archive.
    length: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive and unpacks the pickle in it.
    pub fn open(mut file: R, limits: &FileLimits) -> Result<(Self, Vec<u8>), TorchFileError> {
        let unreadable = |e: io::Error| TorchFileError::NotZip(e.into());
        let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        // Torch's archives begin with the file, and have 76 bytes of zip64 between the directory and its end. Left to
        // find the beginning, the zip crate takes a directory whose first entry is as long, as one of 21 characters
        // before `/data.pkl` is, to begin 76 bytes late.
        let archive_offset = zip::read::ArchiveOffset::Known(0);
        let zip = zip::ZipArchive::with_config(zip::read::Config { archive_offset }, file)
            .map_err(TorchFileError::NotZip)?;
        let names: Result<Vec<String>, _> = zip.file_names().map(|n| n.map(|n| n.into_owned())).collect();
        let mut pickles = names.map_err(TorchFileError::NotZip)?;
        pickles.retain(|n| n.ends_with("/data.pkl"));
        let [name] = pickles.as_slice() else {
            return Err(TorchFileError::NoPickle(pickles.len()));
        };
        let root = name.trim_end_matches("data.pkl").to_owned();
        let mut archive = Self { zip, root, length };
        let order = format!("{}byteorder", archive.root);
        if archive.zip.index_for_name(&order).is_some() {
            let order = archive.member(&order, 64)?;
            if order != b"little" {
                return Err(TorchFileError::ByteOrder(String::from_utf8_lossy(&order).into_owned()));
            }
        }
        let pickle = archive.member(name, limits.pickle.bytes)?;
        Ok((archive, pickle))
    }

    /// Unpacks a member of at most `limit` bytes.
    pub fn member(&mut self, name: &str, limit: usize) -> Result<Vec<u8>, TorchFileError> {
        let fail = |source| TorchFileError::Member { name: name.to_owned(), source };
        let file = self.zip.by_name(name).map_err(fail)?;
        let mut out = Vec::new();
        // Torch stores without compression, so a member is no larger than the archive; a directory
        // that says otherwise gets no memory in advance.
        if file.size() <= self.length
            && let Some(size) = usize::try_from(file.size()).ok().filter(|s| *s <= limit)
        {
            out.try_reserve_exact(size).map_err(|e| fail(io::Error::from(e).into()))?;
        }
        // The size in the directory may lie, so the bytes themselves are counted.
        file.take(limit as u64 + 1).read_to_end(&mut out).map_err(|e| fail(e.into()))?;
        if out.len() > limit {
            return Err(TorchFileError::TooLarge { name: name.to_owned(), limit });
        }
        Ok(out)
    }
}
