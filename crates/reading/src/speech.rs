//! How texts and conversations are put before a model: the one place where they become prompts.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_data::Template;
use truenorth_data::conversation::{Chat, Message, PlacedTurn, Tail, now};
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::graph::{Role, Turn, Turns};
use truenorth_protocol::prompt::{PromptProblem, PromptRoom};
use truenorth_protocol::run::Runner;
use truenorth_protocol::{ChatTemplates, Prompt};

use super::AnalysisError;
use super::named::{NamedPrompt, Said};

/// Which chat template is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatChoice {
    /// None: texts go in as they are, as a base model takes them.
    #[default]
    #[serde(skip)]
    Raw,
    /// `true` for the model's own template, `false` for none.
    Own(bool),
    /// The model's own template of that name, or else a markup that comes with this program.
    Named(String),
}

impl ChatChoice {
    /// Whether nothing is said of it.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        *self == Self::Raw
    }

    /// Whether a template is used.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Raw | Self::Own(false))
    }
}

impl FromStr for ChatChoice {
    type Err = std::convert::Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(if s.is_empty() { Self::Own(true) } else { Self::Named(s.to_owned()) })
    }
}

/// The tokens around a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum SpecialTokens {
    /// Those that the tokenizer puts there by itself; behind a chat template none, as that has its own.
    #[default]
    Auto,
    /// None.
    None,
}

impl SpecialTokens {
    /// Whether the tokenizer decides.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// How texts and conversations are put before a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// Which chat template texts are put into.
    pub chat: ChatChoice,
    /// A system turn before conversations that have none.
    pub system: Option<String>,
    /// The special tokens that the tokenizer puts around a text.
    pub special_tokens: SpecialTokens,
}

/// The template of a pair where a chat template puts its texts together.
const CHAT: &str = "chat";

impl Speech {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// For a system turn without a chat template.
    pub fn check(&self) -> Result<(), AnalysisError> {
        if self.system.is_some() && !self.chat.is_on() {
            return Err(AnalysisError::Asked {
                what: "a system turn (--system, `system`) is said in conversations alone".into(),
                remedy: "add --chat, or `chat = true` in a study".into(),
            });
        }
        Ok(())
    }

    /// How a prompt and a response become one text, by a template as a flag or a direction's file has it.
    ///
    /// # Errors
    /// With a template that can't be read, or another way to put texts together beside a chat template.
    pub fn template(&self, source: &str) -> Result<Template, AnalysisError> {
        let asked = |what: String, remedy: &str| AnalysisError::Asked { what, remedy: remedy.into() };
        match (self.chat.is_on(), source == CHAT) {
            (false, true) => Err(asked(
                "the direction was made of conversations, and texts are asked about raw".into(),
                "add --chat, or name a template with --template",
            )),
            (true, false) if source != Template::default().to_string() => Err(asked(
                format!(
                    "the template {source:?} and a chat template can't both put prompt and response together"
                ),
                "leave --template (`template` in a study) or --chat out",
            )),
            (true, _) => Ok(Template::chat()),
            (false, false) => Template::parse(source).map_err(|e| {
                asked(
                    format!("can't use the template: {e}"),
                    "use {prompt} and {response}, such as \"{prompt} {response}\"",
                )
            }),
        }
    }

    /// Made ready for a model; with what its user should know.
    ///
    /// # Errors
    /// When the model has no such template, or it can't be read.
    pub fn open(&self, runner: &dyn Runner) -> Result<(Spoken, Option<String>), AnalysisError> {
        self.check()?;
        let name = match &self.chat {
            ChatChoice::Raw | ChatChoice::Own(false) => {
                let spoken = Spoken { chat: None, system: None, special: self.special_tokens };
                return Ok((spoken, raw_note(runner)));
            }
            ChatChoice::Own(true) => None,
            ChatChoice::Named(name) => Some(name.as_str()),
        };
        let chat = Chat::open(runner.chat(), name, now()).map_err(|e| refused(&runner.info().name, &e))?;
        let base = (!chats(&runner.info().name) && !chat.fallback).then(|| {
            format!(
                "{} has a chat template, but nothing in its name says that it was trained to chat; a base model never saw \
                 such turns",
                runner.info().name
            )
        });
        let fallback = chat.fallback.then(|| {
            format!(
                "the chat markup `{}` is this program's, not {}'s own template",
                chat.name,
                runner.info().name
            )
        });
        let spoken = Spoken { chat: Some(chat), system: self.system.clone(), special: self.special_tokens };
        Ok((spoken, fallback.or(base)))
    }
}

