//! What an NDIF service runs: nnsight programs. A checked graph is lowered to one, pickled, and its
//! reply read without executing anything.

mod key;
mod lower;
mod modules;
mod reply;

pub use key::ModelKey;
pub use lower::{JobCost, LowerError, PayloadInput};
pub use modules::Modules;
pub use reply::{ReplyError, read_binary_update};
