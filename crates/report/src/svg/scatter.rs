//! Two numbers a point.
use super::super::number::fixed;
use super::super::plot::{Scatter, ScatterPoint};
use super::canvas::{Anchor, Canvas, SeriesGroups};
use super::frame::{self, Swatch};
use super::scale::{LinearScale, all_whole, domain};
use super::text;

const MAX_TITLES: usize = 600;

/// A rectangle that a label or a dot takes: left, top, right, bottom.
type Boxed = (f64, f64, f64, f64);

pub(super) fn draw(c: &mut Canvas, plot: &Scatter) {
    let known: Vec<(&ScatterPoint, f64, f64)> =
        plot.points.iter().filter_map(|p| Some((p, p.x.get()?, p.y.get()?))).collect();
    if known.is_empty() {
        return c.nothing("no point has both values");
    }
    let mut x_domain = domain(&plot.x, known.iter().map(|p| p.1), 6);
    let mut y_domain = domain(&plot.y, known.iter().map(|p| p.2), 6);
    if plot.diagonal {
        let both = (x_domain.0.min(y_domain.0), x_domain.1.max(y_domain.1));
        (x_domain, y_domain) = (both, both);
    }
    let groups = SeriesGroups::new(c, plot.points.iter().map(|p| p.group.as_str()));
    let used = frame::legend(c, 0.0, groups.legend(), Swatch::Marker);
    let top = used + 29.0;
    let probe = LinearScale::new(y_domain, 400.0, 0.0);
    let left = frame::y_room(&plot.y, &probe);
    // A square plane where both axes share a scale: 45° must be 45°.
    let wide = c.width - 10.0 - left;
    let side = if plot.diagonal { wide.min(520.0) } else { wide };
    let tall = if plot.diagonal { side } else { side.min(400.0) };
    let (right, bottom) = (left + side, top + tall);
    let x = LinearScale::new(x_domain, left, right);
    let y = LinearScale::new(y_domain, bottom, top);
    frame::y_axis(c, &plot.y, &y, (left, right));
    let whole = all_whole(plot.points.iter().map(|p| &p.x));
    if plot.diagonal {
        c.line((left, bottom), (right, top), "rf");
        c.label(right - 6.0, top + 28.0, "equal", Anchor::End, 60.0, "m halo");
    }
    c.height = bottom + frame::x_axis(c, &plot.x, &x, (top, bottom), whole, true);
    let titles = known.len() <= MAX_TITLES;
    let mut taken: Vec<Boxed> = Vec::new();
    for (point, px, py) in &known {
        let at = (x.at(*px), y.at(*py));
        let title =
            titles.then(|| format!("{}: {}, {}", text::label(&point.label), fixed(*px, 3), fixed(*py, 3)));
        c.marker(groups.key(&point.group), at, 3.8, "dot", title.as_deref());
        taken.push((at.0 - 4.0, at.1 - 4.0, at.0 + 4.0, at.1 + 4.0));
    }
    let plane = (left, top, c.width, bottom);
    let left_out = names(c, &known, &x, &y, plane, &mut taken);
    frame::state_left_out(c, left_out);
    c.describe(format!("{} points of {} against {}.", known.len(), plot.y.label, plot.x.label));
    let reasons = plot.points.iter().filter_map(|p| p.x.reason().or(p.y.reason()));
    frame::state_missing(c, ("point", "points"), "", reasons);
}

/// Writes names where they meet no dot and no other name; returns how many found no room.
fn names(
    c: &mut Canvas,
    known: &[(&ScatterPoint, f64, f64)],
    x: &LinearScale,
    y: &LinearScale,
    plane: Boxed,
    taken: &mut Vec<Boxed>,
) -> usize {
    let mut left_out = 0;
    for (point, px, py) in known.iter().filter(|p| p.0.named) {
        let name = text::label(&point.label);
        let name = text::fit(&name, 150.0);
        let (px, py, wide) = (x.at(*px), y.at(*py), text::width(&name));
        let places = [
            (px + 7.0, py + 4.0, Anchor::Start),
            (px - 7.0, py + 4.0, Anchor::End),
            (px, py - 8.0, Anchor::Middle),
            (px, py + 17.0, Anchor::Middle),
        ];
        let free = places.into_iter().find_map(|(lx, ly, anchor)| {
            let from = match anchor {
                Anchor::Start => lx,
                Anchor::Middle => lx - wide / 2.0,
                Anchor::End => lx - wide,
            };
            let area = (from, ly - 11.0, from + wide, ly + 3.0);
            let inside = area.0 >= plane.0 && area.2 <= plane.2 && area.1 >= plane.1 && area.3 <= plane.3;
            (inside && !taken.iter().any(|t| overlap(t, &area))).then_some((lx, ly, anchor, area))
        });
        match free {
            None => left_out += 1,
            Some((lx, ly, anchor, area)) => {
                taken.push(area);
                c.label(lx, ly, &point.label, anchor, 150.0, "halo");
            }
        }
    }
    left_out
}

fn overlap(a: &Boxed, b: &Boxed) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}
