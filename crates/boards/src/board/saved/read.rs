//! Boards out of tables: what `score` writes, entries of a public board, exports, tables with a score a model.

use std::collections::HashSet;

use serde_json::Value;
use truenorth_data::{TableFile, TableRow};
use truenorth_protocol::Site;

use super::super::ScoreRow;
use super::super::entry::placed;
use super::columns::{ID, SCORE, TEXT, Z, column, first, label, number, scores, with_point};
use truenorth_reading::AnalysisError;

/// A board that was read from a file: one of its columns of scores.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedBoard {
    /// The model, or what the file or the column is called.
    pub name: String,
    /// Where its direction lives, where the file says.
    pub site: Option<Site>,
    /// In the order of the file.
    pub rows: Vec<ScoreRow>,
    /// Name of the column.
    pub score: String,
}

/// Fields of a row that have a place of their own.
const OWN: [&str; 7] = ["coherence", "shift_norm", "z_bound", "p_random", "rank", "counted_with", SCORE];

/// Reads the boards of a file: one for each of `wanted`, or, where none is named, one for each column of scores (`score`,
/// `score_…` and those of an object `scores`) that every row has. `name` is what the file is called where nothing else says
/// the model, and `path` how errors call it.
///
/// # Errors
/// Without a column of scores, with a row that lacks its text or its score, or with a name that is there twice.
pub fn read(
    file: &TableFile,
    (name, path): (&str, &str),
    wanted: &[String],
) -> Result<Vec<SavedBoard>, AnalysisError> {
    let refuse = |what: String, remedy: &str| {
        Err(AnalysisError::Asked { what: format!("{path}: {what}"), remedy: remedy.to_owned() })
    };
    let Some(head) = file.rows.first() else { return refuse("no rows".into(), "name a file with rows") };
    let found = if wanted.is_empty() { whole(file) } else { wanted.to_vec() };
    if found.is_empty() {
        let have: Vec<&str> = head.fields.keys().map(String::as_str).collect();
        return refuse(
            format!("no column of scores; it has {}", have.join(", ")),
            "name the columns that are scores with --score NAME",
        );
    }
    let said = |key: &str| file.about.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    let one = found.len() == 1;
    let mut ids = ids(&file.rows);
    let mut boards = Vec::new();
    for score in found {
        let model = said("model").or_else(|| said("model_name"));
        let board_name = match (model, one || score == SCORE) {
            (Some(model), true) => model.to_owned(),
            (None, true) => name.to_owned(),
            (_, false) if wanted.is_empty() && !score.starts_with("scores.") => {
                format!("{} ({score})", model.unwrap_or(name))
            }
            (_, false) => label(&score).to_owned(),
        };
        let mut rows = Vec::with_capacity(file.rows.len());
        for (i, row) in file.rows.iter().enumerate() {
            rows.push(entry(row, std::mem::take(&mut ids[i]), &score).map_err(|(what, remedy)| {
                AnalysisError::Asked { what: format!("{path}, {}: {what}", row.place), remedy }
            })?);
            ids[i].clone_from(&rows[i].id);
        }
        let mut seen = HashSet::new();
        if let Some(i) = rows.iter().position(|r: &ScoreRow| !seen.insert(r.id.clone())) {
            return refuse(
                format!("{}: sequence `{}` for the second time", file.rows[i].place, rows[i].id),
                "give each row an `id` of its own",
            );
        }
        if rows.iter().any(|r| r.rank == 0) {
            placed(&mut rows);
        }
        let site = said("site").and_then(|s| s.parse().ok());
        boards.push(SavedBoard { name: board_name, site, rows, score });
    }
    Ok(boards)
}

/// The columns of scores of a file: `score`, and the others that every row has a number in; where there is none, the first
/// that is called as one, so that what is wrong with it is said.
fn whole(file: &TableFile) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for row in &file.rows {
        named.extend(scores(&row.fields).into_iter().filter(|s| !named.contains(s)).collect::<Vec<_>>());
    }
    let gap = |name: &String| lacking(file, name).is_some();
    let found: Vec<String> = named.iter().filter(|n| *n == SCORE || !gap(n)).cloned().collect();
    if found.is_empty() { named.into_iter().take(1).collect() } else { found }
}

