//! Decimals of Parquet: whole numbers of a power of ten.

use serde_json::{Number, Value};

/// Digits that a 64-bit float always keeps.
const KEPT: usize = 15;

/// A decimal: labels 0 and 1 are often kept as such by databases.
#[derive(Debug, PartialEq)]
pub(in super::super) enum DecimalNumber {
    /// A whole number, whatever zeros its column has behind the point.
    Whole(i128),
    /// A number with a fraction, as its digits.
    Fraction(String),
}

impl DecimalNumber {
    /// Of the bytes that a file has for it, the most significant first, and its digits behind the point; `None` where
    /// it has more digits than any writer gives one.
    pub(in super::super) fn of(bytes: &[u8], scale: i32) -> Option<Self> {
        let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
        let fill = if negative { 0xff } else { 0 };
        let (longer, kept) = bytes.split_at(bytes.len().saturating_sub(16));
        let mut wide = [fill; 16];
        wide[16 - kept.len()..].copy_from_slice(kept);
        let unscaled = i128::from_be_bytes(wide);
        if longer.iter().any(|b| *b != fill) || (unscaled < 0) != negative {
            return None;
        }
        if unscaled == 0 {
            return Some(Self::Whole(0));
        }
        let unit = 10_i128.checked_pow(u32::try_from(scale).ok()?)?;
        if unscaled % unit == 0 {
            return Some(Self::Whole(unscaled / unit));
        }
        let (unit, digits) = (unit.unsigned_abs(), unscaled.unsigned_abs());
        let sign = if negative { "-" } else { "" };
        let width = usize::try_from(scale).ok()?;
        let text = format!("{sign}{}.{:0>width$}", digits / unit, digits % unit);
        Some(Self::Fraction(text.trim_end_matches('0').to_owned()))
    }

    /// As JSON: a number where one says all of it, else its digits.
    pub(in super::super) fn value(self) -> Value {
        match self {
            Self::Whole(n) => match (i64::try_from(n), u64::try_from(n)) {
                (Ok(n), _) => n.into(),
                (_, Ok(n)) => n.into(),
                _ => n.to_string().into(),
            },
            Self::Fraction(text) => {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                let number = text.parse::<f64>().ok().filter(|_| digits <= KEPT).and_then(Number::from_f64);
                number.map_or(Value::String(text), Value::Number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_numbers_that_they_say() {
        let of = |n: i128, scale| DecimalNumber::of(&n.to_be_bytes(), scale).map(DecimalNumber::value);
        for (unscaled, scale, expected) in [
            (0, 0, Value::from(0)),
            (1, 0, Value::from(1)),
            (100, 2, Value::from(1)),
            (-200, 2, Value::from(-2)),
            (5, 1, Value::from(0.5)),
            (-5, 1, Value::from(-0.5)),
            (1250, 3, Value::from(1.25)),
            (-105, 2, Value::from(-1.05)),
            (1_234_567_890_123_456_789, 9, Value::from("1234567890.123456789")),
            (10_i128.pow(30), 0, Value::from("1000000000000000000000000000000")),
        ] {
            assert_eq!(of(unscaled, scale), Some(expected), "{unscaled} {scale}");
        }
        // However many bytes there are.
        for bytes in [&[1][..], &[0, 1], &[0; 20], &[0xff], &[0xff; 20]] {
            assert!(DecimalNumber::of(bytes, 0).is_some(), "{bytes:?}");
        }
        assert_eq!(DecimalNumber::of(&[0xff; 20], 0), Some(DecimalNumber::Whole(-1)));
        assert_eq!(DecimalNumber::of(&[1; 17], 0), None);
        assert_eq!(of(1, 39), None);
    }
}
