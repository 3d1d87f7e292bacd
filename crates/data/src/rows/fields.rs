//! Typed access to the fields of a row.

use serde_json::{Map, Value};

use super::super::chat::{is_chat, joined};
use super::super::conversation::{self, Message};
use super::super::error::DataProblem;
use super::{COLUMNS, Extra};

/// Below it, a whole number has one spelling.
const WHOLE: f64 = 1e15;

/// The fields of one row; taking one removes it, what is left is `extra`.
pub(in super::super) struct Fields {
    map: Map<String, Value>,
    pub id: String,
}

impl Fields {
    /// The fields, and whether the row had no id and goes by its number.
    pub fn new(mut map: Map<String, Value>, number: usize) -> Result<(Self, bool), DataProblem> {
        let own = match map.remove("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) if s.trim().is_empty() => return Err(DataProblem::Empty { field: "id" }),
            Some(Value::String(s)) => Some(s),
            Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
            Some(other) => return Err(wrong("id", &other, "a string or an integer")),
        };
        let numbered = own.is_none();
        Ok((Self { map, id: own.unwrap_or_else(|| number.to_string()) }, numbered))
    }

    /// A value that must be there.
    pub fn value(&mut self, field: &'static str) -> Result<Value, DataProblem> {
        match self.map.remove(field) {
            None => Err(DataProblem::Missing { field, have: self.names() }),
            Some(Value::Null) => Err(DataProblem::NoValue { field }),
            Some(value) => Ok(value),
        }
    }

    /// A value that may be missing.
    pub fn optional(&mut self, field: &str) -> Option<Value> {
        self.map.remove(field).filter(|v| !v.is_null())
    }

    /// Calls fields as they are called here: where all of `from` are there and none of `to`.
    pub fn called(&mut self, from: &[&str], to: &[&str]) -> bool {
        let meant = from.iter().all(|f| self.has(f)) && !to.iter().any(|t| self.map.contains_key(*t));
        if meant {
            for (from, to) in from.iter().zip(to) {
                if let Some(value) = self.map.remove(*from) {
                    self.map.insert((*to).to_owned(), value);
                }
            }
        }
        meant
    }

    /// A value, left where it is.
    pub fn peek(&self, field: &str) -> Option<&Value> {
        self.map.get(field)
    }

