//! Blind sheets of other programs: `pair_id, prompt, text_A, text_B, rating`, with a key that says which side is which.
//!
//! They are brought into the form of sheets of our own, whose checks then hold: every sheet must show the same texts, and
//! what was rated is told by them. Nothing was registered with them, which the result says.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::sheet::{ChoiceScale, KEY_FORMAT, KeyItem, SheetKey, SheetSeal, SheetSide};
use super::{Filled, RatingRegistration, csv};
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;

/// Columns as these sheets have them, with ours.
const COLUMNS: [(&[&str], &str); 5] = [
    (&["pair_id", "id", "item_id"], "code"),
    (&["prompt", "question"], "prompt"),
    (&["text_a", "a", "response_a"], "left"),
    (&["text_b", "b", "response_b"], "right"),
    (&["rating", "choice", "verdict"], "choice"),
];
/// What the arm is called of which the wins are counted, and the arm that it is held against.
const STEERED: [&str; 5] = ["steered", "treated", "treatment", "intervention", "patched"];
const BASE: [&str; 5] = ["base", "baseline", "control", "unsteered", "original"];

/// Ratings of another program, in the form of our own.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// The filled sheets, a rater each.
    pub sheets: Vec<Filled>,
    /// The key that says which side is steered, as JSON.
    pub key: Vec<u8>,
    /// The seal of sheet and key, without predictions.
    pub registration: RatingRegistration,
    /// Name of the arm whose wins are counted.
    pub steered: String,
}

/// Whether a sheet is of this kind.
#[must_use]
pub fn is_foreign(sheet: &str) -> bool {
    let rows = csv::read(sheet).unwrap_or_default();
    let head: Vec<String> =
        rows.first().map(|(_, h)| h.iter().map(|c| plain(c)).collect()).unwrap_or_default();
    !head.iter().any(|c| c == "code") && head.iter().any(|c| COLUMNS[2].0.contains(&c.as_str()))
}

fn plain(cell: &str) -> String {
    cell.trim().to_lowercase()
}

/// Reads sheets and their key. `steered` names the arm whose wins are counted, where the key's words do not say it.
///
/// # Errors
/// When a sheet lacks a column, two sheets show other texts under one name, or the key does not say which side is which.
pub fn foreign(
    sheets: &[Filled],
    (key, key_name): (&str, &str),
    steered: Option<&str>,
) -> Result<Foreign, AnalysisError> {
    let read = sheets.iter().map(rows).collect::<Result<Vec<_>, _>>()?;
    let sides = sides(key, key_name)?;
    let steered = arm(&sides, key_name, steered)?;
    let mut items: Vec<KeyItem> = Vec::new();
    let mut texts: BTreeMap<&str, [&str; 3]> = BTreeMap::new();
    for (sheet, rows) in sheets.iter().zip(&read) {
        for row in rows {
            let [code, prompt, left, right, _] = &row.cells;
            let shown = [prompt.as_str(), left, right];
            if let Some(first) = texts.get(code.as_str()) {
                if *first != shown {
                    return Err(AnalysisError::Asked {
                        what: format!(
                            "{}, the sheet of `{}`: row {} (`{code}`) shows other texts than the first sheet",
                            sheet.file, sheet.rater, row.number
                        ),
                        remedy: "unblind sheets that were filled from one sheet together, others apart"
                            .into(),
                    });
                }
                continue;
            }
            let Some([a, b]) = sides.get(code) else {
                return Err(AnalysisError::Asked {
                    what: format!("{key_name} says nothing of `{code}` ({}, row {})", sheet.file, row.number),
                    remedy: "name the key that was made with the sheet with --key F".into(),
                });
            };
            let side = match (*a == steered, *b == steered) {
                (true, false) => SheetSide::Left,
                (false, true) => SheetSide::Right,
                _ => {
                    return Err(AnalysisError::Asked {
                        what: format!(
                            "{key_name}: of `{code}` A is `{a}` and B is `{b}`; one of them is to be `{steered}`"
                        ),
                        remedy: "name the arm whose wins are counted with --steered NAME".into(),
                    });
                }
            };
            texts.insert(code, shown);
            items.push(KeyItem {
                code: code.clone(),
                id: code.clone(),
                steered: side,
                texts: [sha256_hex(left.as_bytes()), sha256_hex(right.as_bytes())],
                prompt: Some(sha256_hex(prompt.as_bytes())),
            });
        }
    }
    // What no sheet shows was not rated by anybody, and is told; pairs of other arms are not asked for.
    for (code, [a, b]) in sides.iter().filter(|(code, _)| !texts.contains_key(code.as_str())) {
        let side = match (*a == steered, *b == steered) {
            (true, false) => SheetSide::Left,
            (false, true) => SheetSide::Right,
            _ => continue,
        };
        // No text has this hash, as it is not known what the item shows.
        let texts = [String::new(), String::new()];
        items.push(KeyItem { code: code.clone(), id: code.clone(), steered: side, texts, prompt: None });
    }
    let question = "Which text is preferred?".to_owned();
    let own = SheetKey {
        format: KEY_FORMAT.into(),
        question: question.clone(),
        scale: ChoiceScale::Side,
        secret: "made elsewhere".into(),
        items,
    };
    let bytes = serde_json::to_vec(&own).map_err(|e| AnalysisError::Input(format!("the key: {e}")))?;
    let seal = SheetSeal {
        key_sha256: sha256_hex(&bytes),
        sheet_sha256: String::new(),
        question,
        scale: ChoiceScale::Side,
        items: own.items.len(),
        copies: None,
    };
    let sheets = sheets.iter().zip(&read).map(|(sheet, rows)| Filled { csv: ours(rows), ..sheet.clone() });
    Ok(Foreign {
        sheets: sheets.collect(),
        key: bytes,
        registration: RatingRegistration::none(seal)?,
        steered,
    })
}

