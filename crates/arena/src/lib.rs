//! The arena: a board that anyone can submit to.
//!
//! A *season* freezes what is scored and how: a model at a revision, directions, probes, rules and the consent text, with
//! the SHA-256 of each and the probes' baselines ([`season`]). Its folder is all there is of it, and moves by being
//! copied. Submissions are rows of an SQLite database ([`store`]): queued, then scored or failed, never gone. A worker
//! scores what waits in batches that are written down before they are begun ([`live`]), with the analysis of boards. The
//! pages and the JSON API ([`web`]) are one router, in which others can be nested.
//!
//! What holds throughout: a submission that was accepted is scored once, whatever dies in between; scores of two seasons
//! never stand on one board; no address is stored, and no text is logged; text of users is never markup.

pub mod backend;
mod error;
pub mod live;
pub mod out;
mod rules;
pub mod season;
pub mod store;
mod time;
pub mod web;

pub use backend::ScoringModel;
pub use error::ArenaError;
pub use season::{Folder, ListedSeason, Season, SeasonFile};
