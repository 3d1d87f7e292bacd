//! What Python does to strings where it differs from Rust or is not among the methods of `minijinja-contrib`.

use minijinja::value::from_args;
use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat;

/// What Python's `str.strip` takes for white space: that of Unicode, and four separators of ASCII.
pub(super) fn space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The side that is stripped.
#[derive(Clone, Copy)]
enum Side {
    Both,
    Left,
    Right,
}

fn strip(text: &str, chars: Option<&str>, side: Side) -> String {
    let gone = |c: char| chars.map_or_else(|| space(c), |chars| chars.contains(c));
    match side {
        Side::Both => text.trim_matches(gone),
        Side::Left => text.trim_start_matches(gone),
        Side::Right => text.trim_end_matches(gone),
    }
    .to_owned()
}

/// The filter `trim`.
pub(super) fn trim(text: &Value, chars: Option<&str>) -> String {
    strip(&text.to_string(), chars, Side::Both)
}

/// Methods of values.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return pycompat::unknown_method_callback(state, value, name, args);
    };
    let side = match name {
        "strip" => Some(Side::Both),
        "lstrip" => Some(Side::Left),
        "rstrip" => Some(Side::Right),
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
        "partition" => {
            let (at,): (&str,) = from_args(args)?;
            Ok(parts(text.split_once(at), at, [text, "", ""]))
        }
        "rpartition" => {
            let (at,): (&str,) = from_args(args)?;
            Ok(parts(text.rsplit_once(at), at, ["", "", text]))
        }
        "rsplit" => {
            let (at, most): (&str, Option<usize>) = from_args(args)?;
            let mut all: Vec<&str> = match most {
                Some(most) => text.rsplitn(most + 1, at).collect(),
                None => text.rsplit(at).collect(),
            };
            all.reverse();
            Ok(all.into_iter().map(Value::from).collect())
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn parts(found: Option<(&str, &str)>, at: &str, none: [&str; 3]) -> Value {
    let all = found.map_or(none, |(before, after)| [before, at, after]);
    all.into_iter().map(Value::from).collect()
}
