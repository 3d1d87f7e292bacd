//! Files on this machine: what their first bytes say, whole writes or none, memory that an input decides.

mod file;
mod look;
mod room;
mod tensors;

pub use file::{
    DRAFT, Draft, WriteTarget, read_if_there, sha256_hex, writable, write_atomic, write_nothing,
    write_private, writes_nothing,
};
pub use look::{LFS_REMEDY, UnreadableKind, is_lfs_pointer};
pub use room::{add, available, copied, room};
pub use tensors::safetensors_bytes;
