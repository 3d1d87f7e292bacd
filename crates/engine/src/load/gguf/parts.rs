//! A GGUF file, or the parts of one that was split.
//!
//! The first part has the metadata of the model; each says how many parts and tensors there are
//! (`split.no`, `split.count`, `split.tensors.count`) and lists its own tensors.

use std::path::{Path, PathBuf};

use super::header;
use crate::gguf::{GgufHeader, GgufMetadata, TensorInfo};
use crate::load::LoadError;
use crate::load::disk::DiskFile;

/// The files, what the first says, and the tensors of all with the file each is in.
pub(super) struct GgufParts {
    pub(super) files: Vec<DiskFile>,
    pub(super) metadata: GgufMetadata,
    pub(super) tensors: Vec<(usize, TensorInfo)>,
}

/// Opens a file by the name of any of its parts.
pub(super) fn open(path: &Path) -> Result<GgufParts, LoadError> {
    let (file, header) = read(path)?;
    let count = header.metadata.u64("split.count").unwrap_or(1);
    if count <= 1 {
        let tensors = header.tensors.into_iter().map(|t| (0, t)).collect();
        return Ok(GgufParts { files: vec![file], metadata: header.metadata, tensors });
    }
    let problem = |path: &Path, problem: String| LoadError::Split { path: path.to_path_buf(), problem };
    let name = |n: u64| part(path, n, count);
    let first = name(1).ok_or_else(|| {
        problem(path, format!("is one of {count} parts, expected a name like NAME-00001-of-{count:05}.gguf"))
    })?;
    let mut all = GgufParts { files: vec![], metadata: GgufMetadata::from_iter([]), tensors: vec![] };
    for n in 1..=count {
        let here = name(n).unwrap_or_else(|| first.clone());
        if !here.is_file() {
            return Err(problem(
                path,
                format!("is one of {count} parts, of which `{}` is not there", here.display()),
            ));
        }
        let (file, header) = read(&here)?;
        let says = |key: &str| header.metadata.u64(key);
        if (says("split.no"), says("split.count")) != (Some(n - 1), Some(count)) {
            return Err(problem(&here, format!("does not say that it is part {n} of {count}")));
        }
        all.tensors.extend(header.tensors.into_iter().map(|t| (all.files.len(), t)));
        all.files.push(file);
        if n == 1 {
            all.metadata = header.metadata;
        }
    }
    match all.metadata.u64("split.tensors.count") {
        Some(expected) if expected != all.tensors.len() as u64 => {
            Err(problem(path, format!("has {} tensors in its parts, expected {expected}", all.tensors.len())))
        }
        _ => Ok(all),
    }
}

fn read(path: &Path) -> Result<(DiskFile, GgufHeader), LoadError> {
    let file = DiskFile::open(path)?;
    let header = header(&file)?;
    Ok((file, header))
}

/// The name of a part, from that of another.
fn part(path: &Path, n: u64, count: u64) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(&format!("-of-{count:05}.gguf"))?;
    let (stem, number) = stem.rsplit_once('-')?;
    (number.len() == 5 && number.bytes().all(|b| b.is_ascii_digit()))
        .then(|| path.with_file_name(format!("{stem}-{n:05}-of-{count:05}.gguf")))
}
