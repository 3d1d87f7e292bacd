//! What Python does to strings where it differs from Rust or is not among the methods of `minijinja-contrib`.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// What Python's `str.strip` takes for white space: that of Unicode, and four separators of ASCII.
pub(super) fn space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// An error that a template's author would call one of his own.
pub(super) fn refused(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

#[derive(Clone, Copy)]
enum StripSide {
    Both,
    Left,
    Right,
}

fn strip(text: &str, chars: Option<&str>, side: StripSide) -> String {
    let gone = |c: char| chars.map_or_else(|| space(c), |chars| chars.contains(c));
    match side {
        StripSide::Both => text.trim_matches(gone),
        StripSide::Left => text.trim_start_matches(gone),
        StripSide::Right => text.trim_end_matches(gone),
    }
    .to_owned()
}

/// The filter `trim`.
pub(super) fn trim(value: &Value, chars: Option<String>, kwargs: Kwargs) -> Result<String, Error> {
    let chars = chars.or(kwargs.get("chars")?);
    kwargs.assert_all_used()?;
    Ok(strip(&text(value)?, chars.as_deref(), StripSide::Both))
}

/// Methods of values.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return pycompat::unknown_method_callback(state, value, name, args);
    };
    let side = match name {
        "strip" => Some(StripSide::Both),
        "lstrip" => Some(StripSide::Left),
        "rstrip" => Some(StripSide::Right),
        _ => None,
    };
    if let Some(side) = side {
        let (chars,): (Option<&str>,) = from_args(args)?;
        return Ok(strip(text, chars, side).into());
    }
    match name {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "partition" | "rpartition" => {
            let (at,): (&str,) = from_args(args)?;
            if at.is_empty() {
                return Err(refused("empty separator"));
            }
            let (found, none) = match name {
                "partition" => (text.split_once(at), [text, "", ""]),
                _ => (text.rsplit_once(at), ["", "", text]),
            };
            let all = found.map_or(none, |(before, after)| [before, at, after]);
            Ok(Value::from(Tuple::from(all.map(Value::from))))
        }
        "split" | "rsplit" => {
            let (at, most, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
            let at = at.or(kwargs.get("sep")?).filter(|v| !v.is_none());
            let most = most.or(kwargs.get("maxsplit")?).and_then(|n| usize::try_from(n).ok());
            kwargs.assert_all_used()?;
            let at = at.map(|v| v.as_str().map(str::to_owned).ok_or_else(|| refused("must be str or None")));
            split(text, at.transpose()?.as_deref(), most, name == "rsplit")
        }
        "splitlines" => {
            let (keep, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(kwargs.get("keepends")?).unwrap_or(false);
            kwargs.assert_all_used()?;
            Ok(lines(text, keep).into_iter().map(Value::from).collect())
        }
        "title" => {
            let () = from_args(args)?;
            Ok(title(text).into())
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swapped = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().collect::<String>(),
                false => c.to_uppercase().collect(),
            };
            Ok(text.chars().map(swapped).collect::<String>().into())
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let (what, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let (part, before) = part(text, start, end);
            let Some(part) = part else {
                return match name {
                    "index" | "rindex" => Err(refused("substring not found")),
                    "count" => Ok(0.into()),
                    _ => Ok((-1).into()),
                };
            };
            if name == "count" {
                return Ok(part.matches(what).count().into());
            }
            let found = if name.starts_with('r') { part.rfind(what) } else { part.find(what) };
            match found {
                Some(at) => Ok((before + part[..at].chars().count()).into()),
                None if name.ends_with("index") => Err(refused("substring not found")),
                None => Ok((-1).into()),
            }
        }
        "startswith" | "endswith" if args.len() > 1 => {
            let (_, start, end): (&Value, Option<i64>, Option<i64>) = from_args(args)?;
            let part = part(text, start, end).0.map(Value::from);
            match part {
                Some(part) => pycompat::unknown_method_callback(state, &part, name, &args[..1]),
                None => Ok(false.into()),
            }
        }
        "format" => {
            narrow_format(text)?;
            pycompat::unknown_method_callback(state, value, name, args)
        }
        "ljust" | "rjust" | "center" | "zfill" => fill(text, name, args),
        // Python refuses to join what is no string.
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            for item in items.try_iter()? {
                if item.as_str().is_none() {
                    return Err(refused(format!("join takes strings, and found {}", item.kind())));
                }
            }
            pycompat::unknown_method_callback(state, value, name, args)
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// `text[start:end]` with the number of characters before it; none where the start lies behind the text or its end.
fn part(text: &str, start: Option<i64>, end: Option<i64>) -> (Option<&str>, usize) {
    let count = text.chars().count();
    let place = |at: i64| usize::try_from(if at < 0 { at + count as i64 } else { at }).unwrap_or(0);
    let (start, end) = (start.map_or(0, place), end.map_or(count, place).min(count));
    if start > count || start > end {
        return (None, 0);
    }
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(i, _)| i);
    (text.get(byte(start)..byte(end)), start)
}

fn split(text: &str, at: Option<&str>, most: Option<usize>, right: bool) -> Result<Value, Error> {
    let mut all: Vec<&str> = Vec::new();
    match (at, right) {
        (Some(""), _) => return Err(refused("empty separator")),
        (Some(at), false) => all.extend(text.splitn(most.map_or(usize::MAX, |n| n + 1), at)),
        (Some(at), true) => {
            all.extend(text.rsplitn(most.map_or(usize::MAX, |n| n + 1), at));
            all.reverse();
        }
        (None, false) => {
            let mut rest = text.trim_start_matches(space);
            while !rest.is_empty() {
                let end = if most.is_some_and(|n| all.len() >= n) { None } else { rest.find(space) };
                let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
                all.push(word);
                rest = tail.trim_start_matches(space);
            }
        }
        (None, true) => {
            let mut rest = text.trim_end_matches(space);
            while !rest.is_empty() {
                let gap = if most.is_some_and(|n| all.len() >= n) { None } else { rest.rfind(space) };
                let start = gap.map_or(0, |i| i + rest[i..].chars().next().map_or(0, char::len_utf8));
                all.push(&rest[start..]);
                rest = rest[..start].trim_end_matches(space);
            }
            all.reverse();
        }
    }
    Ok(all.into_iter().map(Value::from).collect())
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `str.splitlines`.
pub(super) fn lines(text: &str, keep: bool) -> Vec<&str> {
    let (mut all, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let Some(end) = rest.find(ends_line) else {
            all.push(rest);
            break;
        };
        let mark = match rest[end..].starts_with("\r\n") {
            true => 2,
            false => rest[end..].chars().next().map_or(0, char::len_utf8),
        };
        all.push(if keep { &rest[..end + mark] } else { &rest[..end] });
        rest = &rest[end + mark..];
    }
    all
}

/// `str.title`: a letter is large where none stands before it.
fn title(text: &str) -> String {
    let (mut out, mut inside) = (String::with_capacity(text.len()), false);
    for c in text.chars() {
        let letter = c.is_lowercase() || c.is_uppercase();
        match (letter, inside) {
            (true, false) => {
                let mut large = c.to_uppercase();
                out.extend(large.next());
                out.extend(large.flat_map(char::to_lowercase));
            }
            (true, true) => out.extend(c.to_lowercase()),
            (false, _) => out.push(c),
        }
        inside = letter;
    }
    out
}

/// Widths that a text is filled up to at most.
pub(super) const WIDEST: usize = 1 << 16;

/// Refuses a width that no text of a conversation has: memory would be asked for that is not there.
pub(super) fn narrow(width: usize) -> Result<usize, Error> {
    match width {
        0..=WIDEST => Ok(width),
        _ => Err(refused(format!("a width of {width} is more than {WIDEST}"))),
    }
}

/// Refuses a format for `str.format` whose widths or precisions are not [`narrow`].
fn narrow_format(format: &str) -> Result<(), Error> {
    // Braces that are doubled are none.
    let plain = format.replace("{{", "").replace("}}", "");
    for field in plain.split('{').skip(1).filter_map(|f| f.split_once(':')) {
        // The character to fill with may be a brace.
        let filled = field.1.strip_prefix('}').filter(|s| s.starts_with(['<', '>', '^', '=']));
        let spec = filled.unwrap_or(field.1).split('}').next().unwrap_or_default();
        for digits in spec.split(|c: char| !c.is_ascii_digit()).filter(|d| !d.is_empty()) {
            narrow(digits.parse().unwrap_or(usize::MAX))?;
        }
    }
    Ok(())
}

fn fill(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, with): (i64, Option<&str>) = from_args(args)?;
    let with = with.unwrap_or(if name == "zfill" { "0" } else { " " });
    let width = usize::try_from(width).unwrap_or(0);
    if with.chars().count() != 1 || (name == "zfill" && args.len() > 1) {
        return Err(refused("the fill character must be exactly one character long"));
    }
    narrow(width)?;
    let count = text.chars().count();
    let missing = width.saturating_sub(count);
    let of = |n: usize| with.repeat(n);
    Ok(match name {
        "ljust" => format!("{text}{}", of(missing)),
        "rjust" => format!("{}{text}", of(missing)),
        "zfill" => {
            let sign = usize::from(text.starts_with(['+', '-']));
            format!("{}{}{}", &text[..sign], of(missing), &text[sign..])
        }
        // The odd one stands before where the width is odd.
        _ => {
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", of(left), of(missing - left))
        }
    }
    .into())
}

/// `repr` of a float.
pub(super) fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let short = format!("{x:e}");
    let (digits, power) = short.split_once('e').unwrap_or((&short, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if x != 0.0 && !(-4..16).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", power.abs());
    }
    let plain = x.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

/// The float that a value is; none of integers and of what is no number.
pub(super) fn as_float(value: &Value) -> Option<f64> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    f64::try_from(value.clone()).ok()
}

/// `str` of a value.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => repr(value),
        _ => Ok(value.to_string()),
    }
}

