//! One message of a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A message: who says what. What else a template may look at is kept as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message of a role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: Map::new() }
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

fn message(value: &Value) -> Result<Message, String> {
    let Some(fields) = value.as_object() else {
        return Err("is no object".into());
    };
    let part = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        None | Some(Value::Null) => Err(format!("has no `{name}`")),
        Some(Value::Array(_)) => Err(format!("has a list as `{name}`; give its text as a string")),
        Some(_) => Err(format!("has a `{name}` that is no string")),
    };
    let (role, content) = (part("role")?, part("content")?);
    // transformers leaves out what is null.
    let own = |(name, value): (&String, &Value)| {
        (name != "role" && name != "content" && !value.is_null()).then(|| (name.clone(), value.clone()))
    };
    Ok(Message { role, content, extra: fields.iter().filter_map(own).collect() })
}
