//! Pairs whose responses are chats: lists of messages, as preference data for training have them.

use serde_json::Value;

use super::conversation::{Message, message};
use super::error::DataProblem;

/// What a chat that is one side of a pair holds.
#[derive(Debug)]
pub(super) struct ChatSide {
    shared: Vec<Message>,
    pub response: String,
}

/// Whether a value is a list of messages.
pub(super) fn is_chat(value: &Value) -> bool {
    value.as_array().is_some_and(|turns| !turns.is_empty() && turns.iter().all(Value::is_object))
}

/// Refuses a text that is a list of messages written out, which would be read with its brackets and roles.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<(), DataProblem> {
    let begins: String = text.chars().filter(|c| !c.is_whitespace()).take(12).collect();
    let begins = begins.replace('\'', "\"");
    if ["[{\"role\":", "[{\"content\"", "{\"role\":"].iter().any(|b| begins.starts_with(b)) {
        return Err(DataProblem::Chat { field, found: "it is written out as one text".into() });
    }
    Ok(())
}

fn turns(field: &'static str, value: &Value) -> Result<Vec<Message>, DataProblem> {
    let one = |(i, turn): (usize, &Value)| {
        let wrong = |found: String| DataProblem::Chat { field, found: format!("message {} {found}", i + 1) };
        message(turn).map_err(wrong)
    };
    value.as_array().into_iter().flatten().enumerate().map(one).collect()
}

pub(super) fn side(field: &'static str, value: &Value) -> Result<ChatSide, DataProblem> {
    let mut shared = turns(field, value)?;
    match shared.pop() {
        Some(last) if last.role == "assistant" => {
            if last.content.is_empty() {
                return Err(DataProblem::Empty { field });
            }
            Ok(ChatSide { shared, response: last.content })
        }
        Some(last) => Err(DataProblem::Chat {
            field,
            found: format!("its last message is of the role `{}`", last.role),
        }),
        None => Err(DataProblem::Empty { field }),
    }
}

/// The turns of a prompt that is a list of messages.
pub(super) fn before(list: &Value) -> Result<Vec<Message>, DataProblem> {
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
pub(super) struct PairContext {
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
    sides: &[ChatSide; 2],
    whole: bool,
) -> Result<PairContext, DataProblem> {
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
            return Err(DataProblem::ChatsDiffer { id: id.to_owned(), by_system });
        }
        let prompt = one.iter().map(|t| t.content.as_str()).collect::<Vec<_>>().join("\n");
        let (turns, rejected) = (chosen.shared.clone(), rejected.shared.clone());
        return Ok(PairContext { prompt: Some(prompt), turns, rejected });
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
        Some(_) => return Err(DataProblem::ChatPrompt { id: id.to_owned() }),
        None => before.clone(),
    };
    match &turns[..] {
        [] => Ok(PairContext::default()),
        [one] if one.role == "user" && !one.parts && one.extra.is_empty() => {
            Ok(PairContext { prompt: Some(one.content.clone()), ..PairContext::default() })
        }
        [one] if one.role == "user" && !whole => {
            Ok(PairContext { prompt: Some(one.content.clone()), ..PairContext::default() })
        }
        _ if whole => Ok(PairContext { prompt: Some(joined(&turns)), turns, rejected: vec![] }),
        more => Err(DataProblem::ChatTurns {
            id: id.to_owned(),
            roles: more.iter().map(|turn| turn.role.clone()).collect(),
        }),
    }
}
