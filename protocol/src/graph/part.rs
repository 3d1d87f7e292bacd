//! Parts of a prompt: ranges of its tokens, and the turns of a conversation.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::position;
use crate::counted;

/// Who speaks in a turn of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The one who asks the model.
    User,
    /// The model that answers.
    Assistant,
    /// Anybody else, such as a tool.
    Other,
}

impl Role {
    /// The role that chat data call `system`, `user` or `assistant`; any other name is [`Role::Other`].
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "system" => Self::System,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            _ => Self::Other,
        }
    }
}

/// Where the content of a turn lies in the tokens of its prompt: `[start, end)`, markup left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who wrote the turn.
    pub role: Role,
    /// Index of its first token in the prompt.
    pub start: u32,
    /// The first token behind it; with `start` where it has no token that is certain.
    pub end: u32,
}

/// The turns of one prompt, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Turns(#[serde(deserialize_with = "counted::seq")] pub Vec<Turn>);

/// A part of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptPart {
    /// All before the response, markup included; the whole of a prompt that has none.
    Prompt,
    /// The last turn, if it is the model's.
    Response,
    /// All turns of the user, markup left out.
    User,
    /// All turns of the model, markup left out.
    Assistant,
    /// All turns of the system, markup left out.
    System,
    /// From one position to another, both included; negative ones count from the end.
    Range(i32, i32),
}

/// Which tokens of a part are read, and how they become a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// All its tokens. In a graph that is a matter of edits; of a reading, whoever asks takes the rows out of all.
    All,
    /// The first token of its last turn.
    First,
    /// The last token of its last turn.
    Last,
    /// The mean over its tokens, attention sinks left out as in [`ReadAt::Mean`](super::ReadAt::Mean), where that leaves
    /// any.
    Mean,
    /// The mean over all its tokens, attention sinks included.
    #[serde(rename = "mean+sink")]
    MeanSink,
    /// How many of its tokens [`Take::Mean`] leaves out, `[prompts, 1]`.
    Sinks,
}

impl PromptPart {
    /// The tokens that a part means in a prompt of so many, as runs in order; none where the prompt has no such part, or
    /// it has no tokens that are certain.
    #[must_use]
    pub fn runs(self, turns: &[Turn], tokens: usize) -> Option<Vec<Range<usize>>> {
        let run = |turn: &Turn| {
            let run = turn.start as usize..turn.end as usize;
            (run.start < run.end && run.end <= tokens).then_some(run)
        };
        let of = |role| {
            let runs: Vec<_> = turns.iter().filter(|t| t.role == role).map(run).collect::<Option<_>>()?;
            (!runs.is_empty()).then_some(runs)
        };
        let response = || turns.last().filter(|t| t.role == Role::Assistant);
        match self {
            Self::Prompt => {
                let end = match response() {
                    Some(turn) => run(turn)?.start,
                    None => tokens,
                };
                let whole = 0..end;
                (!whole.is_empty()).then(|| vec![whole])
            }
            Self::Response => Some(vec![run(response()?)?]),
            Self::User => of(Role::User),
            Self::Assistant => of(Role::Assistant),
            Self::System => of(Role::System),
            Self::Range(start, end) => {
                let run = position(start, tokens)?..position(end, tokens)? + 1;
                (!run.is_empty()).then(|| vec![run])
            }
        }
    }

    /// The tokens that a read or an edit takes, in order; of a mean those that it is over.
    #[must_use]
    pub fn tokens(self, take: Take, turns: &[Turn], tokens: usize) -> Option<Vec<usize>> {
        // The last turn is enough for one token of it: an earlier one need not be certain.
        let last = || {
            let role = match self {
                Self::User => Role::User,
                Self::Assistant => Role::Assistant,
                Self::System => Role::System,
                Self::Prompt | Self::Response | Self::Range(..) => return self.runs(turns, tokens)?.pop(),
            };
            let turn = turns.iter().rfind(|t| t.role == role)?;
            Self::runs(Self::of(role), std::slice::from_ref(turn), tokens)?.pop()
        };
        match take {
            Take::First => Some(vec![last()?.start]),
            Take::Last => Some(vec![last()?.end - 1]),
            Take::All | Take::Mean | Take::MeanSink | Take::Sinks => {
                Some(self.runs(turns, tokens)?.into_iter().flatten().collect())
            }
        }
    }

