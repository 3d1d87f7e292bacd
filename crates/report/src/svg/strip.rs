//! Single values by group, each a dot, with the group's median.
use super::super::number::fixed;
use super::super::plot::{LabelledValue, Strip, StripGroup};
use super::canvas::{Anchor, Canvas, SeriesGroups, SeriesStyle};
use super::frame;
use super::scale::{LinearScale, all_whole, domain};
use super::text;
use std::collections::HashMap;
use truenorth_stats::math;

const DOT: f64 = 3.1;
/// Beyond this many dots their names are left out of the picture (they stay in the data).
const MAX_TITLES: usize = 600;

pub(super) fn draw(c: &mut Canvas, plot: &Strip) {
    let points = || plot.groups.iter().flat_map(|g| &g.points);
    if !points().any(|p| p.value.get().is_some()) {
        return c.nothing("no group has a value");
    }
    let values = points().filter_map(|p| p.value.get()).chain(frame::mark_values(&plot.reference));
    let x_domain = domain(&plot.x, values, 6);
    let widest = plot.groups.iter().map(|g| text::width(&text::label(&g.label))).fold(60.0, f64::max);
    let compact = c.compact();
    let (label, left) =
        if compact { (c.width - 135.0, 8.0) } else { (widest.min(210.0), widest.min(210.0) + 22.0) };
    let right = c.width - if compact { 8.0 } else { 132.0 };
    let x = LinearScale::new(x_domain, left, right);
    let top = if plot.reference.is_some() { 22.0 } else { 6.0 };
    let row = if compact { 58.0 } else { 40.0 };
    #[allow(clippy::cast_precision_loss)] // groups on a page
    let bottom = top + row * plot.groups.len() as f64 + 4.0;

    if let Some(mark) = &plot.reference {
        reference(c, mark, &x, (top, bottom));
    }
    c.height =
        bottom + frame::x_axis(c, &plot.x, &x, (top, bottom), all_whole(points().map(|p| &p.value)), false);
    let groups = SeriesGroups::new(c, plot.groups.iter().map(|g| g.label.as_str()));
    let titles = points().count() <= MAX_TITLES;
    let mut y = top;
    for group in &plot.groups {
        let middle = y + if compact { 37.0 } else { row / 2.0 };
        let baseline = if compact { y + 14.0 } else { middle + 4.3 };
        c.line((left, middle), (right, middle), "gr");
        c.label(0.0, baseline, &group.label, Anchor::Start, label, "");
        dots(c, groups.key(&group.label), &group.points, &x, middle, titles);
        summary(c, group, &x, middle, baseline);
        y += row;
    }
    if !titles {
        c.remark("Names of single dots are in the data, not in the picture.");
    }
    let reasons = points().filter_map(|p| p.value.reason());
    frame::state_missing(c, ("value", "values"), "", reasons);
}

fn reference(c: &mut Canvas, mark: &super::super::plot::Mark, x: &LinearScale, (top, bottom): (f64, f64)) {
    let Some(at) = mark.at.get() else { return };
    let from = x.at(at);
    match mark.to.as_ref().and_then(|t| t.get()) {
        Some(to) => c.rect((from, top), (x.at(to), bottom), "wash"),
        None => c.line((from, top), (from, bottom), "rf"),
    }
    let to = mark.to.as_ref().and_then(|t| t.get()).map_or(from, |t| x.at(t));
    let half = text::width(&mark.label) / 2.0;
    let middle = f64::midpoint(from, to).clamp(half.min(c.width / 2.0), (c.width - half).max(c.width / 2.0));
    c.label(middle, top - 7.0, &mark.label, Anchor::Middle, c.width, "m");
}

/// Dots of one place are stacked around the middle, closer where many meet.
fn dots(
    c: &mut Canvas,
    key: SeriesStyle,
    points: &[LabelledValue],
    x: &LinearScale,
    middle: f64,
    titles: bool,
) {
    #[allow(clippy::cast_possible_truncation)] // pixels of a page
    let bin = |v: f64| (x.at(v) / (DOT * 1.6)).round() as i64;
    let mut sizes: HashMap<i64, u32> = HashMap::new();
    for v in points.iter().filter_map(|p| p.value.get()) {
        *sizes.entry(bin(v)).or_default() += 1;
    }
    let fullest = f64::from(sizes.values().copied().max().unwrap_or(1));
    let pitch = (DOT * 1.9).min(2.0 * 13.0 / (fullest - 1.0).max(1.0));
    let mut seen: HashMap<i64, u32> = HashMap::new();
    for point in points {
        let Some(v) = point.value.get() else { continue };
        let n = f64::from(sizes.get(&bin(v)).copied().unwrap_or(1));
        let k = seen.entry(bin(v)).or_default();
        let y = middle + (f64::from(*k) - (n - 1.0) / 2.0) * pitch;
        *k += 1;
        let title = titles.then(|| format!("{}: {}", text::label(&point.label), fixed(v, 3)));
        c.marker(key, (x.at(v), y), DOT, "dot", title.as_deref());
    }
}

fn median(points: &[LabelledValue]) -> Option<f64> {
    let values: Vec<f64> = points.iter().filter_map(|p| p.value.get()).collect();
    math::quantile(&values, 0.5).ok()
}

fn summary(c: &mut Canvas, group: &StripGroup, x: &LinearScale, middle: f64, baseline: f64) {
    let n = group.points.iter().filter(|p| p.value.get().is_some()).count();
    let text = match median(&group.points) {
        None => "n 0".to_owned(),
        Some(m) => {
            c.line((x.at(m), middle - 15.0), (x.at(m), middle + 15.0), "ln cf");
            format!("med. {} · n {n}", fixed(m, 2))
        }
    };
    c.label(c.width, baseline, &text, Anchor::End, 130.0, "m");
    c.describe(format!("{}: {text}.", text::label(&group.label)));
}
