//! Legends, axes and what lies behind the data.
use super::super::plot::{Axis, Mark};
use super::canvas::{Anchor, Canvas, SeriesStyle};
use super::scale::{LinearScale, ticks};
use super::text;
use super::xml::px;

const ROW: f64 = 20.0;
const SWATCH: f64 = 28.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swatch {
    /// Line and marker.
    Line,
    Marker,
    /// A filled area.
    Area,
}

/// A legend in as many rows as it needs; returns the height taken.
pub(super) fn legend(c: &mut Canvas, top: f64, entries: &[(SeriesStyle, &str)], swatch: Swatch) -> f64 {
    if entries.is_empty() {
        return 0.0;
    }
    let (mut x, mut y) = (0.0, top + 13.0);
    let lead = if swatch == Swatch::Line { SWATCH } else { 15.0 };
    for (key, name) in entries {
        let name = text::label(name);
        let room = (c.width - lead - 8.0).min(300.0);
        let wide = lead + text::width(&name).min(room);
        if x > 0.0 && x + wide > c.width {
            x = 0.0;
            y += ROW;
        }
        if swatch == Swatch::Line {
            path_line(c, *key, &[(x + 1.0, y - 4.0), (x + 22.0, y - 4.0)], "ln");
            c.marker(*key, (x + 11.5, y - 4.0), 3.6, "pt", None);
        } else if swatch == Swatch::Area {
            area(c, *key, (x, y - 9.0), (x + 11.0, y + 1.0));
        } else {
            c.marker(*key, (x + 6.0, y - 4.0), 4.2, "pt", None);
        }
        c.label(x + lead, y, &name, Anchor::Start, room, "");
        x += wide + 18.0;
    }
    y - top + 11.0
}

fn area(c: &mut Canvas, key: SeriesStyle, a: (f64, f64), b: (f64, f64)) {
    match key {
        SeriesStyle::Series(_) => c.rect(a, b, &format!("bar {}", key.colour())),
        SeriesStyle::Control(_) => {
            c.rect(a, b, "wash");
            c.rect(a, b, "edge");
        }
    }
}

/// A line in the colour and dash of its series.
pub(super) fn path_line(c: &mut Canvas, key: SeriesStyle, points: &[(f64, f64)], class: &str) {
    let mut d = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        d.push(if i == 0 { 'M' } else { 'L' });
        d.push_str(&px(*x));
        d.push(' ');
        d.push_str(&px(*y));
    }
    let class = format!("{class} {}", key.colour());
    let mut tag = c.x.tag("path").a("class", &class);
    if !key.dash().is_empty() {
        tag = tag.a("stroke-dasharray", key.dash());
    }
    tag.a("d", &d).empty();
}

/// The label of an axis with its unit.
pub(super) fn axis_name(axis: &Axis) -> String {
    match &axis.unit {
        Some(unit) if !unit.is_empty() => format!("{} ({unit})", axis.label),
        _ => axis.label.clone(),
    }
}

/// The horizontal axis under `bottom`: line, ticks, grid up to `top` where asked, name; returns the height taken.
pub(super) fn x_axis(
    c: &mut Canvas,
    axis: &Axis,
    scale: &LinearScale,
    span: (f64, f64),
    whole: bool,
    grid: bool,
) -> f64 {
    let (top, bottom) = span;
    let (left, right) = scale.range();
    c.line((left, bottom), (right, bottom), "ax");
    let room = (right - left) / 70.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few dozen at most
    let marks = named_ticks(axis, scale).unwrap_or_else(|| ticks(scale, (room as usize).max(2), whole));
    let mut free = f64::NEG_INFINITY;
    for (value, name) in marks {
        let x = scale.at(value);
        if grid {
            c.line((x, top), (x, bottom), "gr");
        }
        c.line((x, bottom), (x, bottom + 4.0), "ax");
        let half = text::width(&name).min(110.0) / 2.0;
        // Named ticks can crowd: a label is written where the one before leaves room.
        let at = x.clamp(half.min(c.width / 2.0), (c.width - half).max(c.width / 2.0));
        if at - half > free + 6.0 {
            c.label(at, bottom + 18.0, &name, Anchor::Middle, 110.0, "m");
            free = at + half;
        }
    }
    let name = axis_name(axis);
    c.label(f64::midpoint(left, right), bottom + 37.0, &name, Anchor::Middle, c.width, "");
    44.0
}

