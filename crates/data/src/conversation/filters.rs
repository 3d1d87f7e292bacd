//! Filters, tests and functions of Jinja2 that `minijinja` lacks or answers otherwise.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, Output, State, Value, escape_formatter};
use minijinja_contrib::globals;

use super::macros;
use super::percent::{self, format, integer, modulo};
use super::python::{WIDEST, as_float, lines, narrow, refused, repr, space, text};
use super::source;

/// Adds them all.
pub(super) fn add(inner: &mut Environment<'_>) {
    inner.set_formatter(shown);
    // Jinja2 has none of these, and refuses a template that uses them; its `attr` sees no key of a dict.
    for name in ["split", "lines", "bool", "zip", "chain", "attr"] {
        inner.remove_filter(name);
    }
    inner.remove_global("debug");
    for name in ["safe", "startingwith", "endingwith", "int"] {
        inner.remove_test(name);
    }
    inner.add_test("sequence", |v: &Value| {
        // Lists that were put together or cut, and ranges, have a length; what a filter yields item by item has none.
        let known = v.kind() == ValueKind::Iterable && v.len().is_some();
        known || v.is_undefined() || matches!(v.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
    inner.add_test("iterable", |v: &Value| !v.is_none() && v.try_iter().is_ok());
    inner.add_filter("indent", indent);
    inner.add_filter("e", escape);
    inner.add_filter("escape", escape);
    inner.add_filter("string", text);
    inner.add_filter(source::TEXT, text);
    inner.add_filter(percent::MODULO, modulo);
    inner.add_filter(macros::VARIADIC, macros::variadic);
    inner.add_filter("format", format);
    inner.add_filter("upper", upper);
    inner.add_filter("lower", lower);
    inner.add_filter("join", join);
    inner.add_filter("float", number);
    inner.add_filter("pprint", pprint);
    inner.add_filter("round", round);
    inner.add_filter("int", int);
    inner.add_filter("wordcount", wordcount);
    inner.add_filter("truncate", truncate);
    inner.add_filter("urlencode", urlencode);
    inner.add_filter("center", center);
    inner.add_function("joiner", globals::joiner);
    inner.add_function("cycler", |items: Rest<Value>| globals::cycler(items.to_vec()));
}

/// What is printed, as Python's `str` has it.
fn shown(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            out.write_str(&text(value)?).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

/// `str` of both, in large or small letters.
fn upper(value: &Value) -> Result<String, Error> {
    Ok(text(value)?.to_uppercase())
}

fn lower(value: &Value) -> Result<String, Error> {
    Ok(text(value)?.to_lowercase())
}

/// The items as texts, or what an attribute of each is, such as `content.0.text`.
fn join(
    value: &Value,
    between: Option<Value>,
    attribute: Option<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let between = between.or(kwargs.get("d")?).map_or_else(|| Ok(String::new()), |d| text(&d))?;
    let attribute = attribute.or(kwargs.get("attribute")?).filter(|a| !a.is_none());
    kwargs.assert_all_used()?;
    if value.is_none() {
        return Err(refused("join takes what has items, and found none"));
    }
    let path = attribute.map(|a| text(&a)).transpose()?;
    let part = |item: Value, name: &str| match name.parse::<usize>() {
        Ok(at) => item.get_item(&at.into()),
        Err(_) => item.get_attr(name),
    };
    let shown = value.try_iter()?.map(|item| {
        let item = path.iter().flat_map(|p| p.split('.')).try_fold(item, part)?;
        text(&item)
    });
    Ok(shown.collect::<Result<Vec<_>, Error>>()?.join(&between))
}

/// `float(x)`, else the default.
fn number(value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| 0.0.into());
    kwargs.assert_all_used()?;
    Ok(match value.kind() {
        ValueKind::Bool => f64::from(u8::from(value.is_true())).into(),
        ValueKind::Number => f64::try_from(value.clone())?.into(),
        ValueKind::String => {
            let text = latin(value.as_str().unwrap_or_default())?;
            read_float(text).map_or(default, Value::from)
        }
        _ => default,
    })
}

/// Refuses numbers in digits of another script, which Python reads.
fn latin(text: &str) -> Result<&str, Error> {
    match text.chars().find(|c| !c.is_ascii() && c.is_numeric()) {
        Some(c) => {
            Err(refused(format!("a number is read in the digits 0 to 9 alone, and {text:?} has {c:?}")))
        }
        None => Ok(text),
    }
}

/// A text without the low lines that stand between digits; none where one stands elsewhere.
fn without_low_lines(text: &str, digit: impl Fn(u8) -> bool) -> Option<String> {
    let at = |i: Option<usize>| i.and_then(|i| text.as_bytes().get(i)).is_some_and(|c| digit(*c));
    let between = text.match_indices('_').all(|(i, _)| at(i.checked_sub(1)) && at(Some(i + 1)));
    between.then(|| text.replace('_', ""))
}

/// What `float` makes of a text.
fn read_float(text: &str) -> Option<f64> {
    without_low_lines(text.trim_matches(space), |c| c.is_ascii_digit())?.parse().ok()
}

/// To so many places behind the point, or before it.
fn round(
    value: Value,
    precision: Option<i32>,
    method: Option<String>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let precision = precision.or(kwargs.get("precision")?).unwrap_or(0);
    let method = method.or(kwargs.get("method")?).unwrap_or_else(|| "common".into());
    kwargs.assert_all_used()?;
    // Python makes a float of what it rounds up or down.
    let value = match value.is_integer() && method != "common" {
        true => f64::try_from(value)?.into(),
        false => value,
    };
    minijinja::filters::round(
        value,
        Some(precision),
        Some(&method),
        std::iter::empty::<(String, Value)>().collect(),
    )
}

/// `repr` of what stays one line; a list or dict would be sorted, and what is longer than 80 characters broken.
fn pprint(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool | ValueKind::None => repr(value),
        ValueKind::String if repr(value)?.chars().count() <= 80 => repr(value),
        other => Err(refused(format!("the filter `pprint` of a {other} is not done here"))),
    }
}

fn indent(
    value: &Value,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width = width.or(kwargs.get("width")?);
    let first = first.or(kwargs.get("first")?).unwrap_or(false);
    let blank = blank.or(kwargs.get("blank")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let before = match &width {
        None => "    ".to_owned(),
        Some(w) => match (w.as_str(), w.as_usize()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(n)) if n <= WIDEST => " ".repeat(n),
            _ => return Err(refused("the width of an indentation is a number or a text")),
        },
    };
    let all =
        value.as_str().ok_or_else(|| refused(format!("indent takes a text, and found {}", value.kind())))?;
    let all = format!("{all}\n");
    let mut out = String::new();
    for (i, line) in lines(&all, false).into_iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&before);
        }
        out.push_str(line);
    }
    Ok(out)
}

