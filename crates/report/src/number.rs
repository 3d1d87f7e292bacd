//! Numbers that cannot lose their reason for being absent.
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};
use truenorth_stats::math::p_cell;

/// A finite number, or the reason why there is none.
///
/// In JSON a plain number, or `{"value": null, "reason": "…"}`. NaN and the infinities become
/// a missing number that says so, which is why no report can hold one silently.
#[derive(Clone, Debug, PartialEq)]
pub struct Num(FiniteOrMissing);

#[derive(Clone, Debug, PartialEq)]
enum FiniteOrMissing {
    Finite(f64),
    Missing(String),
}

impl Num {
    /// Wraps `value`; what is not finite becomes missing.
    #[must_use]
    pub fn new(value: f64) -> Self {
        if value.is_finite() {
            Self(FiniteOrMissing::Finite(value))
        } else if value.is_nan() {
            Self::missing("not a number")
        } else if value > 0.0 {
            Self::missing("positive infinity")
        } else {
            Self::missing("negative infinity")
        }
    }

    /// No number, for a stated reason.
    #[must_use]
    pub fn missing(reason: impl Into<String>) -> Self {
        Self(FiniteOrMissing::Missing(reason.into()))
    }

    /// The number, if there is one; always finite.
    #[must_use]
    pub fn get(&self) -> Option<f64> {
        match self.0 {
            FiniteOrMissing::Finite(value) => Some(value),
            FiniteOrMissing::Missing(_) => None,
        }
    }

    /// Why there is no number; none where there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.0 {
            FiniteOrMissing::Finite(_) => None,
            FiniteOrMissing::Missing(reason) => Some(reason),
        }
    }
}

impl Default for Num {
    fn default() -> Self {
        Self::missing("not computed")
    }
}

impl From<f64> for Num {
    fn from(value: f64) -> Self {
        Self::new(value)
    }
}

impl From<f32> for Num {
    fn from(value: f32) -> Self {
        Self::new(f64::from(value))
    }
}

impl From<Option<f64>> for Num {
    fn from(value: Option<f64>) -> Self {
        value.map_or_else(Self::default, Self::new)
    }
}

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            FiniteOrMissing::Finite(value) => serializer.serialize_f64(*value),
            FiniteOrMissing::Missing(reason) => {
                let mut out = serializer.serialize_struct("Missing", 2)?;
                out.serialize_field("value", &None::<f64>)?;
                out.serialize_field("reason", reason)?;
                out.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumWire {
            Finite(f64),
            Missing { reason: String },
        }
        Ok(match NumWire::deserialize(deserializer)? {
            NumWire::Finite(value) => Self::new(value),
            NumWire::Missing { reason } => Self::missing(reason),
        })
    }
}

/// `value` with `digits` decimals, a true minus sign, and no negative zero.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    match plain.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => plain,
    }
}

/// `value` with a sign always written, except for a rounded zero.
pub(super) fn signed(value: f64, digits: usize) -> String {
    let text = fixed(value, digits);
    if text.starts_with('\u{2212}') || text.bytes().all(|b| b == b'0' || b == b'.') {
        text
    } else {
        format!("+{text}")
    }
}

/// A count; from five digits on with narrow spaces between groups of three.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if digits.len() > 4 && i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// [`fixed`], or a dash for a missing number.
pub(super) fn or_dash(value: &Num, digits: usize) -> String {
    value.get().map_or_else(|| "–".to_owned(), |v| fixed(v, digits))
}

/// `[low, high]`, or that there is none.
pub(super) fn bracket(low: &Num, high: &Num, digits: usize) -> String {
    match (low.get(), high.get()) {
        (None, None) => "no interval".to_owned(),
        _ => format!("[{}, {}]", or_dash(low, digits), or_dash(high, digits)),
    }
}

/// A p value the way papers print it; with `draws` random draws no value below 1/(draws+1) can be told apart.
pub(super) fn p_value(value: &Num, draws: Option<u64>) -> String {
    let draws = draws.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    value.get().map_or_else(|| "–".to_owned(), |p| p_cell(p, draws))
}
