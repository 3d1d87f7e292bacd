//! Checkpoints to move through: a page of its own, with a slider over training. Without a script it shows the last one.

use std::fmt::Write as _;

use serde_json::{Value, json};
use truenorth_report::render::{Scripted, figure_svg, scripted};
use truenorth_report::{Axis, Figure, HeatMap, HeatRow, Num, Plot, Scatter, ScatterPoint};

use super::{CentroidNumber, ClassAt, ClassCourse, TextGeometry};
use truenorth_reading::stat::Number;

/// The name of the page in the folder of a report.
pub const NAME: &str = "explorer.html";

const STYLE: &str = include_str!("explorer.css");
const SCRIPT: &str = include_str!("explorer.js");

/// The page, one self-contained file.
#[must_use]
pub fn html(found: &TextGeometry) -> String {
    let names = &found.checkpoints;
    let subtitle = match names.as_slice() {
        [one] => format!("{} categories at {one}.", found.categories.len()),
        _ => format!(
            "{} categories over {} checkpoints, from {} to {}.",
            found.categories.len(),
            names.len(),
            names.first().map_or("", String::as_str),
            names.last().map_or("", String::as_str)
        ),
    };
    let (body, data) = (body(found), data(found));
    scripted(&Scripted {
        title: "Directions over training",
        subtitle: &subtitle,
        style: STYLE,
        body: &body,
        data: &data,
        script: SCRIPT,
    })
}

/// Six digits are more than a picture shows.
fn short(v: f64) -> Value {
    let text = format!("{v:.5e}");
    text.parse::<f64>().map_or(Value::Null, |v| json!(v))
}

fn placed(p: &CentroidNumber) -> Value {
    json!([short(p.value), p.low.map(short), p.high.map(short)])
}

fn number(n: &Number) -> Value {
    json!([short(n.value), n.interval.map(|i| short(i.low)), n.interval.map(|i| short(i.high))])
}

