//! Lines with bands.
use super::super::number::fixed;
use super::super::plot::{Curve, CurvePoint, Series};
use super::canvas::{Anchor, Canvas, SeriesStyle};
use super::frame::{self, Swatch};
use super::scale::{LinearScale, all_whole, domain};
use super::text;
use super::xml::px;

/// Markers closer than this would merge into the line.
const MARKER_ROOM: f64 = 11.0;

pub(super) fn draw(c: &mut Canvas, plot: &Curve) {
    let keys = keys(&plot.series);
    let points = || plot.series.iter().flat_map(|s| &s.points);
    if !points().any(|p| p.x.get().is_some() && p.y.get().is_some()) {
        return c.nothing("no series has a point");
    }
    let whole = all_whole(points().map(|p| &p.x));
    let xs = points().filter_map(|p| p.x.get()).chain(frame::mark_values(&plot.x_marks));
    let ys = points()
        .flat_map(|p| [p.y.get(), band(p).map(|b| b.0), band(p).map(|b| b.1)])
        .flatten()
        .chain(frame::mark_values(&plot.y_marks));
    // Lines run to the plane's edges: x is not rounded outwards, y is.
    let x_domain = match (&plot.x.range, super::scale::extent(xs.clone())) {
        (None, Some((low, high))) if low < high => (low, high),
        _ => domain(&plot.x, xs, 6),
    };
    let y_domain = domain(&plot.y, ys, 5);

    let entries: Vec<_> = keys.iter().zip(&plot.series).map(|(k, s)| (*k, s.name.as_str())).collect();
    let used = if entries.len() > 1 { frame::legend(c, 0.0, &entries, Swatch::Line) } else { 0.0 };
    let top = used + 29.0;
    let bottom = top + if c.compact() { 210.0 } else { 270.0 };
    let y = LinearScale::new(y_domain, bottom, top);
    let left = frame::y_room(&plot.y, &y);
    let right = c.width - 10.0;
    let x = LinearScale::new(x_domain, left + 6.0, right - 4.0);

    frame::y_axis(c, &plot.y, &y, (left, right));
    frame::x_marks(c, &plot.x_marks, &x, (top, bottom), "rf");
    y_marks(c, plot, &y, (left, right));
    c.height = bottom + frame::x_axis(c, &plot.x, &x, (top, bottom), whole, false);

    for (key, series) in keys.iter().zip(&plot.series) {
        bands(c, *key, series, &x, &y);
    }
    for (key, series) in keys.iter().zip(&plot.series) {
        line(c, *key, series, &x, &y);
        describe(c, plot, series);
    }
    frame::x_mark_names(c, &plot.x_marks, &x, top, 3);
    y_mark_names(c, plot, &y, right);
    for series in &plot.series {
        let reasons = series.points.iter().filter_map(|p| p.x.reason().or(p.y.reason()));
        frame::state_missing(c, ("point", "points"), &text::label(&series.name), reasons);
    }
}

fn keys(series: &[Series]) -> Vec<SeriesStyle> {
    let (mut lines, mut controls) = (0, 0);
    let mut next = |control: bool| {
        let n = if control { &mut controls } else { &mut lines };
        *n += 1;
        if control { SeriesStyle::Control(*n - 1) } else { SeriesStyle::Series(*n - 1) }
    };
    series.iter().map(|s| next(s.control)).collect()
}

fn band(point: &CurvePoint) -> Option<(f64, f64)> {
    let [low, high] = point.band.as_ref()?;
    Some((low.get()?, high.get()?))
}

fn y_marks(c: &mut Canvas, plot: &Curve, y: &LinearScale, (left, right): (f64, f64)) {
    for mark in &plot.y_marks {
        let Some(at) = mark.at.get() else { continue };
        match mark.to.as_ref().and_then(|t| t.get()) {
            Some(to) => c.rect((left, y.at(at)), (right, y.at(to)), "wash"),
            None => c.line((left, y.at(at)), (right, y.at(at)), "rf"),
        }
    }
}

fn y_mark_names(c: &mut Canvas, plot: &Curve, y: &LinearScale, right: f64) {
    for mark in &plot.y_marks {
        let Some(at) = mark.at.get() else { continue };
        let at = match mark.to.as_ref().and_then(|t| t.get()) {
            Some(to) => y.at(at).min(y.at(to)) + 14.0,
            None => y.at(at) - 5.0,
        };
        c.label(right - 2.0, at, &mark.label, Anchor::End, right / 2.0, "m halo");
    }
}

/// Stretches of points without a gap.
fn runs<'a, T: Copy>(points: impl Iterator<Item = Option<T>> + 'a) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for point in points {
        match (point, runs.last_mut()) {
            (Some(p), Some(run)) => run.push(p),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn bands(c: &mut Canvas, key: SeriesStyle, series: &Series, x: &LinearScale, y: &LinearScale) {
    let places = series.points.iter().map(|p| {
        let (low, high) = band(p)?;
        p.y.get()?;
        Some((x.at(p.x.get()?), y.at(low), y.at(high)))
    });
    for run in runs(places) {
        if let [(x, low, high)] = run.as_slice() {
            c.line((*x, *low), (*x, *high), &format!("ln thin {}", key.colour()));
            continue;
        }
        let mut d = String::from("M");
        let upper = run.iter().map(|(x, _, high)| (x, high));
        let lower = run.iter().rev().map(|(x, low, _)| (x, low));
        for (i, (x, y)) in upper.chain(lower).enumerate() {
            if i > 0 {
                d.push('L');
            }
            d.push_str(&px(*x));
            d.push(' ');
            d.push_str(&px(*y));
        }
        d.push('Z');
        let class = format!("bd {}", key.colour());
        c.x.tag("path").a("class", &class).a("d", &d).empty();
    }
}

fn line(c: &mut Canvas, key: SeriesStyle, series: &Series, x: &LinearScale, y: &LinearScale) {
    let places = series.points.iter().map(|p| Some((x.at(p.x.get()?), y.at(p.y.get()?))));
    let runs = runs(places);
    for run in &runs {
        if run.len() > 1 {
            frame::path_line(c, key, run, "ln");
        }
    }
    let mut last = f64::NEG_INFINITY;
    for (i, run) in runs.iter().enumerate() {
        for (j, at) in run.iter().enumerate() {
            // The first and last of a run are always marked: a gap must be seen.
            let end = run.len() == 1 || (i > 0 && j == 0) || (i + 1 < runs.len() && j + 1 == run.len());
            if end || at.0 - last >= MARKER_ROOM {
                c.marker(key, *at, 3.4, "pt", None);
                last = at.0;
            }
        }
    }
}

fn describe(c: &mut Canvas, plot: &Curve, series: &Series) {
    let known: Vec<_> = series.points.iter().filter_map(|p| Some((p.x.get()?, p.y.get()?))).collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return c.describe(format!("{}: no points.", text::label(&series.name)));
    };
    let peak = known.iter().copied().fold(*first, |best, p| if p.1 > best.1 { p } else { best });
    let show = |v: f64| fixed(v, 3);
    c.describe(format!(
        "{}: {} from {} at {} {} to {} at {}, highest {} at {}.",
        text::label(&series.name),
        plot.y.label,
        show(first.1),
        plot.x.label,
        first.0,
        show(last.1),
        last.0,
        show(peak.1),
        peak.0
    ));
}
