//! Is a direction about what it says, or about something that came along?
//!
//! [`audit`] holds a direction against sets that vary in one confound each: cosine with the confound's
//! own direction, separation of its set, recovery in both ways, with the nulls of directions drawn
//! like the activations and of the whole pipeline on permuted labels, and a [`ConfoundVerdict`].
//! [`flip_ranking`] asks the opposite: whether pairs that differ in the value alone are ranked right.

mod error;
mod flip;
mod nulls;
mod result;
mod run;

pub use error::AuditError;
pub use flip::{FlipRanking, flip_ranking};
pub use result::{AuditRow, ConfoundAudit, ConfoundVerdict, Detectable, DistanceNull, Needed, Separation};
pub use run::{AuditParams, ConfoundSet, audit};

#[cfg(test)]
mod tests;