fn refused(id: &str, error: &truenorth_data::conversation::ChatError) -> AnalysisError {
    AnalysisError::Asked { what: format!("{id}: {error}"), remedy: error.hint() }
}

/// Whether a model's name says that it was trained to chat, or it is a named model that was.
#[must_use]
pub fn chats(name: &str) -> bool {
    if let Some(tuned) = truenorth_data::models::tuned(name) {
        return tuned;
    }
    let name = name.to_lowercase();
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.any(|part| matches!(part, "instruct" | "chat" | "it" | "sft" | "dpo" | "rlvr" | "tulu" | "zephyr"))
}

fn raw_note(runner: &dyn Runner) -> Option<String> {
    let chat: &ChatTemplates = runner.chat()?;
    Some(format!(
        "{} has a chat template ({}) and is asked without it, as a base model is; --chat uses it",
        runner.info().name,
        chat.source
    ))
}

/// How texts go in, as a result remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechRecord {
    /// The name of the chat template, where one is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Where the template comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Text of the system turn; none where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The date that the template is told, for those that ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The special tokens around a text.
    pub special_tokens: SpecialTokens,
}

/// A [`Speech`] that is ready for a model.
pub struct Spoken {
    chat: Option<Chat>,
    system: Option<String>,
    special: SpecialTokens,
}

/// A prompt as it goes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EncodedPrompt {
    /// Token ids, or text where they are made elsewhere.
    pub prompt: Prompt,
    /// Where its turns lie; empty where that is not known.
    pub turns: Turns,
}

/// The text of a prompt, before it is tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// What the tokenizer gets.
    pub text: String,
    /// Whether the tokenizer may put its tokens around it.
    pub special: bool,
    /// Where the turns of a conversation lie in the text; else empty.
    pub turns: Vec<PlacedTurn>,
}

impl Spoken {
    /// A chat template alone.
    #[must_use]
    pub fn of(chat: Chat) -> Self {
        Self { chat: Some(chat), system: None, special: SpecialTokens::Auto }
    }

    /// Texts as they are, with what the tokenizer puts around them.
    #[must_use]
    pub fn raw() -> Self {
        Self { chat: None, system: None, special: SpecialTokens::Auto }
    }

