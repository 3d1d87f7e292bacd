//! How a prompt and a response become one text.

use std::fmt;
use std::str::FromStr;

/// A template such as `{prompt} {response}`; `{{` and `}}` stand for braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<TemplatePart>,
    chat: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Prompt,
    Response,
}

/// A template that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name in braces that is not known.
    #[error("unknown placeholder `{{{name}}}` at byte {at}; expected {{prompt}} or {{response}}")]
    Unknown {
        /// The name between the braces.
        name: String,
        /// Byte offset from 0.
        at: usize,
    },
    /// A brace without its partner.
    #[error("unpaired `{brace}` at byte {at}; write it twice to mean the character itself")]
    Unpaired {
        /// The brace that stands alone.
        brace: char,
        /// Byte offset from 0.
        at: usize,
    },
    /// No `{response}`: both texts of a pair would be the same.
    #[error("the template `{0}` has no {{response}}, so both sides of a pair would read the same")]
    NoResponse(String),
}

impl Default for Template {
    /// `{prompt} {response}`.
    fn default() -> Self {
        Self {
            source: "{prompt} {response}".to_owned(),
            parts: vec![TemplatePart::Prompt, TemplatePart::Text(" ".to_owned()), TemplatePart::Response],
            chat: false,
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(source: &str) -> Result<Self, TemplateError> {
        Self::parse(source)
    }
}

impl Template {
    /// Turns of a conversation, which a model's chat template makes one text of; texts are told apart as with
    /// `{prompt} {response}`.
    #[must_use]
    pub fn chat() -> Self {
        Self { source: "chat".to_owned(), chat: true, ..Self::default() }
    }

    /// Whether prompt and response are turns of a conversation.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        self.chat
    }

    /// Reads a template.
    ///
    /// # Errors
    /// With an unknown placeholder, a brace without its partner, or no `{response}`.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(i) = rest.find(['{', '}']) {
            let at = source.len() - rest.len() + i;
            text.push_str(&rest[..i]);
            rest = &rest[i..];
            if let Some(after) = rest.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (name, after) =
                    after.split_once('}').ok_or(TemplateError::Unpaired { brace: '{', at })?;
                if !text.is_empty() {
                    parts.push(TemplatePart::Text(std::mem::take(&mut text)));
                }
                parts.push(match name {
                    "prompt" => TemplatePart::Prompt,
                    "response" => TemplatePart::Response,
                    _ => return Err(TemplateError::Unknown { name: name.to_owned(), at }),
                });
                rest = after;
            } else {
                return Err(TemplateError::Unpaired { brace: '}', at });
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(TemplatePart::Text(text));
        }
        if !parts.contains(&TemplatePart::Response) {
            return Err(TemplateError::NoResponse(source.to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts, chat: false })
    }

    /// Whether the prompt is part of the text.
    #[must_use]
    pub fn shows_prompt(&self) -> bool {
        self.parts.contains(&TemplatePart::Prompt)
    }

    /// The text of a prompt with a response; braces in either are plain characters.
    #[must_use]
    pub fn apply(&self, prompt: &str, response: &str) -> String {
        self.parts
            .iter()
            .map(|p| match p {
                TemplatePart::Text(t) => t.as_str(),
                TemplatePart::Prompt => prompt,
                TemplatePart::Response => response,
            })
            .collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
