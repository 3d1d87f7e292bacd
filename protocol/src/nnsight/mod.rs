//! What an NDIF service runs: nnsight programs. A checked graph is lowered to one, pickled, and its
//! reply read without executing anything.

mod key;
mod modules;

pub use key::ModelKey;
pub use modules::Modules;
