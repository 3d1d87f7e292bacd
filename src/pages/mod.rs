//! What each analysis looks like: its plot, its table, its lines on the front page.
//!
//! A module here takes an analysis's result and gives [`Section`](super::Section)s and
//! [`Finding`](super::Finding)s, the same for a verb's own page and for a study's report.

pub mod audit;
pub mod board;
pub mod geometry;
pub mod judge;
mod measured;
pub mod probing;
pub mod rate;
pub mod sweep;
pub mod transfer;