/// `repr` of a value.
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let all = |value: &Value| value.try_iter()?.map(|item| repr(&item)).collect::<Result<Vec<_>, Error>>();
    Ok(match value.kind() {
        ValueKind::Undefined => "Undefined".into(),
        ValueKind::String if value.is_safe() => {
            format!("Markup({})", quoted(value.as_str().unwrap_or_default()))
        }
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Number => as_float(value).map_or_else(|| value.to_string(), float),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = all(value)?;
            match (value.is_tuple(), &items[..]) {
                (true, [one]) => format!("({one},)"),
                (true, items) => format!("({})", items.join(", ")),
                (false, items) => format!("[{}]", items.join(", ")),
            }
        }
        ValueKind::Map => {
            let pairs = value.try_iter()?.map(|key| {
                let item = value.get_item(&key)?;
                Ok(format!("{}: {}", repr(&key)?, repr(&item)?))
            });
            format!("{{{}}}", pairs.collect::<Result<Vec<_>, Error>>()?.join(", "))
        }
        _ => value.to_string(),
    })
}

/// `repr` of a string.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == '\\' || c == quote => out.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' || printed(c) => out.push(c),
            c => out.push_str(&escaped(c)),
        }
    }
    out.push(quote);
    out
}

/// Whether Python calls a character that is not ASCII printable. Rust escapes the same ones, and at the
/// beginning of a text those too that go with a letter before them.
fn printed(c: char) -> bool {
    !c.is_ascii() && format!("a{c}").escape_debug().nth(1) != Some('\\')
}

/// A character as Python escapes it.
pub(super) fn escaped(c: char) -> String {
    match u32::from(c) {
        code @ ..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}
