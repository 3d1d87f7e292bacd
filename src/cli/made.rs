//! Which model made a file that a command is given: what `--fallback` marked is another model's than the
//! one that was asked for, and never stands beside that one's numbers.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use truenorth::data::{read_table, strict_json};

use super::args::{ModelArgs, On};
use super::fallback::{self, Fallen};
use super::output::wrong_hint;
use super::session;

/// The bytes of a file, its name, and what its rows or its record say of a fallback.
///
/// # Errors
/// Where some rows are another model's than others.
pub fn read(path: &Path) -> anyhow::Result<(Vec<u8>, String, Option<Fallen>)> {
    let (mut reader, name) = session::open_input(path)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).with_context(|| format!("can't read {name}"))?;
    let fallen = of(&bytes, &name)?;
    Ok((bytes, name, fallen))
}

/// What a file says of a fallback: of a record as a whole, else of every row alike.
pub fn of(bytes: &[u8], name: &str) -> anyhow::Result<Option<Fallen>> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(whole @ Value::Object(_)) = strict_json(text)
    {
        return Ok(whole.get("fallback").and_then(mark));
    }
    // What is no row at all is for its reader to say.
    let Ok(table) = read_table(bytes, name) else { return Ok(None) };
    one_model(
        name,
        table.rows.iter().map(|row| (row.place.clone(), row.fields.get("fallback").and_then(mark))),
    )
}

/// What rows of any form say of a fallback, all alike; `marks` is what each has under that name.
pub fn of_rows<'a>(
    name: &str,
    marks: impl Iterator<Item = Option<&'a Value>>,
) -> anyhow::Result<Option<Fallen>> {
    one_model(name, marks.enumerate().map(|(i, found)| (format!("row {}", i + 1), found.and_then(mark))))
}

/// What a row is marked with; in a table's cell it is JSON.
fn mark(value: &Value) -> Option<Fallen> {
    match value {
        Value::String(cell) => serde_json::from_str(cell).ok(),
        other => serde_json::from_value(other.clone()).ok(),
    }
}

fn one_model(
    name: &str,
    rows: impl Iterator<Item = (String, Option<Fallen>)>,
) -> anyhow::Result<Option<Fallen>> {
    let mut first: Option<(String, Option<Fallen>)> = None;
    for (i, found) in rows {
        match &first {
            None => first = Some((i, found)),
            Some((_, of)) if ran(of.as_ref()) == ran(found.as_ref()) => {}
            Some((at, of)) => {
                return Err(wrong_hint(
                    format!("{name}: {at} is of {}, {i} of {}", said(of.as_ref()), said(found.as_ref())),
                    "give a file of one model's rows",
                ));
            }
        }
    }
    Ok(first.and_then(|(_, of)| of))
}

/// Refuses a file beside whose numbers this command's would be another model's.
pub fn check_beside(path: &Path, theirs: Option<&Fallen>, args: &ModelArgs) -> anyhow::Result<()> {
    let ours = fallback::taken();
    let same = match (&ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => ours.model == theirs.model,
        // The model that ran then, under its own name.
        (None, Some(theirs)) => matches!(args.place.on, On::Local) && args.model == theirs.model,
        (Some(_), None) => false,
    };
    if same { Ok(()) } else { Err(mixed(path, theirs, ours.as_ref(), &args.model)) }
}

/// The refusal of a file whose numbers are another model's than this command's.
pub fn mixed(path: &Path, theirs: Option<&Fallen>, ours: Option<&Fallen>, asked: &str) -> anyhow::Error {
    let here = ours.map_or_else(
        || format!("this command runs {asked}"),
        |o| format!("this command is of {}", said(Some(o))),
    );
    wrong_hint(
        format!(
            "{} is of {}, and {here}: two models' numbers would stand side by side",
            path.display(),
            said(theirs)
        ),
        "make both with the same model: on the service, with the same --fallback, or both with --on local",
    )
}

fn ran(fallen: Option<&Fallen>) -> Option<(&str, &str)> {
    fallen.map(|f| (&f.wanted[..], &f.model[..]))
}

fn said(fallen: Option<&Fallen>) -> String {
    match fallen {
        Some(fallen) => format!("{} in place of {} (--fallback)", fallen.model, fallen.wanted),
        None => "the model that was asked for".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: Option<&str>) -> String {
        match model {
            None => r#"{"id":"a"}"#.into(),
            Some(model) => format!(
                r#"{{"id":"a","fallback":{{"wanted":"org/big","service":"s","because":"b","model":"{model}"}}}}"#
            ),
        }
    }

    #[test]
    fn rows_of_one_model_are_told_and_rows_of_two_are_refused() {
        let lines = |models: [Option<&str>; 2]| of(models.map(row).join("\n").as_bytes(), "f.jsonl");
        assert_eq!(lines([None, None]).unwrap(), None);
        assert_eq!(lines([Some("small"), Some("small")]).unwrap().unwrap().model, "small");
        for two in [[None, Some("small")], [Some("small"), None], [Some("small"), Some("other")]] {
            let error = lines(two).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains("line 2 of"), "{error}");
        }
        assert_eq!(of(row(Some("small")).as_bytes(), "f.json").unwrap().unwrap().wanted, "org/big");
        assert_eq!(of(b"id,verdict\na,first\n", "f.csv").unwrap(), None);
    }
}