struct ForeignRow {
    number: usize,
    cells: [String; 5],
}

fn rows(sheet: &Filled) -> Result<Vec<ForeignRow>, AnalysisError> {
    let refuse = |what: String| {
        AnalysisError::Input(format!("{}, the sheet of `{}`: {what}", sheet.file, sheet.rater))
    };
    let mut rows = csv::read(&sheet.csv).map_err(&refuse)?.into_iter();
    let head = csv::head(rows.next()).map_err(&refuse)?;
    let mut at = [0; COLUMNS.len()];
    for (at, (names, _)) in at.iter_mut().zip(COLUMNS) {
        *at = names
            .iter()
            .find_map(|n| head.iter().position(|h| h == n))
            .ok_or_else(|| refuse(format!("no column `{}`; its columns are {head:?}", names[0])))?;
    }
    rows.map(|(number, row)| {
        let cells = at.map(|c| row.get(c).cloned().unwrap_or_default());
        let word = plain(&cells[4]);
        let choice = match word.as_str() {
            "" => "",
            "a" => "left",
            "b" => "right",
            "t" | "tie" | "same" => "tie",
            _ => {
                return Err(refuse(format!(
                    "row {number} (`{}`) has rating `{}`; expected A, B or T",
                    cells[0], cells[4]
                )));
            }
        };
        let [code, prompt, left, right, _] = cells;
        Ok(ForeignRow { number, cells: [code.trim().to_owned(), prompt, left, right, choice.to_owned()] })
    })
    .collect()
}

/// Rows as a sheet of our own has them.
fn ours(rows: &[ForeignRow]) -> String {
    let head = COLUMNS.iter().map(|(_, own)| (*own).to_owned()).collect();
    let all: Vec<Vec<String>> = [head].into_iter().chain(rows.iter().map(|r| r.cells.to_vec())).collect();
    csv::write(&all)
}

