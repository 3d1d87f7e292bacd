//! The card of a data-set folder: what `datasets` reads at its head, and words for people.

use std::fmt::Write as _;

use super::{ColumnKind, OutRow, Typed, columns};

/// What a data-set folder says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSetCard {
    /// Heading of the card.
    pub title: String,
    /// How it was made, a paragraph each.
    pub says: Vec<String>,
}

/// The text of `README.md`: a head in YAML with the files and the columns, then the words. `splits` are the parts with their
/// rows, each in `data/NAME-00000-of-00001.parquet`.
#[must_use]
pub fn card(card: &DataSetCard, splits: &[(&str, &[OutRow])]) -> String {
    let all: Vec<OutRow> = splits.iter().flat_map(|(_, rows)| rows.iter().cloned()).collect();
    let mut out = String::from("---\nconfigs:\n- config_name: default\n  data_files:\n");
    for (split, _) in splits {
        let _ = writeln!(out, "  - split: {split}\n    path: data/{split}-*.parquet");
    }
    out.push_str("dataset_info:\n  features:\n");
    for column in columns(&all) {
        let name = serde_json::Value::from(column);
        let _ = match Typed::of(&all, column) {
            Typed::Plain(kind) => writeln!(out, "  - name: {name}\n    dtype: {}", dtype(kind)),
            Typed::List(kind) => writeln!(out, "  - name: {name}\n    list: {}", dtype(kind)),
            Typed::Records(fields) => {
                let _ = writeln!(out, "  - name: {name}\n    list:");
                fields.iter().try_for_each(|field| {
                    writeln!(
                        out,
                        "    - name: {}\n      dtype: string",
                        serde_json::Value::from(field.as_str())
                    )
                })
            }
        };
    }
    let _ = write!(out, "---\n\n# {}\n", card.title);
    for paragraph in &card.says {
        let _ = write!(out, "\n{paragraph}\n");
    }
    let _ = writeln!(out);
    for (split, rows) in splits {
        let _ = writeln!(out, "- `{split}`: {} rows", rows.len());
    }
    out
}

fn dtype(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Bool => "bool",
        ColumnKind::Int => "int64",
        ColumnKind::Float => "float64",
        ColumnKind::Text | ColumnKind::Json => "string",
    }
}
