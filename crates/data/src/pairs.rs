//! Contrastive pairs: one prompt, a response that shows the value and one that does not.

use std::io::BufRead;

use serde_json::Value;

use super::chat;
use super::conversation::Message;
use super::error::{DataError, DataProblem};
use super::rows::{Extra, Fields, Loaded, Rows, Wanted, begun_by, wrong};
use super::template::Template;
use truenorth_stats::words::folded;

/// A contrastive pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Unique within its file.
    pub id: String,
    /// The value axis the pair belongs to; splits by axis keep an axis together. Empty where the file has none.
    pub axis: String,
    /// What both responses answer; may be empty where the template does not show it.
    pub prompt: String,
    /// The response at the positive end.
    pub chosen: String,
    /// The response at the negative end.
    pub rejected: String,
    /// The turns before the responses, where there are others than the prompt alone.
    pub turns: Vec<Message>,
    /// Those before the rejected response, where its system prompt is another.
    pub rejected_turns: Vec<Message>,
    /// Other fields of the row.
    pub extra: Extra,
}

impl Pair {
    /// The conversation that ends with one of the two responses.
    #[must_use]
    pub fn conversation(&self, response: &str) -> Vec<Message> {
        let asked = || (!self.prompt.is_empty()).then(|| Message::user(self.prompt.as_str()));
        let other = response == self.rejected && !self.rejected_turns.is_empty();
        let before = match (other, self.turns.is_empty()) {
            (true, _) => self.rejected_turns.clone(),
            (false, true) => asked().into_iter().collect(),
            (false, false) => self.turns.clone(),
        };
        before.into_iter().chain([Message::assistant(response)]).collect()
    }
}

/// What other programs call the fields of a pair: CAA, with its question, and repeng, whose texts are whole.
const OTHERS: [(&[&str], &[&str]); 2] = [
    (
        &["question", "answer_matching_behavior", "answer_not_matching_behavior"],
        &["prompt", "chosen", "rejected"],
    ),
    (&["positive", "negative"], &["chosen", "rejected"]),
];

/// Reads pairs: rows with `id`, `axis`, `prompt`, `chosen`, `rejected`; or as CAA has them (`question`,
/// `answer_matching_behavior`, `answer_not_matching_behavior`), or repeng (`positive`, `negative`), which is said. Either all have an `axis` or none; none is
/// said in the notes. The prompt may be missing where the template does not show it. Responses that are chats are
/// read where the turns before both last ones are the same and one, the user's; that too is said. As conversations they may
/// have any turns, and system prompts that differ; a row's own `system` or `system_prompt` is the first turn of both.
///
/// # Errors
/// A [`DataError`] with line and column; `chosen` and `rejected` that are the same, letter case and spaces
/// aside, are refused.
pub fn read_pairs(reader: impl BufRead, name: &str, template: &Template) -> Result<Loaded<Pair>, DataError> {
    let mut with_axis = None;
    let mut chats = 0;
    let mut renamed: Option<(&[&str], &[&str])> = None;
    let mut loaded = Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        for (from, to) in OTHERS {
            if fields.called(from, to) {
                renamed.get_or_insert((from, to));
            }
        }
        let (axis, have) = (fields.optional_label("axis")?, fields.names());
        let system = fields.system()?;
        let (mut turns, mut rejected_turns) = (Vec::new(), Vec::new());
        let [prompt, chosen, rejected] = match chat_sides(fields)? {
            Some(sides) => {
                chats += 1;
                let prompt = fields.optional("prompt");
                let asked = chat::asked(&fields.id, prompt.as_ref(), &sides, template.is_chat())?;
                (turns, rejected_turns) = (asked.turns, asked.rejected);
                let [chosen, rejected] = sides.map(|s| s.response);
                [asked.prompt.unwrap_or_default(), chosen, rejected]
            }
            None if template.is_chat() && fields.peek("prompt").is_some_and(chat::is_chat) => {
                chats += 1;
                let list = fields.value("prompt")?;
                turns = chat::before(&list)?;
                [chat::joined(&turns), fields.text("chosen")?, fields.text("rejected")?]
            }
            None => [prompt(fields)?, fields.text("chosen")?, fields.text("rejected")?],
        };
        if prompt.is_empty() && template.shows_prompt() {
            let template = template.to_string();
            let have = have.into_iter().filter(|h| h != "prompt").collect();
            return Err(DataProblem::NoPrompt { id: fields.id.clone(), template, have });
        }
        for (field, text) in [("prompt", &prompt), ("chosen", &chosen), ("rejected", &rejected)] {
            chat::check_text(field, text)?;
        }
        if let Some(system) = system {
            if turns.is_empty() && !prompt.is_empty() {
                turns.push(Message::user(prompt.as_str()));
            }
            begun_by(&mut turns, &system)?;
            if !rejected_turns.is_empty() {
                begun_by(&mut rejected_turns, &system)?;
            }
        }
        let (id, axis_name) = (fields.id.clone(), axis.clone().unwrap_or_default());
        let extra = fields.extra();
        let pair = Pair { id, axis: axis_name, prompt, chosen, rejected, turns, rejected_turns, extra };
        if folded(&pair.chosen) == folded(&pair.rejected) {
            return Err(DataProblem::Identical { id: pair.id });
        }
        if *with_axis.get_or_insert(axis.is_some()) != axis.is_some() {
            return Err(match axis {
                Some(_) => DataProblem::OthersLack { field: "axis" },
                None => DataProblem::Missing { field: "axis", have },
            });
        }
        Ok(pair)
    })?;
    if with_axis == Some(false) {
        loaded
            .notes
            .push(format!("no pair of {name} has an `axis`; a pair is a unit, and no axis is held out"));
    }
    if let Some((from, to)) = renamed {
        let ticks = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        loaded.notes.push(format!("in {name} {} are read as {}", ticks(from), ticks(to)));
    }
    if chats > 0 && !template.is_chat() {
        loaded.notes.push(format!(
            "{chats} of {} pairs of {name} are chats: the user's turn is the prompt and the assistant's last one the \
             response, put together by the template and not by the markup of a chat",
            loaded.rows.len()
        ));
    }
    Ok(loaded)
}

/// A prompt, empty where there is none.
fn prompt(fields: &mut Fields) -> Result<String, DataProblem> {
    match fields.optional("prompt") {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong("prompt", &other, "a string")),
    }
}

/// Both responses, where they are chats.
fn chat_sides(fields: &mut Fields) -> Result<Option<[chat::ChatSide; 2]>, DataProblem> {
    if !["chosen", "rejected"].into_iter().all(|f| fields.peek(f).is_some_and(chat::is_chat)) {
        return Ok(None);
    }
    let mut side = |field| chat::side(field, &fields.value(field)?);
    Ok(Some([side("chosen")?, side("rejected")?]))
}
