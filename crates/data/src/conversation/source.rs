//! The source of a template as `minijinja` is given it, so that it makes of it what Jinja2 does.

use std::ops::Range;

use minijinja::{Error, Value};

use super::blocks::{Macros, apart, defaulted};
use super::percent::MODULO;
use super::python::refused;

/// The filter that every loop's items go through ([`items`]). Its name is none that a template has.
pub(super) const ITEMS: &str = "__items";

/// The filter that every operand of `~` goes through: `str` of it.
pub(super) const TEXT: &str = "__text";

/// Lines end in `\n`, in text and in literals, as Jinja2 reads any file. Generation blocks are blocks that have a scope of
/// their own, which is all that they do to the text. Loops take their items from [`items`], raw blocks begin where
/// their tag ends, [`operators`] are Python's, macros may take more than they name, and their defaults and the values of a
/// block `with` see what they see in Jinja2.
pub(super) fn prepared(template: &str) -> String {
    let source = template.replace("\r\n", "\n").replace('\r', "\n");
    let (mut out, mut macros): (Vec<String>, Macros) = (Vec::new(), Macros::default());
    let mut rest = source.as_str();
    while let Some(at) = rest.as_bytes().windows(2).position(|w| w[0] == b'{' && b"{%#".contains(&w[1])) {
        let (before, tag) = rest.split_at(at);
        out.push(before.to_owned());
        rest = tag;
        let raw = inside(tag) == Some("raw");
        let end = match tag.as_bytes()[1] {
            b'#' => tag[2..].find("#}").map(|i| i + 4),
            b'%' if raw => raw_end(tag),
            b'%' => scan(tag, b"%}").1,
            _ => scan(tag, b"}}").1,
        };
        // A tag without an end is left for the parser to refuse.
        let Some(end) = end else { break };
        let (tag, after) = tag.split_at(end);
        let done = match inside(tag) {
            Some("generation") => tag.replacen("generation", "with", 1),
            Some("endgeneration") => tag.replacen("endgeneration", "endwith", 1),
            Some("raw") => kept(tag),
            _ if tag.starts_with("{#") => tag.to_owned(),
            _ => {
                let tag = literals(tag).unwrap_or_else(|| tag.to_owned());
                let tag = operators(&tag).unwrap_or(tag);
                let tag = looped(&tag, &scan(&tag, b"%}").0).unwrap_or(tag);
                let tag = macros.seen(tag, &mut out);
                defaulted(&tag).or_else(|| apart(&tag)).unwrap_or(tag)
            }
        };
        out.push(done);
        rest = after;
    }
    out.push(rest.to_owned());
    out.concat()
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

/// The filters, functions and methods that a line of a template uses, each once.
pub(super) fn used(line: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let mark: &[u8] = if rest[at..].starts_with("{{") { b"}}" } else { b"%}" };
        let found = scan(&rest[at..], mark).1;
        let end = found.map_or(rest.len(), |end| at + end);
        // A tag may go on in the next line.
        let close = if found.is_none() { " }}" } else { "" };
        let tag = &format!("{}{close}", &rest[at..end]);
        let tokens = tokens(tag).map(|(_, tokens)| tokens).unwrap_or_default();
        let said = |at: usize| tokens.get(at).map_or("", |(_, range)| &tag[range.clone()]);
        for (i, (kind, _)) in tokens.iter().enumerate() {
            let keyword =
                matches!(said(i), "and" | "or" | "not" | "in" | "if" | "elif" | "else" | "is" | "call");
            let filter = i > 0 && said(i - 1) == "|";
            let called = said(i + 1) == "(" && !keyword && !matches!(said(0), "macro");
            let name = format!("`{}`", said(i));
            if *kind == Kind::Word && (filter || called) && !all.contains(&name) {
                all.push(name);
            }
        }
        rest = &rest[end..];
    }
    all
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

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Literal,
    Mark,
}

/// A token of an expression: what it is, and where it stands.
pub(super) type Token = (Kind, Range<usize>);

