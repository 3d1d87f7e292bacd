//! AxBench's concept files: `input`, `output`, `output_concept`, `category` (positive, negative, hard negative),
//! `dataset_category` (instruction, continuation) and `concept_id`.

use std::collections::HashMap;

use serde_json::Value;

use super::classes::ClassRow;
use super::conversation::Message;
use super::error::DataProblem;
use super::rows::Fields;

/// The concept of a row that has none.
const NO_CONCEPT: &str = "EEEEE";
/// Negative rows of a concept's homonyms, which are negative like others.
const HARD: &str = "hard negative";
const CONCEPT: &str = "output_concept";

/// A row of such a file: its `category` is the label, an instruction with its answer a conversation, and a beginning with
/// its continuation one text. None if it is a row of another file.
pub(super) fn row(fields: &mut Fields) -> Result<Option<ClassRow>, DataProblem> {
    if !fields.has(CONCEPT) || !fields.called(&["output", "category"], &["text", "label"]) {
        return Ok(None);
    }
    let output = fields.only_text()?;
    let input = fields.text("input")?;
    let continued = fields.peek("dataset_category").and_then(Value::as_str) == Some("continuation");
    let (text, turns) = match continued {
        true => (format!("{input}{output}"), vec![]),
        false => (
            format!("{input}\n{output}"),
            vec![Message::user(input.as_str()), Message::assistant(output.as_str())],
        ),
    };
    Ok(Some(ClassRow {
        id: fields.id.clone(),
        text,
        label: fields.label("label")?,
        category: None,
        group: None,
        turns,
        extra: fields.extra(),
    }))
}

/// Gives every row its concept as its category: that of the positive rows with its number, else its own. Those of no concept
/// are negative for all. Says how the file was read.
pub(super) fn finish(rows: &mut [ClassRow], name: &str) -> Vec<String> {
    let number = |row: &ClassRow| row.extra.get("concept_id").map(ToString::to_string);
    let own = |row: &ClassRow| {
        let concept = row.extra.get(CONCEPT)?.as_str()?;
        (concept != NO_CONCEPT && row.label != HARD).then(|| concept.to_owned())
    };
    let positive = rows.iter().filter(|r| r.label == "positive");
    let of: HashMap<String, String> = positive.filter_map(|r| Some((number(r)?, own(r)?))).collect();
    let mut hard = 0;
    for row in rows.iter_mut() {
        row.category = number(row).and_then(|n| of.get(&n).cloned()).or_else(|| own(row));
        if row.label == HARD {
            hard += 1;
            row.label = "negative".into();
            row.extra.insert("hard".into(), true.into());
        }
    }
    let concepts =
        rows.iter().filter_map(|r| r.category.as_deref()).collect::<std::collections::BTreeSet<_>>();
    let mut notes = vec![format!(
        "{name} is a file of {} concept{}: `category` is read as the label, the concept as the category, `input` and `output` \
         as a conversation (of continuations as one text)",
        concepts.len(),
        if concepts.len() == 1 { "" } else { "s" }
    )];
    if hard > 0 {
        notes.push(format!("{hard} rows of {name} are hard negatives, and count as negative ones"));
    }
    notes
}
