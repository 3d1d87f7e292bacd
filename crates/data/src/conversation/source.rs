//! The source of a template as `minijinja` is given it, so that it makes of it what Jinja2 does.

use std::ops::Range;

use minijinja::{Error, Value};

use super::python::refused;

/// The filter that every loop's items go through ([`items`]). Its name is none that a template has.
pub(super) const ITEMS: &str = "__items";

/// Lines end in `\n`, in text and in literals, as Jinja2 reads any file. Generation blocks are blocks that have a scope of
/// their own, which is all that they do to the text. Loops take their items from [`items`], and
/// raw blocks begin where their tag ends.
pub(super) fn prepared(template: &str) -> String {
    let source = template.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(at) = rest.as_bytes().windows(2).position(|w| w[0] == b'{' && b"{%#".contains(&w[1])) {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        rest = tag;
        let raw = inside(tag) == Some("raw");
        let (words, end) = match tag.as_bytes()[1] {
            b'#' => (vec![], tag[2..].find("#}").map(|i| i + 4)),
            b'%' if raw => (vec![], raw_end(tag)),
            b'%' => scan(tag, b"%}"),
            _ => (vec![], scan(tag, b"}}").1),
        };
        // A tag without an end is left for the parser to refuse.
        let Some(end) = end else { break };
        let (tag, after) = tag.split_at(end);
        match inside(tag) {
            Some("generation") => out.push_str(&tag.replacen("generation", "with", 1)),
            Some("endgeneration") => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
            Some("raw") => out.push_str(&kept(tag)),
            _ => match looped(tag, &words) {
                Some(tag) => out.push_str(&tag),
                None => out.push_str(tag),
            },
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What a loop goes over: the characters of a string as a list, whose length is known, and never none, which `minijinja`
/// takes for an empty list.
pub(super) fn items(value: Value) -> Result<Value, Error> {
    if value.is_none() {
        return Err(refused("a loop goes over none, which is not iterable"));
    }
    if let Some(text) = value.as_str() {
        return Ok(text.chars().map(|c| Value::from(c.to_string())).collect());
    }
    Ok(value)
}

/// A raw block that keeps the end of the line behind its first tag, as Jinja2 does.
fn kept(block: &str) -> String {
    match block.split_once("%}") {
        Some((open, rest)) if !open.ends_with(['-', '+']) => format!("{open}+%}}{rest}"),
        _ => block.to_owned(),
    }
}

/// What the block tag at the beginning of a text says, up to the first mark of an end.
fn inside(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("{%")?;
    let end = rest.find("%}")?;
    Some(rest[..end].trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+'))
}

/// The end of a raw block, in which nothing is a tag.
fn raw_end(text: &str) -> Option<usize> {
    let at = text.match_indices("{%").map(|(at, _)| at).find(|at| inside(&text[*at..]) == Some("endraw"))?;
    text[at..].find("%}").map(|i| at + i + 2)
}

/// The words of a tag that stand in no brackets, no literal and behind no dot, and where the tag ends, `mark` included.
fn scan(tag: &str, mark: &[u8]) -> (Vec<Range<usize>>, Option<usize>) {
    let bytes = tag.as_bytes();
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || !c.is_ascii();
    let (mut words, mut depth, mut at) = (Vec::new(), 0_i64, 2);
    while at < bytes.len() {
        if depth == 0 && bytes[at..].starts_with(mark) {
            return (words, Some(at + mark.len()));
        }
        let start = at;
        at += 1;
        match bytes[start] {
            quote @ (b'\'' | b'"') => {
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            c if word(c) => {
                at += bytes[at..].iter().take_while(|c| word(**c)).count();
                if depth == 0 && bytes[start - 1] != b'.' {
                    words.push(start..at);
                }
            }
            _ => {}
        }
    }
    (words, None)
}

/// The tag of a loop with its items through the filter; none of another tag.
fn looped(tag: &str, words: &[Range<usize>]) -> Option<String> {
    let said = |word: &Range<usize>| &tag[word.clone()];
    let [first, rest @ ..] = words else { return None };
    if said(first) != "for" {
        return None;
    }
    let at = rest.iter().position(|w| said(w) == "in")?;
    let start = rest[at].end;
    let body = tag.strip_suffix("%}")?;
    let body = body.strip_suffix(['-', '+']).unwrap_or(body);
    let behind = rest[at + 1..].iter().find(|w| matches!(said(w), "if" | "recursive"));
    let end = behind.map_or(body.len(), |w| w.start);
    let over = tag.get(start..end).filter(|over| !over.trim().is_empty())?;
    Some(format!("{} ({over})|{ITEMS} {}", &tag[..start], &tag[end..]))
}
