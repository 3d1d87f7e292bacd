//! The markup that a chat model was trained to answer in.

use std::fmt;

use super::super::AnalysisError;
use super::JudgeTemplate;
use truenorth_protocol::run::Runner;

/// A chat markup, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// Plain text that the model goes on with, as a base model does.
    Plain,
    /// `<|im_start|>` and `<|im_end|>`: Qwen, SmolLM2, OLMo 3.
    ChatMl,
    /// `<|start_header_id|>` and `<|eot_id|>`: Llama 3.
    Llama3,
    /// `<start_of_turn>` and `<end_of_turn>`: Gemma.
    Gemma,
    /// `<|user|>` and `<|assistant|>`: Tülu, OLMo 2.
    Tulu,
    /// `[INST]` and `[/INST]`: Mistral.
    Mistral,
}

impl Markup {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::ChatMl, Self::Llama3, Self::Gemma, Self::Tulu, Self::Mistral];

    /// What stands before and after a turn of the user, up to where the model answers.
    #[must_use]
    pub fn around(self) -> [&'static str; 2] {
        match self {
            Self::Plain => ["", ""],
            Self::ChatMl => ["<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"],
            Self::Llama3 => [
                "<|start_header_id|>user<|end_header_id|>\n\n",
                "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            ],
            Self::Gemma => ["<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"],
            Self::Tulu => ["<|user|>\n", "\n<|assistant|>\n"],
            Self::Mistral => ["[INST] ", " [/INST]"],
        }
    }

    /// The template in this markup.
    #[must_use]
    pub fn wrap(self, template: JudgeTemplate) -> JudgeTemplate {
        let [before, after] = self.around();
        if self == Self::Plain { template } else { template.within(before, after) }
    }

    /// An answer as it follows the template: a word after a space where plain text goes on, the word
    /// itself where a turn begins.
    #[must_use]
    pub fn answer(self, word: &str) -> String {
        if matches!(self, Self::Plain | Self::Mistral) { format!(" {word}") } else { word.to_owned() }
    }

    /// What a model most likely expects: a markup whose first mark is one token to it, if its name says that
    /// it was trained to chat (`instruct`, `chat`, `it`); else plain text. Base models often have the
    /// marks in their vocabulary and never saw them used.
    ///
    /// # Errors
    /// When the tokenizer refuses a mark.
    pub fn guess(runner: &dyn Runner) -> Result<Self, AnalysisError> {
        let name = runner.info().name.to_lowercase();
        let chats = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|part| matches!(part, "instruct" | "chat" | "it" | "sft" | "dpo" | "rlvr"));
        if !chats {
            return Ok(Self::Plain);
        }
        let marks = [
            (Self::ChatMl, "<|im_start|>"),
            (Self::Llama3, "<|start_header_id|>"),
            (Self::Gemma, "<start_of_turn>"),
            (Self::Tulu, "<|user|>"),
            (Self::Mistral, "[INST]"),
        ];
        for (markup, mark) in marks {
            if runner.encode(mark, false)?.is_some_and(|t| t.len() == 1) {
                return Ok(markup);
            }
        }
        Ok(Self::Plain)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::ChatMl => "chatml",
            Self::Llama3 => "llama3",
            Self::Gemma => "gemma",
            Self::Tulu => "tulu",
            Self::Mistral => "mistral",
        })
    }
}

impl std::str::FromStr for Markup {
    type Err = AnalysisError;

    fn from_str(s: &str) -> Result<Self, AnalysisError> {
        Self::ALL.into_iter().find(|m| m.to_string() == s).ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            AnalysisError::Input(format!("no markup `{s}`; expected one of {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::Tiny;
    use super::*;

    #[test]
    fn a_chat_turn_ends_where_the_model_begins() {
        let plain = JudgeTemplate::reply().fill(&[("text", "T"), ("question", "Q?")]);
        assert!(plain.ends_with("Q? Answer Yes or No.\n\nAnswer:"));
        let chat = Markup::ChatMl.wrap(JudgeTemplate::reply()).fill(&[("text", "T"), ("question", "Q?")]);
        assert!(chat.starts_with("<|im_start|>user\nRequest:"));
        assert!(chat.ends_with("Answer Yes or No.<|im_end|>\n<|im_start|>assistant\n"), "{chat}");
        assert_eq!((Markup::Plain.answer("A"), Markup::Gemma.answer("A")), (" A".into(), "A".into()));
    }

    #[test]
    fn a_model_that_is_not_called_a_chat_model_gets_plain_text() {
        assert_eq!(Markup::guess(&Tiny::open()).unwrap(), Markup::Plain);
        for m in Markup::ALL {
            assert_eq!(m.to_string().parse::<Markup>().unwrap(), m);
        }
        assert!("x".parse::<Markup>().unwrap_err().to_string().contains("chatml"));
    }
}
