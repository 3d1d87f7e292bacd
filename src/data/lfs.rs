//! Git's stand-ins for large files, which a clone without Git LFS leaves in their place.

/// How a stand-in begins; it goes on with the hash and size of the file that is meant.
const START: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Whether a file's bytes are such a stand-in.
#[must_use]
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(START)
}
