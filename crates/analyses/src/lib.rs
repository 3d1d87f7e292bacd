//! Questions about a direction: what it separates besides, where it reads and steers, how it changes over training.
//!
//! A module each, most of them an [`Analysis`](truenorth_reading::Analysis): texts and directions go in as data, choices
//! as `Params`, and what comes out can be serialised and shown.

pub mod audit;
pub mod baked;
pub mod check;
pub mod compare;
pub mod geometry;
pub mod monitor;
pub mod probing;
pub mod steer;
pub mod sweep;

#[cfg(test)]
#[path = "../../reading/src/fixture.rs"]
mod fixture;
// Names of the shared fixture.
#[cfg(test)]
use truenorth_reading::{NamedPrompt, only_reads};
