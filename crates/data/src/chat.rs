//! Pairs whose responses are chats: lists of messages, as preference data for training have them.

use serde_json::Value;

use super::conversation::Message;
use super::error::Problem;
use super::rows::kind;

/// What a chat that is one side of a pair holds.
#[derive(Debug)]
pub(super) struct Side {
    /// The turns before the last one, as role and content.
    shared: Vec<(String, String)>,
    /// The assistant's last turn.
    pub response: String,
}

/// Whether a value is a list of messages.
pub(super) fn is_chat(value: &Value) -> bool {
    value.as_array().is_some_and(|turns| !turns.is_empty() && turns.iter().all(Value::is_object))
}

/// Refuses a text that is a list of messages written out, which would be read with its brackets and roles.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<(), Problem> {
    let begins: String = text.chars().filter(|c| !c.is_whitespace()).take(12).collect();
    let begins = begins.replace('\'', "\"");
    if ["[{\"role\":", "[{\"content\"", "{\"role\":"].iter().any(|b| begins.starts_with(b)) {
        return Err(Problem::Chat { field, found: "it is written out as one text".into() });
    }
    Ok(())
}

/// The turns of a list of messages.
fn turns(field: &'static str, value: &Value) -> Result<Vec<(String, String)>, Problem> {
    let wrong = |found: String| Problem::Chat { field, found };
    let one = |(i, turn): (usize, &Value)| {
        let part = |name: &str| match turn.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(wrong(format!("the `{name}` of message {} is {}", i + 1, kind(other)))),
            None => Err(wrong(format!("message {} has no `{name}`", i + 1))),
        };
        Ok((part("role")?, part("content")?))
    };
    value.as_array().into_iter().flatten().enumerate().map(one).collect()
}

/// One side of a pair.
pub(super) fn side(field: &'static str, value: &Value) -> Result<Side, Problem> {
    let mut shared = turns(field, value)?;
    match shared.pop() {
        Some((role, response)) if role == "assistant" => {
            if response.is_empty() {
                return Err(Problem::Empty { field });
            }
            Ok(Side { shared, response })
        }
        Some((role, _)) => {
            Err(Problem::Chat { field, found: format!("its last message is of the role `{role}`") })
        }
        None => Err(Problem::Empty { field }),
    }
}

fn messages(turns: &[(String, String)]) -> Vec<Message> {
    turns.iter().map(|(role, content)| Message::new(role.as_str(), content.as_str())).collect()
}

/// The turns of a prompt that is a list of messages.
pub(super) fn before(list: &Value) -> Result<Vec<Message>, Problem> {
    Ok(messages(&turns("prompt", list)?))
}

/// The contents of turns, by which texts are told apart.
pub(super) fn joined(turns: &[Message]) -> String {
    turns.iter().map(|t| t.content.as_str()).collect::<Vec<_>>().join("\n")
}

/// What the user asks before both responses: the one turn that both sides, or the prompt, begin with.
///
/// None where there is no turn before either response. As `whole` conversations, all turns before them.
pub(super) fn asked(
    id: &str,
    prompt: Option<&Value>,
    sides: &[Side; 2],
    whole: bool,
) -> Result<(Option<String>, Vec<Message>), Problem> {
    let [chosen, rejected] = sides;
    if chosen.shared != rejected.shared {
        return Err(Problem::ChatsDiffer { id: id.to_owned() });
    }
    let before = &chosen.shared;
    let own = match prompt {
        Some(list) if is_chat(list) => Some(turns("prompt", list)?),
        Some(Value::String(text)) => Some(vec![("user".to_owned(), text.clone())]),
        _ => None,
    };
    let turns = match own {
        // Some sets tell the prompt beside the chats that begin with it.
        Some(own) if before.is_empty() || own == *before => own,
        Some(_) => return Err(Problem::ChatPrompt { id: id.to_owned() }),
        None => before.clone(),
    };
    match &turns[..] {
        [] => Ok((None, vec![])),
        [(role, text)] if role == "user" => Ok((Some(text.clone()), vec![])),
        more if whole => {
            let turns = messages(more);
            Ok((Some(joined(&turns)), turns))
        }
        more => Err(Problem::ChatTurns {
            id: id.to_owned(),
            roles: more.iter().map(|(role, _)| role.clone()).collect(),
        }),
    }
}
