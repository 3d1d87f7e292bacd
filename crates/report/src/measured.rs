//! A reported number as a document shows it: the only way from one to the other.

use truenorth_stats::number::{LEVEL, Number, RESAMPLES};

use crate::document::Block;
use crate::finding::{Measure, ReportedInterval, ReportedNull, Sample};
use crate::number::Num;
use crate::plot::{CurvePoint, ForestRow};
use crate::table::Cell;

/// Why a number without a null has none.
const UNTESTED: &str = "nothing is tested";

impl Measure {
    /// A measured number under the name it is printed with.
    #[must_use]
    pub fn of(name: impl Into<String>, number: &Number, digits: usize) -> Self {
        Self { name: name.into(), value: number.value.into(), digits }
    }
}

impl Sample {
    /// What the number rests on, and how many of it a difference from the null like the one seen would take.
    #[must_use]
    pub fn of(number: &Number, what: impl Into<String>) -> Self {
        let what = what.into();
        let what = match number.power() {
            Some(power) => format!("{what}; {power}"),
            None => what,
        };
        Self::new(number.n as u64, what)
    }
}

impl ReportedInterval {
    /// The interval of a number, or why there is none.
    #[must_use]
    pub fn of(number: &Number) -> Self {
        match number.interval {
            Some(i) => Self {
                low: i.low.into(),
                high: i.high.into(),
                level: i.level.into(),
                method: number.method.clone(),
            },
            None => Self::none(&number.method),
        }
    }
}

impl ReportedNull {
    /// The null of a number, or that it has none.
    #[must_use]
    pub fn of(number: &Number) -> Self {
        let Some(null) = &number.null else { return Self::none(UNTESTED) };
        let end = |i: usize| match null.range {
            Some(range) => Num::new(range[i]),
            None => {
                Num::missing(format!("the null expects {:.3}; its range was not computed", null.expected))
            }
        };
        Self {
            test: Some(null.test),
            method: null.what.clone(),
            low: end(0),
            high: end(1),
            p: null.p.into(),
            draws: null.draws.map(|d| d as u64),
        }
    }
}

impl Num {
    /// Both ends of the interval of a number, or why there is none.
    #[must_use]
    pub fn ends(number: &Number) -> [Self; 2] {
        match number.interval {
            Some(i) => [i.low.into(), i.high.into()],
            None => [Self::missing(number.method.as_str()), Self::missing(number.method.as_str())],
        }
    }
}

impl Cell {
    /// A measured number with the ends of its interval.
    #[must_use]
    pub fn of(number: &Number, digits: usize) -> Self {
        let [low, high] = Num::ends(number);
        Self::estimate(number.value, low, high, digits)
    }

    /// The number, or why there is none.
    #[must_use]
    pub fn maybe(number: Option<&Number>, digits: usize, why: &str) -> Self {
        number.map_or_else(|| Self::empty(why), |m| Self::of(m, digits))
    }

    /// What the null expects, with its central range where that is known.
    #[must_use]
    pub fn null_of(number: &Number, digits: usize) -> Self {
        match &number.null {
            None => Self::empty(UNTESTED),
            Some(null) => match null.range {
                Some([low, high]) => Self::estimate(null.expected, low, high, digits),
                None => Self::number(null.expected, digits),
            },
        }
    }

    /// p against the null.
    #[must_use]
    pub fn p_of(number: &Number) -> Self {
        let null = number.null.as_ref();
        null.map_or_else(|| Self::empty(UNTESTED), |n| Self::p(n.test, n.p, n.draws.map(|d| d as u64)))
    }
}

impl CurvePoint {
    /// The number at a place, with its interval as a band.
    #[must_use]
    pub fn of(x: f64, number: &Number) -> Self {
        let point = Self::new(x, number.value);
        match number.interval {
            Some(i) => point.band(i.low, i.high),
            None => point,
        }
    }
}

impl ForestRow {
    /// The number with its interval and the range of its null.
    #[must_use]
    pub fn of(group: Option<&str>, label: &str, number: &Number) -> Self {
        Self {
            label: label.into(),
            group: group.map(Into::into),
            estimate: number.value.into(),
            interval: Num::ends(number),
            null: number.null.as_ref().and_then(|n| n.range).map(|r| r.map(Num::new)),
            n: number.n as u64,
            status: None,
        }
    }
}

impl Block {
    /// What an analysis says that it does not show.
    #[must_use]
    pub fn limits(not_shown: &[String]) -> Self {
        Self::List { ordered: false, items: not_shown.iter().map(|s| s.as_str().into()).collect() }
    }
}

/// How many resamples stand behind intervals, in words for captions.
#[must_use]
pub fn bands() -> String {
    format!("bands: {:.0} % intervals, bootstrap with {RESAMPLES} resamples", 100.0 * LEVEL)
}

/// An id that an address can hold.
#[must_use]
pub fn id(parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    parts.join("-").chars().map(plain).collect()
}
