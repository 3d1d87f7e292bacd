//! A ranking: a line from zero to each score, its z beside it.
use super::super::number::{or_dash, signed};
use super::super::plot::{Board, BoardRow};
use super::canvas::{Anchor, Canvas, SeriesGroups};
use super::frame::{self, Swatch};
use super::scale::{LinearScale, domain};
use super::text;

/// Rows drawn of each end of a long board.
const END: usize = 20;
const ROW: f64 = 21.0;

pub(super) fn draw(c: &mut Canvas, plot: &Board) {
    if plot.rows.is_empty() {
        return c.nothing("the board has no rows");
    }
    let rows = plot.rows.as_slice();
    let cut = if rows.len() > 2 * END { rows.len() - 2 * END } else { 0 };
    let (head, tail) = if cut > 0 { rows.split_at(END) } else { (rows, &[][..]) };
    let tail = tail.get(cut..).unwrap_or_default();
    let groups = SeriesGroups::new(c, rows.iter().map(|r| r.group.as_str()));
    let shown = || head.iter().chain(tail);
    let values = shown()
        .flat_map(|r| {
            let ends = r.interval.as_ref();
            [r.score.get(), ends.and_then(|e| e[0].get()), ends.and_then(|e| e[1].get())]
        })
        .flatten()
        .chain([0.0]);

    let used = frame::legend(c, 0.0, groups.legend(), Swatch::Marker);
    let widest = shown().map(|r| text::width(&text::label(&r.label))).fold(80.0, f64::max);
    let label = widest.min(if c.compact() { 168.0 } else { 330.0 });
    let left = 38.0 + label + 16.0;
    let right = c.width - if c.compact() { 104.0 } else { 138.0 };
    let x = LinearScale::new(domain(&plot.x, values, 4), left, right);
    let top = used + 24.0;
    let z_right = c.width;
    let score_right = c.width - if c.compact() { 50.0 } else { 62.0 };
    c.label(28.0, top - 8.0, "rank", Anchor::End, 40.0, "m");
    c.label(score_right, top - 8.0, "score", Anchor::End, 60.0, "m");
    c.label(z_right, top - 8.0, "z", Anchor::End, 40.0, "m");

    let mut y = top;
    for row in head {
        draw_row(c, plot, row, &groups, &x, y, label);
        y += ROW;
    }
    if cut > 0 {
        let text = format!("⋮  {cut} rows between are not drawn");
        c.label(38.0, y + 18.0, &text, Anchor::Start, c.width - 40.0, "m");
        y += 28.0;
        c.remark(format!("The first and last {END} of {} rows are drawn; all are in the data.", rows.len()));
    }
    for row in tail {
        draw_row(c, plot, row, &groups, &x, y, label);
        y += ROW;
    }
    c.line((x.at(0.0), top), (x.at(0.0), y), "ax");
    c.height = y + 4.0 + frame::x_axis(c, &plot.x, &x, (top, y + 4.0), false, false);
    let name = |row: Option<&BoardRow>| {
        row.map_or(String::new(), |r| {
            format!("{} ({})", text::label(&r.label), or_dash(&r.score, plot.digits))
        })
    };
    c.describe(format!("{} rows, first {}, last {}.", rows.len(), name(rows.first()), name(rows.last())));
    let reasons = rows.iter().filter_map(|r| r.score.reason());
    frame::state_missing(c, ("score", "scores"), "", reasons);
}

fn draw_row(
    c: &mut Canvas,
    plot: &Board,
    row: &BoardRow,
    groups: &SeriesGroups<'_>,
    x: &LinearScale,
    top: f64,
    label: f64,
) {
    let (y, baseline) = (top + ROW / 2.0, top + ROW / 2.0 + 4.3);
    let rank = row.rank.get().map_or("–".to_owned(), |r| r.to_string());
    c.label(28.0, baseline, &rank, Anchor::End, 34.0, "m");
    c.label(38.0, baseline, &row.label, Anchor::Start, label, "");
    let key = groups.key(&row.group);
    let score_right = c.width - if c.compact() { 50.0 } else { 62.0 };
    let Some(score) = row.score.get() else {
        c.label(score_right, baseline, "missing", Anchor::End, 60.0, "m");
        return;
    };
    if let Some([low, high]) = &row.interval
        && let (Some(low), Some(high)) = (low.get(), high.get())
    {
        c.rect((x.at(low), y - 4.5), (x.at(high), y + 4.5), "wash");
    }
    c.line((x.at(0.0), y), (x.at(score), y), &format!("ln thin {}", key.colour()));
    let title = format!("{}: {}", text::label(&row.label), signed(score, plot.digits));
    c.marker(key, (x.at(score), y), 4.0, "pt", Some(&title));
    c.label(score_right, baseline, &signed(score, plot.digits), Anchor::End, 70.0, "");
    let z = row.z.get().map_or("–".to_owned(), |z| signed(z, 1));
    c.label(c.width, baseline, &z, Anchor::End, 52.0, "m");
}
