//! When and where reads and edits happen: at which forward passes, at which tokens of a prompt.

use std::ops::Range;

use super::{Decides, Op, PromptPart, ReadAt, Take, Turn, WriteAt};

impl Op {
    /// The forward passes, of `steps` of them, at which a read or an edit happens or a condition is looked at; none
    /// for never, and for what is neither.
    #[must_use]
    pub fn passes(&self, steps: u32) -> Option<Range<u32>> {
        let range = match self {
            Self::Read { step, .. } => *step..step.saturating_add(1).min(steps),
            Self::Write { positions, steps: asked, .. } => {
                let prompt = matches!(
                    positions,
                    WriteAt::Prompt | WriteAt::Last | WriteAt::Index(_) | WriteAt::In(..)
                );
                let start = if *positions == WriteAt::Generated { asked.start.max(1) } else { asked.start };
                start..asked.end.unwrap_or(steps).min(if prompt { steps.min(1) } else { steps })
            }
            Self::When { of, .. } => 0..if *of == Decides::Token { steps } else { steps.min(1) },
            _ => return None,
        };
        (!range.is_empty()).then_some(range)
    }
}

impl ReadAt {
    /// The one position that is read, if it is one: -1 for the last.
    #[must_use]
    pub fn one(self) -> Option<i32> {
        match self {
            Self::Last => Some(-1),
            Self::Index(index) => Some(index),
            Self::MeanSink | Self::All | Self::Mean | Self::Sinks | Self::In(..) => None,
        }
    }

    /// The part of the prompt that is read, and how; of all of it, none.
    #[must_use]
    pub fn part(self) -> Option<(PromptPart, Take)> {
        match self {
            Self::In(part, take) => Some((part, take)),
            _ => None,
        }
    }

    /// Whether it is a row a token, and not a row a prompt.
    #[must_use]
    pub fn by_token(self) -> bool {
        matches!(self, Self::All | Self::In(_, Take::All))
    }

    /// What counts the tokens that a mean leaves out, if this is a mean that does.
    #[must_use]
    pub fn left_out(self) -> Option<Self> {
        match self {
            Self::Mean => Some(Self::Sinks),
            Self::In(part, Take::Mean) => Some(Self::In(part, Take::Sinks)),
            _ => None,
        }
    }

    /// Whether it counts what a mean leaves out.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Sinks | Self::In(_, Take::Sinks))
    }
}

impl WriteAt {
    /// The part of the prompt that is edited, and which of its tokens; of all of it, none.
    #[must_use]
    pub fn part(self) -> Option<(PromptPart, Take)> {
        match self {
            Self::In(part, take) => Some((part, take)),
            _ => None,
        }
    }

    /// What of a prompt has to be there, as a reading says it.
    #[must_use]
    pub fn as_read(self) -> ReadAt {
        match self {
            Self::All | Self::Prompt | Self::Generated => ReadAt::All,
            Self::Last => ReadAt::Last,
            Self::Index(index) => ReadAt::Index(index),
            Self::In(part, take) => ReadAt::In(part, take),
        }
    }

    /// Whether the token at a place in its sequence is edited, of a prompt of so many tokens with these turns.
    #[must_use]
    pub fn touches(self, at: usize, tokens: usize, turns: &[Turn]) -> bool {
        match self {
            Self::All => true,
            Self::Prompt => at < tokens,
            Self::Generated => at >= tokens,
            Self::Last => at + 1 == tokens,
            Self::Index(index) => position(index, tokens) == Some(at),
            Self::In(part, take) => {
                at < tokens
                    && part.tokens(take, turns, tokens).is_some_and(|all| all.binary_search(&at).is_ok())
            }
        }
    }
}

/// The place that an index means in a prompt of so many tokens, if the prompt has it.
#[must_use]
pub fn position(index: i32, tokens: usize) -> Option<usize> {
    let back = index.unsigned_abs() as usize;
    let at = if index < 0 { tokens.checked_sub(back)? } else { back };
    (at < tokens).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::super::{Edit, Steps};
    use super::*;
    use crate::Site;

    #[test]
    fn an_index_counts_from_either_end_and_never_beyond() {
        assert_eq!(position(-1, 3), Some(2));
        assert_eq!(position(0, 3), Some(0));
        assert_eq!(position(-3, 3), Some(0));
        assert_eq!(position(3, 3), None);
        assert_eq!(position(-4, 3), None);
        assert_eq!(position(i32::MIN, 3), None);
    }

    #[test]
    fn an_edit_touches_what_it_says() {
        let touched = |at: WriteAt| (0..5).filter(|p| at.touches(*p, 3, &[])).collect::<Vec<_>>();
        assert_eq!(touched(WriteAt::All), [0, 1, 2, 3, 4]);
        assert_eq!(touched(WriteAt::Prompt), [0, 1, 2]);
        assert_eq!(touched(WriteAt::Generated), [3, 4]);
        assert_eq!(touched(WriteAt::Last), [2]);
        assert_eq!(touched(WriteAt::Index(-3)), [0]);
        assert_eq!(touched(WriteAt::Index(3)), [0_usize; 0]);
    }

    #[test]
    fn passes_are_those_asked_for_that_are_run_and_have_such_tokens() {
        let write = |positions, start, end| Op::Write {
            group: 0,
            site: Site::Embed,
            positions,
            steps: Steps { start, end },
            edit: Edit::Scale { factor: 2.0 },
        };
        assert_eq!(write(WriteAt::All, 0, None).passes(4), Some(0..4));
        assert_eq!(write(WriteAt::All, 1, Some(9)).passes(4), Some(1..4));
        assert_eq!(write(WriteAt::Prompt, 0, None).passes(4), Some(0..1));
        assert_eq!(write(WriteAt::Last, 1, None).passes(4), None);
        assert_eq!(write(WriteAt::Generated, 0, None).passes(4), Some(1..4));
        assert_eq!(write(WriteAt::Generated, 0, Some(1)).passes(4), None);
        assert_eq!(write(WriteAt::Generated, 0, None).passes(1), None);
        let read = |step| Op::Read { group: 0, site: Site::Embed, positions: ReadAt::Last, step };
        assert_eq!(read(3).passes(4), Some(3..4));
        assert_eq!(read(4).passes(4), None);
        assert_eq!(Op::Stack(vec![]).passes(4), None);
    }
}
