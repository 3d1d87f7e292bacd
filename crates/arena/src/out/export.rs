//! Consented entries without what tells who sent them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use truenorth_boards::board::saved::SavedBoard;
use truenorth_boards::board::{ScoreRow, Sequence};
use truenorth_data::out::{DataSetCard, OutRow};

use crate::error::ArenaError;
use crate::rules::shown;
use crate::season::Season;
use crate::store::Entry;
use crate::time;

/// Entries that go out, by place.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// A row an entry, in the order of the board.
    pub rows: Vec<OutRow>,
    /// Entries that stay, since nobody agreed that they go out.
    pub without_consent: usize,
}

/// The rows of entries that are shown and were consented to. Whoever sent them is a number that says which are of one
/// handle; the handle, the hash of the address and the time of day stay.
///
/// # Errors
/// When the database fails.
pub fn export_rows(season: &Season) -> Result<Exported, ArenaError> {
    let entries = season.store.scored(usize::MAX)?;
    let before = entries.len();
    let mut entries: Vec<Entry> = entries.into_iter().filter(|e| e.consent.is_some()).collect();
    let without_consent = before - entries.len();
    let mut authors: HashMap<String, usize> = HashMap::new();
    for entry in &entries {
        let next = authors.len() + 1;
        authors.entry(entry.handle.clone()).or_insert(next);
    }
    entries.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)).then(a.id.cmp(&b.id)));
    let mut rank = 0;
    let mut last = None;
    let rows = entries
        .iter()
        .enumerate()
        .map(|(at, e)| {
            if last != e.score {
                (rank, last) = (at + 1, e.score);
            }
            OutRow::new(
                [
                    ("id", json!(e.id.to_string())),
                    ("text", json!(e.text)),
                    ("kind", json!(e.kind)),
                    ("rank", json!(rank)),
                    ("score", json!(e.score)),
                    ("score_alt", json!(e.score_alt)),
                    ("z", json!(e.z)),
                    ("coherence", json!(e.coherence)),
                    ("shift_norm", json!(e.shift_norm)),
                    ("p_random", json!(e.p_random)),
                    ("tokens", json!(e.tokens)),
                    ("author", json!(authors.get(&e.handle))),
                    ("day", json!(time::said(e.at).chars().take(10).collect::<String>())),
                    ("consent", json!(e.consent)),
                    ("season", json!(season.name())),
                ]
                .into_iter()
                .filter(|(name, _)| *name != "score_alt" || season.sealed.file.scoring.directions.len() > 1)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            )
        })
        .collect();
    Ok(Exported { rows, without_consent })
}

/// Columns in the order in which rows are written.
const COLUMNS: [&str; 15] = [
    "id",
    "text",
    "kind",
    "rank",
    "score",
    "score_alt",
    "z",
    "coherence",
    "shift_norm",
    "p_random",
    "tokens",
    "author",
    "day",
    "consent",
    "season",
];

/// Rows as JSON lines.
///
/// # Errors
/// When they can't be written as JSON.
pub fn json_lines(rows: &[OutRow]) -> Result<Vec<u8>, ArenaError> {
    let mut out = Vec::new();
    for row in rows {
        let fields: Map<String, Value> =
            COLUMNS.iter().filter_map(|c| Some(((*c).to_owned(), row.get(c)?.clone()))).collect();
        serde_json::to_writer(&mut out, &fields).map_err(ArenaError::json("an entry"))?;
        out.push(b'\n');
    }
    Ok(out)
}

/// The card of a data-set folder.
///
/// # Errors
/// When the season can't be read.
pub fn card(season: &Season) -> Result<DataSetCard, ArenaError> {
    let sealed = &season.sealed;
    Ok(DataSetCard {
        title: shown(&sealed.file.title),
        says: vec![
            format!(
                "Short texts that people submitted to season `{}` of an arena, by truenorth {}, each with how far it moves {} \
                 neutral probes along a direction of {} (revision {}) at {}.",
                season.name(),
                env!("CARGO_PKG_VERSION"),
                sealed.probes.len(),
                sealed.model,
                sealed.revision,
                sealed.sites.join(", ")
            ),
            format!("Seal of the season: {}.", sealed.seal()?),
            format!(
                "Whoever submitted agreed to this text, version {}: {}",
                sealed.file.consent.version,
                shown(&sealed.file.consent.text)
            ),
            "`author` says which texts were sent under one handle; handles, addresses and times of day are left out. The \
             texts are as people sent them, and may say anything."
                .into(),
        ],
    })
}

/// The board of a season as the analyses of boards take it.
///
/// # Errors
/// When the database fails.
pub fn saved_board(season: &Season) -> Result<SavedBoard, ArenaError> {
    let entries = season.store.scored(usize::MAX)?;
    let z_bound = season.sealed.z_bound();
    let mut rows: Vec<ScoreRow> = entries
        .into_iter()
        .filter_map(|e| {
            let mut extra = std::collections::BTreeMap::new();
            if let Some(kind) = e.kind {
                extra.insert("kind".to_owned(), Value::from(kind));
            }
            Some(ScoreRow {
                id: e.id.to_string(),
                text: e.text,
                score: e.score?,
                z: e.z,
                coherence: e.coherence,
                shift_norm: e.shift_norm,
                z_bound: Some(z_bound),
                p_random: e.p_random,
                rank: 0,
                counted_with: None,
                extra,
            })
        })
        .collect();
    rows.sort_by(|a, b| b.score.total_cmp(&a.score));
    for i in 0..rows.len() {
        rows[i].rank = if i > 0 && rows[i - 1].score.total_cmp(&rows[i].score).is_eq() {
            rows[i - 1].rank
        } else {
            i + 1
        };
    }
    let site = match season.sealed.board_sites {
        1 => season.sealed.sites.first().and_then(|s| s.parse().ok()),
        _ => None,
    };
    Ok(SavedBoard { name: season.name().to_owned(), site, rows, score: "score".into() })
}

/// The texts of a board as they are scored, with their kinds, in its order.
#[must_use]
pub fn sequences(board: &SavedBoard) -> (Vec<Sequence>, Vec<Option<String>>) {
    let one = |row: &ScoreRow| Sequence::new(row.id.clone(), row.text.clone());
    let kind = |row: &ScoreRow| row.extra.get("kind").and_then(Value::as_str).map(str::to_owned);
    (board.rows.iter().map(one).collect(), board.rows.iter().map(kind).collect())
}
