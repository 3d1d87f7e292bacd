//! The small picture beside a finding: its number and interval over its null.
use super::super::finding::Finding;
use super::canvas::Canvas;
use super::forest::{estimate, null_bar};
use super::scale::{LinearScale, extent};
use super::{Drawing, Palette, PlotWidth};

const WIDTH: f64 = 150.0;

/// Draws the number, interval and null of `finding`; none where the number is missing.
pub(crate) fn spark(finding: &Finding) -> Option<Drawing> {
    let value = finding.measure.value.get()?;
    let interval = (finding.interval.low.get(), finding.interval.high.get());
    let null = (finding.null.low.get(), finding.null.high.get());
    let known = [Some(value), interval.0, interval.1, null.0, null.1];
    let (low, high) = extent(known.into_iter().flatten())?;
    let mut c = Canvas::new(PlotWidth::Compact, Palette::default());
    c.width = WIDTH;
    c.height = 26.0;
    let x = LinearScale::new((low, high), 8.0, WIDTH - 8.0);
    c.line((2.0, 13.0), (WIDTH - 2.0, 13.0), "gr");
    if let (Some(low), Some(high)) = null {
        null_bar(&mut c, (x.at(low), x.at(high)), 13.0);
    }
    let ends = (x.at(interval.0.unwrap_or(value)), x.at(interval.1.unwrap_or(value)));
    estimate(&mut c, ends, x.at(value), 13.0);
    c.describe(
        "The number on its interval, over the range of the null in grey; the numbers stand beside it.",
    );
    Some(c.finish())
}
