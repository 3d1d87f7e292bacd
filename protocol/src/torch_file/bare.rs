//! What stands in no zip archive: the old form of `torch.save`, and plain pickles.
//!
//! The old form is five pickles one after another (a magic number, a version, a description of the machine, the
//! value, the keys of its storages), then of each storage its number of elements and its bytes.

use std::collections::BTreeMap;
use std::io::Cursor;

use super::reader::{self, Storage, StorageSource, TorchReader, persistent, room};
use super::{FileLimits, TorchDType, TorchFileError, TorchValue};
use crate::pickle::{PickleLimits, PickleValue, read_first};

/// The pickle of the magic number that begins files of the format before zip.
const OLD: [u8; 15] =
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A value and the storages that come with it, by key.
type BareParts = (PickleValue, BTreeMap<String, Vec<u8>>);

/// Reads a file that begins as a pickle.
pub(super) fn read(bytes: &[u8], limits: &FileLimits) -> Result<TorchValue, TorchFileError> {
    let (value, storages) = match bytes.strip_prefix(&OLD) {
        Some(rest) => parts(rest, limits.tensors, &limits.pickle)?,
        None => (crate::pickle::read(bytes, &limits.pickle, &reader::allowed_in_files)?, BTreeMap::new()),
    };
    TorchReader::new(StorageSource::<Cursor<&[u8]>>::Memory(storages), limits, &value).value(value)
}

/// The one storage that a file in the old form is.
pub(super) fn storage(bytes: &[u8], limit: usize) -> Result<(Storage, Vec<u8>), TorchFileError> {
    let bad = TorchFileError::Tensor("a storage that is no file of torch.save in its old form");
    let Some(rest) = bytes.strip_prefix(&OLD) else { return Err(bad) };
    let (value, mut storages) = parts(rest, limit, &PickleLimits::default())?;
    let PickleValue::Persistent(id) = value else { return Err(bad) };
    let storage = reader::storage(*id)?;
    let data = storages.remove(&storage.key).ok_or(bad)?;
    Ok((storage, data))
}

fn parts(mut rest: &[u8], limit: usize, limits: &PickleLimits) -> Result<BareParts, TorchFileError> {
    let mut next = || -> Result<PickleValue, TorchFileError> {
        let (value, end) = read_first(rest, limits, &reader::allowed_in_files)?;
        rest = &rest[end..];
        Ok(value)
    };
    let (_version, machine, value, keys) = (next()?, next()?, next()?, next()?);
    if entry(&machine, "little_endian") == Some(&PickleValue::Bool(false)) {
        return Err(TorchFileError::ByteOrder("big".into()));
    }
    let mut dtypes: BTreeMap<String, Result<TorchDType, TorchFileError>> = BTreeMap::new();
    persistent(&value, &mut |id| match reader::storage(id.clone()) {
        Ok(storage) => {
            dtypes.insert(storage.key, Ok(storage.dtype));
        }
        Err(e) => {
            dtypes.insert(String::new(), Err(e));
        }
    });
    let PickleValue::List(keys) = keys else {
        return Err(TorchFileError::Tensor("keys of storages that are no list"));
    };
    let mut storages = BTreeMap::new();
    let mut left = limit;
    for key in keys {
        let PickleValue::Str(key) = key else {
            return Err(TorchFileError::Tensor("a storage key that is no text"));
        };
        let dtype =
            dtypes.remove(&key).ok_or(TorchFileError::Tensor("a storage that no tensor is made of"))??;
        let short = TorchFileError::Tensor("a storage shorter than it says");
        let Some((length, data)) = rest.split_first_chunk::<8>() else { return Err(short) };
        let size =
            usize::try_from(i64::from_le_bytes(*length)).ok().and_then(|n| n.checked_mul(dtype.size()));
        let Some(size) = size.filter(|s| *s <= data.len()) else { return Err(short) };
        left = left
            .checked_sub(size)
            .ok_or_else(|| TorchFileError::TooLarge { name: format!("storage {key}"), limit })?;
        let (data, behind) = data.split_at(size);
        let mut bytes = room(size)?;
        bytes.extend_from_slice(data);
        storages.insert(key, bytes);
        rest = behind;
    }
    if let Some((_, Err(e))) = dtypes.pop_first() {
        return Err(e);
    }
    Ok((value, storages))
}

/// An entry of a dictionary.
fn entry<'a>(value: &'a PickleValue, key: &str) -> Option<&'a PickleValue> {
    let PickleValue::Dict(entries) = value else { return None };
    entries.iter().find(|(k, _)| matches!(k, PickleValue::Str(k) if k == key)).map(|(_, v)| v)
}