    /// Names of the fields that have a value.
    pub fn names(&self) -> Vec<String> {
        self.map.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| k.clone()).collect()
    }

    /// The first of these fields that is there without a value.
    pub fn without_value(&self, fields: &[&'static str]) -> Option<&'static str> {
        fields.iter().copied().find(|f| self.map.get(*f).is_some_and(Value::is_null))
    }

    /// A string that must be there and say something.
    pub fn text(&mut self, field: &'static str) -> Result<String, DataProblem> {
        let value = self.value(field)?;
        let Value::String(s) = value else {
            return Err(wrong(field, &value, "a string"));
        };
        // A text of spaces or line ends has tokens like any other.
        if s.is_empty() {
            return Err(DataProblem::Empty { field });
        }
        Ok(s)
    }

    /// The text of a row that has one: `text`, or `prompt` where there is no `text`.
    pub fn only_text(&mut self) -> Result<String, DataProblem> {
        // A `text` without a value is one that is missing, not one that `prompt` stands for.
        let there = |field: &str| self.map.contains_key(field);
        let field = if !there("text") && there("prompt") { "prompt" } else { "text" };
        if field == "prompt" {
            self.no_response()?;
        }
        self.text(field)
    }

    /// Refuses a prompt with its answer in another field: which of them is meant is not told.
    pub fn no_response(&self) -> Result<(), DataProblem> {
        let there = |field: &&'static str| self.has(field);
        let answer = ["response", "completion"].into_iter().find(there);
        answer.map_or(Ok(()), |field| Err(DataProblem::Response { field }))
    }

    /// What a row says, with what it is in a chat where that is more than the text: `text` (or `prompt`), or the contents of
    /// its turns; the turns where there are some, or the text behind the row's own system prompt.
    pub fn said(&mut self) -> Result<(String, Vec<Message>), DataProblem> {
        match self.conversation()? {
            Some(turns) if self.has("text") || self.has("prompt") => {
                let text = self.only_text()?;
                // The one turn of the user is that text.
                let same = matches!(&turns[..], [one] if *one == Message::user(text.as_str()));
                Ok((text, if same { vec![] } else { turns }))
            }
            Some(turns) => Ok((joined(&turns), turns)),
            None => {
                let system = self.system()?;
                let text = self.only_text()?;
                let turns = system.map(|s| vec![Message::new("system", s), Message::user(text.as_str())]);
                Ok((text, turns.unwrap_or_default()))
            }
        }
    }

    /// The system prompt that a row has beside its text or its turns; an empty one is none.
    pub fn system(&mut self) -> Result<Option<String>, DataProblem> {
        let mut found: Option<String> = None;
        for field in ["system", "system_prompt"] {
            if !self.map.get(field).is_some_and(Value::is_string) {
                continue;
            }
            let Some(Value::String(text)) = self.map.remove(field) else { continue };
            if text.is_empty() {
                continue;
            }
            if found.as_ref().is_some_and(|other| *other != text) {
                return Err(DataProblem::Systems);
            }
            found = Some(text);
        }
        Ok(found)
    }

    /// The field that holds the turns of a conversation. What is one text is called `conversation` too, and is none.
    pub fn turns(&self) -> Option<&'static str> {
        let is_list = |value: &Value| value.is_array() || value.as_str().is_some_and(|t| t.starts_with('['));
        let singular = self.peek("conversation").is_some_and(is_list).then_some("conversation");
        ["messages", "conversations"].into_iter().find(|f| self.has(f)).or(singular)
    }

    /// The turns under `messages`; or under `conversations` as ShareGPT has them, with `from` and `value`, or under `conversation`; or under `prompt`,
    /// where that is a list of messages. The row's own system prompt is the first of them.
    fn conversation(&mut self) -> Result<Option<Vec<Message>>, DataProblem> {
        let listed = self.peek("prompt").is_some_and(is_chat).then_some("prompt");
        let field = self.turns().or(listed);
        let Some(field) = field else { return Ok(None) };
        if self.has("tools") {
            return Err(DataProblem::Tools);
        }
        let list = self.value(field)?;
        let mut turns = as_conversation(list).map_err(|found| DataProblem::Chat { field, found })?;
        if let Some(system) = self.system()? {
            begun_by(&mut turns, &system)?;
        }
        Ok(Some(turns))
    }

    /// A label: a string, an integer or a truth value, as text.
    pub fn label(&mut self, field: &'static str) -> Result<String, DataProblem> {
        match self.value(field)? {
            Value::String(s) if s.trim().is_empty() => Err(DataProblem::Empty { field }),
            Value::String(s) => Ok(s),
            Value::Bool(b) => Ok(b.to_string()),
            Value::Number(n) if n.is_i64() || n.is_u64() => Ok(n.to_string()),
            // What was a column of numbers, such as 0.0 and 1.0.
            Value::Number(n) => n
                .as_f64()
                .and_then(whole)
                .ok_or_else(|| wrong(field, &Value::Number(n), "a string, an integer, true or false")),
            other => Err(wrong(field, &other, "a string, an integer, true or false")),
        }
    }

    /// A label that may be missing.
    pub fn optional_label(&mut self, field: &'static str) -> Result<Option<String>, DataProblem> {
        match self.map.get(field) {
            None | Some(Value::Null) => {
                self.map.remove(field);
                Ok(None)
            }
            Some(_) => self.label(field).map(Some),
        }
    }

    pub fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(|v| !v.is_null())
    }

    /// The fields with a value that nobody took.
    pub fn extra(&mut self) -> Extra {
        std::mem::take(&mut self.map).into_iter().filter(|(_, v)| !v.is_null()).collect()
    }
}

/// A whole number as a label has it; none of another, or of one with more than one spelling.
pub(in super::super) fn whole(number: f64) -> Option<String> {
    // With 0 added, since −0 is written with its sign.
    (number.fract() == 0.0 && number.abs() < WHOLE).then(|| format!("{:.0}", number + 0.0))
}