/// The first row without a number in a column.
fn lacking<'a>(file: &'a TableFile, score: &str) -> Option<&'a TableRow> {
    file.rows.iter().find(|row| column(&row.fields, score).and_then(number).is_none())
}

/// Two rows of a board, as the file has it, of which the first is ranked better and scored lower.
#[must_use]
pub fn against_rank(board: &SavedBoard) -> Option<(&ScoreRow, &ScoreRow)> {
    let mut rows: Vec<&ScoreRow> = board.rows.iter().collect();
    rows.sort_by_key(|r| r.rank);
    let apart = |two: &&[&ScoreRow]| two[0].rank < two[1].rank && two[0].score < two[1].score;
    rows.windows(2).find(apart).map(|two| (two[0], two[1]))
}

/// Columns called as scores that are no board since rows lack them, each with the place of the first that does.
#[must_use]
pub fn partial(file: &TableFile) -> Vec<(String, String)> {
    let boards = whole(file);
    let mut out: Vec<(String, String)> = Vec::new();
    for row in &file.rows {
        for name in scores(&row.fields) {
            if !boards.contains(&name) && out.iter().all(|(n, _)| *n != name) {
                let place = lacking(file, &name).map_or_else(String::new, |row| row.place.clone());
                out.push((name, place));
            }
        }
    }
    out
}

/// The name of each row: its `id`, or its handle where all differ, or its number.
fn ids(rows: &[TableRow]) -> Vec<String> {
    let plain = |v: &Value| match v {
        Value::String(s) if !s.trim().is_empty() => Some(s.clone()),
        Value::Number(n) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    };
    for name in ID {
        let all: Option<Vec<String>> = rows.iter().map(|r| r.fields.get(name).and_then(plain)).collect();
        let Some(all) = all else { continue };
        let different = all.iter().collect::<HashSet<_>>().len() == all.len();
        // Two rows of one `id` are refused; somebody may be on a board twice.
        if different || name == ID[0] {
            return all;
        }
    }
    (1..=rows.len()).map(|n| n.to_string()).collect()
}

fn entry(row: &TableRow, id: String, score: &str) -> Result<ScoreRow, (String, String)> {
    let fields = &row.fields;
    let (text_is, text) = match first(fields, &TEXT) {
        Some((name, Value::String(text))) if !text.trim().is_empty() => (name, text.clone()),
        _ => return Err(("no text".into(), format!("give every row one of {}", TEXT.join(", ")))),
    };
    let value = column(fields, score);
    let Some(value) = value.and_then(number) else {
        let found = value.map_or_else(|| "none".to_owned(), Value::to_string);
        let remedy = match value.and_then(with_point) {
            Some(pointed) => format!("write decimals with a point, as in {pointed}"),
            None => "give it one, take the row out, or name another column with --score NAME".into(),
        };
        return Err((format!("sequence `{id}` has {found} as its `{score}`; expected a number"), remedy));
    };
    let of = |name: &str| fields.get(name).and_then(number);
    let counted_with = fields.get("counted_with").and_then(Value::as_str);
    // Tables have an empty cell where a row stands for itself.
    let counted_with = counted_with.filter(|with| !with.trim().is_empty()).map(str::to_owned);
    // Specificity, shift and place belong to the board's own score.
    let own = score == SCORE;
    let rank = of("rank").filter(|r| own && *r >= 1.0 && r.fract() == 0.0);
    let z = first(fields, &Z);
    let taken = |name: &String| {
        OWN.contains(&name.as_str())
            || name == text_is
            || z.is_some_and(|(z, _)| name == z)
            || name == ID[0]
            || name == score
            || name == "scores"
    };
    Ok(ScoreRow {
        id,
        text,
        score: value,
        z: z.and_then(|(_, z)| number(z)).filter(|_| own),
        coherence: of("coherence").filter(|_| own),
        shift_norm: of("shift_norm").filter(|_| own),
        z_bound: of("z_bound").filter(|_| own),
        p_random: of("p_random").filter(|_| own),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        rank: rank.map_or(0, |r| r as usize),
        counted_with,
        extra: fields
            .iter()
            .filter(|(name, v)| !taken(name) && !v.is_null())
            .map(|(name, v)| (name.clone(), v.clone()))
            .collect(),
    })
}