/// A text that is marked as safe, which is not escaped twice.
fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let mut out = String::new();
    for c in text(value)?.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    Ok(Value::from_safe_string(out))
}

/// `int(x)`, or of a text `int(float(x))`, else the default.
fn int(value: &Value, default: Option<Value>, base: Option<u32>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| 0.into());
    let base = base.or(kwargs.get("base")?).unwrap_or(10);
    kwargs.assert_all_used()?;
    if !(2..=36).contains(&base) {
        return Err(refused("the base of a number is from 2 to 36"));
    }
    let large = || refused("a number of more than 38 digits is not read here");
    let whole = |x: f64| match x.trunc() {
        x if !x.is_finite() => Ok(default.clone()),
        x if x.abs() < 1e38 => Ok(integer(x as i128)),
        _ => Err(large()),
    };
    let read = |text: &str| {
        let text = latin(text)?.trim_matches(space);
        let other = match base {
            2 => Some(["0b", "0B"]),
            8 => Some(["0o", "0O"]),
            16 => Some(["0x", "0X"]),
            _ => None,
        };
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let bare = other.and_then(|all| all.into_iter().find_map(|p| unsigned.strip_prefix(p)));
        let digits = without_low_lines(bare.unwrap_or(unsigned), |c| char::from(c).is_digit(base));
        let digits = digits.filter(|d| !d.is_empty() && d.chars().all(|c| c.is_digit(base)));
        match digits {
            Some(digits) => {
                let size = i128::from_str_radix(&digits, base).map_err(|_| large())?;
                Ok(integer(if text.starts_with('-') { -size } else { size }))
            }
            None => read_float(text).map_or_else(|| Ok(default.clone()), whole),
        }
    };
    Ok(match value.kind() {
        ValueKind::Bool => i64::from(value.is_true()).into(),
        ValueKind::Number => match as_float(value) {
            Some(x) => whole(x)?,
            None => value.clone(),
        },
        ValueKind::String => read(value.as_str().unwrap_or_default())?,
        _ => default,
    })
}

/// Runs of letters, digits and low lines.
fn wordcount(value: &Value) -> Result<usize, Error> {
    let text = text(value)?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    Ok(text.split(|c| !word(c)).filter(|w| !w.is_empty()).count())
}

fn truncate(
    value: &Value,
    length: Option<usize>,
    killwords: Option<bool>,
    end: Option<String>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let length = length.or(kwargs.get("length")?).unwrap_or(255);
    let killwords = killwords.or(kwargs.get("killwords")?).unwrap_or(false);
    let end = end.or(kwargs.get("end")?).unwrap_or_else(|| "...".into());
    let leeway = kwargs.get::<Option<usize>>("leeway")?.unwrap_or(5);
    kwargs.assert_all_used()?;
    let whole = text(value)?;
    let (count, tail) = (whole.chars().count(), end.chars().count());
    if length < tail {
        return Err(refused(format!("expected length >= {tail}, got {length}")));
    }
    if count <= length + leeway {
        return Ok(whole);
    }
    let cut: String = whole.chars().take(length - tail).collect();
    let kept = if killwords { &cut } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(before, _)| before) };
    Ok(format!("{kept}{end}"))
}

fn urlencode(value: &Value) -> Result<String, Error> {
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return Err(refused("urlencode takes a text"));
    }
    let mut out = String::new();
    for byte in text(value)?.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' | b'/' => {
                out.push(byte.into())
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(out)
}

fn center(value: &Value, width: Option<usize>) -> Result<String, Error> {
    let (text, width) = (text(value)?, narrow(width.unwrap_or(80))?);
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left)))
}