    /// Whether a chat template is used.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        self.chat.is_some()
    }

    /// What a result remembers of it; none where texts go in as they are.
    #[must_use]
    pub fn record(&self) -> Option<SpeechRecord> {
        if self.chat.is_none() && self.special == SpecialTokens::Auto {
            return None;
        }
        let chat = self.chat.as_ref();
        Some(SpeechRecord {
            template: chat.map(|c| c.name.clone()),
            source: chat.map(|c| c.source.clone()),
            sha256: chat.map(|c| c.sha256.clone()),
            system: self.system.clone(),
            date: chat.and_then(Chat::date),
            special_tokens: self.special,
        })
    }

    /// The text of a prompt; none of one that is given as token ids. `goes_on` says that the model goes on with a
    /// conversation that ends with a turn of its own.
    ///
    /// # Errors
    /// When the template refuses the conversation, or there is none for it.
    pub fn spell(&self, named: &NamedPrompt, goes_on: bool) -> Result<Option<Spelled>, AnalysisError> {
        let Prompt::Text(text) = &named.prompt else { return Ok(None) };
        let special = self.special == SpecialTokens::Auto;
        let Some(chat) = &self.chat else {
            if let Said::Conversation(_) = named.said {
                return Err(AnalysisError::Asked {
                    what: format!(
                        "`{}` has `messages`, which only a chat template makes a text of",
                        named.id
                    ),
                    remedy: "add --chat (`chat = true` in a study), or give the text under `text`".into(),
                });
            }
            if let Said::Turns(turns) = &named.said
                && let Some(system) = turns.first().filter(|t| t.role == "system")
                && !text.contains(system.content.trim())
            {
                return Err(AnalysisError::Asked {
                    what: format!(
                        "`{}` has a system prompt, which a text that goes in raw does not say",
                        named.id
                    ),
                    remedy:
                        "add --chat (`chat = true` in a study), or take the system prompt out of the file"
                            .into(),
                });
            }
            return Ok(Some(Spelled { text: text.clone(), special, turns: vec![] }));
        };
        let mut messages = match &named.said {
            Said::Turns(messages) | Said::Conversation(messages) => messages.clone(),
            Said::Plain | Said::Placed(_) => vec![Message::user(text.as_str())],
        };
        if let Some(system) = &self.system
            // One that comes later is the system turn too: a template has place for one.
            && messages.iter().all(|m| m.role != "system")
        {
            messages.insert(0, Message::new("system", system.as_str()));
        }
        let tail = match messages.last() {
            Some(last) if last.role == "assistant" && goes_on => Tail::Continue,
            Some(last) if last.role == "assistant" => Tail::Complete,
            _ => Tail::Answer,
        };
        let rendered = chat.place(&messages, tail).map_err(|e| refused(&format!("`{}`", named.id), &e))?;
        // The model's own template has the tokens that begin a text in it.
        Ok(Some(Spelled { text: rendered.text, special: special && chat.fallback, turns: rendered.turns }))
    }

    /// Prompts as they go in: token ids where the tokenizer is at hand, with the turns of conversations.
    ///
    /// # Errors
    /// When a template or the tokenizer refuses one, or it does not fit the model's context; it is named.
    pub fn encode(
        &self,
        runner: &dyn Runner,
        prompts: &[NamedPrompt],
        goes_on: bool,
    ) -> Result<Vec<EncodedPrompt>, AnalysisError> {
        let spelled = prompts.iter().map(|n| self.spell(n, goes_on)).collect::<Result<Vec<_>, _>>()?;
        // A chat's pieces say where its turns lie; they are its ids too, unless tokens go around them.
        let whole = |special: bool| {
            spelled.iter().flatten().filter(move |s| s.special == special).map(|s| s.text.as_str())
        };
        let ids = |special: bool, texts: Vec<&str>| -> Result<_, AnalysisError> {
            let many = if texts.is_empty() { Some(vec![]) } else { runner.encode_many(&texts, special)? };
            Ok(many.map(Vec::into_iter))
        };
        let chat = self.chat.is_some();
        let pieces = match chat {
            true => {
                let texts: Vec<&str> = spelled.iter().flatten().map(|s| s.text.as_str()).collect();
                runner.pieces(&texts)?
            }
            false => None,
        };
        let mut pieces = pieces.map(Vec::into_iter);
        let mut with = ids(true, whole(true).collect())?;
        let bare = pieces.is_none().then(|| ids(false, whole(false).collect())).transpose()?;
        let mut without = bare.flatten();
        let room = PromptRoom::of(runner.info());
        let mut all = Vec::with_capacity(prompts.len());
        for (named, spelled) in prompts.iter().zip(&spelled) {
            let unfit = |problem| AnalysisError::Unfit { id: named.id.clone(), problem };
            let Some(spelled) = spelled else {
                let Prompt::Tokens(tokens) = &named.prompt else { continue };
                room.tokens(tokens, 0).map_err(unfit)?;
                let turns =
                    if let Said::Placed(turns) = &named.said { turns.clone() } else { Turns::default() };
                all.push(EncodedPrompt { prompt: named.prompt.clone(), turns });
                continue;
            };
            let own = pieces.as_mut().and_then(Iterator::next);
            let tokens = match spelled.special {
                true => with.as_mut().and_then(Iterator::next),
                false => match &own {
                    Some(own) => Some(own.ids.clone()),
                    None => without.as_mut().and_then(Iterator::next),
                },
            };
            let Some(tokens) = tokens else {
                room.text(&spelled.text).map_err(unfit)?;
                if chat || !spelled.special {
                    return Err(AnalysisError::Asked {
                        what: format!(
                            "the tokenizer of {} is not at hand, and without it a text can't go in without the tokens that \
                             are put around one",
                            runner.info().name
                        ),
                        remedy: "leave --chat and --special-tokens out, or name the tokenizer's folder with --config"
                            .into(),
                    });
                }
                all.push(EncodedPrompt { prompt: named.prompt.clone(), turns: Turns::default() });
                continue;
            };
            // A text as it stands is what the tokenizer makes of it, as in transformers, also where it spells the first
            // token itself; a template's text is begun once.
            let tokens = match chat && spelled.special {
                true => once_begun(runner, &spelled.text, tokens)?,
                false => tokens,
            };
            room.tokens(&tokens, 0).map_err(PromptProblem::of_text).map_err(unfit)?;
            let turns = turns(&spelled.turns, own.as_ref(), &tokens);
            all.push(EncodedPrompt { prompt: Prompt::Tokens(tokens), turns });
        }
        Ok(all)
    }
}

