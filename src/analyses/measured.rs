//! A number of an analysis, with its interval and null, as a report writes it.

use crate::analyses::stat::{self, Measured};
use truenorth_report::{Block, Cell, CurvePoint, ForestRow, Interval, Measure, Null, Num, Sample};

/// The measure of a finding.
pub(crate) fn measure(name: impl Into<String>, m: &Measured, digits: usize) -> Measure {
    Measure { name: name.into(), value: m.value.into(), digits }
}

/// The sample of a finding.
pub(crate) fn sample(m: &Measured, of: impl Into<String>) -> Sample {
    Sample::new(m.n as u64, of)
}

/// The interval of a finding, or why there is none.
pub(crate) fn interval(m: &Measured) -> Interval {
    match m.interval {
        Some(i) => Interval {
            low: i.low.into(),
            high: i.high.into(),
            level: i.level.into(),
            method: m.method.clone(),
        },
        None => Interval::none(&m.method),
    }
}

/// The null of a finding, or why there is none.
pub(crate) fn null(m: &Measured) -> Null {
    let Some(null) = &m.null else { return Null::none("nothing is tested") };
    let end = |i: usize| match null.range {
        Some(range) => Num::new(range[i]),
        None => Num::missing(format!("the null expects {:.3}; its range was not computed", null.expected)),
    };
    Null {
        method: null.what.clone(),
        low: end(0),
        high: end(1),
        p: null.p.into(),
        draws: null.draws.map(|d| d as u64),
    }
}

/// The estimate with its interval, in a table.
pub(crate) fn cell(m: &Measured, digits: usize) -> Cell {
    let bound = |f: fn(truenorth_stats::math::Interval) -> f64| {
        m.interval.map_or_else(|| Num::missing(m.method.as_str()), |i| f(i).into())
    };
    Cell::estimate(m.value, bound(|i| i.low), bound(|i| i.high), digits)
}

/// The estimate, or why there is none.
pub(crate) fn maybe(m: Option<&Measured>, digits: usize, why: &str) -> Cell {
    m.map_or_else(|| Cell::empty(why), |m| cell(m, digits))
}

/// What the null expects, with its central range where that is known.
pub(crate) fn null_cell(m: &Measured, digits: usize) -> Cell {
    match &m.null {
        None => Cell::empty("nothing is tested"),
        Some(null) => match null.range {
            Some([low, high]) => Cell::estimate(null.expected, low, high, digits),
            None => Cell::number(null.expected, digits),
        },
    }
}

/// p against the null.
pub(crate) fn p_cell(m: &Measured) -> Cell {
    m.null
        .as_ref()
        .map_or_else(|| Cell::empty("nothing is tested"), |n| Cell::p(n.p, n.draws.map(|d| d as u64)))
}

/// Both ends of the interval.
pub(crate) fn ends(m: &Measured) -> [Num; 2] {
    match m.interval {
        Some(i) => [i.low.into(), i.high.into()],
        None => [Num::missing(m.method.as_str()), Num::missing(m.method.as_str())],
    }
}

/// A point of a line with its band.
pub(crate) fn point(x: f64, m: &Measured) -> CurvePoint {
    let point = CurvePoint::new(x, m.value);
    match m.interval {
        Some(i) => point.band(i.low, i.high),
        None => point,
    }
}

/// Whether the whole interval lies beyond the null's range; none where either is not known.
pub(crate) fn beyond(m: &Measured) -> Option<bool> {
    let (i, range) = (m.interval?, m.null.as_ref()?.range?);
    Some(i.low > range[1] || i.high < range[0])
}

/// How many resamples stand behind intervals, in words for captions.
pub(crate) fn bands() -> String {
    format!("bands: {:.0} % intervals, bootstrap with {} resamples", 100.0 * stat::LEVEL, stat::RESAMPLES)
}

/// An id that an address can hold.
pub(crate) fn id(parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    parts.join("-").chars().map(plain).collect()
}

/// The estimate in a forest plot, with its interval and the range of its null.
pub(crate) fn forest_row(group: Option<&str>, label: &str, m: &Measured) -> ForestRow {
    ForestRow {
        label: label.into(),
        group: group.map(Into::into),
        estimate: m.value.into(),
        interval: ends(m),
        null: m.null.as_ref().and_then(|n| n.range).map(|r| r.map(Num::new)),
        n: m.n as u64,
        status: None,
    }
}

/// What an analysis says that it does not show.
pub(crate) fn limits(not_shown: &[String]) -> Block {
    Block::List { ordered: false, items: not_shown.iter().map(|s| s.as_str().into()).collect() }
}
