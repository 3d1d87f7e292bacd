//! Entries as boards and pages look at them.

use rusqlite::OptionalExtension as _;
use serde::Serialize;

use super::counted::unsigned;
use super::entry::{COLUMNS, Entry};
use super::{SeasonStore, submit};
use crate::error::ArenaError;

/// An end of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BoardEnd {
    /// The end with the highest scores.
    Top,
    /// The end with the lowest scores.
    Bottom,
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedEntry {
    /// Its place from that end, 1 the outermost; equal scores share the better place.
    pub rank: u64,
    /// The entry with its score.
    #[serde(flatten)]
    pub entry: Entry,
}

impl SeasonStore {
    /// Entries of an end of the board, the outermost first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn board(&self, end: BoardEnd, offset: u64, limit: u64) -> Result<Vec<RankedEntry>, ArenaError> {
        let (order, column) = match end {
            BoardEnd::Top => ("score DESC, id", "score >"),
            BoardEnd::Bottom => ("low, id", "low <"),
        };
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.read(|c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE state = 'scored' AND hidden = 0 ORDER BY {order} LIMIT ?1 OFFSET ?2"
            );
            let entries = c
                .prepare_cached(&sql)?
                .query_map([signed(limit), signed(offset)], Entry::of)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let key = |e: &Entry| if end == BoardEnd::Top { e.score } else { e.low };
            let mut rows: Vec<RankedEntry> = Vec::with_capacity(entries.len());
            for (at, entry) in entries.into_iter().enumerate() {
                let rank = match rows.last() {
                    Some(before) if key(&before.entry) == key(&entry) => before.rank,
                    Some(_) => offset + at as u64 + 1,
                    None => {
                        let sql = format!(
                            "SELECT count(*) FROM entries WHERE state = 'scored' AND hidden = 0 AND {column} ?1"
                        );
                        1 + c.prepare_cached(&sql)?.query_row([key(&entry)], |r| r.get::<_, i64>(0)).map(unsigned)?
                    }
                };
                rows.push(RankedEntry { rank, entry });
            }
            Ok(rows)
        })
    }

    /// An entry.
    ///
    /// # Errors
    /// When the database fails.
    pub fn entry(&self, id: i64) -> Result<Option<Entry>, ArenaError> {
        let sql = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
        self.read(|c| c.prepare_cached(&sql)?.query_row([id], Entry::of).optional())
    }

    /// The places of an entry from the top and from the bottom.
    ///
    /// # Errors
    /// When the database fails.
    pub fn places(&self, entry: &Entry) -> Result<Option<[u64; 2]>, ArenaError> {
        let (Some(score), Some(low)) = (entry.score, entry.low) else { return Ok(None) };
        self.read(|c| {
            let count = |sql: &str, at: f64| {
                c.prepare_cached(sql)?.query_row([at], |r| r.get::<_, i64>(0)).map(unsigned)
            };
            let above = "SELECT count(*) FROM entries WHERE state = 'scored' AND hidden = 0 AND score > ?1";
            let below = "SELECT count(*) FROM entries WHERE state = 'scored' AND hidden = 0 AND low < ?1";
            Ok(Some([1 + count(above, score)?, 1 + count(below, low)?]))
        })
    }

    /// The place in the queue of a submission that waits, from 1.
    ///
    /// # Errors
    /// When the database fails.
    pub fn place(&self, id: i64) -> Result<u64, ArenaError> {
        self.read(|c| submit::place(c, id))
    }

    /// Every entry that is shown and scored, by number, without more than `most`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn scored(&self, most: usize) -> Result<Vec<Entry>, ArenaError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entries WHERE state = 'scored' AND hidden = 0 ORDER BY id LIMIT ?1"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(|c| c.prepare_cached(&sql)?.query_map([most], Entry::of)?.collect())
    }

    /// Every entry whatever became of it, by number; for the operator and for whoever compares.
    ///
    /// # Errors
    /// When the database fails.
    pub fn all(&self) -> Result<Vec<Entry>, ArenaError> {
        let sql = format!("SELECT {COLUMNS} FROM entries ORDER BY id");
        self.read(|c| c.prepare_cached(&sql)?.query_map([], Entry::of)?.collect())
    }

    /// The latest entries whatever became of them, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn latest(&self, offset: u64, limit: u64) -> Result<Vec<Entry>, ArenaError> {
        let sql = format!("SELECT {COLUMNS} FROM entries ORDER BY id DESC LIMIT ?1 OFFSET ?2");
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.read(|c| {
            c.prepare_cached(&sql)?.query_map([signed(limit), signed(offset)], Entry::of)?.collect()
        })
    }

    /// Number and text of all that was not set aside, by which copies are told.
    ///
    /// # Errors
    /// When the database fails.
    pub fn texts(&self) -> Result<Vec<(i64, String)>, ArenaError> {
        self.read(|c| {
            c.prepare_cached("SELECT id, text FROM entries WHERE state != 'failed' ORDER BY id")?
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })
    }
}
