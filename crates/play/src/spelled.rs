//! Tokens as they are shown: the text that each adds, and what can't be seen made visible.

use truenorth_protocol::run::Runner;
use truenorth_reading::AnalysisError;

use crate::event::ShownToken;

/// How many tokens before one are spelled with it: a tokenizer may leave out the space before a first token, and a
/// character may be of several tokens.
const BEFORE: usize = 4;

/// What stands for a token that is a part of a character.
const PART: &str = "\u{fffd}";

/// The pieces of token ids.
///
/// # Errors
/// When whoever has the tokenizer can't be asked.
pub(crate) fn pieces(runner: &dyn Runner, ids: &[u32]) -> Result<Vec<ShownToken>, AnalysisError> {
    let mut windows: Vec<&[u32]> = Vec::with_capacity(3 * ids.len());
    for end in 0..ids.len() {
        let start = end.saturating_sub(BEFORE);
        windows.extend([&ids[start..end], &ids[start..=end], &ids[end..=end]]);
    }
    let texts = match runner.spell(&windows) {
        // A model without a tokenizer.
        Err(error) if error.is_request() => None,
        texts => texts?.filter(|texts| texts.len() == windows.len()),
    };
    let piece = |(i, id): (usize, &u32)| ShownToken {
        id: *id,
        shown: match texts.as_ref().and_then(|t| t.get(3 * i..3 * i + 3)) {
            Some([before, with, alone]) => visible(&added(before, with, alone)),
            _ => format!("#{id}"),
        },
    };
    Ok(ids.iter().enumerate().map(piece).collect())
}

/// The piece of the last of these ids.
///
/// # Errors
/// As [`pieces`].
pub(crate) fn last_piece(runner: &dyn Runner, ids: &[u32]) -> Result<Option<ShownToken>, AnalysisError> {
    let near = &ids[ids.len().saturating_sub(BEFORE + 1)..];
    Ok(pieces(runner, near)?.pop())
}

/// What a token adds to the text of those before it.
fn added(before: &str, with: &str, alone: &str) -> String {
    let whole = before.trim_end_matches(PART);
    let Some(more) = with.strip_prefix(whole) else {
        return alone.to_owned();
    };
    // Parts before it that it does not complete were shown already.
    let more = more.strip_prefix(&before[whole.len()..]).filter(|m| !m.is_empty()).unwrap_or(more);
    match more.trim_end_matches(PART).is_empty() && !more.is_empty() {
        true => PART.to_owned(),
        false => more.to_owned(),
    }
}

/// A text in which control characters, marks of direction and characters without width are seen.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\u{23ce}\n"),
            '\t' => shown.push('\u{21e5}'),
            c if c.is_control() || unseen(c) => {
                shown.push_str(&format!("\u{2039}U+{:04X}\u{203a}", c as u32))
            }
            c => shown.push(c),
        }
    }
    shown
}

fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_adds_what_its_text_has_more() {
        assert_eq!(added("a", "a b", "b"), " b");
        assert_eq!(added("", "a", "a"), "a");
        // The second half of a character shows it, the first half a mark.
        assert_eq!(added("x", "x\u{fffd}", "\u{fffd}"), "\u{fffd}");
        assert_eq!(added("x\u{fffd}", "x\u{fffd}", "\u{fffd}"), "\u{fffd}");
        assert_eq!(added("x\u{fffd}\u{fffd}", "xé", "\u{fffd}"), "é");
        // One that is never completed is not shown again.
        assert_eq!(added("x\u{fffd}", "x\u{fffd}8", "8"), "8");
        // A tokenizer that tidies up takes back what it said.
        assert_eq!(added("a b", "ab!", "!"), "!");
        assert_eq!(added("a", "a", ""), "");
    }

    #[test]
    fn what_can_not_be_seen_is_shown() {
        assert_eq!(visible("a\u{202e}b\u{200b}\u{0}<i>\n"), "a‹U+202E›b‹U+200B›‹U+0000›<i>⏎\n");
        assert_eq!(visible("عربى 👩 é"), "عربى 👩 é");
    }
}
