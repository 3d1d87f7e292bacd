//! Python's `%`, of numbers and of texts that are filled.

use std::iter::Peekable;
use std::str::Chars;

use minijinja::value::{Kwargs, Tuple, ValueKind};
use minijinja::{Error, Value};

use super::python::{as_float, escaped, float, narrow, refused, repr, text};

/// The filter that the operator `%` is written as. Its name is none that a template has.
pub(super) const MODULO: &str = "__modulo";

/// `left % right`.
pub(super) fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    if left.is_safe() {
        return Err(refused(
            "`%` on a text that is marked as safe escapes what it is given, which is not done here",
        ));
    }
    if let Some(format) = left.as_str() {
        return filled(format, right).map(Value::from);
    }
    let wrong = || {
        refused(format!(
            "`%` takes two numbers, or a text and what it is filled with, and found {} and {}",
            left.kind(),
            right.kind()
        ))
    };
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let rest = a.checked_rem(b).ok_or_else(|| refused("integer modulo by zero"))?;
        let rest = if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest };
        return Ok(integer(rest));
    }
    let (a, b) = (real(left).ok_or_else(wrong)?, real(right).ok_or_else(wrong)?);
    if b == 0.0 {
        return Err(refused("float modulo by zero"));
    }
    let rest = a % b;
    Ok(match rest != 0.0 {
        true if (rest < 0.0) != (b < 0.0) => rest + b,
        true => rest,
        false => 0.0_f64.copysign(b),
    }
    .into())
}

/// The filter `format`: a text filled with what is given in order, or by name.
pub(super) fn format(value: &Value, given: &[Value], named: Kwargs) -> Result<String, Error> {
    let names: Vec<String> = named.args().map(str::to_owned).collect();
    if !names.is_empty() && !given.is_empty() {
        return Err(refused("the filter `format` takes values in order or by name, not both"));
    }
    if value.is_safe() {
        return Err(refused(
            "a text that is marked as safe escapes what it is filled with, which is not done here",
        ));
    }
    let with = match names.is_empty() {
        true => Value::from(Tuple::from(given)),
        false => {
            let pairs = names.iter().map(|name| Ok((name.clone(), named.get::<Value>(name)?)));
            Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?)
        }
    };
    filled(&text(value)?, &with)
}

/// An integer as a value.
pub(super) fn integer(n: i128) -> Value {
    i64::try_from(n).map_or_else(|_| n.into(), Value::from)
}

/// An integer, or a truth value, which is one.
fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(value.is_true().into()),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    as_float(value).or_else(|| whole(value).map(|n| n as f64))
}

/// What a text is filled with.
struct Given<'a> {
    items: Vec<Value>,
    next: usize,
    /// What has keys, or is taken to have them: Python does not ask whether all of it was used.
    keyed: Option<&'a Value>,
}

impl<'a> Given<'a> {
    fn new(value: &'a Value) -> Result<Self, Error> {
        Ok(match value.is_tuple() {
            true => Self { items: value.try_iter()?.collect(), next: 0, keyed: None },
            false => {
                let keyed = matches!(
                    value.kind(),
                    ValueKind::Map | ValueKind::Seq | ValueKind::Iterable | ValueKind::Undefined
                );
                Self { items: vec![value.clone()], next: 0, keyed: keyed.then_some(value) }
            }
        })
    }

    fn take(&mut self) -> Result<Value, Error> {
        let item = self.items.get(self.next).cloned();
        self.next += 1;
        item.ok_or_else(|| refused("not enough arguments for format string"))
    }

    /// A number that a `*` stands for.
    fn number(&mut self) -> Result<i128, Error> {
        whole(&self.take()?).ok_or_else(|| refused("`*` in a format string wants an integer"))
    }

    fn choose(&mut self, key: &str) -> Result<(), Error> {
        let keyed = self.keyed.filter(|v| v.kind() == ValueKind::Map);
        let value = keyed.ok_or_else(|| refused("format requires a mapping"))?.get_item(&key.into())?;
        if value.is_undefined() {
            return Err(refused(format!(
                "the format string asks for `{key}`, which is not among what it is given"
            )));
        }
        (self.items, self.next) = (vec![value], 0);
        Ok(())
    }
}

/// How one value is put into a text.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// A text with what each `%` of it asks for.
fn filled(format: &str, with: &Value) -> Result<String, Error> {
    let mut given = Given::new(with)?;
    let (mut out, mut chars) = (String::new(), format.chars().peekable());
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        if chars.next_if_eq(&'(').is_some() {
            given.choose(&key(&mut chars)?)?;
        }
        let spec = Spec::read(&mut chars, &mut given)?;
        chars.next_if(|c| "hlL".contains(*c));
        match chars.next().ok_or_else(|| refused("incomplete format"))? {
            how if "diuoxXeEfFgGcrsa".contains(how) => out.push_str(&spec.put(how, &given.take()?)?),
            other => return Err(refused(format!("unsupported format character {other:?}"))),
        }
    }
    match given.next < given.items.len() && given.keyed.is_none() {
        true => Err(refused("not all arguments converted during string formatting")),
        false => Ok(out),
    }
}

/// A key, of which the opening bracket is read.
fn key(chars: &mut Peekable<Chars<'_>>) -> Result<String, Error> {
    let (mut key, mut depth) = (String::new(), 1);
    loop {
        let c = chars.next().ok_or_else(|| refused("incomplete format key"))?;
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return Ok(key);
        }
        key.push(c);
    }
}

