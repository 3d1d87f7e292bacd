//! Estimates with intervals against their nulls, a row each.
use super::super::number::{Num, bracket, count, or_dash};
use super::super::plot::{Forest, ForestRow};
use super::canvas::{Anchor, Canvas};
use super::frame;
use super::scale::{LinearScale, domain};
use super::text;

/// Where the columns of a layout stand.
struct Columns {
    label: f64,
    left: f64,
    right: f64,
    row: f64,
    /// How far the interval stands below the middle of its row.
    drop: f64,
}

pub(super) fn draw(c: &mut Canvas, plot: &Forest) {
    if plot.rows.is_empty() {
        return c.nothing("no rows");
    }
    let values = plot.rows.iter().flat_map(values).flatten();
    let x_domain = domain(&plot.x, values.chain(frame::mark_values(&plot.reference)), 6);
    let widest = plot.rows.iter().map(|r| text::width(&text::label(&r.label))).fold(90.0, f64::max);
    let columns = if c.compact() {
        Columns { label: c.width * 0.48, left: 8.0, right: c.width - 8.0, row: 42.0, drop: 11.0 }
    } else {
        let label = widest.min(250.0);
        Columns { label, left: label + 22.0, right: c.width - 292.0, row: 26.0, drop: 0.0 }
    };
    let x = LinearScale::new(x_domain, columns.left, columns.right);
    let legend_height = legend(c, plot);
    let top = legend_height + if c.compact() { 6.0 } else { 24.0 };
    if !c.compact() {
        heads(c, top - 8.0);
    }
    let bottom = top + height(plot, columns.row);
    let mut y = top;
    let mut group: Option<&str> = None;
    for row in &plot.rows {
        if row.group.as_deref() != group {
            group = row.group.as_deref();
            if let Some(name) = group {
                c.label(0.0, y + 18.0, name, Anchor::Start, c.width, "b");
                y += 26.0;
            }
        }
        draw_row(c, plot, row, &columns, &x, y);
        y += columns.row;
    }
    c.height = bottom + frame::x_axis(c, &plot.x, &x, (top, bottom), false, false);
    let missing = plot.rows.iter().filter_map(|r| r.estimate.reason());
    frame::state_missing(c, ("estimate", "estimates"), "", missing);
}

fn values(row: &ForestRow) -> [Option<f64>; 5] {
    let [low, high] = &row.interval;
    let null = row.null.as_ref();
    [row.estimate.get(), low.get(), high.get(), null.and_then(|n| n[0].get()), null.and_then(|n| n[1].get())]
}

fn height(plot: &Forest, row: f64) -> f64 {
    let mut group: Option<&str> = None;
    let mut height = 4.0;
    for r in &plot.rows {
        if r.group.as_deref() != group {
            group = r.group.as_deref();
            height += if group.is_some() { 26.0 } else { 0.0 };
        }
        height += row;
    }
    height
}

/// What the marks mean; returns the height taken.
fn legend(c: &mut Canvas, plot: &Forest) -> f64 {
    let y = 13.0;
    estimate(c, (4.0, 22.0), 13.0, y - 4.0);
    c.label(30.0, y, "estimate, interval", Anchor::Start, 130.0, "m");
    let mut x = 160.0;
    if plot.rows.iter().any(|r| r.null.is_some()) {
        null_bar(c, (x, x + 20.0), y - 4.0);
        c.label(x + 27.0, y, "null", Anchor::Start, 60.0, "m");
        x += 74.0;
    }
    if let Some(mark) = &plot.reference {
        c.line((x + 4.0, y - 11.0), (x + 4.0, y + 3.0), "rf");
        c.label(x + 13.0, y, &mark.label, Anchor::Start, c.width - x - 13.0, "m");
    }
    24.0
}

fn heads(c: &mut Canvas, y: f64) {
    let right = c.width;
    c.label(right - 150.0, y, "estimate [interval]", Anchor::End, 150.0, "m");
    c.label(right - 98.0, y, "n", Anchor::End, 50.0, "m");
}

fn draw_row(c: &mut Canvas, plot: &Forest, row: &ForestRow, columns: &Columns, x: &LinearScale, top: f64) {
    let baseline = top + if c.compact() { 16.0 } else { columns.row / 2.0 + 4.3 };
    let y = top + columns.row / 2.0 + columns.drop;
    c.label(0.0, baseline, &row.label, Anchor::Start, columns.label, "");
    if let Some(at) = plot.reference.as_ref().and_then(|mark| mark.at.get()) {
        // In rows of its own, so that it does not run through the text.
        c.line((x.at(at), y - 13.0), (x.at(at), y + 13.0), "rf");
    }
    if let Some([low, high]) = &row.null
        && let (Some(low), Some(high)) = (low.get(), high.get())
    {
        null_bar(c, (x.at(low), x.at(high)), y);
    }
    let [low, high] = &row.interval;
    if let Some(at) = row.estimate.get() {
        let ends = (low.get().unwrap_or(at), high.get().unwrap_or(at));
        estimate(c, (x.at(ends.0), x.at(ends.1)), x.at(at), y);
    }
    let numbers = format!("{} {}", or_dash(&row.estimate, plot.digits), bracket(low, high, plot.digits));
    let status = row.status;
    if c.compact() {
        let text = format!("{numbers} · n {}", count(row.n));
        c.label(c.width - 17.0, baseline, &text, Anchor::End, columns.label, "m");
        if let Some(status) = status {
            c.label(c.width, baseline, status.sign(), Anchor::End, 16.0, status.class());
        }
    } else {
        c.label(c.width - 150.0, baseline, &numbers, Anchor::End, 140.0, "");
        c.label(c.width - 98.0, baseline, &count(row.n), Anchor::End, 50.0, "m");
        if let Some(status) = status {
            c.label(c.width - 86.0, baseline, status.word(), Anchor::Start, 86.0, status.class());
        }
    }
    describe(c, plot, row);
}

/// A square on its whiskers.
pub(super) fn estimate(c: &mut Canvas, (low, high): (f64, f64), at: f64, y: f64) {
    c.line((low, y), (high, y), "ln cf");
    for end in [low, high] {
        c.line((end, y - 3.5), (end, y + 3.5), "ln thin cf");
    }
    c.rect((at - 4.0, y - 4.0), (at + 4.0, y + 4.0), "pt c0");
}

/// The null's range: an outlined grey bar.
pub(super) fn null_bar(c: &mut Canvas, (low, high): (f64, f64), y: f64) {
    c.rect((low, y - 6.5), (high, y + 6.5), "wash");
    for end in [low, high] {
        c.line((end, y - 6.5), (end, y + 6.5), "edge");
    }
}

fn describe(c: &mut Canvas, plot: &Forest, row: &ForestRow) {
    let [low, high] = &row.interval;
    let show = |value: &Num| or_dash(value, plot.digits);
    let null = row.null.as_ref().map_or(String::new(), |[l, h]| format!(", null {} to {}", show(l), show(h)));
    let verdict = row.status.map_or(String::new(), |s| format!(", {}", s.word()));
    c.describe(format!(
        "{}: {}, interval {} to {}{null}, n {}{verdict}.",
        text::label(&row.label),
        show(&row.estimate),
        show(low),
        show(high),
        row.n
    ));
}
