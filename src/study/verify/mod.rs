//! Whether the numbers of a run come back: its study is run again on the activations and answers in the store, in
//! another folder, and every number of the run is held against what came out.

mod finished;
mod recompute;
mod rules;
mod stored;
mod verified;

pub use super::record::untrained;
pub use finished::FinishedRun;
pub use stored::StoredTokenizer;
pub use truenorth_verify::{ComparedFile, NEAR, TINY, ValueDifference, claims};
pub use verified::{Changed, EarlyStop, Uncompared, Verified};
