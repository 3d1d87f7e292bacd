//! Numbers without a model: linear algebra, ranks, resampling, splits, estimators, the numerics of probing and audit.
//!
//! Activations are arrays with a row a text, wherever they were read. [`estimate`] finds a direction in them and says
//! how well it separates rows that it was not fitted on; [`math`] has what that rests on. Random draws come from one
//! root seed ([`math::Seeds`]). [`number::Number`] is a result with its interval and its null, [`test::Test`] names
//! every test that a p value can be of.

pub mod estimate;
pub mod math;
pub mod number;
pub mod split;
pub mod test;
pub mod words;
