//! What goes out of a season, and comes back.

mod backup;
mod check;
mod export;
mod take;

#[cfg(test)]
mod tests;

pub use backup::backup;
pub use check::{SeasonCheck, check};
pub use export::{Exported, card, export_rows, json_lines, saved_board, sequences};
pub use take::{import, rescore};
