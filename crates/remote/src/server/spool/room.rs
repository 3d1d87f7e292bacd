//! Room on disk.

use std::io;

use super::super::connect::out_of_descriptors;

/// What a file takes at least, on the disks that there are.
const BLOCK: u64 = 4096;

/// Bytes of disk that a folder with files of these sizes takes.
pub(in super::super) fn footprint(files: &[u64]) -> u64 {
    files.iter().fold(BLOCK, |n, size| n.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK)))
}

/// Whether a write failed for want of something that comes back: room, a quota, descriptors.
pub(in super::super) fn full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) || out_of_descriptors(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_takes_a_block() {
        assert_eq!(footprint(&[1, 0, 4097]), 4096 * (1 + 1 + 2));
        assert!(full(&io::ErrorKind::StorageFull.into()));
        assert!(!full(&io::ErrorKind::PermissionDenied.into()));
    }
}
