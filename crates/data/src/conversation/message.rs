//! One message of a conversation.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A message: who says what. What else a template may look at is kept as it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// The text of the message.
    pub content: String,
    /// Other fields of the message, for templates that look at them.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    /// Whether a template is given the content as a list of one part, `[{"type": "text", "text": …}]`, as it was written.
    #[serde(skip)]
    pub parts: bool,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", &self.role)?;
        match self.parts {
            true => map.serialize_entry("content", &json!([{"type": "text", "text": self.content}]))?,
            false => map.serialize_entry("content", &self.content)?,
        }
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Message {
    /// A message of a role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: Map::new(), parts: false }
    }

    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// The messages of a JSON list of objects with `role` and `content`.
///
/// # Errors
/// What is wrong with which message, in words.
pub fn messages(list: &Value) -> Result<Vec<Message>, String> {
    let Some(list) = list.as_array() else {
        return Err("it is no list".into());
    };
    if list.is_empty() {
        return Err("it has no messages".into());
    }
    list.iter()
        .enumerate()
        .map(|(i, value)| message(value).map_err(|e| format!("message {} {e}", i + 1)))
        .collect()
}

/// The text of a content that is a list of one part of text.
fn one_part(content: &Value) -> Option<&str> {
    let [part] = &content.as_array()?[..] else { return None };
    let fields = part.as_object().filter(|f| f.len() == 2 && f.get("type").is_some_and(|t| t == "text"))?;
    fields.get("text")?.as_str()
}

/// A message of a JSON object; else what is wrong with it.
pub(in super::super) fn message(value: &Value) -> Result<Message, String> {
    let Some(fields) = value.as_object() else {
        return Err("is no object".into());
    };
    let parts = fields.get("content").and_then(one_part);
    let part = |name: &str| match fields.get(name) {
        Some(Value::Array(_)) if name == "content" && parts.is_some() => {
            Ok(parts.unwrap_or_default().to_owned())
        }
        Some(Value::String(text)) => Ok(text.clone()),
        None | Some(Value::Null) => Err(format!("has no `{name}`")),
        Some(Value::Array(_)) => Err(format!(
            "has a list as `{name}` that is not one part of text, such as [{{\"type\": \"text\", \"text\": \"…\"}}]"
        )),
        Some(_) => Err(format!("has a `{name}` that is no string")),
    };
    let (role, content) = (part("role")?, part("content")?);
    // transformers leaves out what is null.
    let own = |(name, value): (&String, &Value)| {
        (name != "role" && name != "content" && !value.is_null()).then(|| (name.clone(), value.clone()))
    };
    Ok(Message { role, content, extra: fields.iter().filter_map(own).collect(), parts: parts.is_some() })
}
