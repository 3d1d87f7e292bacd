//! Boards of sequences scored along a direction, the same boards of several models, and judges and raters of texts.
//!
//! A *board* ranks sequences by how far each, put before neutral probes, moves what the model reads of these along a
//! direction ([`board`]). [`transfer`] asks whether two models rank alike. [`judge`] lets a model choose between texts,
//! [`rate`] people who do not know which is which.

pub mod board;
pub mod judge;
pub mod rate;
pub mod transfer;

#[cfg(test)]
#[path = "../../reading/src/fixture.rs"]
mod fixture;
// Names of the shared fixture.
#[cfg(test)]
use truenorth_reading::{NamedPrompt, only_reads};
