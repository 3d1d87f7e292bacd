//! Whether a prompt fits a model: the one rule that the check of a graph, both executors, and whoever
//! knows the prompts by their names go by.

use std::fmt;

use crate::ReadAt;
use crate::graph::{PromptPart, Take, Turn, position};
use crate::limits;
use crate::model::ModelInfo;

/// What is wrong with a prompt, as what is said of it: `prompt X {problem}`. Who reports it puts the
/// user's own name of the prompt for X.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptProblem {
    /// No tokens, or no text to make them of.
    #[error("has no tokens")]
    Empty,
    /// More text than can be the tokens of the context.
    #[error("has {bytes} bytes of text, more than the {limit} that a context of {context} tokens can hold")]
    LongText {
        /// Bytes of the text.
        bytes: usize,
        /// The most that can be tokens of the context.
        limit: usize,
        /// Tokens that the model takes.
        context: u32,
    },
    /// More tokens than the model takes, those that are run after it included.
    #[error("has {tokens} tokens{}; the model's context is {context}", behind(*.new))]
    TooLong {
        /// Tokens of the prompt alone.
        tokens: usize,
        /// The most tokens that may be generated behind it.
        new: u32,
        /// Tokens that the model takes.
        context: u32,
    },
    /// A token id that the model does not have.
    #[error(
        "{} token {token} at position {position}, which is outside the model's vocabulary of {vocab}",
        if *text { "is text of which the tokenizer makes" } else { "has" }
    )]
    Token {
        /// Whether the prompt was given as text.
        text: bool,
        /// The token id that the model does not have.
        token: u32,
        /// Index of the token in the prompt.
        position: usize,
        /// Size of the model's vocabulary; ids are below it.
        vocab: u32,
    },
    /// No tokens that a name of positions means for certain.
    #[error("has no tokens that `{at}` means{}", if *.chat { " for certain" } else { "" })]
    Part {
        /// The positions, by the name that readings and edits have for them.
        at: String,
        /// Whether the prompt is a conversation.
        chat: bool,
        /// Tokens of the prompt.
        tokens: usize,
    },
    /// Too short for a position that is asked for.
    #[error("has {tokens} tokens, and position {index} is asked for")]
    Position {
        /// The position that is asked for; negative counts from the end.
        index: i32,
        /// Tokens of the prompt.
        tokens: usize,
    },
}

impl PromptProblem {
    /// The same of a prompt that was given as text.
    #[must_use]
    pub fn of_text(mut self) -> Self {
        if let Self::Token { text, .. } = &mut self {
            *text = true;
        }
        self
    }

    /// A remedy for people: what to change about the prompt or the request.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "give it some text".into(),
            Self::LongText { .. } | Self::TooLong { new: 0 | 1, .. } => {
                "shorten it, split it or leave it out".into()
            }
            Self::TooLong { .. } => "shorten the prompt or generate fewer tokens".into(),
            Self::Token { text: true, .. } => {
                "put the tokenizer of these very weights beside them: this one is of another model".into()
            }
            Self::Token { vocab, .. } => {
                format!("give ids below {vocab}, those of this model's own tokenizer, or the text")
            }
            Self::Part { chat: true, .. } => {
                "it has no such turn, or the chat template alters the turn's text, so that its place is not certain; ask for \
                 positions that every prompt has, such as `last`"
                    .into()
            }
            Self::Part { at, tokens, .. } if at.contains("..") => {
                format!("its tokens are 0 to {}; a range has both ends in it", tokens.saturating_sub(1))
            }
            Self::Part { .. } => {
                "turns have names in conversations alone: ask with --chat, or for positions such as `last`".into()
            }
            Self::Position { tokens, .. } => format!(
                "its tokens are 0 to {}, or -1 to -{tokens} from the end: choose a position that every \
                 prompt has, such as `last`",
                tokens.saturating_sub(1)
            ),
        }
    }
}

/// A prompt of a graph that does not fit, by its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prompt {prompt} of group {group} {problem}")]
pub struct PromptFault {
    /// Index of the group in the graph.
    pub group: usize,
    /// Index of the prompt in the group.
    pub prompt: usize,
    /// What is wrong, to follow the prompt's name.
    pub problem: PromptProblem,
}

/// Longest sequence and number of tokens of a model, which prompts are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptRoom {
    /// Tokens of a sequence, those generated included.
    pub context: u32,
    /// Size of the vocabulary; token ids are below it.
    pub vocab: u32,
}

impl PromptRoom {
    /// The room that a described model has.
    #[must_use]
    pub fn of(info: &ModelInfo) -> Self {
        Self { context: info.context, vocab: info.vocab }
    }

    /// Whether a text that is tokenized elsewhere can fit.
    ///
    /// # Errors
    /// No text, or more than the context can hold however it is tokenized.
    pub fn text(self, text: &str) -> Result<(), PromptProblem> {
        if text.is_empty() { Err(PromptProblem::Empty) } else { self.bytes(text.len()) }
    }

