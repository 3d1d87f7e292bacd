//! The names that blocks give values to, as Jinja2 does: macros, the block `call`, and the block `with`.

use std::ops::Range;

use super::macros::VARIADIC;
use super::source::{DEEPEST, Kind, Token, tokens};

/// How the names begin that the values of a block `with` have until all are there. No template has such names.
const WITH: &str = "__with";

/// The argument of a macro that says which of its arguments it was not given. No template has one of this name.
pub(super) const MISSING: &str = "__missing";

/// A name and the value that it is given in a tag, where it is given one.
type Named<'a> = (&'a str, Option<&'a str>);

/// What tokens, parted by commas, name and give a value; none where they are no such list.
fn named<'a>(tag: &'a str, tokens: &[Token]) -> Option<Vec<Named<'a>>> {
    let mut parts: Vec<Vec<&Token>> = vec![vec![]];
    let mut depth = 0_usize;
    for token in tokens {
        let said = if token.0 == Kind::Mark { &tag[token.1.clone()] } else { "" };
        match said {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if depth > 0 || said != "," => part.push(token),
            _ => parts.push(vec![]),
        }
    }
    // The parser takes a comma behind the last argument of a macro.
    if parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    let text = |part: &[&Token]| Some(&tag[part.first()?.1.start..part.last()?.1.end]);
    let one = |part: &Vec<&Token>| {
        let at = part.iter().position(|t| t.0 == Kind::Mark && &tag[t.1.clone()] == "=");
        match at {
            Some(at) => Some((text(&part[..at])?, Some(text(&part[at + 1..])?))),
            None => Some((text(part)?, None)),
        }
    };
    parts.iter().map(one).collect()
}

