//! What can go wrong with a conversation.

use truenorth_protocol::ChatTemplates;

use super::MARKUPS;

/// A conversation that can't be put before a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// There is no such template.
    #[error("{}", none(.wanted.as_deref(), .have))]
    None {
        /// The name that was asked for; none where none was.
        wanted: Option<String>,
        /// Names of the templates that the model has.
        have: Vec<String>,
    },
    /// A template that can't be read.
    #[error("the chat template of {source_name} can't be read: {problem}")]
    Template {
        /// The file or key that it was read from.
        source_name: String,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// The template itself refuses the conversation.
    #[error("the model's chat template refuses the conversation: {0}")]
    Refused(String),
    /// The template fails on the conversation.
    #[error("the model's chat template fails on the conversation: {0}")]
    Failed(String),
    /// The template takes more steps than any conversation needs.
    #[error("the model's chat template has come to no end after {steps} steps{}", .line.map(at_line).unwrap_or_default())]
    Endless {
        /// Steps that it may take.
        steps: u64,
        /// Where in the template it was stopped.
        line: Option<usize>,
    },
    /// A conversation of no messages.
    #[error("the conversation has no messages")]
    Empty,
    /// A last message that does not end where the text ends.
    #[error(
        "the last message, of the role `{role}`, can't be gone on with: the template does not show it as it is"
    )]
    Unfinished {
        /// Role of the last message.
        role: String,
    },
}

impl ChatError {
    /// A remedy for people.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::None { wanted: None, have } if have.is_empty() => format!(
                "ask without --chat, as a base model is asked, or name a markup, as in --chat={} ({})",
                MARKUPS[0],
                MARKUPS.join(", ")
            ),
            Self::None { wanted: None, have } => {
                format!("name the one that is meant, as in --chat={}, or a markup, as in --chat={}", have[0], MARKUPS[0])
            }
            Self::None { have, .. } if have.is_empty() => {
                format!("name a markup, as in --chat={}, or ask without --chat, as a base model is asked", MARKUPS[0])
            }
            Self::None { have, .. } if have.iter().any(|name| name == ChatTemplates::DEFAULT) => {
                "name one that is there, or leave the name out".into()
            }
            Self::None { .. } => "name one that is there".into(),
            Self::Template { .. } => {
                format!("mend the template, or name a markup instead ({})", MARKUPS.join(", "))
            }
            Self::Failed(_) => {
                "if the turns are as this model takes them, the template does what is not done here: mend that line of it, name a \
                 markup with --chat=NAME, or give the text with its markup without --chat"
                    .into()
            }
            Self::Endless { .. } => {
                "give a shorter conversation if this one is very long; else the template's loops are too long: mend it, or name a \
                 markup with --chat=NAME"
                    .into()
            }
            Self::Refused(_) => {
                "give the turns as this model takes them (some have no system turn, most want user and assistant in \
                 turn), or name a markup with --chat=NAME"
                    .into()
            }
            Self::Empty => "give at least one message".into(),
            Self::Unfinished { .. } => "let the conversation end with the user's turn".into(),
        }
    }
}

fn at_line(line: usize) -> String {
    format!(" (line {line} of the template)")
}

fn none(wanted: Option<&str>, have: &[String]) -> String {
    let there = if have.is_empty() { "none".into() } else { have.join(", ") };
    match wanted {
        None => format!("the model has no chat template to use by default; it has {there}"),
        Some(name) => format!(
            "the model has no chat template `{name}`; it has {there}, and the markups that come with this program are {}",
            MARKUPS.join(", ")
        ),
    }
}
