//! BeaverTails' fourteen categories.

use super::error::{ImportFault, ImportProblem};
use super::options::MultiCategoryRule;
use super::record::ImportedRow;
use super::tally::Dropped;

/// The column that says whether a response is safe.
pub(super) const SAFE: &str = "is_safe";
/// What the names of the categories' columns begin with.
pub(super) const PREFIX: &str = "category.";

/// Their names and ours, in the order of the set's own documentation.
const CATEGORIES: [(&str, &str); 14] = [
    ("animal_abuse", "animal-abuse"),
    ("child_abuse", "child-abuse"),
    ("controversial_topics,politics", "controversial"),
    ("discrimination,stereotype,injustice", "hate"),
    ("drug_abuse,weapons,banned_substance", "illegal-goods"),
    ("financial_crime,property_crime,theft", "fraud"),
    ("hate_speech,offensive_language", "hate"),
    ("misinformation_regarding_ethics,laws_and_safety", "misinformation"),
    ("non_violent_unethical_behavior", "unethical"),
    ("privacy_violation", "privacy"),
    ("self_harm", "self-harm"),
    ("sexually_explicit,adult_content", "sexual"),
    ("terrorism,organized_crime", "terrorism"),
    ("violence,aiding_and_abetting,incitement", "violence"),
];

/// The columns of the categories.
pub(super) fn columns() -> impl Iterator<Item = String> {
    CATEGORIES.iter().map(|(theirs, _)| format!("{PREFIX}{theirs}"))
}

#[derive(Debug)]
pub(super) struct BeaverTailsLabel {
    pub label: &'static str,
    pub category: Option<&'static str>,
    pub source_category: Option<String>,
}

/// Label and category of a row, or why it has none.
pub(super) fn judge(
    record: &ImportedRow,
    several: MultiCategoryRule,
) -> Result<Result<BeaverTailsLabel, Dropped>, ImportFault> {
    let known = |name: &str| CATEGORIES.iter().any(|(theirs, _)| *theirs == name);
    for column in record.cells.keys() {
        if column.strip_prefix(PREFIX).is_some_and(|name| !known(name)) {
            return Err(ImportFault::at(record.place, ImportProblem::UnknownCategory).column(column));
        }
    }
    let mut found = Vec::new();
    for (theirs, ours) in CATEGORIES {
        if record.truth(&format!("{PREFIX}{theirs}"))? {
            found.push((theirs, ours));
        }
    }
    let safe = record.truth(SAFE)?;
    Ok(match found.as_slice() {
        [] if safe => Ok(BeaverTailsLabel { label: "safe", category: None, source_category: None }),
        [] => Err(Dropped::Contradiction),
        _ if safe => Err(Dropped::Contradiction),
        [(_, first), rest @ ..] => {
            if several == MultiCategoryRule::Drop && rest.iter().any(|(_, ours)| ours != first) {
                Err(Dropped::SeveralCategories)
            } else {
                let names: Vec<&str> = found.iter().map(|(theirs, _)| *theirs).collect();
                Ok(BeaverTailsLabel {
                    label: "harmful",
                    category: Some(first),
                    source_category: Some(names.join("; ")),
                })
            }
        }
    })
}
