//! What can be chosen of the other way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::ReadAt;

use truenorth_reading::{AnalysisError, ChatChoice, Parameters, SpecialTokens, Speech, by_name};

/// The other way to put a study's texts before its model, held beside the study's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// `true` for the model's own chat template, the name of one, or `false` for raw texts; by default what the study is
    /// not.
    #[serde(skip_serializing_if = "ChatChoice::is_raw")]
    #[schemars(schema_with = "truth_or_text")]
    pub chat: ChatChoice,
    /// A system turn before conversations that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The tokens around a text: `auto` or `none`.
    pub special_tokens: SpecialTokens,
    /// Which tokens are read; by default those of the study.
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub positions: Option<ReadAt>,
}

/// The schema of `true`, `false` or a name.
pub fn truth_or_text(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["boolean", "string"] })
}

impl Params {
    /// The other way, beside the study's own.
    #[must_use]
    pub fn speech(&self, own: &Speech) -> Speech {
        let chat = match &self.chat {
            ChatChoice::Raw => ChatChoice::Own(!own.chat.is_on()),
            chosen => chosen.clone(),
        };
        Speech { chat, system: self.system.clone(), special_tokens: self.special_tokens }
    }

    /// Refuses a way that is the study's own.
    ///
    /// # Errors
    /// When nothing would differ, or a system turn is to be said raw.
    pub fn differs(&self, own: &Speech, at: ReadAt) -> Result<(), AnalysisError> {
        let other = self.speech(own);
        other.check()?;
        let raw = !other.chat.is_on() && !own.chat.is_on();
        let same = (raw || other.chat == own.chat)
            && other.system == own.system
            && other.special_tokens == own.special_tokens
            && self.positions.is_none_or(|p| p == at);
        if same {
            return Err(AnalysisError::Asked {
                what: "the other way to put the texts is the study's own".into(),
                remedy: "say another `chat`, `system`, `special_tokens` or `positions` under [compare]"
                    .into(),
            });
        }
        if let Some(at) = self.positions.filter(|at| at.by_token()) {
            return Err(AnalysisError::Input(format!(
                "positions `{at}` give one row per token, and a direction needs one per text; use last, mean, an index, or of a part its \
                 last-, first- or mean:, as in mean:response"
            )));
        }
        Ok(())
    }
}

impl Parameters for Params {
    /// Nothing random is drawn.
    fn rehearse(&mut self) {}
}
