//! The markup that a judge is asked in: the model's own chat template, one that is named, or none.

use std::fmt;

use truenorth_data::conversation::{Chat, MARKUPS, now};

use super::JudgeTemplate;
use truenorth_reading::{AnalysisError, Reader, Spoken, chats};

/// A chat markup, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Markup {
    /// Plain text that the model goes on with, as a base model does.
    Plain,
    /// The chat template of the model's own files.
    Own,
    /// A markup that comes with this program, by its name.
    Named(&'static str),
}

impl Markup {
    pub(super) fn named(name: &str) -> Result<Self, AnalysisError> {
        let own = || MARKUPS.into_iter().find(|m| *m == name).map(Self::Named);
        match name {
            "plain" => Some(Self::Plain),
            "own" => Some(Self::Own),
            _ => own(),
        }
        .ok_or_else(|| {
            let known = ["auto", "own", "plain"].into_iter().chain(MARKUPS).collect::<Vec<_>>().join(", ");
            AnalysisError::Input(format!("no markup `{name}`; expected one of {known}"))
        })
    }

    /// What a judge expects where nothing else is said: the way in which it is asked anyway, if that is a chat; its own
    /// template if its name says that it was trained to chat; if its files have none, the markup whose first mark is one
    /// token to it; else plain text. Base models often have a template, or the marks, and never saw them used.
    ///
    /// # Errors
    /// When the tokenizer refuses a mark.
    pub(super) fn guess(reader: &Reader<'_>) -> Result<Self, AnalysisError> {
        let runner = reader.runner();
        if reader.spoken().is_some_and(Spoken::is_chat) {
            return Ok(Self::Own);
        }
        if !chats(&runner.info().name) {
            return Ok(Self::Plain);
        }
        if runner.chat().is_some() {
            return Ok(Self::Own);
        }
        let marks = ["<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "<|user|>", "[INST]"];
        for (name, mark) in MARKUPS.into_iter().zip(marks) {
            if runner.encode(mark, false)?.is_some_and(|t| t.len() == 1) {
                return Ok(Self::Named(name));
            }
        }
        Ok(Self::Plain)
    }

    /// How texts are put before the judge; none for the way in which they are anyway.
    pub(super) fn spoken(&self, reader: &Reader<'_>) -> Result<Option<Spoken>, AnalysisError> {
        let open = |templates, name| {
            let chat = Chat::open(templates, name, now())
                .map_err(|e| AnalysisError::Asked { what: format!("the judge: {e}"), remedy: e.hint() })?;
            Ok(Some(Spoken::of(chat)))
        };
        match self {
            Self::Plain => Ok(Some(Spoken::raw())),
            Self::Own if reader.spoken().is_some_and(Spoken::is_chat) => Ok(None),
            Self::Own => open(reader.runner().chat(), None),
            Self::Named(name) => open(None, Some(name)),
        }
    }

    /// The template as the markup needs it: unchanged for plain text, else as one turn.
    #[must_use]
    pub fn wrap(&self, template: JudgeTemplate) -> JudgeTemplate {
        if *self == Self::Plain { template } else { template.as_turn() }
    }

    /// An answer as it follows the template: a word after a space where plain text goes on, the word
    /// itself where a turn begins.
    #[must_use]
    pub fn answer(&self, word: &str) -> String {
        // Behind this markup a turn begins with a space.
        let spaced = *self == Self::Plain || *self == Self::Named("mistral");
        if spaced { format!(" {word}") } else { word.to_owned() }
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Own => "own",
            Self::Named(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::Tiny;
    use super::*;
    use truenorth_data::conversation::markup;

    #[test]
    fn a_chat_turn_ends_where_the_model_begins() {
        let of = |m: Markup| m.wrap(JudgeTemplate::reply()).fill(&[("text", "T"), ("question", "Q?")]);
        assert!(of(Markup::Plain).ends_with("Q? Answer Yes or No.\n\nAnswer:"));
        assert!(of(Markup::Own).ends_with("Answer Yes or No."));
        assert_eq!(
            (Markup::Plain.answer("A"), Markup::Named("gemma").answer("A")),
            (" A".into(), "A".into())
        );
    }

    #[test]
    fn a_model_that_is_not_called_a_chat_model_gets_plain_text() {
        let tiny = Tiny::open();
        assert_eq!(Markup::guess(&Reader::new(&tiny, None)).unwrap(), Markup::Plain);
        for m in MARKUPS {
            assert_eq!(Markup::named(m).unwrap().to_string(), m);
            assert!(markup(m).is_some());
        }
        assert!(Markup::named("x").unwrap_err().to_string().contains("chatml"));
    }
}
