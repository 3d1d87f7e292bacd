//! From numbers to pixels.
use super::super::number::{Num, fixed};
use super::super::plot::Axis;

/// A linear scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinearScale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl LinearScale {
    /// Maps `[low, high]` to pixels `[from, to]`; an empty domain maps to the middle.
    pub fn new((low, high): (f64, f64), from: f64, to: f64) -> Self {
        Self { low, high, from, to }
    }

    pub fn at(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span > 0.0 && span.is_finite() {
            self.from + (value - self.low) / span * (self.to - self.from)
        } else {
            f64::midpoint(self.from, self.to)
        }
    }

    /// Whether `value` lies in the domain.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Both ends of the domain.
    pub fn domain(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Both ends in pixels.
    pub fn range(&self) -> (f64, f64) {
        (self.from, self.to)
    }
}

/// The smallest and largest finite value, if there is one.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |seen, v| match seen {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// The domain of an axis: its range widened to the data; without a range, the data and a margin
/// on round numbers. No data at all give `[0, 1]`, equal data a margin on both sides.
pub(super) fn domain(axis: &Axis, values: impl Iterator<Item = f64>, ticks: usize) -> (f64, f64) {
    let data = extent(values);
    if let Some([low, high]) = axis.range.as_ref().map(|r| [r[0].get(), r[1].get()])
        && let (Some(low), Some(high)) = (low, high)
        && low < high
    {
        return data.map_or((low, high), |(l, h)| (low.min(l), high.max(h)));
    }
    let Some((low, high)) = data else { return (0.0, 1.0) };
    if low == high {
        let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        return (low - margin, high + margin);
    }
    let step = step(low, high, ticks);
    let (l, h) = ((low / step).floor() * step, (high / step).ceil() * step);
    if l.is_finite() && h.is_finite() { (l, h) } else { (low, high) }
}

/// The round distance between about `ticks` ticks: 1, 2, 2.5 or 5 times a power of ten.
fn step(low: f64, high: f64, ticks: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // a handful of ticks
    let raw = (high / ticks.max(1) as f64 - low / ticks.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let unit = raw / power;
    let round = [1.0, 2.0, 2.5, 5.0].into_iter().find(|r| unit <= *r * 1.000_001).unwrap_or(10.0);
    let step = round * power;
    if step > 0.0 && step.is_finite() { step } else { (high - low).max(1.0) }
}

/// Ticks inside the domain, with their labels.
pub(super) fn ticks(scale: &LinearScale, about: usize, whole: bool) -> Vec<(f64, String)> {
    let (low, high) = scale.domain();
    let mut step = step(low, high, about);
    if whole {
        step = step.max(1.0).round();
    }
    let digits = decimals(step);
    let first = (low / step - 1e-9).ceil();
    let mut out = Vec::new();
    let mut i = 0.0;
    while out.len() < 50 {
        let value = (first + i) * step;
        if value > high + step * 1e-9 || !value.is_finite() {
            break;
        }
        out.push((value, plain(value, digits)));
        i += 1.0;
    }
    out
}

fn decimals(step: f64) -> usize {
    (0..9)
        .find(|d| {
            let scaled = step * 10_f64.powi(*d);
            (scaled - scaled.round()).abs() < scaled.abs() * 1e-6
        })
        .map_or(9, |d| usize::try_from(d).unwrap_or(0))
}

/// A tick's label; very large and very small numbers in powers of ten.
fn plain(value: f64, digits: usize) -> String {
    if value != 0.0 && (value.abs() >= 1e6 || digits >= 6) {
        return format!("{value:.1e}").replace('-', "\u{2212}");
    }
    fixed(value, digits)
}

/// Whether all known values are whole numbers, as layers are.
pub(super) fn all_whole<'a>(mut values: impl Iterator<Item = &'a Num>) -> bool {
    values.all(|v| v.get().is_none_or(|v| v.fract() == 0.0))
}