    fn of(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::System => Self::System,
            Role::Assistant | Role::Other => Self::Assistant,
        }
    }

    /// Whether it is a turn, or made of turns, of a conversation.
    #[must_use]
    pub fn needs_turns(self) -> bool {
        matches!(self, Self::Response | Self::User | Self::Assistant | Self::System)
    }

    /// Every part that has a name, by that name; ranges have none.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("prompt", Self::Prompt),
        ("response", Self::Response),
        ("user", Self::User),
        ("assistant", Self::Assistant),
        ("system", Self::System),
    ];

    /// The part of that name: one of [`PromptPart::NAMED`], or a range such as `2..5` or `-4..-1`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.contains("..") {
            let (start, end) = range(name)?;
            return (!is_reversed(start, end)).then_some(Self::Range(start, end));
        }
        Self::NAMED.iter().find(|(own, _)| *own == name).map(|(_, part)| *part)
    }
}

/// The ends of a range as it is spelled.
pub(super) fn range(name: &str) -> Option<(i32, i32)> {
    let (start, end) = name.split_once("..")?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

/// Whether no text is so long that a range holds a token.
pub(super) const fn is_reversed(start: i32, end: i32) -> bool {
    start > end && (start < 0) == (end < 0)
}

impl fmt::Display for PromptPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Range(start, end) = self {
            return write!(f, "{start}..{end}");
        }
        let name = Self::NAMED.iter().find(|(_, part)| part == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// A part and what is taken of it, as positions are spelled: `user`, `first-user`, `mean:user`, `mean+sink:2..5`.
pub(super) fn show(part: PromptPart, take: Take, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match take {
        Take::All => write!(f, "{part}"),
        Take::First => write!(f, "first-{part}"),
        Take::Last => write!(f, "last-{part}"),
        Take::Mean => write!(f, "mean:{part}"),
        Take::MeanSink => write!(f, "mean+sink:{part}"),
        Take::Sinks => write!(f, "sinks:{part}"),
    }
}

/// What [`show`] spells, counts of sinks aside.
pub(super) fn parse(text: &str) -> Option<(PromptPart, Take)> {
    let ways = [
        ("first-", Take::First),
        ("last-", Take::Last),
        ("mean:", Take::Mean),
        ("mean+sink:", Take::MeanSink),
    ];
    for (prefix, take) in ways {
        if let Some(part) = text.strip_prefix(prefix) {
            return PromptPart::named(part).map(|part| (part, take));
        }
    }
    PromptPart::named(text).map(|part| (part, Take::All))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, start: u32, end: u32) -> Turn {
        Turn { role, start, end }
    }

    #[test]
    fn parts_are_the_turns_that_their_names_say() {
        let turns = [
            turn(Role::System, 1, 3),
            turn(Role::User, 4, 6),
            turn(Role::Assistant, 8, 9),
            turn(Role::User, 11, 12),
            turn(Role::Assistant, 14, 17),
        ];
        let all = |part: PromptPart| part.tokens(Take::All, &turns, 20);
        assert_eq!(all(PromptPart::User), Some(vec![4, 5, 11]));
        assert_eq!(all(PromptPart::Assistant), Some(vec![8, 14, 15, 16]));
        assert_eq!(all(PromptPart::System), Some(vec![1, 2]));
        assert_eq!(all(PromptPart::Response), Some(vec![14, 15, 16]));
        assert_eq!(all(PromptPart::Prompt), Some((0..14).collect()));
        assert_eq!(all(PromptPart::Range(-3, -1)), Some(vec![17, 18, 19]));
        assert_eq!(all(PromptPart::Range(5, 2)), None);
        assert_eq!(all(PromptPart::Range(0, 20)), None);
        assert_eq!(PromptPart::User.tokens(Take::Last, &turns, 20), Some(vec![11]));
        assert_eq!(PromptPart::Assistant.tokens(Take::First, &turns, 20), Some(vec![14]));
        assert_eq!(PromptPart::Response.tokens(Take::First, &turns[..4], 20), None);
        assert_eq!(PromptPart::Prompt.tokens(Take::All, &turns[..4], 13), Some((0..13).collect()));
    }

    #[test]
    fn a_turn_that_is_not_certain_is_refused_and_others_are_not() {
        let turns = [turn(Role::User, 4, 4), turn(Role::Assistant, 8, 9), turn(Role::User, 11, 12)];
        assert_eq!(PromptPart::User.runs(&turns, 20), None);
        assert_eq!(PromptPart::User.tokens(Take::Last, &turns, 20), Some(vec![11]));
        assert_eq!(PromptPart::Assistant.tokens(Take::All, &turns, 20), Some(vec![8]));
        assert_eq!(PromptPart::Assistant.runs(&turns, 8), None);
    }
}
