//! What is counted of a season.

use serde::Serialize;

use super::SeasonStore;
use crate::error::ArenaError;

/// Entries of a season, by how far they have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SeasonCounts {
    /// Entries with a score that are shown.
    pub scored: u64,
    /// Submissions that wait.
    pub queued: u64,
    /// Submissions that can't be scored.
    pub failed: u64,
    /// Entries that are hidden.
    pub hidden: u64,
    /// Different handles that have submitted.
    pub handles: u64,
}

/// SQLite's integers are signed; a count is not.
pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

impl SeasonStore {
    /// What is counted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<SeasonCounts, ArenaError> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT count(*) FILTER (WHERE state = 'scored' AND hidden = 0), \
                 count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'failed'), \
                 count(*) FILTER (WHERE hidden = 1), count(DISTINCT handle) FROM entries",
            )?
            .query_row([], |r| {
                let n = |i| r.get::<_, i64>(i).map(unsigned);
                Ok(SeasonCounts {
                    scored: n(0)?,
                    queued: n(1)?,
                    failed: n(2)?,
                    hidden: n(3)?,
                    handles: n(4)?,
                })
            })
        })
    }
}