/// The turns of a list of messages, or of turns as ShareGPT has them; else what is wrong with it.
pub(in super::super) fn as_conversation(mut list: Value) -> Result<Vec<Message>, String> {
    // A cell of a table holds its turns as JSON.
    if let Some(turns) = list.as_str().and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok()) {
        list = Value::Array(turns);
    }
    list.as_array_mut().into_iter().flatten().for_each(as_message);
    conversation::messages(&list)
}

/// Puts the row's own system prompt before its turns, unless they begin with that very one.
pub(in super::super) fn begun_by(turns: &mut Vec<Message>, system: &str) -> Result<(), DataProblem> {
    match turns.first().filter(|t| t.role == "system") {
        Some(first) if first.content == system => Ok(()),
        Some(_) => Err(DataProblem::Systems),
        None => {
            turns.insert(0, Message::new("system", system));
            Ok(())
        }
    }
}

/// A turn as ShareGPT has it, made a message.
fn as_message(turn: &mut Value) {
    let Some(fields) = turn.as_object_mut().filter(|f| !f.contains_key("role")) else { return };
    if let Some(from) = fields.remove("from") {
        let role = match from.as_str() {
            Some("human") => "user".into(),
            Some("gpt" | "chatgpt" | "bot" | "model") => "assistant".into(),
            _ => from,
        };
        fields.insert("role".into(), role);
    }
    if let Some(value) = fields.remove("value") {
        fields.insert("content".into(), value);
    }
}

/// What the two sides of pairs are called elsewhere.
const SIDES: [[&str; 2]; 8] = [
    ["positive", "negative"],
    ["pos", "neg"],
    ["preferred", "dispreferred"],
    ["accepted", "rejected"],
    ["winner", "loser"],
    ["better", "worse"],
    ["good", "bad"],
    ["response_chosen", "response_rejected"],
];

/// What to call the sides of pairs that are called otherwise.
pub(in super::super) fn two_sides(have: &[String]) -> Option<String> {
    let has = |side: &str| have.iter().any(|h| h.to_lowercase() == side);
    let [up, down] = SIDES.into_iter().find(|two| two.iter().all(|side| has(side)))?;
    Some(format!("if these are pairs, call `{up}` `chosen` and `{down}` `rejected`"))
}

/// What would give a row the field that it lacks, by the fields that it has.
pub(in super::super) fn unnamed(field: &str, have: &[String]) -> String {
    let has = |name: &str| have.iter().any(|h| h == name);
    if ["chosen", "rejected", "text"].contains(&field)
        && let Some(sides) = two_sides(have)
    {
        return sides;
    }
    if has("chosen") && has("rejected") && ["text", "label"].contains(&field) {
        return "these are pairs; give them to --pairs where the verb takes pairs".into();
    }
    if has("label") && (has("text") || has("prompt")) && ["chosen", "rejected"].contains(&field) {
        return "these are labelled texts; give them to --classes where the verb takes them".into();
    }
    // A field with a meaning of its own is not what was meant by this one, unless in other letters.
    let other = |h: &&String| !COLUMNS.contains(&h.as_str()) || h.to_lowercase() == field;
    let others: Vec<&str> = have.iter().filter(other).map(String::as_str).collect();
    if let Some((both, between)) =
        others.iter().find_map(|o| Some((o, o.chars().find(|c| ",;|\t".contains(*c))?)))
    {
        let between = between.escape_default();
        return format!(
            "`{both}` may be two columns with `{between}` between them; keep all columns apart by one sign"
        );
    }
    match others[..] {
        [] => format!("give every row a `{field}`"),
        _ => format!("the row has `{}`; call the one that is meant `{field}`", others.join("`, `")),
    }
}

pub(in super::super) fn wrong(field: &'static str, value: &Value, expected: &'static str) -> DataProblem {
    DataProblem::Field { field, found: shown(&value.to_string()), expected }
}

/// A value as an error shows it.
pub(in super::super) fn shown(text: &str) -> String {
    if text.chars().count() > 60 {
        format!("{}…", text.chars().take(60).collect::<String>())
    } else {
        text.to_owned()
    }
}

pub(in super::super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
