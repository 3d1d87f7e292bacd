//! Pairs whose responses are chats: lists of messages, as preference data for training have them.

use serde_json::Value;

use super::conversation::{Message, message};
use super::error::Problem;

/// What a chat that is one side of a pair holds.
#[derive(Debug)]
pub(super) struct Side {
    shared: Vec<Message>,
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

fn turns(field: &'static str, value: &Value) -> Result<Vec<Message>, Problem> {
    let one = |(i, turn): (usize, &Value)| {
        let wrong = |found: String| Problem::Chat { field, found: format!("message {} {found}", i + 1) };
        message(turn).map_err(wrong)
    };
    value.as_array().into_iter().flatten().enumerate().map(one).collect()
}

pub(super) fn side(field: &'static str, value: &Value) -> Result<Side, Problem> {
    let mut shared = turns(field, value)?;
    match shared.pop() {
        Some(last) if last.role == "assistant" => {
            if last.content.is_empty() {
                return Err(Problem::Empty { field });
            }
            Ok(Side { shared, response: last.content })
        }
        Some(last) => {
            Err(Problem::Chat { field, found: format!("its last message is of the role `{}`", last.role) })
        }
        None => Err(Problem::Empty { field }),
    }
}

/// The turns of a prompt that is a list of messages.
pub(super) fn before(list: &Value) -> Result<Vec<Message>, Problem> {
    turns("prompt", list)
}

/// The turns without those of the system.
fn spoken(turns: &[Message]) -> Vec<&Message> {
    turns.iter().filter(|t| t.role != "system").collect()
}

/// The contents of turns, by which texts are told apart.
pub(super) fn joined(turns: &[Message]) -> String {
    turns.iter().map(|t| t.content.as_str()).collect::<Vec<_>>().join("\n")
}

/// What comes before the responses of a pair.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What the user asks; none where there is no turn before either response.
    pub prompt: Option<String>,
    /// All turns, where there are others than the user's one.
    pub turns: Vec<Message>,
    /// Those before the rejected response, where the system says something else there.
    pub rejected: Vec<Message>,
}

/// What is asked before both responses: the turns that both sides, or the prompt, begin with. As `whole` conversations all
/// turns, and system prompts may differ; else the user's one.
pub(super) fn asked(
    id: &str,
    prompt: Option<&Value>,
    sides: &[Side; 2],
    whole: bool,
) -> Result<Asked, Problem> {
    let [chosen, rejected] = sides;
    if chosen.shared != rejected.shared {
        let (one, other) = (spoken(&chosen.shared), spoken(&rejected.shared));
        let by_system = one == other && !one.is_empty();
        let told = match prompt {
            Some(Value::String(text)) => one.last().is_some_and(|t| t.content == *text),
            Some(_) => false,
            None => true,
        };
        if !(whole && by_system && told) {
            return Err(Problem::ChatsDiffer { id: id.to_owned(), by_system });
        }
        let prompt = one.iter().map(|t| t.content.as_str()).collect::<Vec<_>>().join("\n");
        let (turns, rejected) = (chosen.shared.clone(), rejected.shared.clone());
        return Ok(Asked { prompt: Some(prompt), turns, rejected });
    }
    let before = &chosen.shared;
    let own = match prompt {
        Some(list) if is_chat(list) => Some(turns("prompt", list)?),
        Some(Value::String(text)) => Some(vec![Message::user(text.as_str())]),
        _ => None,
    };
    let turns = match own {
        // Some sets tell the prompt beside the chats that begin with it.
        Some(own) if before.is_empty() || own == *before => own,
        // Or the last of several turns, or the user's behind a system prompt.
        Some(own) if whole && prompt.is_some_and(Value::is_string) && before.ends_with(&own) => {
            before.clone()
        }
        Some(_) => return Err(Problem::ChatPrompt { id: id.to_owned() }),
        None => before.clone(),
    };
    match &turns[..] {
        [] => Ok(Asked::default()),
        [one] if one.role == "user" && !one.parts && one.extra.is_empty() => {
            Ok(Asked { prompt: Some(one.content.clone()), ..Asked::default() })
        }
        [one] if one.role == "user" && !whole => {
            Ok(Asked { prompt: Some(one.content.clone()), ..Asked::default() })
        }
        _ if whole => Ok(Asked { prompt: Some(joined(&turns)), turns, rejected: vec![] }),
        more => Err(Problem::ChatTurns {
            id: id.to_owned(),
            roles: more.iter().map(|turn| turn.role.clone()).collect(),
        }),
    }
}
