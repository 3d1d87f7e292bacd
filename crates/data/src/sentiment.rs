//! Texts whose sentiment is known.

use std::io::BufRead;

use serde_json::Value;

use super::conversation::Message;
use super::error::DataError;
use super::rows::{Extra, Loaded, Rows, Wanted, whole, wrong};

/// A text with its sentiment.
#[derive(Clone, Debug, PartialEq)]
pub struct SentimentRow {
    /// Unique within its file.
    pub id: String,
    /// What the row says; of a conversation the contents of its turns.
    pub text: String,
    /// Whether the sentiment is positive.
    pub positive: bool,
    /// The turns, where the row is a conversation; its text is then their contents.
    pub turns: Vec<Message>,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads a sentiment set: rows with `id`, `text` (or `messages`) and `label`, one of 0, 1, `negative`, `positive`.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_sentiment(reader: impl BufRead, name: &str) -> Result<Loaded<SentimentRow>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        let (text, turns) = fields.said()?;
        let label = fields.value("label")?;
        // As a column of numbers has it, 1 may be 1.0; CSV has no numbers of its own.
        let number = match &label {
            Value::Number(n) => n.as_f64(),
            Value::String(s) => s.parse::<f64>().ok(),
            _ => None,
        };
        let positive = match (label.as_str(), number.and_then(whole).as_deref()) {
            (Some("positive"), _) | (_, Some("1")) => true,
            (Some("negative"), _) | (_, Some("0")) => false,
            _ => return Err(wrong("label", &label, "0, 1, \"negative\" or \"positive\"")),
        };
        Ok(SentimentRow { id: fields.id.clone(), text, positive, turns, extra: fields.extra() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_labels_with_and_without_a_point() {
        let read = |label: &str| {
            let rows = format!("{{\"id\": \"a\", \"text\": \"one word\", \"label\": {label}}}\n");
            read_sentiment(rows.as_bytes(), "s.jsonl").map(|found| found.rows[0].positive)
        };
        for (label, positive) in [("0", false), ("0.0", false), ("-0.0", false), ("1", true), ("1.0", true)] {
            assert_eq!(read(label).unwrap(), positive, "{label}");
        }
        for label in ["0.5", "2.0", "-1", "true", "\"yes\""] {
            assert!(read(label).is_err(), "{label}");
        }
        let csv = read_sentiment(&b"id,text,label\na,one word,1.0\nb,two trees,0.0\n"[..], "s.csv").unwrap();
        assert_eq!(csv.rows.iter().map(|r| r.positive).collect::<Vec<_>>(), [true, false]);
    }
}