/// What stands in a tag between its marks, and the tokens of it.
pub(super) fn tokens(tag: &str) -> Option<(Range<usize>, Vec<Token>)> {
    let block = tag.starts_with("{%");
    let bytes = tag.as_bytes();
    let start = 2 + usize::from(matches!(bytes.get(2)?, b'-' | b'+'));
    let end = tag.len().checked_sub(2)?;
    let last = *bytes.get(end.checked_sub(1)?)?;
    let end = end - usize::from(last == b'-' || (last == b'+' && block));
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || !c.is_ascii();
    let (mut all, mut at) = (Vec::new(), start);
    while at < end {
        let from = at;
        at += 1;
        let kind = match bytes[from] {
            c if c.is_ascii_whitespace() => continue,
            quote @ (b'\'' | b'"') => {
                while at < end && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                Kind::Literal
            }
            c if word(c) => {
                let run = |at: &mut usize| *at += bytes[*at..end].iter().take_while(|c| word(**c)).count();
                run(&mut at);
                // The sign of an exponent is part of its number.
                let raised = c.is_ascii_digit()
                    && matches!(bytes[at - 1], b'e' | b'E')
                    && !tag[from..at].starts_with("0x");
                if raised && at < end && matches!(bytes[at], b'-' | b'+') {
                    at += 1;
                    run(&mut at);
                }
                if c.is_ascii_digit() { Kind::Literal } else { Kind::Word }
            }
            _ => {
                let two = bytes.get(from..(from + 2).min(end));
                at += usize::from(two.is_some_and(|two| {
                    [b"**", b"//", b"==", b"!=", b"<=", b">="].iter().any(|mark| two == &mark[..])
                }));
                Kind::Mark
            }
        };
        all.push((kind, from..at));
    }
    // What ends in the middle of a token is left for the parser to refuse.
    (at <= end).then_some((start..end, all))
}

/// A tag whose literals say in the parser's escapes what Python's mean; none where they do so already.
fn literals(tag: &str) -> Option<String> {
    let (_, tokens) = tokens(tag)?;
    let (mut out, mut copied) = (String::new(), 0);
    let of_its_own = |c: char| matches!(c, 'a' | 'v' | '/' | 'U' | 'N' | '\n');
    for (_, at) in tokens.into_iter().filter(|(kind, _)| *kind == Kind::Literal) {
        let mut chars = tag[at.clone()].char_indices();
        while let Some((i, c)) = chars.next() {
            let Some((_, next)) = (if c == '\\' { chars.next() } else { None }) else { continue };
            if !of_its_own(next) {
                continue;
            }
            let start = at.start + i;
            out.push_str(&tag[copied..start]);
            copied = start + 2;
            match next {
                'a' => out.push_str("\\x07"),
                'v' => out.push_str("\\x0b"),
                '/' => out.push_str("\\\\/"),
                '\n' => {}
                'U' => {
                    let digits = tag.get(copied..copied + 8);
                    let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
                    match code {
                        Some(c) if !c.is_ascii() => out.push(c),
                        Some(c) => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                        // An escape that the parser refuses, as Jinja2 does.
                        None => out.push_str("\\xN"),
                    }
                    copied += if code.is_some() { 8 } else { 0 };
                }
                // Characters by name are refused: their names are not known here.
                _ => out.push_str("\\xN"),
            }
        }
    }
    out.push_str(&tag[copied..]);
    (copied > 0).then_some(out)
}

/// A tag whose `%` is [`modulo`](super::percent::modulo), which fills texts too, and whose `~` joins what `str` says;
/// none where it has neither.
fn operators(tag: &str) -> Option<String> {
    let (body, tokens) = tokens(tag)?;
    if !tokens.iter().any(|(kind, at)| *kind == Kind::Mark && matches!(&tag[at.clone()], "%" | "~")) {
        return None;
    }
    let mut written = Written { tag, tokens: &tokens, next: 0, copied: body.start };
    let done = written.level(tag.starts_with("{%"), 0)?;
    let rest = &tag[written.copied..];
    (written.next == tokens.len()).then(|| format!("{}{done}{rest}", &tag[..body.start]))
}

/// How deep brackets and macros may lie in each other, and how many `%` may stand in a row: the parser takes no more brackets.
pub(super) const DEEPEST: usize = 150;

/// An expression that is being written anew.
struct Written<'a> {
    tag: &'a str,
    tokens: &'a [Token],
    next: usize,
    /// Up to where the tag is written.
    copied: usize,
}

