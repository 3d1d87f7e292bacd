//! What a model is asked about, under the names that messages and results give it.

use truenorth_data::conversation::Message;
use truenorth_protocol::Prompt;
use truenorth_protocol::graph::Turns;

/// A prompt and the name it goes by in messages and results.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPrompt {
    /// Name in messages and results.
    pub id: String,
    /// The prompt; of a conversation its contents, which texts are told apart by.
    pub prompt: Prompt,
    /// What is said in it, where it is more than a text.
    pub said: Said,
}

/// Whether a prompt is a text, a conversation or token ids, and what is known of its turns.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Said {
    /// A text, in a chat the user's turn; or token ids.
    #[default]
    Plain,
    /// A text that is these turns in a chat, such as a prompt with its response.
    Turns(Vec<Message>),
    /// A conversation, which only a chat template makes a text of.
    Conversation(Vec<Message>),
    /// Token ids whose turns lie here.
    Placed(Turns),
}

impl NamedPrompt {
    /// A text under a name.
    pub fn text(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), prompt: Prompt::Text(text.into()), said: Said::Plain }
    }

    /// A row of a file: a text, or a conversation where it has turns; both where the text is not that of the turns.
    #[must_use]
    pub fn row(id: &str, text: &str, turns: &[Message]) -> Self {
        match turns {
            [] => Self::text(id, text),
            turns if text == contents(turns) => Self::conversation(id, turns.to_vec()),
            turns => Self::text(id, text).in_turns(turns.to_vec()),
        }
    }

    /// Token ids under a name.
    pub fn tokens(id: impl Into<String>, tokens: Vec<u32>) -> Self {
        Self { id: id.into(), prompt: Prompt::Tokens(tokens), said: Said::Plain }
    }

    /// The same, which is these turns in a chat.
    #[must_use]
    pub fn in_turns(self, messages: Vec<Message>) -> Self {
        Self { said: Said::Turns(messages), ..self }
    }

    /// A conversation under a name.
    pub fn conversation(id: impl Into<String>, messages: Vec<Message>) -> Self {
        let text = contents(&messages);
        Self { id: id.into(), prompt: Prompt::Text(text), said: Said::Conversation(messages) }
    }
}

/// The contents of turns, by which texts are told apart.
fn contents(turns: &[Message]) -> String {
    turns.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n")
}
