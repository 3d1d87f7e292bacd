//! Conversations: how a model's own chat template makes them a text, and where in the text each turn lies.
//!
//! The one home of chat templates, wherever the model runs: whoever has the model's files hands over
//! [`ChatTemplates`], and text and places are made here. What a template does is what transformers'
//! `apply_chat_template` makes of it.

mod blocks;
mod error;
mod fallback;
mod filters;
mod json;
mod macros;
mod message;
mod percent;
mod place;
mod python;
mod render;
mod source;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};
use truenorth_protocol::ChatTemplates;

pub use chrono::NaiveDateTime;
pub use error::ChatError;
pub use fallback::{MARKUPS, markup};
pub(super) use message::message;
pub use message::{Message, messages};
pub use place::{PlacedTurn, Rendered};

use render::Environment;

/// The time here, without a zone, as `strftime_now` says it.
#[must_use]
pub fn now() -> NaiveDateTime {
    chrono::Local::now().naive_local()
}

/// Where the text of a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tail {
    /// With what the last message is, whole.
    Complete,
    /// With what stands before an answer of the model: `add_generation_prompt`.
    Answer,
    /// In the middle of the last message, which the model goes on with: `continue_final_message`.
    Continue,
}

/// A chat template that is ready to be used.
pub struct Chat {
    environment: Environment,
    /// Name of the template, such as `default`.
    pub name: String,
    /// Where it stands: a file, a key, or the fall-back markup.
    pub source: String,
    /// SHA-256 of it, in hex.
    pub sha256: String,
    /// Whether it is one of the markups that come with this program, and not the model's own.
    pub fallback: bool,
}

impl Chat {
    /// The template of that name, the model's own first; the one that is used by default where none is named.
    ///
    /// # Errors
    /// When there is none, or it is no template.
    pub fn open(
        model: Option<&ChatTemplates>,
        name: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<Self, ChatError> {
        let own = |name: &str| model.and_then(|m| Some((m, m.templates.get(name)?)));
        let wanted = name.unwrap_or(ChatTemplates::DEFAULT);
        let tokens = model.map(|m| m.special_tokens.clone()).unwrap_or_default();
        let (text, source, fallback) = match (own(wanted), name.and_then(markup)) {
            (Some((model, text)), _) => (text.clone(), model.source.clone(), false),
            (None, Some(text)) => (text.to_owned(), format!("markup {wanted} of truenorth"), true),
            (None, None) => {
                let have = model.map(|m| m.templates.keys().cloned().collect()).unwrap_or_default();
                return Err(ChatError::None { wanted: name.map(str::to_owned), have });
            }
        };
        let sha256 = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let environment = Environment::new(text, tokens, now)
            .map_err(|problem| ChatError::Template { source_name: source.clone(), problem })?;
        Ok(Self { environment, name: wanted.to_owned(), source, sha256, fallback })
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// When the template refuses it.
    pub fn render(&self, messages: &[Message], tail: Tail) -> Result<String, ChatError> {
        if messages.is_empty() {
            return Err(ChatError::Empty);
        }
        match tail {
            Tail::Complete => self.environment.render(messages, false),
            Tail::Answer => self.environment.render(messages, true),
            Tail::Continue => self.unfinished(messages),
        }
    }

    /// The date that the template has asked for so far, as `YYYY-MM-DD`; none where it asked for none.
    #[must_use]
    pub fn date(&self) -> Option<String> {
        self.environment.date()
    }

    /// The text up to the end of the last message: what a template puts behind it is cut off at a mark.
    fn unfinished(&self, messages: &[Message]) -> Result<String, ChatError> {
        const MARK: &str = "CONTINUE_FINAL_MESSAGE_TAG ";
        let mut marked = messages.to_vec();
        let last = marked.last_mut().ok_or(ChatError::Empty)?;
        let content = last.content.clone();
        last.content.push_str(MARK);
        let text = self.environment.render(&marked, false)?;
        let lost =
            || ChatError::Unfinished { role: messages.last().map(|m| m.role.clone()).unwrap_or_default() };
        if !text.contains(content.trim_matches(python::space)) {
            return Err(lost());
        }
        let at = text.rfind(MARK.trim_end()).ok_or_else(lost)?;
        let head = &text[..at];
        // A template that trims messages trims what is before the end of this one too.
        let whole = text[at..].starts_with(MARK);
        Ok(if whole { head } else { head.trim_end_matches(python::space) }.to_owned())
    }
}
