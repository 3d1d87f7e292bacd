//! A distribution over its null, with what was observed.
use super::super::number::Num;
use super::super::plot::{Axis, Histogram};
use super::canvas::{Canvas, SeriesStyle};
use super::frame::{self, Swatch};
use super::scale::{LinearScale, domain, extent};
use super::text;
use super::xml::px;

pub(super) fn draw(c: &mut Canvas, plot: &Histogram) {
    let known = |values: &[Num]| -> Vec<f64> { values.iter().filter_map(Num::get).collect() };
    let (values, null) = (known(&plot.values), known(&plot.null));
    let marks = frame::mark_values(&plot.marks);
    if values.is_empty() && null.is_empty() && marks.is_empty() {
        return c.nothing("no values, no null and no marks");
    }
    let all = || values.iter().chain(&null).copied();
    let (low, high) = domain(&plot.x, all().chain(marks.iter().copied()), 6);
    let bins = bins(&values, &null, high - low);
    let shares = (share(&values, low, high, bins), share(&null, low, high, bins));
    let peak = shares.0.iter().chain(&shares.1).copied().fold(0.0, f64::max);

    let name = |given: &str, otherwise: &str, n: usize| {
        format!("{} (n {n})", if given.is_empty() { otherwise } else { given })
    };
    let names = (name(&plot.name, "values", values.len()), name(&plot.null_name, "null", null.len()));
    let mut entries = Vec::new();
    if !values.is_empty() {
        entries.push((SeriesStyle::Series(0), names.0.as_str()));
    }
    if !null.is_empty() {
        entries.push((SeriesStyle::Control(0), names.1.as_str()));
    }
    let used = frame::legend(c, 0.0, &entries, Swatch::Area);
    let rows = u8::try_from(plot.marks.len().min(4)).unwrap_or(4);
    let top = used + 29.0;
    let bottom = top + if c.compact() { 170.0 } else { 210.0 } + f64::from(rows) * 15.0;
    let y_axis = Axis::new("share of n").unit("%");
    // Room above the bars for the labels of the marks.
    let headroom = 1.0 + f64::from(rows) * 15.0 / 200.0;
    let y = LinearScale::new(domain(&y_axis, [0.0, peak * 100.0 * headroom].into_iter(), 4), bottom, top);
    let left = frame::y_room(&y_axis, &y);
    let right = c.width - 10.0;
    let x = LinearScale::new((low, high), left, right);
    frame::y_axis(c, &y_axis, &y, (left, right));
    if !null.is_empty() {
        steps(c, &shares.1, &x, &y, "wash");
    }
    if !values.is_empty() {
        bars(c, &shares.0, &x, &y);
    }
    if !null.is_empty() {
        steps(c, &shares.1, &x, &y, "ln thin cn");
    }
    frame::x_marks(c, &plot.marks, &x, (top, bottom), "ln cf");
    frame::x_mark_names(c, &plot.marks, &x, top, 4);
    c.height = bottom + frame::x_axis(c, &plot.x, &x, (top, bottom), false, false);
    describe(c, &names.0, &values);
    describe(c, &names.1, &null);
    for mark in &plot.marks {
        let at = mark.at.get().map_or("missing".to_owned(), |v| v.to_string());
        c.describe(format!("{} at {at}.", text::label(&mark.label)));
    }
    let reasons = plot.values.iter().chain(&plot.null).filter_map(Num::reason);
    frame::state_missing(c, ("value", "values"), "", reasons);
}

/// Number of bins: Freedman and Diaconis' width, 2·IQR·n^(-1/3), of the larger set, between 8 and 48 bins.
/// <https://doi.org/10.1007/BF01025868>
fn bins(values: &[f64], null: &[f64], span: f64) -> usize {
    let mut sample = if values.len() >= null.len() { values.to_vec() } else { null.to_vec() };
    sample.sort_by(f64::total_cmp);
    let quartile = |share: usize| sample.get(sample.len() * share / 4).copied().unwrap_or(0.0);
    #[allow(clippy::cast_precision_loss)] // counts on a page
    let width = 2.0 * (quartile(3) - quartile(1)) / (sample.len().max(1) as f64).cbrt();
    let wanted = Some((span / width).ceil()).filter(|n| n.is_finite()).unwrap_or(12.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let bins = wanted.clamp(8.0, 48.0) as usize;
    bins
}

fn share(values: &[f64], low: f64, high: f64, bins: usize) -> Vec<f64> {
    let mut out = vec![0.0; bins];
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    for v in values {
        let at = ((v - low) / (high - low) * bins as f64).floor().max(0.0) as usize;
        if let Some(bin) = out.get_mut(at.min(bins - 1)) {
            *bin += 1.0 / values.len() as f64;
        }
    }
    out
}

/// Edges of the bins in pixels.
fn edges(x: &LinearScale, bins: usize) -> impl Fn(usize) -> f64 {
    let (left, right) = x.range();
    #[allow(clippy::cast_precision_loss)] // at most 48 bins
    move |i| left + (right - left) * i as f64 / bins as f64
}

fn bars(c: &mut Canvas, shares: &[f64], x: &LinearScale, y: &LinearScale) {
    let edge = edges(x, shares.len());
    for (i, share) in shares.iter().enumerate().filter(|(_, s)| **s > 0.0) {
        c.rect((edge(i) + 0.5, y.at(share * 100.0)), (edge(i + 1) - 0.5, y.at(0.0)), "bar c0");
    }
}

fn steps(c: &mut Canvas, shares: &[f64], x: &LinearScale, y: &LinearScale, class: &str) {
    let edge = edges(x, shares.len());
    let mut d = format!("M{} {}", px(edge(0)), px(y.at(0.0)));
    for (i, share) in shares.iter().enumerate() {
        let level = px(y.at(share * 100.0));
        d.push_str(&format!("L{} {level}L{} {level}", px(edge(i)), px(edge(i + 1))));
    }
    d.push_str(&format!("L{} {}", px(edge(shares.len())), px(y.at(0.0))));
    c.x.tag("path").a("class", class).a("d", &d).empty();
}

fn describe(c: &mut Canvas, name: &str, values: &[f64]) {
    if let Some((low, high)) = extent(values.iter().copied()) {
        c.describe(format!("{name}: from {low:.3} to {high:.3}."));
    }
}
