//! Filters, tests and functions of Jinja2 that `minijinja` lacks or answers otherwise.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, Output, State, Value, escape_formatter};
use minijinja_contrib::globals;

use super::python::{WIDEST, as_float, float, lines, narrow, refused};

/// Adds them all.
pub(super) fn add(inner: &mut Environment<'_>) {
    inner.set_formatter(shown);
    inner.add_test("sequence", |v: &Value| {
        v.is_undefined() || matches!(v.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
    inner.add_test("iterable", |v: &Value| !v.is_none() && v.try_iter().is_ok());
    inner.add_filter("indent", indent);
    inner.add_filter("e", escape);
    inner.add_filter("escape", escape);
    inner.add_filter("string", text);
    inner.add_filter("int", int);
    inner.add_filter("wordcount", wordcount);
    inner.add_filter("truncate", truncate);
    inner.add_filter("urlencode", urlencode);
    inner.add_filter("center", center);
    inner.add_function("joiner", globals::joiner);
    inner.add_function("cycler", |items: Rest<Value>| globals::cycler(items.to_vec()));
}

/// What is printed: floats as Python has them.
fn shown(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match as_float(value) {
        Some(x) => out.write_str(&float(x)).map_err(Error::from),
        None => {
            alike(value)?;
            escape_formatter(out, state, value)
        }
    }
}

/// Refuses lists and dicts with floats in them that Python would print in another form.
fn alike(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Number => match as_float(value) {
            Some(x) if float(x).contains(['e', 'n']) => Err(refused(format!(
                "a list or dict with the float {} is not printed as Python does",
                float(x)
            ))),
            _ => Ok(()),
        },
        ValueKind::Seq => value.try_iter()?.try_for_each(|item| alike(&item)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| alike(&value.get_item(&key)?)),
        _ => Ok(()),
    }
}

/// `str` of a value.
fn text(value: &Value) -> Result<String, Error> {
    match as_float(value) {
        Some(x) => Ok(float(x)),
        None => alike(value).map(|()| value.to_string()),
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
    let all = format!("{}\n", text(value)?);
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

fn escape(value: &Value) -> Result<String, Error> {
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
    Ok(out)
}

/// `int(x)`, or of a text `int(float(x))`, else the default.
fn int(value: &Value, default: Option<Value>, base: Option<u32>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default.or(kwargs.get("default")?).unwrap_or_else(|| 0.into());
    let base = base.or(kwargs.get("base")?).unwrap_or(10);
    kwargs.assert_all_used()?;
    let whole = |x: f64| (x.is_finite() && x.abs() < 1e18).then(|| Value::from(x.trunc() as i64));
    let read = |text: &str| {
        let text = text.trim();
        let digits = text.replace('_', "");
        let other = match base {
            2 => Some(["0b", "0B"]),
            8 => Some(["0o", "0O"]),
            16 => Some(["0x", "0X"]),
            _ => None,
        };
        let bare = other.and_then(|all| all.into_iter().find_map(|p| digits.strip_prefix(p)));
        let number = i64::from_str_radix(bare.unwrap_or(&digits), base).ok().map(Value::from);
        number.or_else(|| whole(digits.parse().ok()?))
    };
    if !(2..=36).contains(&base) {
        return Err(refused("the base of a number is from 2 to 36"));
    }
    Ok(match value.kind() {
        ValueKind::Bool => i64::from(value.is_true()).into(),
        ValueKind::Number => match as_float(value) {
            Some(x) => whole(x).unwrap_or(default),
            None => value.clone(),
        },
        ValueKind::String => value.as_str().and_then(read).unwrap_or(default),
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
