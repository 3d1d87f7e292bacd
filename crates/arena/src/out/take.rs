//! Entries of another season, or of another's board, taken over to be scored anew.

use serde_json::Value;
use truenorth_boards::board::saved::{SavedBoard, read};
use truenorth_data::read_table;
use truenorth_protocol::clock;

use crate::backend::ScoringModel;
use crate::error::ArenaError;
use crate::live::Live;
use crate::rules::{SubmissionChecks, tokens};
use crate::season::Season;
use crate::store::{NewSubmission, SeasonState, SubmissionStatus};
use crate::time;

fn open(to: &Season) -> Result<(), ArenaError> {
    match to.store.state()? {
        SeasonState::Open => Ok(()),
        other => Err(ArenaError::asked(
            format!("season `{}` is {other}, and takes nothing", to.name()),
            "open a season first, and name that",
        )),
    }
}

fn counted(backend: &dyn ScoringModel, text: &str, to: &Season) -> Result<Option<i64>, ArenaError> {
    let n = tokens(backend, text, to.sealed.file.rules.tokens)?.tokens;
    Ok(n.and_then(|n| i64::try_from(n).ok()))
}

/// Takes the entries of a season into an open one: all that are shown and were consented to, with their handles, consent
/// and dates, to be scored there. What was taken before is not taken again. How many were.
///
/// # Errors
/// When the other season is not open, or a database fails.
pub fn rescore(from: &Season, to: &Live) -> Result<usize, ArenaError> {
    open(&to.season)?;
    if from.name() == to.season.name() {
        return Err(ArenaError::asked(
            format!("season `{}` is the one to rescore and the one to take it", from.name()),
            "open another season, and rescore into that",
        ));
    }
    let mut all = Vec::new();
    for entry in from.store.all()? {
        if entry.hidden || entry.consent.is_none() || entry.status == SubmissionStatus::Failed {
            continue;
        }
        all.push(NewSubmission {
            tokens: counted(to.backend(), &entry.text, &to.season)?,
            origin: Some(format!("{} {}", from.name(), entry.id)),
            handle: entry.handle,
            text: entry.text,
            kind: entry.kind,
            consent: entry.consent,
            at: entry.at,
            client: None,
        });
    }
    let taken = to.season.store.take_over(&all, from.name())?;
    to.known_again()?;
    Ok(taken)
}

/// The column of scores under which a file is read whose scores, if it has any, are not used.
const UNREAD: &str = "score";

/// Takes the entries of a board file into an open season, to be scored there: what public boards, exports of databases and
/// `score` write, or texts without scores. `consent` is the version of the consent text under which they may go out again; none for never. How many
/// were taken, and the notes on rows that were left out.
///
/// # Errors
/// When a row of the file has no text, or the season is not open.
pub fn import(
    bytes: &[u8],
    name: &str,
    to: &Live,
    consent: Option<&str>,
) -> Result<(usize, Vec<String>), ArenaError> {
    open(&to.season)?;
    let mut file = read_table(bytes, name)?;
    // Each text is scored here, whatever its score was elsewhere; a board is read by one.
    for row in &mut file.rows {
        row.fields.insert(UNREAD.to_owned(), 0.into());
    }
    let SavedBoard { rows, .. } = read(&file, (name, name), &[UNREAD.to_owned()])?.swap_remove(0);
    let checks = SubmissionChecks::of(&to.season.sealed.file)?;
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for row in rows {
        if let Err(refused) = checks.text(&row.text) {
            notes.push(format!("row `{}` is left out: {}", row.id, refused.what));
            continue;
        }
        let said = |keys: &[&str]| keys.iter().find_map(|k| row.extra.get(*k)).and_then(Value::as_str);
        let handle = said(&["handle"]).filter(|h| checks.handle(h).is_ok()).unwrap_or("imported");
        let kind = said(&["kind"]).filter(|k| checks.kind(Some(k)).is_ok());
        all.push(NewSubmission {
            handle: handle.to_owned(),
            kind: kind.map(str::to_owned),
            tokens: counted(to.backend(), &row.text, &to.season)?,
            consent: consent.map(str::to_owned),
            at: said(&["at", "created_at"]).and_then(time::read).unwrap_or_else(clock::seconds),
            client: None,
            origin: Some(format!("{} {}", &file.sha256[..12], row.id)),
            text: row.text,
        });
    }
    let taken = to.season.store.take_over(&all, name)?;
    to.known_again()?;
    Ok((taken, notes))
}