/// The arguments of the macro, or of the block `call`, that a tag begins, and where the brackets around them stand; none where
/// it has no defaults, or is a tag that the parser refuses.
fn arguments(tag: &str) -> Option<(Vec<Named<'_>>, Range<usize>)> {
    let (_, tokens) = tokens(tag)?;
    let said = |at: usize| tokens.get(at).map_or("", |(_, range)| &tag[range.clone()]);
    let open = match said(0) {
        "macro" => 2,
        "call" => 1,
        _ => return None,
    };
    if !tag.starts_with("{%") || said(open) != "(" {
        return None;
    }
    let mut depth = 0_usize;
    let close = (open..tokens.len()).find(|at| {
        match (tokens[*at].0, said(*at)) {
            (Kind::Mark, "(" | "[" | "{") => depth += 1,
            (Kind::Mark, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })?;
    let all = named(tag, &tokens[open + 1..close])?;
    let first = all.iter().position(|(_, value)| value.is_some())?;
    // The parser refuses one without a default behind one with a default.
    let fits = all[first..].iter().all(|(_, value)| value.is_some());
    fits.then(|| (all, tokens[open].1.start..tokens[close].1.end))
}

/// A tag with other brackets, and behind it tags that end as it ends; lines stay where they are.
fn behind(tag: &str, brackets: &Range<usize>, names: &str, more: &[String]) -> Option<String> {
    let (body, _) = tokens(tag)?;
    let (last, others) = more.split_last()?;
    let head = format!("{}({names}){}%}}", &tag[..brackets.start], &tag[brackets.end..body.end]);
    let others: String = others.iter().map(|tag| format!("{{% {tag} %}}")).collect();
    let lines = |text: &str| text.matches('\n').count();
    let missing = lines(tag).saturating_sub(lines(&head) + lines(&others) + lines(last));
    Some(format!("{head}{others}{{% {last} {}{}", "\n".repeat(missing), &tag[body.end..]))
}

/// The block `call` that a tag begins, with its defaults as what stands first in it, where they see the arguments before them.
pub(super) fn defaulted(tag: &str) -> Option<String> {
    let (_, all) = tokens(tag)?;
    if &tag[all.first()?.1.clone()] != "call" {
        return None;
    }
    let (all, brackets) = arguments(tag)?;
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut more = Vec::new();
    for (name, value) in &all {
        if let Some(value) = value {
            more.extend([format!("if {name} is undefined"), format!("set {name} = {value}"), "endif".into()]);
        }
    }
    behind(tag, &brackets, &names.join(", "), &more)
}

/// A block `with` whose values don't see its own names; none of another tag, or where there is but one name.
pub(super) fn apart(tag: &str) -> Option<String> {
    let (body, tokens) = tokens(tag)?;
    let (first, rest) = tokens.split_first()?;
    if !tag.starts_with("{%") || &tag[first.1.clone()] != "with" {
        return None;
    }
    let all = named(tag, rest)?;
    // A comma behind the last is left for the parser to refuse.
    let comma = rest.last().is_some_and(|(_, at)| &tag[at.clone()] == ",");
    if all.len() < 2 || comma {
        return None;
    }
    let values = all.iter().enumerate().map(|(i, (_, value))| Some(format!("{WITH}{i} = {}", (*value)?)));
    let mut done: Vec<String> = values.collect::<Option<_>>()?;
    done.extend(all.iter().enumerate().map(|(i, (name, _))| format!("{name} = {WITH}{i}")));
    let done = done.join(", ");
    let lines = |text: &str| text.matches('\n').count();
    let missing = lines(tag).saturating_sub(lines(&done));
    Some(format!("{} {done} {}{}", &tag[..first.1.end], "\n".repeat(missing), &tag[body.end..]))
}

/// A macro whose end has not come.
struct Open {
    name: String,
    /// Which piece of the template its tag is.
    at: usize,
    varargs: bool,
    kwargs: bool,
    /// Names that it gives a meaning of its own.
    own: Vec<String>,
}

/// Macros that say `varargs` or `kwargs`, which in Jinja2 take what no argument of theirs is given, or that have defaults, which
/// there see the arguments before them.
#[derive(Default)]
pub(super) struct Macros(Vec<Open>);

impl Macros {
    /// The tag as it is to stand; the tag of a macro is among `out`, and is written anew when its end comes.
    pub fn seen(&mut self, tag: String, out: &mut [String]) -> String {
        let Some((body, tokens)) = tokens(&tag) else { return tag };
        let said = |at: usize| tokens.get(at).map_or("", |(_, range)| &tag[range.clone()]);
        let block = tag.starts_with("{%");
        if block && said(0) == "endmacro" {
            let Some(open) = self.0.pop() else { return tag };
            return match out.get_mut(open.at) {
                Some(begun) => open.written(begun, &tag, body),
                None => tag,
            };
        }
        let sets = |at: usize| match said(0) {
            _ if !block => false,
            "set" => at == 1 && !matches!(said(2), "." | "["),
            "for" => (at + 1..tokens.len()).any(|i| said(i) == "in") && !(1..at).any(|i| said(i) == "in"),
            // A keyword of a call has the same shape, and stands behind the first word of a block `with` alone.
            "with" => said(at + 1) == "=",
            "macro" => true,
            _ => false,
        };
        let begins = block && said(0) == "macro";
        if begins {
            let name = said(1).to_owned();
            self.0.push(Open { name, at: out.len(), varargs: false, kwargs: false, own: vec![] });
        }
        for (at, (kind, _)) in tokens.iter().enumerate() {
            let name = said(at);
            let bare = *kind == Kind::Word && matches!(name, "varargs" | "kwargs");
            let before = at.checked_sub(1).map_or("", said);
            if !bare || matches!(before, "." | "|") {
                continue;
            }
            let (own, keyword) = (sets(at), said(at + 1) == "=");
            // The arguments of a macro are its own; what stands in it is in those around it too.
            let around = if begins { 1 } else { DEEPEST };
            for open in self.0.iter_mut().rev().take(around) {
                if own {
                    open.own.push(name.to_owned());
                } else if !keyword && !open.own.iter().any(|n| n == name) {
                    (open.varargs, open.kwargs) =
                        (open.varargs || name == "varargs", open.kwargs || name == "kwargs");
                }
            }
        }
        tag
    }
}

impl Open {
    /// The tag at the end of the macro, which makes it one that takes more or has defaults; the one at its beginning is told so
    /// too.
    fn written(&self, begun: &mut String, end: &str, body: Range<usize>) -> String {
        let (name, varargs, kwargs) = (&self.name, self.varargs, self.kwargs);
        let mut more: Vec<&str> = Vec::new();
        more.extend(varargs.then_some("varargs"));
        more.extend(kwargs.then_some("kwargs"));
        let defaults = match self.with_defaults(begun, &more) {
            Some(head) => {
                *begun = head;
                true
            }
            None if more.is_empty() => return end.to_owned(),
            None => {
                let Some(at) = begun.rfind(')') else { return end.to_owned() };
                let head = begun[..at].trim_end();
                let comma = if head.ends_with(['(', ',']) { "" } else { ", " };
                *begun = format!("{head}{comma}{}{}", more.join(", "), &begun[at..]);
                false
            }
        };
        format!(
            "{}%}}{{% set {name} = {name}|{VARIADIC}({varargs}, {kwargs}, {defaults}) {}",
            &end[..body.end],
            &end[body.end..]
        )
    }

    /// The tag at the beginning of a macro with its defaults as what stands first in it; none where it has none.
    fn with_defaults(&self, begun: &str, more: &[&str]) -> Option<String> {
        let (all, brackets) = arguments(begun)?;
        let names: Vec<&str> =
            all.iter().map(|(name, _)| *name).chain(more.iter().copied()).chain([MISSING]).collect();
        let mut tags = Vec::new();
        for (name, value) in &all {
            if let Some(value) = value {
                tags.extend([
                    format!("if '{name}' in {MISSING}"),
                    format!("set {name} = {value}"),
                    "endif".into(),
                ]);
            }
        }
        behind(begun, &brackets, &names.join(", "), &tags)
    }
}
