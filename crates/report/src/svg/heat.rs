//! A matrix in colour: opacity for distance from the centre, hue for the side, so that it holds in light, dark and
//! print. Both hues are chosen so that the numbers can be read on full colour.
use super::super::number::{Num, fixed};
use super::super::plot::HeatMap;
use super::canvas::{Anchor, Canvas};
use super::frame;
use super::scale::extent;
use super::text;
use super::xml::px;

pub(super) fn draw(c: &mut Canvas, plot: &HeatMap) {
    let columns = plot.columns.len();
    if columns == 0 || plot.rows.is_empty() {
        return c.nothing("the matrix has no cells");
    }
    let centre = plot.centre.get().unwrap_or(0.0);
    let cells = || plot.rows.iter().flat_map(|r| &r.cells);
    let widest =
        extent(cells().filter_map(|v| Some((v.get()? - centre).abs()))).map_or(1.0, |(_, high)| high);
    let span = plot.span.get().filter(|s| *s > 0.0).unwrap_or(widest).max(f64::MIN_POSITIVE);

    let heads = plot
        .rows
        .iter()
        .map(|r| text::width(&text::label(&r.label)))
        .fold(text::width(&plot.value), f64::max);
    let left = heads.min(if c.compact() { 122.0 } else { 210.0 }) + 10.0;
    let names: Vec<_> = plot.columns.iter().map(|n| text::label(n)).collect();
    let longest = names.iter().map(|n| text::width(n)).fold(0.0, f64::max).min(130.0);
    #[allow(clippy::cast_precision_loss)] // a matrix drawn on a page
    let fill = |room: f64| (room / columns as f64).min(if c.compact() { 62.0 } else { 84.0 });
    let level = fill(c.width - left - 2.0);
    let slanted = longest > level - 6.0;
    // Slanted heads lean out over the last column.
    let wide = if slanted { fill(c.width - left - longest * 0.68) } else { level };
    let tall = if wide >= 30.0 { (wide * 0.62).clamp(26.0, 40.0) } else { wide.clamp(2.0, 26.0) };
    let number = text::width(&"0".repeat(plot.digits + 2)) + 8.0;
    let numbers = wide >= number;

    let top = if slanted { longest * 0.72 + 22.0 } else { 24.0 };
    heads_of_columns(c, &names, left, wide, top, slanted);

    // Heads of rows that are lower than a line of text would overprint each other.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most a page
    let every = (14.0 / tall).ceil().max(1.0) as usize;
    let mut y = top;
    for (r, row) in plot.rows.iter().enumerate() {
        if r % every == 0 {
            c.label(left - 8.0, y + tall / 2.0 + 4.3, &row.label, Anchor::End, left - 8.0, "");
        }
        let mut x = left;
        for (col, name) in names.iter().enumerate() {
            let title = format!("{} · {}", text::label(&row.label), name);
            cell(c, row.cells.get(col), plot, (x, y, wide, tall), (centre, span), &title, numbers);
            x += wide;
        }
        y += tall;
    }
    if every > 1 {
        c.remark(format!("One row head in {every} is written; all are in the data."));
    }
    c.height = y + key(c, plot, y + 16.0, left, (centre, span));
    describe(c, plot);
    let short = plot.rows.iter().map(|r| columns.saturating_sub(r.cells.len())).sum();
    let reasons = cells().filter_map(Num::reason).chain(std::iter::repeat_n("no cell given", short));
    frame::state_missing(c, ("cell", "cells"), "", reasons);
    let beyond = cells().filter_map(Num::get).filter(|v| (v - centre).abs() > span * (1.0 + 1e-9)).count();
    if beyond > 0 {
        c.remark(format!("{beyond} cells lie beyond the colour scale and are drawn at its end."));
    }
}