fn data(found: &TextGeometry) -> Value {
    let class = |c: &ClassCourse| {
        let at: Vec<Value> =
            c.at.iter()
                .map(|a| {
                    json!({
                        "projection": placed(&a.projection), "distance": placed(&a.distance),
                        "centred_projection": placed(&a.centred_projection),
                        "centred_distance": placed(&a.centred_distance),
                        "norm": placed(&a.norm), "variance": placed(&a.variance), "spread": placed(&a.spread),
                        "plane": [short(a.plane[0]), short(a.plane[1])],
                    })
                })
                .collect();
        json!({ "category": c.category, "positive": c.positive, "n": c.n, "at": at })
    };
    let list = |of: &[Number]| of.iter().map(number).collect::<Vec<_>>();
    let stages: Vec<Option<&String>> =
        (0..found.checkpoints.len()).map(|i| found.stages.get(i).and_then(Option::as_ref)).collect();
    let courses: Vec<Vec<Vec<Value>>> = found
        .categories
        .iter()
        .map(|c| c.course.cosines.iter().map(|r| r.iter().map(|v| short(*v)).collect()).collect())
        .collect();
    let across: Vec<Vec<Vec<Value>>> = found
        .across
        .iter()
        .map(|m| m.iter().map(|r| r.iter().map(|c| number(&c.number)).collect()).collect())
        .collect();
    json!({
        "checkpoints": found.checkpoints,
        "stages": stages,
        "starts": found.stage_starts(),
        "categories": found.categories.iter().map(|c| &c.category).collect::<Vec<_>>(),
        "classes": found.centroids.classes.iter().map(class).collect::<Vec<_>>(),
        "shares": found.centroids.plane_shares.map(short),
        "difference": found.categories.iter().map(|c| list(&c.difference)).collect::<Vec<_>>(),
        "to_general": found.categories.iter()
            .map(|c| c.to_general.iter().map(|c| number(&c.number)).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "across": across,
        "course": courses,
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A panel with a drawing that a script replaces.
fn panel(out: &mut String, id: &str, class: &str, title: &str, options: &str, still: &str, note: &str) {
    let _ = writeln!(
        out,
        "<section class=\"panel {class}\" aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{title}</h2>\
         <div class=\"opts live\">{options}</div><div id=\"{id}\">{still}</div><p>{note}</p></section>"
    );
}

fn body(found: &TextGeometry) -> String {
    let last = found.checkpoints.len().saturating_sub(1);
    let name = escaped(&found.staged_names().pop().unwrap_or_default());
    let mut out = String::new();
    bar(&mut out, found, &name);
    legend(&mut out, found);
    out.push_str("<div class=\"panels\">\n");
    panel(
        &mut out,
        "map",
        "big",
        "Class centroids",
        "<label>Shown as <select id=\"view\"><option value=\"line\">projection and distance from the general \
         direction\u{2019}s line</option><option value=\"middle\">the same, from the midpoint of the classes</option>\
         <option value=\"plane\">principal components of all centroids</option></select></label>\
         <label><input type=\"checkbox\" id=\"own\"> scale to this checkpoint</label>",
        &still_map(found, last),
        "Every checkpoint against its own general direction: places of two checkpoints share no axis, but those of the \
         principal components do. Not shown: that a feature moved; the coordinates themselves may turn.",
    );
    let spread = "<label>Measured as <select id=\"spread-of\"><option value=\"variance\">variance</option>\
                  <option value=\"spread\">mean distance</option></select></label>";
    let still = "<p class=\"still\">Drawn by a script; the table below has the last checkpoint.</p>";
    for (id, title, options) in [
        ("spread", "Spread of the classes", spread),
        ("norms", "Lengths of the centroids", ""),
        ("sizes", "Lengths of the directions before they are units", ""),
        ("general", "Each category against the general direction", ""),
    ] {
        panel(&mut out, id, "", title, options, still, "");
    }
    panel(&mut out, "across", "", "Cosines between categories", "", &still_across(found, last), "");
    let options: String = found
        .categories
        .iter()
        .enumerate()
        .map(|(i, c)| format!("<option value=\"{i}\">{}</option>", escaped(&c.category)))
        .collect();
    panel(
        &mut out,
        "course",
        "",
        "One direction across all checkpoints",
        &format!("<label>Category <select id=\"course-of\">{options}</select></label>"),
        still,
        "Framed: the checkpoint chosen above.",
    );
    out.push_str("</div>\n");
    tables(&mut out, found, last, &name);
    out.push_str("<div id=\"tip\" aria-hidden=\"true\"></div>\n");
    out
}

fn bar(out: &mut String, found: &TextGeometry, name: &str) {
    let n = found.checkpoints.len();
    let _ = write!(
        out,
        "<div class=\"bar\"><div class=\"line live\"><button id=\"play\" type=\"button\" aria-pressed=\"false\">Play</button>\
         <input id=\"step\" type=\"range\" min=\"0\" max=\"{}\" value=\"{}\" step=\"1\" aria-label=\"Checkpoint\">\
         <output id=\"at\" for=\"step\"></output></div><p class=\"still\">The last checkpoint, {name}. With a script this page \
         moves through all of them.</p>",
        n.saturating_sub(1),
        n.saturating_sub(1)
    );
    let starts = found.stage_starts();
    if !starts.is_empty() {
        out.push_str("<div class=\"stages\">");
        for (k, (from, stage)) in starts.iter().enumerate() {
            let to = starts.get(k + 1).map_or(n, |s| s.0);
            let _ = write!(
                out,
                "<span data-from=\"{from}\" data-to=\"{to}\" style=\"flex:{}\">{}</span>",
                to - from,
                escaped(stage)
            );
        }
        out.push_str("</div>");
    }
    out.push_str("</div>\n");
}

fn legend(out: &mut String, found: &TextGeometry) {
    out.push_str("<ul class=\"legend\">");
    for (i, c) in found.categories.iter().enumerate() {
        let _ = write!(out, "<li class=\"k{}\"><i></i>{}</li>", i.min(7), escaped(&c.category));
    }
    out.push_str(
        "<li class=\"k7\"><i></i>positive</li><li class=\"k7\"><i class=\"down\"></i>negative</li></ul>\n",
    );
}

fn still_map(found: &TextGeometry, last: usize) -> String {
    let points = found.centroids.classes.iter().filter_map(|c| {
        let at = c.at.get(last)?;
        let side = if c.positive { "positive" } else { "negative" };
        Some(ScatterPoint {
            label: format!("{}, {side}", c.category),
            group: c.category.clone(),
            x: Num::new(at.projection.value),
            y: Num::new(at.distance.value),
            ..ScatterPoint::default()
        })
    });
    let plot = Scatter {
        x: Axis::new("projection on the general direction"),
        y: Axis::new("distance from its line"),
        points: points.collect(),
        ..Scatter::default()
    };
    figure_svg(&Figure::new(
        "map-still",
        "Class centroids at the last checkpoint",
        Plot::Scatter(plot),
        "",
        "",
    ))
}

fn still_across(found: &TextGeometry, last: usize) -> String {
    let names: Vec<String> = found.categories.iter().map(|c| c.category.clone()).collect();
    let rows = names
        .iter()
        .zip(found.across.get(last).into_iter().flatten())
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::new(c.value)).collect()));
    let plot = HeatMap::cosine(names.clone(), rows.collect());
    figure_svg(&Figure::new("across-still", "Cosines at the last checkpoint", Plot::HeatMap(plot), "", ""))
}

fn said(p: &CentroidNumber) -> String {
    match (p.low, p.high) {
        (Some(low), Some(high)) => format!("{:.3} [{low:.3}, {high:.3}]", p.value),
        _ => format!("{:.3} (no interval)", p.value),
    }
}

fn tables(out: &mut String, found: &TextGeometry, last: usize, name: &str) {
    let _ = write!(
        out,
        "<section aria-labelledby=\"rows-h\"><h2 id=\"rows-h\">The numbers at <span class=\"which\">{name}</span></h2>\
         <p>Intervals of 95 %: {}. Lengths are in the model\u{2019}s own units.</p><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">category</th><th scope=\"col\">class</th>",
        escaped(&found.centroids.method)
    );
    for head in ["projection", "distance", "length", "variance", "mean distance"] {
        let _ = write!(out, "<th scope=\"col\" class=\"num\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody id=\"rows\">");
    for class in &found.centroids.classes {
        let Some(at) = class.at.get(last) else { continue };
        let ClassAt { projection, distance, norm, variance, spread, .. } = at;
        let side = if class.positive { "positive" } else { "negative" };
        let _ = write!(out, "<tr><th scope=\"row\">{}</th><td>{side}</td>", escaped(&class.category));
        for value in [projection, distance, norm, variance, spread] {
            let _ = write!(out, "<td class=\"num\">{}</td>", said(value));
        }
        out.push_str("</tr>");
    }
    out.push_str(
        "</tbody></table></div><div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">direction</th>\
         <th scope=\"col\" class=\"num\">length before it is a unit</th><th scope=\"col\" class=\"num\">cosine with the \
         general one</th></tr></thead><tbody id=\"dirs\">",
    );
    for c in &found.categories {
        let of =
            |n: Option<&Number>| n.map_or_else(|| "\u{2013}".to_owned(), |n| said(&CentroidNumber::of(n)));
        let general = of(c.to_general.get(last).map(|c| &c.number));
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{general}</td></tr>",
            escaped(&c.category),
            of(c.difference.get(last))
        );
    }
    out.push_str("</tbody></table></div></section>\n");
}
