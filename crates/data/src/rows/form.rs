//! What form a file's rows have, by its ending and its first byte that is not blank.

use serde_json::Value;

use super::super::error::DataProblem;
use super::super::strict::{JsonFault, strict_json};
use super::csv::named_delimiter;
use super::text::lines;
use super::{LISTS, shown};
use truenorth_files::UnreadableKind;

#[derive(Debug)]
pub(super) enum FileForm {
    /// A text a line.
    Lines,
    /// A JSON value a line.
    JsonLines,
    Json(Value),
    /// CSV with a head.
    Csv {
        delimiter: u8,
        /// What the file's ending says of that.
        usual: u8,
    },
}

/// A problem with the line and the byte of it.
pub(super) type LocatedProblem = (Option<usize>, Option<usize>, DataProblem);

/// Fields of which a row has one.
const ROW: [&str; 6] = ["text", "prompt", "tokens", "chosen", "first", "steered"];
/// Names of columns of which a head has one.
const HEADS: [&str; 4] = ["text", "prompt", "chosen", "rejected"];
/// The same for a file that is a table by its ending, where a word is no text.
pub(super) const TABLE_HEADS: [&str; 17] = [
    "text",
    "prompt",
    "chosen",
    "rejected",
    "first",
    "second",
    "steered",
    "base",
    "question",
    "positive",
    "output",
    "sequence",
    "sequence_text",
    "score",
    "pair_id",
    "rating",
    "verdict",
];
/// What may stand between the columns of a head.
const DELIMITERS: [u8; 4] = *b",;\t|";

pub(super) fn form(name: &str, text: &str) -> Result<FileForm, LocatedProblem> {
    let ending = ending(name);
    let first = text.trim_start().chars().next();
    let whole = |problem| (None, None, problem);
    // A table under a name that says JSON is no row that is broken.
    let table = || match first {
        Some('{' | '[' | '"') | None => None,
        Some(_) => head(text),
    };
    match ending.as_str() {
        "jsonl" | "ndjson" | "jsonlines" | "json" if table().is_some() => {
            let (found, ending) = table().unwrap_or_default();
            Err((Some(1), None, DataProblem::NotAsNamed { found, ending }))
        }
        "jsonl" | "ndjson" | "jsonlines" => Ok(match (first, document(text)) {
            (Some('['), Ok(list)) => FileForm::Json(list),
            (Some('['), Err(e @ JsonFault::Twice { .. })) => return Err(broken(text, e)),
            (_, Ok(value)) if holds_list(&value) => FileForm::Json(value),
            _ => FileForm::JsonLines,
        }),
        "json" => match document(text) {
            Ok(value) => Ok(FileForm::Json(value)),
            Err(_) if first_line_is_json(text) => Ok(FileForm::JsonLines),
            Err(e) => Err(broken(text, e)),
        },
        "csv" | "tsv" | "tab" => match (first, document(text)) {
            (Some('{' | '['), Ok(_)) => {
                Err(whole(DataProblem::NotAsNamed { found: "JSON", ending: ".json" }))
            }
            (Some('{'), _) if first_line_is_json(text) => {
                Err(whole(DataProblem::NotAsNamed { found: "JSON lines", ending: ".jsonl" }))
            }
            _ => {
                let usual = if ending == "csv" { b',' } else { b'\t' };
                Ok(FileForm::Csv {
                    delimiter: delimiter(text, usual, |name| TABLE_HEADS.contains(&name)),
                    usual,
                })
            }
        },
        _ => plain(text, first),
    }
}

/// A file whose ending says nothing of JSON or CSV.
fn plain(text: &str, first: Option<char>) -> Result<FileForm, LocatedProblem> {
    let opening = |c: char| text.trim_start().strip_prefix(c).map(str::trim_start).unwrap_or_default();
    match first {
        Some('{') => {
            let whole = document(text);
            if first_line_is_json(text) && !whole.as_ref().is_ok_and(holds_list) {
                return Ok(FileForm::JsonLines);
            }
            match whole {
                Ok(value) => Ok(FileForm::Json(value)),
                Err(e) if opening('{').starts_with(['"', '\'']) => Err(broken(text, e)),
                Err(_) => Ok(FileForm::Lines),
            }
        }
        Some('[') => match document(text) {
            Ok(list) => Ok(FileForm::Json(list)),
            Err(e) if opening('[').starts_with(['"', '\'', '{', '[']) => Err(broken(text, e)),
            Err(_) => Ok(FileForm::Lines),
        },
        _ => match (head(text), comment_over_json(text)) {
            (Some((found, ending)), _) => Err((Some(1), None, DataProblem::NotAsNamed { found, ending })),
            (None, Some(placed)) => Err(placed),
            (None, None) => Ok(FileForm::Lines),
        },
    }
}

/// A comment at the head of what is JSON: no line of it is a text.
fn comment_over_json(text: &str) -> Option<LocatedProblem> {
    let is_comment = |line: &str| ["#", "//"].iter().any(|mark| line.trim_start().starts_with(mark));
    let first = lines(text).next().filter(|l| is_comment(l.text))?;
    let rest: Vec<&str> = lines(text).map(|l| l.text).skip_while(|l| is_comment(l)).collect();
    let rest = rest.join("\n");
    let is_rows = rest.trim_start().starts_with(['[', '{']) && is_json(&rest);
    is_rows.then(|| (Some(first.number), Some(1), DataProblem::Comment { shown: shown(first.text.trim()) }))
}

