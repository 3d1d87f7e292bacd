//! Reading, board scoring and steered decode, in turns with named peers on the same weights and inputs; the error of a path;
//! how cost grows with work.
//!
//! Rounds alternate between us and each peer, and ratios are of the same round: absolute figures drift with the machine.
//! A peer is a script in a Python of the user's ([`Python`]), with our precision and our number of threads.

mod error;
mod fidelity;
mod growth;
mod peer;
mod race;
mod timed;
mod work;

pub use error::BenchError;
pub use fidelity::{Fidelity, SiteFidelity, fidelity};
pub use growth::{GrowthPoint, WorkGrowth, growth, section};
pub use peer::{PeerPrecision, Peers, Python};
pub use race::{PeakShares, Rival, Timing};
pub use timed::{BenchSize, timed};
