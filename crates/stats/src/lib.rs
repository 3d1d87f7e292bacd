//! Numbers without a model: linear algebra, ranks, resampling, splits, estimators, the numerics of probing and audit.

pub mod estimate;
pub mod math;
pub mod number;
pub mod split;
pub mod test;
pub mod words;