/// The number that comes next; 0 where none does.
fn digits(chars: &mut Peekable<Chars<'_>>) -> usize {
    let mut n = 0_usize;
    while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        n = n.saturating_mul(10).saturating_add(digit as usize);
    }
    n
}

impl Spec {
    fn read(chars: &mut Peekable<Chars<'_>>, given: &mut Given<'_>) -> Result<Self, Error> {
        let mut spec = Self::default();
        while let Some(flag) = chars.next_if(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                '#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        let width = match chars.next_if_eq(&'*') {
            Some(_) => {
                let n = given.number()?;
                spec.left |= n < 0;
                usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)
            }
            None => digits(chars),
        };
        spec.width = narrow(width)?;
        if chars.next_if_eq(&'.').is_some() {
            let precision = match chars.next_if_eq(&'*') {
                Some(_) => usize::try_from(given.number()?.max(0)).unwrap_or(usize::MAX),
                None => digits(chars),
            };
            // Rust writes no more than 65535 digits, one less than the widest.
            spec.precision = Some(narrow(precision.saturating_add(1))? - 1);
        }
        Ok(spec)
    }

    fn put(&self, how: char, value: &Value) -> Result<String, Error> {
        let wrong =
            |wanted: &str| refused(format!("%{how} format: {wanted} is required, not {}", value.kind()));
        Ok(match how {
            's' | 'r' | 'a' => {
                let text = match how {
                    's' => text(value)?,
                    'r' => repr(value)?,
                    _ => ascii(&repr(value)?),
                };
                let cut = text.char_indices().nth(self.precision.unwrap_or(usize::MAX));
                self.padded("", "", cut.map_or(&text, |(at, _)| &text[..at]), false)
            }
            'c' => {
                let code = whole(value).map(|n| u32::try_from(n).ok().and_then(char::from_u32));
                let c = match (code, value.as_str()) {
                    (Some(code), _) => code.ok_or_else(|| refused("%c arg not in range(0x110000)"))?,
                    (None, Some(text)) if text.chars().count() == 1 => text.chars().next().unwrap_or(' '),
                    _ => return Err(wrong("an int or a char")),
                };
                self.padded("", "", &c.to_string(), false)
            }
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                // Only decimals are made of numbers that are not whole.
                let cut = || as_float(value).filter(|x| x.abs() < 1e38).map(|x| x.trunc() as i128);
                let decimal = matches!(how, 'd' | 'i' | 'u');
                let n = whole(value).or_else(|| cut().filter(|_| decimal));
                let n = n.ok_or_else(|| wrong(if decimal { "a real number" } else { "an integer" }))?;
                let size = n.unsigned_abs();
                let (digits, prefix) = match how {
                    'o' => (format!("{size:o}"), "0o"),
                    'x' => (format!("{size:x}"), "0x"),
                    'X' => (format!("{size:X}"), "0X"),
                    _ => (size.to_string(), ""),
                };
                let prefix = if self.alternate { prefix } else { "" };
                let digits = format!("{digits:0>0$}", self.precision.unwrap_or(0));
                self.padded(self.sign(n < 0), prefix, &digits, self.zero)
            }
            _ => {
                let x = real(value).ok_or_else(|| wrong("a real number"))?;
                let digits = self.digits(how.to_ascii_lowercase(), x.abs());
                let digits = if how.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
                self.padded(self.sign(x.is_sign_negative() && !x.is_nan()), "", &digits, self.zero)
            }
        })
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn padded(&self, sign: &str, prefix: &str, body: &str, zeros: bool) -> String {
        let count = sign.len() + prefix.len() + body.chars().count();
        let missing = self.width.saturating_sub(count);
        match (self.left, zeros) {
            (true, _) => format!("{sign}{prefix}{body}{}", " ".repeat(missing)),
            (false, true) => format!("{sign}{prefix}{}{body}", "0".repeat(missing)),
            (false, false) => format!("{}{sign}{prefix}{body}", " ".repeat(missing)),
        }
    }

    /// The digits of a float that is not negative.
    fn digits(&self, how: char, x: f64) -> String {
        if !x.is_finite() {
            return float(x);
        }
        let precision = self.precision.unwrap_or(6);
        let point = if self.alternate { "." } else { "" };
        let fixed = |places: usize| match places {
            0 => format!("{x:.0}{point}"),
            _ => format!("{x:.places$}"),
        };
        let power = |places: usize| {
            let all = format!("{x:.places$e}");
            let (digits, power) = all.split_once('e').unwrap_or((&all, "0"));
            (digits.to_owned(), power.parse::<i32>().unwrap_or(0))
        };
        let raised = |digits: &str, power: i32| {
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        };
        match how {
            'f' => fixed(precision),
            'e' => {
                let (digits, to) = power(precision);
                raised(&format!("{digits}{}", if precision == 0 { point } else { "" }), to)
            }
            _ => {
                let all = precision.max(1);
                let (digits, to) = power(all - 1);
                // No more digits than these, and no zeros behind them unless they are asked for.
                let bare = |digits: String| match digits.contains('.') && !self.alternate {
                    true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    false => digits,
                };
                let before = usize::try_from(to + 1).ok().filter(|before| *before <= all);
                match before {
                    Some(before) => bare(fixed(all - before)),
                    None if (-4..0).contains(&to) => bare(fixed(all - 1 + to.unsigned_abs() as usize)),
                    None => raised(&bare(format!("{digits}{}", if all == 1 { point } else { "" })), to),
                }
            }
        }
    }
}

/// What `ascii` makes of a `repr`.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => out.push_str(&escaped(c)),
        }
    }
    out
}