fn heads_of_columns(
    c: &mut Canvas,
    names: &[std::borrow::Cow<'_, str>],
    left: f64,
    wide: f64,
    top: f64,
    slanted: bool,
) {
    let mut x = left + wide / 2.0 - if slanted { 3.0 } else { 0.0 };
    let mut free = f64::NEG_INFINITY;
    for name in names {
        if slanted {
            if x >= free {
                let shown = text::fit(name, 130.0);
                let turn = format!("rotate(-45 {} {})", px(x), px(top - 8.0));
                c.x.tag("text").n("x", x).n("y", top - 8.0).a("transform", &turn).open();
                c.x.element("title", "", name);
                c.x.text(&shown);
                c.x.close();
                free = x + 15.0;
            }
        } else {
            c.label(x, top - 8.0, name, Anchor::Middle, wide, "");
        }
        x += wide;
    }
}

fn cell(
    c: &mut Canvas,
    value: Option<&Num>,
    plot: &HeatMap,
    (x, y, w, h): (f64, f64, f64, f64),
    (centre, span): (f64, f64),
    title: &str,
    numbers: bool,
) {
    let gap = if w > 8.0 { 1.0 } else { 0.0 };
    let place = |tag: super::xml::Tag<'_>, class: &str, opacity: f64| {
        let tag = tag.n("x", x + gap / 2.0).n("y", y + gap / 2.0).n("width", w - gap).n("height", h - gap);
        let tag = tag.a("class", class);
        if opacity < 1.0 { tag.a("fill-opacity", &format!("{opacity:.3}")).open() } else { tag.open() }
    };
    let Some(v) = value.and_then(Num::get) else {
        place(c.x.tag("rect"), "gap", 1.0);
        c.x.element("title", "", &format!("{title}: missing"));
        c.x.close();
        if numbers {
            c.label(x + w / 2.0, y + h / 2.0 + 4.3, "–", Anchor::Middle, w, "m");
        }
        return;
    };
    let share = ((v - centre).abs() / span).min(1.0);
    place(c.x.tag("rect"), if v < centre { "neg" } else { "pos" }, share);
    c.x.element("title", "", &format!("{title}: {}", fixed(v, plot.digits)));
    c.x.close();
    if numbers {
        c.label(x + w / 2.0, y + h / 2.0 + 4.3, &fixed(v, plot.digits), Anchor::Middle, w, "");
    }
}

/// The colour scale with its ends and centre; returns the height taken.
fn key(c: &mut Canvas, plot: &HeatMap, y: f64, left: f64, (centre, span): (f64, f64)) -> f64 {
    const STEPS: u8 = 20;
    let wide = (c.width - left).clamp(120.0, 260.0);
    let step = wide / f64::from(STEPS);
    for i in 0..STEPS {
        let at = (f64::from(i) + 0.5) / f64::from(STEPS) * 2.0 - 1.0;
        let class = if at < 0.0 { "neg" } else { "pos" };
        c.x.tag("rect")
            .n("x", left + f64::from(i) * step)
            .n("y", y)
            .n("width", step)
            .n("height", 9.0)
            .a("class", class)
            .a("fill-opacity", &format!("{:.3}", at.abs()))
            .empty();
    }
    c.line((left, y + 9.0), (left + wide, y + 9.0), "ax");
    for (share, anchor) in [(0.0, Anchor::Start), (0.5, Anchor::Middle), (1.0, Anchor::End)] {
        let text = fixed(centre + (share * 2.0 - 1.0) * span, plot.digits);
        c.label(left + share * wide, y + 23.0, &text, anchor, 90.0, "m");
    }
    c.label(left - 8.0, y + 9.0, &plot.value, Anchor::End, left - 8.0, "m");
    46.0
}

fn describe(c: &mut Canvas, plot: &HeatMap) {
    let values = plot.rows.iter().flat_map(|r| r.cells.iter().filter_map(Num::get));
    if let Some((low, high)) = extent(values) {
        c.describe(format!(
            "Matrix of {}, {} × {}, from {} to {}.",
            plot.value,
            plot.rows.len(),
            plot.columns.len(),
            fixed(low, plot.digits),
            fixed(high, plot.digits)
        ));
    }
}