    /// Whether so many bytes of text can fit.
    ///
    /// # Errors
    /// More than the context can hold however they are tokenized.
    pub fn bytes(self, bytes: usize) -> Result<(), PromptProblem> {
        let limit = limits::text_bytes(self.context);
        match bytes <= limit {
            true => Ok(()),
            false => Err(PromptProblem::LongText { bytes, limit, context: self.context }),
        }
    }

    /// The most tokens that a text can be which fits: one a byte, a few special ones, and no more than
    /// the context has.
    #[must_use]
    pub fn most_tokens(self, text: &str) -> u64 {
        (text.len() as u64 + 4).min(u64::from(self.context))
    }

    /// Whether tokens fit, and up to `new` more that are generated after them.
    ///
    /// # Errors
    /// No tokens, one that the model does not have, or too many.
    pub fn tokens(self, tokens: &[u32], new: u32) -> Result<(), PromptProblem> {
        if tokens.is_empty() {
            return Err(PromptProblem::Empty);
        }
        if let Some(position) = tokens.iter().position(|t| *t >= self.vocab) {
            return Err(PromptProblem::Token {
                text: false,
                token: tokens[position],
                position,
                vocab: self.vocab,
            });
        }
        self.length(tokens.len(), new)
    }

    /// Whether so many tokens fit, and up to `new` more that are generated after them.
    ///
    /// # Errors
    /// When they do not.
    pub fn length(self, tokens: usize, new: u32) -> Result<(), PromptProblem> {
        // The last token generated is never run, so it needs no place in the context.
        let run = tokens.saturating_add(new.saturating_sub(1) as usize);
        match run <= self.context as usize {
            true => Ok(()),
            false => Err(PromptProblem::TooLong { tokens, new, context: self.context }),
        }
    }
}

/// Refuses a position that a prompt of so many tokens does not have.
///
/// # Errors
/// When it does not have it.
pub fn has_position(index: i32, tokens: usize) -> Result<(), PromptProblem> {
    position(index, tokens).map(|_| ()).ok_or(PromptProblem::Position { index, tokens })
}

/// Refuses a part that a prompt of so many tokens with these turns does not have.
///
/// # Errors
/// When it does not have it, or its place is not certain.
pub fn has_part(part: PromptPart, take: Take, turns: &[Turn], tokens: usize) -> Result<(), PromptProblem> {
    match part.tokens(take, turns, tokens) {
        Some(_) => Ok(()),
        None => Err(PromptProblem::Part {
            at: ReadAt::In(part, take).to_string(),
            chat: !turns.is_empty(),
            tokens,
        }),
    }
}

/// How many tokens may come behind a prompt, where that matters.
fn behind(new: u32) -> impl fmt::Display {
    if new > 1 { format!(" and {new} may follow") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: PromptRoom = PromptRoom { context: 8, vocab: 50 };

    #[test]
    fn the_last_token_generated_needs_no_place() {
        assert_eq!(ROOM.length(8, 0), Ok(()));
        assert_eq!(ROOM.length(8, 1), Ok(()));
        assert_eq!(ROOM.length(5, 4), Ok(()));
        let long = ROOM.length(5, 5).unwrap_err();
        assert_eq!(long, PromptProblem::TooLong { tokens: 5, new: 5, context: 8 });
        assert_eq!(long.to_string(), "has 5 tokens and 5 may follow; the model's context is 8");
        assert!(long.hint().contains("fewer"), "{}", long.hint());
        let long = ROOM.length(9, 0).unwrap_err();
        assert_eq!(long.to_string(), "has 9 tokens; the model's context is 8");
        assert!(ROOM.length(usize::MAX, u32::MAX).is_err());
    }

    #[test]
    fn what_can_not_be_the_models_tokens_is_refused() {
        assert_eq!(ROOM.tokens(&[], 0), Err(PromptProblem::Empty));
        let unknown = ROOM.tokens(&[1, 50], 0).unwrap_err();
        assert_eq!(unknown, PromptProblem::Token { text: false, token: 50, position: 1, vocab: 50 });
        assert_eq!(ROOM.text(""), Err(PromptProblem::Empty));
        let limit = limits::text_bytes(8);
        assert_eq!(ROOM.text(&"a".repeat(limit)), Ok(()));
        let long = ROOM.text(&"a".repeat(limit + 1)).unwrap_err();
        assert_eq!(long, PromptProblem::LongText { bytes: limit + 1, limit, context: 8 });
    }

    #[test]
    fn a_position_counts_from_either_end() {
        assert_eq!(has_position(-3, 3), Ok(()));
        assert_eq!(has_position(3, 3), Err(PromptProblem::Position { index: 3, tokens: 3 }));
        let said = PromptFault { group: 1, prompt: 2, problem: has_position(-4, 3).unwrap_err() };
        assert_eq!(said.to_string(), "prompt 2 of group 1 has 3 tokens, and position -4 is asked for");
    }
}
