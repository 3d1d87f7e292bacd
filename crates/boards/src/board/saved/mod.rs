//! Boards that were kept, by this program or another: read, set beside each other, summed up, with no model.

mod align;
mod columns;
mod expect;
pub mod page;
mod read;
mod summary;

#[cfg(test)]
mod tests;

pub use align::{Aligned, align};
pub use columns::BESIDE;
pub use expect::{Expected, Gap, expect};
pub use read::{SavedBoard, against_rank, partial, read};
pub use summary::{SavedSummary, summarise, table};