/// The tokens of a text with those around it; where the text spells the first of them itself, it is not there twice.
fn once_begun(runner: &dyn Runner, text: &str, tokens: Vec<u32>) -> Result<Vec<u32>, AnalysisError> {
    if tokens.len() < 2 || tokens[0] != tokens[1] {
        return Ok(tokens);
    }
    let bare = runner.encode(text, false)?;
    let doubled = bare.is_some_and(|bare| bare.len() < tokens.len() && bare.first() == tokens.first());
    Ok(if doubled { tokens[1..].to_vec() } else { tokens })
}

/// The tokens of each turn: those that have a character of its content.
fn turns(placed: &[PlacedTurn], pieces: Option<&Pieces>, tokens: &[u32]) -> Turns {
    // Tokens around a text come before it; where its own are not there as they are alone, no place is certain.
    let before = pieces.map(|p| tokens.len().saturating_sub(p.ids.len()));
    let same = pieces.zip(before).is_some_and(|(p, before)| tokens.get(before..) == Some(&p.ids));
    let of = |turn: &PlacedTurn| {
        let found = turn.bytes.as_ref().filter(|_| same).zip(pieces).and_then(|(bytes, pieces)| {
            let meets =
                |[start, end]: &[u32; 2]| (*start as usize) < bytes.end && (*end as usize) > bytes.start;
            let first = pieces.bytes.iter().position(meets)?;
            let last = pieces.bytes.iter().rposition(meets)?;
            let at = |i: usize| u32::try_from(i + before.unwrap_or(0)).ok();
            Some((at(first)?, at(last + 1)?))
        });
        let (start, end) = found.unwrap_or_default();
        Turn { role: Role::named(&turn.role), start, end }
    };
    Turns(placed.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_turn_is_put_before_conversations_that_have_none_anywhere() {
        let spoken = Spoken {
            chat: Some(Chat::open(None, Some("chatml"), now()).unwrap()),
            system: Some("Be brief.".into()),
            special: SpecialTokens::Auto,
        };
        let said = |turns: &[(&str, &str)]| {
            let turns = turns.iter().map(|(role, text)| Message::new(*role, *text)).collect();
            spoken.spell(&NamedPrompt::conversation("a", turns), false).unwrap().unwrap().text
        };
        assert_eq!(said(&[("user", "Hi")]).matches("Be brief.").count(), 1);
        assert!(!said(&[("system", "Own."), ("user", "Hi")]).contains("Be brief."));
        let later = said(&[("user", "Hi"), ("system", "Own."), ("assistant", "Yo")]);
        assert!(!later.contains("Be brief.") && later.contains("Own."), "{later}");
    }
}
