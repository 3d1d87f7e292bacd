//! Ranks that change between columns, rank 1 on top.
use super::super::number::Num;
use super::super::plot::{Slope, SlopeRow};
use super::canvas::{Anchor, Canvas, SeriesGroups, SeriesStyle};
use super::frame::{self, Swatch, path_line};
use super::scale::{LinearScale, extent};
use super::text;

const LINE: f64 = 15.0;

pub(super) fn draw(c: &mut Canvas, plot: &Slope) {
    let ranks = plot.rows.iter().flat_map(|r| r.ranks.iter().filter_map(Num::get));
    let (Some((first, last)), true) = (extent(ranks), plot.columns.len() > 1) else {
        return c.nothing("ranks in two columns are needed");
    };
    let groups = SeriesGroups::new(c, plot.rows.iter().map(|r| r.group.as_str()));
    let grouped = !groups.legend().is_empty();
    let mover = plot.mover.get().unwrap_or(f64::INFINITY);
    let directions = direction_legend();
    let entries = if grouped { groups.legend() } else { &directions };
    let used = frame::legend(c, 0.0, entries, Swatch::Line);
    let top = used + 32.0;
    #[allow(clippy::cast_precision_loss)] // rows on a page
    let tall = (plot.rows.len() as f64 * (LINE + 2.0)).clamp(60.0, if c.compact() { 560.0 } else { 680.0 });
    let bottom = top + tall;
    let side = if c.compact() { 148.0 } else { 250.0 };
    let y = LinearScale::new((first, last), top, bottom);
    #[allow(clippy::cast_precision_loss)] // columns on a page
    let x = LinearScale::new((0.0, (plot.columns.len() - 1) as f64), side, c.width - side);
    for (name, i) in plot.columns.iter().zip(0_u32..) {
        let at = x.at(f64::from(i));
        c.line((at, top - 6.0), (at, bottom + 6.0), "gr");
        c.label(at, top - 14.0, name, Anchor::Middle, side.min(180.0), "b");
    }

    // Movers last, so that they lie on top of those that stay.
    let mut order: Vec<&SlopeRow> = plot.rows.iter().collect();
    order.sort_by(|a, b| change(a).abs().total_cmp(&change(b).abs()));
    for row in &order {
        let moves = change(row).abs() >= mover;
        let key = if grouped { groups.key(&row.group) } else { direction(row, mover) };
        let places: Vec<Option<(f64, f64)>> =
            row.ranks.iter().zip(0_u32..).map(|(r, i)| Some((x.at(f64::from(i)), y.at(r.get()?)))).collect();
        for pair in places.windows(2) {
            if let [Some(a), Some(b)] = pair {
                path_line(c, key, &[*a, *b], if moves { "ln" } else { "ln hair" });
            }
        }
        for at in places.iter().flatten() {
            c.marker(key, *at, if moves { 3.4 } else { 2.2 }, "pt", Some(&title(plot, row)));
        }
    }
    order.reverse();
    let mut left_out = ends(c, &order, &y, 0, (side - 9.0, Anchor::End), mover);
    left_out += ends(c, &order, &y, plot.columns.len() - 1, (c.width - side + 9.0, Anchor::Start), mover);
    frame::state_left_out(c, left_out);
    c.height = bottom + 14.0;
    let movers = plot.rows.iter().filter(|r| change(r).abs() >= mover).count();
    c.describe(format!(
        "Ranks of {} items in {} columns; {movers} move by {mover} ranks or more.",
        plot.rows.len(),
        plot.columns.len()
    ));
    if mover.is_finite() && !grouped {
        c.remark(format!("Coloured: items that move by {mover} ranks or more."));
    }
    let reasons = plot.rows.iter().flat_map(|r| r.ranks.iter().filter_map(Num::reason));
    frame::state_missing(c, ("rank", "ranks"), "", reasons);
}

/// Change of rank from the first to the last column; 0 where either is missing. Below 0 it rose.
fn change(row: &SlopeRow) -> f64 {
    match (row.ranks.first().and_then(Num::get), row.ranks.last().and_then(Num::get)) {
        (Some(first), Some(last)) => last - first,
        _ => 0.0,
    }
}

fn direction(row: &SlopeRow, mover: f64) -> SeriesStyle {
    match change(row) {
        d if d <= -mover => SeriesStyle::Series(0),
        d if d >= mover => SeriesStyle::Series(1),
        _ => SeriesStyle::Control(1),
    }
}

fn direction_legend() -> [(SeriesStyle, &'static str); 3] {
    [
        (SeriesStyle::Series(0), "rises"),
        (SeriesStyle::Series(1), "falls"),
        (SeriesStyle::Control(1), "stays near its rank"),
    ]
}

fn title(plot: &Slope, row: &SlopeRow) -> String {
    let ranks: Vec<String> = plot
        .columns
        .iter()
        .zip(&row.ranks)
        .map(|(name, r)| format!("{name} {}", r.get().map_or("missing".to_owned(), |v| v.to_string())))
        .collect();
    format!("{}: {}", text::label(&row.label), ranks.join(", "))
}

/// Names at one end, those that move most first; returns how many found no room.
fn ends(
    c: &mut Canvas,
    order: &[&SlopeRow],
    y: &LinearScale,
    column: usize,
    place: (f64, Anchor),
    mover: f64,
) -> usize {
    let (x, anchor) = place;
    let room = if anchor == Anchor::End { x } else { c.width - x };
    let mut taken: Vec<f64> = Vec::new();
    let mut left_out = 0;
    for row in order {
        let Some(rank) = row.ranks.get(column).and_then(Num::get) else { continue };
        let at = y.at(rank);
        if taken.iter().any(|t| (t - at).abs() < LINE - 1.0) {
            left_out += 1;
            continue;
        }
        taken.push(at);
        let label = text::label(&row.label);
        let number = rank.to_string();
        let class = if change(row).abs() >= mover { "" } else { "m" };
        let name_room = room - 28.0;
        if anchor == Anchor::End {
            c.label(x, at + 4.3, &number, Anchor::End, 28.0, "m");
            c.label(x - 28.0, at + 4.3, &label, Anchor::End, name_room, class);
        } else {
            c.label(x, at + 4.3, &number, Anchor::Start, 28.0, "m");
            c.label(x + 28.0, at + 4.3, &label, Anchor::Start, name_room, class);
        }
    }
    left_out
}
