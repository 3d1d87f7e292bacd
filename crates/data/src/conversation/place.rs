//! Where the content of each turn lies in the text.
//!
//! Contents are never searched for: a conversation is rendered a second time with two marks around each
//! content, and a place counts as known where the marks come out once each, in order, around that very
//! content, in a text that is otherwise the same.

use std::ops::Range;

use super::{Chat, ChatError, Message, Tail, python};

/// A conversation as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text that the template makes of it.
    pub text: String,
    /// Its turns, in the order of the messages.
    pub turns: Vec<PlacedTurn>,
}

/// A turn, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedTurn {
    /// `system`, `user`, `assistant`, or what else the message has.
    pub role: String,
    /// The bytes of its content in the text, blanks around it left out; none where the template alters the content so
    /// that its place is not certain.
    pub bytes: Option<Range<usize>>,
}

/// Marks are characters of a plane for private use, two a turn.
const FIRST: u32 = 0xF_0000;
const LAST: u32 = 0xF_FFFD;

fn is_mark(c: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(c))
}

impl Chat {
    /// The text of a conversation, and where its turns lie in it.
    ///
    /// # Errors
    /// When the template refuses the conversation.
    pub fn place(&self, messages: &[Message], tail: Tail) -> Result<Rendered, ChatError> {
        let text = self.render(messages, tail)?;
        let all: Vec<usize> = (0..messages.len()).collect();
        let taken = messages.iter().any(|m| m.content.contains(is_mark)) || text.contains(is_mark);
        let places = match taken {
            true => vec![None; messages.len()],
            false => self.marked(&text, messages, tail, &all).unwrap_or_else(|| {
                // One content that is altered, or that decides how others are shown, leaves those certain that it
                // does not touch.
                let alone = |i: usize| self.marked(&text, messages, tail, &[i]).and_then(|p| p[i].clone());
                all.iter().map(|i| alone(*i)).collect()
            }),
        };
        let turn = |(message, bytes): (&Message, _)| PlacedTurn { role: message.role.clone(), bytes };
        Ok(Rendered { text, turns: messages.iter().zip(places).map(turn).collect() })
    }

    /// The places of the turns that are marked; none where the text does not come out the same.
    fn marked(
        &self,
        text: &str,
        messages: &[Message],
        tail: Tail,
        which: &[usize],
    ) -> Option<Vec<Option<Range<usize>>>> {
        let mark = |i: usize, end: u32| {
            char::from_u32(FIRST + u32::try_from(i).ok()? * 2 + end).filter(|c| is_mark(*c))
        };
        let mut marked = messages.to_vec();
        for i in which {
            let content = &messages[*i].content;
            let core = content.trim_matches(python::space);
            if core.is_empty() {
                continue;
            }
            let start = content.len() - content.trim_start_matches(python::space).len();
            let (head, rest) = content.split_at(start);
            let (core, tail) = rest.split_at(core.len());
            let (open, close) = (mark(*i, 0)?, mark(*i, 1)?);
            marked[*i].content = format!("{head}{open}{core}{close}{tail}");
        }
        let rendered = self.render(&marked, tail).ok()?;
        let mut plain = String::with_capacity(text.len());
        let mut found: Vec<[Option<usize>; 2]> = vec![[None; 2]; messages.len()];
        for c in rendered.chars() {
            if !is_mark(c) {
                plain.push(c);
                continue;
            }
            let at = (u32::from(c) - FIRST) as usize;
            let place = &mut found.get_mut(at / 2)?[at % 2];
            // What is shown twice has no one place.
            if place.replace(plain.len()).is_some() {
                return None;
            }
        }
        if plain != text {
            return None;
        }
        let mut places = vec![None; messages.len()];
        for i in which {
            let core = messages[*i].content.trim_matches(python::space);
            places[*i] = match found[*i] {
                [Some(start), Some(end)] if start < end && text.get(start..end) == Some(core) => {
                    Some(start..end)
                }
                // Nothing is said, or the template leaves the turn out: there is no place, which is certain.
                _ => None,
            };
        }
        Some(places)
    }
}
