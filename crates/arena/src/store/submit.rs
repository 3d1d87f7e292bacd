//! Submissions that are taken, within limits.

use rusqlite::{Connection, TransactionBehavior};
use serde::Serialize;

use super::{SeasonStore, operator};
use crate::error::ArenaError;
use crate::season::Rules;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A submission that is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubmission {
    /// The name that the sender goes by.
    pub handle: String,
    /// The text that is to be scored.
    pub text: String,
    /// The kind of text, where it has one.
    pub kind: Option<String>,
    /// Tokens by the model's tokenizer, where that is known.
    pub tokens: Option<i64>,
    /// The version of the consent text that was agreed to.
    pub consent: Option<String>,
    /// When, in seconds since 1970.
    pub at: i64,
    /// The keyed hash of the client; none for what is taken over.
    pub client: Option<String>,
    /// Where it comes from; what comes from there again is the same entry.
    pub origin: Option<String>,
}

/// A submission that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Number in the season, which it is asked for by.
    pub id: i64,
    /// Place in the queue, from 1.
    pub place: u64,
}

/// Whether a submission was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitResult {
    /// It waits to be scored.
    Accepted(Accepted),
    /// The season takes no more.
    Closed,
    /// A limit is reached; what it says, and for how many seconds it holds where that is known.
    Limit(String, Option<i64>),
    /// So many wait already.
    Full(u64),
}

impl SeasonStore {
    /// Takes a submission, unless the season is closed or a limit is reached. It is on disk when this returns.
    ///
    /// # Errors
    /// When the database fails; nothing is taken then.
    pub fn submit(&self, new: &NewSubmission, rules: &Rules) -> Result<SubmitResult, ArenaError> {
        self.write(|c| {
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let open: String =
                tx.query_row("SELECT value FROM meta WHERE key = 'state'", [], |r| r.get(0))?;
            if open != "open" {
                return Ok(SubmitResult::Closed);
            }
            if let Some(refused) = limited(&tx, new, rules)? {
                return Ok(refused);
            }
            let id = insert(&tx, new)?;
            let place = place(&tx, id)?;
            tx.commit()?;
            Ok(SubmitResult::Accepted(Accepted { id, place }))
        })
    }

    /// Takes entries of elsewhere, whatever the limits; those that were taken before are left out. How many were taken.
    ///
    /// # Errors
    /// When the database fails; none is taken then.
    pub fn take_over(&self, all: &[NewSubmission], from: &str) -> Result<usize, ArenaError> {
        self.write(|c| {
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut taken = 0;
            for new in all {
                let known: bool = tx.query_row(
                    "SELECT EXISTS (SELECT 1 FROM entries WHERE origin = ?1)",
                    [&new.origin],
                    |r| r.get(0),
                )?;
                if !known {
                    insert(&tx, new)?;
                    taken += 1;
                }
            }
            operator::note(&tx, "take over", None, &format!("{taken} entries of {from}"))?;
            tx.commit()?;
            Ok(taken)
        })
    }
}

fn insert(c: &Connection, new: &NewSubmission) -> rusqlite::Result<i64> {
    c.prepare_cached(
        "INSERT INTO entries (handle, text, kind, tokens, consent, at, client, origin) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        &new.handle,
        &new.text,
        &new.kind,
        new.tokens,
        &new.consent,
        new.at,
        &new.client,
        &new.origin,
    ))?;
    Ok(c.last_insert_rowid())
}

/// The place of a submission that waits, from 1.
pub(super) fn place(c: &Connection, id: i64) -> rusqlite::Result<u64> {
    c.prepare_cached("SELECT count(*) FROM entries WHERE state = 'queued' AND id <= ?1")?
        .query_row([id], |r| r.get::<_, i64>(0))
        .map(super::counted::unsigned)
}

fn limited(c: &Connection, new: &NewSubmission, rules: &Rules) -> rusqlite::Result<Option<SubmitResult>> {
    let count = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        c.prepare_cached(sql)?.query_row(params, |r| r.get::<_, i64>(0)).map(super::counted::unsigned)
    };
    let waiting = count("SELECT count(*) FROM entries WHERE state = 'queued'", &[])?;
    if waiting >= rules.queue {
        return Ok(Some(SubmitResult::Full(waiting)));
    }
    let since = |seconds: i64| new.at - seconds;
    let own = "SELECT count(*) FROM entries WHERE client = ?1 AND at > ?2";
    let all = "SELECT count(*) FROM entries WHERE at > ?1 AND client IS NOT NULL";
    let total = "SELECT count(*) FROM entries WHERE client IS NOT NULL";
    let checks: [(u64, u64, &str, Option<i64>); 5] = [
        (count(own, &[&new.client, &since(60)])?, rules.per_minute, "a minute from one place", Some(60)),
        (count(own, &[&new.client, &since(DAY)])?, rules.per_day, "a day from one place", Some(DAY)),
        (count(own, &[&new.client, &i64::MIN])?, rules.per_client, "from one place in all", None),
        (count(all, &[&since(DAY)])?, rules.season_per_day, "a day from all", Some(DAY)),
        (count(total, &[])?, rules.season, "of the season", None),
    ];
    let reached = checks.into_iter().find(|(n, most, ..)| n >= most);
    Ok(reached.map(|(_, most, what, wait)| {
        SubmitResult::Limit(format!("{most} submissions {what} are taken at most"), wait)
    }))
}