/// The vertical axis: grid, tick labels left of the plane, name above it.
pub(super) fn y_axis(c: &mut Canvas, axis: &Axis, scale: &LinearScale, (left, right): (f64, f64)) {
    let (bottom, top) = scale.range();
    for (value, name) in y_ticks(axis, scale) {
        let y = scale.at(value);
        c.line((left, y), (right, y), "gr");
        c.label(left - 7.0, y + 4.2, &name, Anchor::End, (left - 7.0).max(20.0), "m");
    }
    let name = axis_name(axis);
    c.label(0.0, top.min(bottom) - 13.0, &name, Anchor::Start, c.width, "");
}

/// Room that the labels of a vertical axis need, left of the plane.
pub(super) fn y_room(axis: &Axis, scale: &LinearScale) -> f64 {
    y_ticks(axis, scale).iter().map(|(_, name)| text::width(name)).fold(20.0, f64::max).min(150.0) + 11.0
}

fn y_ticks(axis: &Axis, scale: &LinearScale) -> Vec<(f64, String)> {
    let (from, to) = scale.range();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let about = ((from - to).abs() / 50.0).clamp(3.0, 9.0) as usize;
    named_ticks(axis, scale).unwrap_or_else(|| ticks(scale, about, false))
}

fn named_ticks(axis: &Axis, scale: &LinearScale) -> Option<Vec<(f64, String)>> {
    if axis.ticks.is_empty() {
        return None;
    }
    let named = axis.ticks.iter().filter_map(|t| Some((t.at.get()?, t.label.clone())));
    Some(named.filter(|(at, _)| scale.holds(*at)).collect())
}

/// Lines and washed ranges of marks on the horizontal axis, drawn before the data.
pub(super) fn x_marks(
    c: &mut Canvas,
    marks: &[Mark],
    scale: &LinearScale,
    (top, bottom): (f64, f64),
    class: &str,
) {
    let (left, right) = scale.range();
    for mark in marks {
        let Some(at) = mark.at.get() else {
            c.remark(format!(
                "{} is missing: {}.",
                mark.label,
                mark.at.reason().unwrap_or("no reason given")
            ));
            continue;
        };
        let from = scale.at(at);
        match mark.to.as_ref().and_then(|t| t.get()) {
            Some(to) => {
                c.rect((from.clamp(left, right), top), (scale.at(to).clamp(left, right), bottom), "wash")
            }
            None => c.line((from, top), (from, bottom), class),
        }
    }
}

/// Names of marks on the horizontal axis, drawn after the data, in `rows` rows from the top in turn.
pub(super) fn x_mark_names(c: &mut Canvas, marks: &[Mark], scale: &LinearScale, top: f64, rows: u8) {
    let (left, right) = scale.range();
    for (mark, row) in marks.iter().zip((0..rows.max(1)).cycle()) {
        let Some(at) = mark.at.get() else { continue };
        let x = scale.at(at).max(left);
        let wide = text::width(&mark.label);
        let y = top + 12.0 + f64::from(row) * 15.0;
        if x + 4.0 + wide <= right {
            c.label(x + 4.0, y, &mark.label, Anchor::Start, wide + 1.0, "m halo");
        } else {
            c.label(x - 4.0, y, &mark.label, Anchor::End, (x - left).max(60.0), "m halo");
        }
    }
}

/// Values of the marks, so that a domain can hold them.
pub(super) fn mark_values<'a>(marks: impl IntoIterator<Item = &'a Mark>) -> Vec<f64> {
    marks.into_iter().flat_map(|m| [m.at.get(), m.to.as_ref().and_then(|t| t.get())]).flatten().collect()
}

/// States how many values are missing and why.
pub(super) fn state_missing<'a>(
    c: &mut Canvas,
    (one, many): (&str, &str),
    of: &str,
    reasons: impl Iterator<Item = &'a str>,
) {
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for reason in reasons {
        match seen.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, n)) => *n += 1,
            None => seen.push((reason, 1)),
        }
    }
    for (reason, n) in seen {
        let (what, verb) = if n == 1 { (one, "is") } else { (many, "are") };
        let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
        c.remark(format!("{n} {what}{of} {verb} missing and not drawn ({reason})."));
    }
}

/// States how many names found no room.
pub(super) fn state_left_out(c: &mut Canvas, names: usize) {
    match names {
        0 => {}
        1 => c.remark("1 name is not written for lack of room; it is in the data."),
        n => c.remark(format!("{n} names are not written for lack of room; all are in the data.")),
    }
}
