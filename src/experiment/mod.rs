//! Experiments from files: what they name is read and opened, and the analysis run; for the verb, and for studies.

mod file;
mod opened;
mod read;
mod seal;

pub use file::{DataFiles, ExperimentFile, RegisterTable};
pub use opened::{ExperimentContext, OwnDirection, chosen, load, run, weighed};
pub use read::{ExperimentContents, WrittenRow, read};
pub(crate) use seal::changed_files;
pub use seal::{ExperimentSeal, SEAL, seal};