/// Whether a value is no row but an object with a list of rows.
fn holds_list(value: &Value) -> bool {
    LISTS.iter().any(|k| value.get(k).is_some_and(Value::is_array))
        && !ROW.iter().any(|k| value.get(k).is_some())
}

/// What a kind of file may be by the ending of its name.
pub(super) fn look(name: &str) -> Option<UnreadableKind> {
    UnreadableKind::of_ending(&ending(name))
}

/// The value of a file that is one JSON document and not an object a line: a list, an object with a list of rows,
/// or one value over several lines. `row` knows an object that is a row itself.
pub(in super::super) fn json_document(
    text: &str,
    row: impl Fn(&Value) -> bool,
) -> Result<Option<Value>, LocatedProblem> {
    let first = text.trim_start().chars().next();
    match document(text) {
        Ok(value @ Value::Array(_)) => Ok(Some(value)),
        Ok(value) if holds_list(&value) && !row(&value) => Ok(Some(value)),
        Ok(value) if lines(text).nth(1).is_some() => Ok(Some(value)),
        Ok(_) => Ok(None),
        Err(e) if matches!(e, JsonFault::Twice { .. }) && first == Some('[') => Err(broken(text, e)),
        // A list that is cut short, and no line that is a list.
        Err(e) if first == Some('[') && opens_list(text) => Err(broken(text, e)),
        Err(_) => Ok(None),
    }
}

/// Whether a text is one JSON value, or begins with a line that is an object.
pub(in super::super) fn is_json(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    first_line_is_json(text) || document(text).is_ok()
}

/// Whether a text that begins with a bracket is a list of objects or texts.
fn opens_list(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('[').map(str::trim_start).unwrap_or_default();
    inside.starts_with(['"', '\'', '{'])
}

/// The ending of a file's name in lower case; empty where it has none.
pub(in super::super) fn ending(name: &str) -> String {
    let path = std::path::Path::new(name);
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn document(text: &str) -> Result<Value, JsonFault> {
    strict_json(text)
}

fn first_line_is_json(text: &str) -> bool {
    lines(text).next().is_some_and(|l| {
        let read = || strict_json(l.text);
        l.text.trim_start().starts_with(['{', '"']) && !matches!(read(), Err(JsonFault::Syntax(_)))
    })
}

/// JSON that does not parse; Python's own way of writing a list or a dict is named as such.
fn broken(text: &str, fault: JsonFault) -> LocatedProblem {
    let start: String = text.chars().filter(|c| !c.is_whitespace()).take(2).collect();
    let (line, column, problem) = DataProblem::json(fault);
    let at = || not_a_number(text.lines().nth(line.checked_sub(1)?)?, column);
    let problem = match at() {
        _ if ["['", "{'"].contains(&start.as_str()) => DataProblem::Python,
        Some(shown) => DataProblem::NoNumber { shown },
        None => problem,
    };
    (Some(line), Some(column), problem)
}

/// What Python's json writes in place of a number at a byte of a line, counted from 1.
pub(super) fn not_a_number(line: &str, column: usize) -> Option<&'static str> {
    // The fault is told at the word's first letter or before it.
    let from = line.get(column.saturating_sub(2)..)?.trim_start_matches([' ', ':', ',', '[']);
    ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| from.starts_with(word))
}

/// Whether the first line is the head of a table: short names, one of them that of a text.
fn head(text: &str) -> Option<(&'static str, &'static str)> {
    if named_delimiter(text.trim_start_matches('\u{feff}').as_bytes()).is_some() {
        return Some(("CSV with a line that names what is between its columns", ".csv"));
    }
    let first = lines(text).next()?.text;
    let is_head = |cells: &[String]| {
        let name = |c: &str| {
            !c.is_empty() && c.len() <= 30 && c.chars().all(|c| c.is_alphanumeric() || "_- .".contains(c))
        };
        cells.iter().all(|c| name(c)) && cells.iter().any(|c| HEADS.contains(&c.as_str()))
    };
    let tabs = cells(first, '\t');
    if tabs.len() > 1 && is_head(&tabs) {
        return Some(("a table with tabs", ".tsv"));
    }
    // One word alone is a head where more lines follow.
    [',', ';', '|'].into_iter().find(|c| is_head(&cells(first, *c))).filter(|c| {
        match (cells(first, *c).len() - 1, lines(text).nth(1)) {
            (0, second) => second.is_some(),
            // A row has what a head has; a sentence with a comma is followed by any other.
            (between, Some(second)) => {
                second.text.matches(*c).count() >= between || second.text.contains('"')
            }
            (_, None) => !first.contains(", "),
        }
    })?;
    Some(("CSV with a head", ".csv"))
}

fn cells(line: &str, delimiter: char) -> Vec<String> {
    line.split(delimiter).map(|c| c.trim().trim_matches('"').to_lowercase()).collect()
}

/// The delimiter of a table: the usual one, unless only with one other the head names a column that is looked
/// for, or the file's first line names another (`sep=;`). Names come in lower case.
pub(in super::super) fn delimiter(text: &str, usual: u8, looked_for: impl Fn(&str) -> bool) -> u8 {
    if let Some((named, _)) = named_delimiter(text.trim_start_matches('\u{feff}').as_bytes()) {
        return named;
    }
    let Some(first) = lines(text).next() else { return usual };
    let names = |d: u8| cells(first.text, char::from(d)).iter().any(|cell| looked_for(cell));
    let others: Vec<u8> = DELIMITERS.into_iter().filter(|d| *d != usual && names(*d)).collect();
    match others[..] {
        [one] if !names(usual) => one,
        _ => usual,
    }
}
