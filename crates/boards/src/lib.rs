//! Boards of sequences scored along a direction, the same boards of several models, and judges and raters of texts.

pub mod board;
pub mod judge;
pub mod rate;
pub mod transfer;

#[cfg(test)]
#[path = "../../reading/src/fixture.rs"]
mod fixture;
// Names of the shared fixture.
#[cfg(test)]
use truenorth_reading::{Named, only_reads};
