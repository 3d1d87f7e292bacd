//! What is put before a judge.

use truenorth_reading::AnalysisError;

/// A text with places such as `{prompt}`; `{{` and `}}` stand for braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgeTemplate {
    parts: Vec<JudgeTemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum JudgeTemplatePart {
    Text(String),
    Place(&'static str),
}

const PLACES: [&str; 5] = ["prompt", "first", "second", "text", "question"];

impl JudgeTemplate {
    /// What two texts are compared by where nothing else is said.
    pub const CRITERION: &str = "Which reply is better?";

    /// Reads a template.
    ///
    /// # Errors
    /// With an unknown place or a brace without its partner.
    pub fn parse(source: &str) -> Result<Self, AnalysisError> {
        let refuse = |what: String| AnalysisError::Input(format!("judge's template: {what}"));
        let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), source);
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                text.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let inside = rest.strip_prefix('{').and_then(|r| r.split_once('}'));
            let Some((name, after)) = inside else {
                return Err(refuse(format!(
                    "a brace without its partner at byte {}; write it twice to mean the character itself",
                    source.len() - rest.len()
                )));
            };
            let place = PLACES.into_iter().find(|p| *p == name);
            let place =
                place.ok_or_else(|| refuse(format!("unknown place {{{name}}}; expected {PLACES:?}")))?;
            if !text.is_empty() {
                parts.push(JudgeTemplatePart::Text(std::mem::take(&mut text)));
            }
            parts.push(JudgeTemplatePart::Place(place));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(JudgeTemplatePart::Text(text));
        }
        Ok(Self { parts })
    }

    /// For two texts: shows the request and both replies, and asks which is better by `criterion`.
    ///
    /// # Errors
    /// When the criterion holds braces that make no place.
    pub fn duel(criterion: &str) -> Result<Self, AnalysisError> {
        Self::parse(&format!(
            "Two replies to the same request are shown below.\n\nRequest:\n{{prompt}}\n\nReply A:\n{{first}}\n\n\
             Reply B:\n{{second}}\n\n{criterion} Answer with the letter A or B.\n\nAnswer:"
        ))
    }

    /// For one text: shows the request and the reply, and asks a question to be answered yes or no.
    #[must_use]
    pub fn reply() -> Self {
        let text = |t: &str| JudgeTemplatePart::Text(t.to_owned());
        Self {
            parts: vec![
                text("Request:\n"),
                JudgeTemplatePart::Place("prompt"),
                text("\n\nReply:\n"),
                JudgeTemplatePart::Place("text"),
                text("\n\n"),
                JudgeTemplatePart::Place("question"),
                text(" Answer Yes or No.\n\nAnswer:"),
            ],
        }
    }

    /// The template as a turn of a chat. What asks a base model to go on, `Answer:` at the end, is left out: the turn
    /// of the model begins by itself.
    #[must_use]
    pub fn as_turn(mut self) -> Self {
        if let Some(JudgeTemplatePart::Text(last)) = self.parts.last_mut()
            && let Some(bare) = last.strip_suffix("\n\nAnswer:")
        {
            *last = bare.to_owned();
        }
        self
    }

    /// Whether it has such a place.
    #[must_use]
    pub fn shows(&self, place: &str) -> bool {
        self.parts.iter().any(|p| matches!(p, JudgeTemplatePart::Place(own) if *own == place))
    }

    pub(super) fn needs(&self, places: &[&'static str]) -> Result<(), AnalysisError> {
        match places.iter().find(|p| !self.parts.contains(&JudgeTemplatePart::Place(p))) {
            Some(place) => Err(AnalysisError::Input(format!("judge's template: it has no {{{place}}}"))),
            None => Ok(()),
        }
    }

    /// The text with its places filled; braces in what fills them are plain characters.
    #[must_use]
    pub fn fill(&self, values: &[(&str, &str)]) -> String {
        let value = |place: &str| values.iter().find(|(name, _)| *name == place).map_or("", |(_, v)| *v);
        self.parts
            .iter()
            .map(|p| match p {
                JudgeTemplatePart::Text(t) => t.as_str(),
                JudgeTemplatePart::Place(place) => value(place),
            })
            .collect()
    }
}
