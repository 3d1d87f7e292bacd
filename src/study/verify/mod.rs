//! Whether the numbers of a run come back: its study is run again on the activations and answers in the store, in
//! another folder, and every number of the run is held against what came out.

pub mod claims;
mod compare;
mod files;
mod finished;
mod leaves;
mod page;
mod recompute;
mod stored;
mod verified;

pub use super::record::untrained;
pub use compare::{ComparedFile, NEAR, TINY, ValueDifference};
pub use finished::FinishedRun;
pub use stored::StoredTokenizer;
pub use verified::{Changed, EarlyStop, Uncompared, Verified};