/// Operands that `*`, `/`, `//` and `%` stand between, as far as they are read.
#[derive(Default)]
struct Chain {
    before: String,
    modulo: bool,
    /// How many `%` there were.
    modulos: usize,
    operand: String,
    /// Whether the operand is one text in quotes.
    literal: bool,
}

impl Chain {
    fn blank(&self) -> bool {
        self.operand.trim().is_empty()
    }

    fn push(&mut self, text: &str, literal: bool) {
        self.literal = literal && self.blank();
        self.operand.push_str(text);
    }

    /// Everything up to here as one operand.
    fn close(&mut self) {
        let operand = std::mem::take(&mut self.operand);
        self.before = match self.modulo {
            true => piped(&self.before, &format!("{MODULO}({operand})")),
            false => format!("{}{operand}", self.before),
        };
        self.modulo = false;
    }

    fn operator(&mut self, mark: &str) {
        self.close();
        self.literal = false;
        match mark {
            "%" => (self.modulo, self.modulos) = (true, self.modulos + 1),
            mark => self.before.push_str(mark),
        }
    }

    /// All of it, as an operand of `~` where it is one.
    fn end(mut self, joined: bool) -> String {
        let literal = self.literal && self.before.is_empty();
        self.close();
        match joined && !literal && !self.before.trim().is_empty() {
            true => piped(&self.before, TEXT),
            false => self.before,
        }
    }
}

/// An expression in brackets through a filter; the space before it stays before it.
fn piped(expression: &str, filter: &str) -> String {
    let bare = expression.trim_start();
    format!("{}({bare})|{filter}", &expression[..expression.len() - bare.len()])
}

impl<'a> Written<'a> {
    fn said(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |(_, range)| &self.tag[range.clone()])
    }

    /// The next token with the space before it.
    fn take(&mut self) -> &'a str {
        let end = self.tokens[self.next].1.end;
        let text = &self.tag[self.copied..end];
        (self.copied, self.next) = (end, self.next + 1);
        text
    }

    /// What stands in the same brackets, up to the one that closes them; none where brackets don't fit or lie too deep.
    fn level(&mut self, mut block: bool, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let (mut out, mut chain, mut joined) = (String::new(), Chain::default(), false);
        while let Some((kind, _)) = self.tokens.get(self.next) {
            let (said, before) =
                (self.said(self.next), self.next.checked_sub(1).map_or("", |i| self.said(i)));
            // The name of a block, of an attribute, of a filter or of a test is no operator.
            let named = matches!(before, "." | "|" | "is")
                || (before == "not" && self.next.checked_sub(2).is_some_and(|i| self.said(i) == "is"));
            let ends = match kind {
                Kind::Word if block => true,
                Kind::Word => {
                    !named && matches!(said, "and" | "or" | "not" | "in" | "if" | "else" | "recursive")
                }
                Kind::Literal => false,
                Kind::Mark => match said {
                    ")" | "]" | "}" => break,
                    "+" | "-" => !chain.blank() && before != "**",
                    "," | ":" | "=" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "~" => true,
                    _ => false,
                },
            };
            block = false;
            if ends {
                let tilde = said == "~";
                out.push_str(&std::mem::take(&mut chain).end(joined || tilde));
                joined = tilde;
                out.push_str(self.take());
                continue;
            }
            match said {
                "*" | "/" | "//" | "%" if *kind == Kind::Mark && !chain.blank() => {
                    let mark = self.take();
                    chain.operator(if said == "%" { said } else { mark });
                    if chain.modulos > DEEPEST {
                        return None;
                    }
                }
                "(" | "[" | "{" => {
                    let open = self.take();
                    let inner = self.level(false, depth + 1)?;
                    let fits = matches!((said, self.said(self.next)), ("(", ")") | ("[", "]") | ("{", "}"));
                    if !fits {
                        return None;
                    }
                    chain.push(&format!("{open}{inner}{}", self.take()), false);
                }
                _ => {
                    let literal = *kind == Kind::Literal && said.starts_with(['\'', '"']);
                    chain.push(self.take(), literal);
                }
            }
        }
        out.push_str(&chain.end(joined));
        Some(out)
    }
}
