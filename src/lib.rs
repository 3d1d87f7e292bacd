//! truenorth asks whether a direction in a language model is true.
pub mod analysis;
pub mod data;
pub mod engine;
pub mod estimate;
pub mod math;
pub mod models;
pub mod report;
pub mod run;
pub mod store;
