//! Which model made a file that a command is given: what `--fallback` marked is another model's than the
//! one that was asked for, and never stands beside that one's numbers.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use truenorth::data::strict_json;

use super::args::{ModelArgs, On};
use super::fallback::{self, Fallen};
use super::output::wrong_hint;
use super::session;

/// The text of a file, its name, and what its rows or its record say of a fallback.
///
/// # Errors
/// Where some rows are another model's than others.
pub fn read(path: &Path) -> anyhow::Result<(String, String, Option<Fallen>)> {
    let (mut reader, name) = session::open_input(path)?;
    let mut text = String::new();
    reader.read_to_string(&mut text).with_context(|| format!("can't read {name}"))?;
    let fallen = of(&text, &name)?;
    Ok((text, name, fallen))
}

/// What a text says of a fallback: of a record as a whole, else of every row alike.
pub fn of(text: &str, name: &str) -> anyhow::Result<Option<Fallen>> {
    let mark = |value: &Value| serde_json::from_value::<Fallen>(value.get("fallback")?.clone()).ok();
    if let Ok(whole) = strict_json(text)
        && let Value::Object(_) = &whole
    {
        return Ok(mark(&whole));
    }
    let mut first: Option<(usize, Option<Fallen>)> = None;
    for (i, line) in text.lines().enumerate() {
        // What is no row at all is for its reader to say.
        let Ok(row) = strict_json(line) else { continue };
        let found = mark(&row);
        match &first {
            None => first = Some((i + 1, found)),
            Some((_, of)) if ran(of.as_ref()) == ran(found.as_ref()) => {}
            Some((at, of)) => {
                return Err(wrong_hint(
                    format!(
                        "{name}: line {at} is of {}, line {} of {}",
                        said(of.as_ref()),
                        i + 1,
                        said(found.as_ref())
                    ),
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
        let lines = |models: [Option<&str>; 2]| of(&models.map(row).join("\n"), "f.jsonl");
        assert_eq!(lines([None, None]).unwrap(), None);
        assert_eq!(lines([Some("small"), Some("small")]).unwrap().unwrap().model, "small");
        for two in [[None, Some("small")], [Some("small"), None], [Some("small"), Some("other")]] {
            let error = lines(two).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains("line 2 of"), "{error}");
        }
        assert_eq!(of(&row(Some("small")), "f.json").unwrap().unwrap().wanted, "org/big");
        assert_eq!(of("id,verdict\na,first\n", "f.csv").unwrap(), None);
    }
}