fn sides(key: &str, name: &str) -> Result<BTreeMap<String, [String; 2]>, AnalysisError> {
    let refuse = |what: String| {
        AnalysisError::Asked {
        what: format!("can't read the key {name}: {what}"),
        remedy: "give JSON: an object with an entry a pair, such as {\"p1\": {\"A\": \"steered\", \"B\": \"base\"}} or \
                 {\"p1\": \"A\"} for the side that is steered, or a list of such with `pair_id`"
            .into(),
    }
    };
    let value: Value = truenorth_data::strict_json(key).map_err(|e| refuse(e.to_string()))?;
    let inner = |map: &Map<String, Value>| {
        ["key", "pairs", "items", "mapping", "assignments"].into_iter().find_map(|k| map.get(k).cloned())
    };
    let value = match &value {
        Value::Object(map) => inner(map).filter(|v| !v.is_string()).unwrap_or(value),
        _ => value,
    };
    let entries: Vec<(String, Value)> = match value {
        Value::Object(map) => {
            let first = map.iter().next().map(|(id, v)| format!("of `{id}` it says {v}"));
            let says = |v: &Value| v.is_object() || v.is_string();
            let entries: Vec<(String, Value)> = map.into_iter().filter(|(_, v)| says(v)).collect();
            if entries.is_empty() {
                return Err(refuse(first.unwrap_or_else(|| "it is empty".into())));
            }
            entries
        }
        Value::Array(list) => {
            let mut entries = Vec::new();
            for (i, entry) in list.into_iter().enumerate() {
                let id = ["pair_id", "id", "item_id"].into_iter().find_map(|k| match &entry[k] {
                    Value::String(s) => Some(s.clone()),
                    Value::Number(n) => Some(n.to_string()),
                    _ => None,
                });
                entries.push((id.ok_or_else(|| refuse(format!("item {} has no `pair_id`", i + 1)))?, entry));
            }
            entries
        }
        _ => return Err(refuse("it is no object and no list".into())),
    };
    if entries.is_empty() {
        return Err(refuse("it is an empty list".into()));
    }
    let mut found = BTreeMap::new();
    for (id, entry) in entries {
        let both = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let of_side = |side: &str| match plain(side).as_str() {
            "a" | "text_a" => Some(both(STEERED[0], BASE[0])),
            "b" | "text_b" => Some(both(BASE[0], STEERED[0])),
            _ => None,
        };
        let said = |names: &[&str]| {
            names.iter().find_map(|n| match &entry[*n] {
                Value::String(s) => Some(s.trim().to_owned()),
                Value::Number(n) => Some(n.to_string()),
                _ => None,
            })
        };
        let sides = match (&entry, said(&["A", "text_A", "a"]), said(&["B", "text_B", "b"])) {
            (Value::String(side), ..) => of_side(side),
            (_, Some(a), Some(b)) => Some([a, b]),
            _ => said(&["steered", "steered_side", "treated", "treatment"]).and_then(|side| of_side(&side)),
        };
        let sides = sides.ok_or_else(|| refuse(format!("of `{id}` it says {entry}")))?;
        if found.insert(id.clone(), sides).is_some() {
            return Err(refuse(format!("`{id}` is there twice")));
        }
    }
    Ok(found)
}

fn arm(
    sides: &BTreeMap<String, [String; 2]>,
    name: &str,
    asked: Option<&str>,
) -> Result<String, AnalysisError> {
    let mut arms: Vec<&String> = sides.values().flatten().collect();
    arms.sort();
    arms.dedup();
    let listed = || arms.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ");
    let one = |words: &[&str]| arms.iter().find(|a| words.contains(&plain(a).as_str())).map(|a| (*a).clone());
    let found = match asked {
        Some(asked) => arms.iter().find(|a| a.as_str() == asked).map(|a| (*a).clone()),
        None => one(&STEERED).or_else(|| match (arms.as_slice(), one(&BASE)) {
            ([a, b], Some(base)) => Some(if **a == base { (*b).clone() } else { (*a).clone() }),
            _ => None,
        }),
    };
    found.ok_or_else(|| AnalysisError::Asked {
        what: match asked {
            Some(asked) => format!("{name} has no arm `{asked}`; it has {}", listed()),
            None => format!("{name} has the arms {}; which of them is steered is not told", listed()),
        },
        remedy: "name the arm whose wins are counted with --steered NAME".into(),
    })
}
