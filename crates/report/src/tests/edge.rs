//! Data at the edge: none, one, all equal, missing, huge, many, long.
use super::super::svg::{Palette, PlotWidth, draw};
use super::super::*;
use super::demo::{Lcg, board_rows};
use super::{axis, parse};

/// Draws at both widths; the SVG must be well-formed and its coordinates finite and on the page.
fn drawn(plot: &Plot) -> [String; 2] {
    [PlotWidth::Wide, PlotWidth::Compact].map(|size| {
        let drawing = draw(plot, size, &Palette::default());
        let svg = drawing.svg("title", "id", None);
        let page = parse(&svg);
        let view: Vec<f64> = page
            .root_element()
            .attribute("viewBox")
            .unwrap()
            .split(' ')
            .map(|v| v.parse().unwrap())
            .collect();
        assert!(view[3] > 0.0 && view[3] < 2500.0, "height {}", view[3]);
        for node in page.descendants().filter(|n| n.is_element()) {
            for name in ["x", "y", "x1", "x2", "y1", "y2", "width", "height"] {
                let Some(value) = node.attribute(name) else { continue };
                let value: f64 = value.parse().unwrap();
                assert!(value.is_finite() && (-60.0..2560.0).contains(&value), "{name}={value} in {svg}");
            }
            assert!(!node.attribute("d").is_some_and(|d| d.contains("NaN") || d.contains("inf")), "{svg}");
        }
        svg
    })
}

fn says(plot: &Plot, sentence: &str) {
    for size in [PlotWidth::Wide, PlotWidth::Compact] {
        let drawing = draw(plot, size, &Palette::default());
        assert!(
            drawing.remarks.iter().any(|r| r.contains(sentence)) && drawing.desc.contains(sentence),
            "{sentence:?} is not among {:?}",
            drawing.remarks
        );
    }
}

fn curve(points: Vec<CurvePoint>) -> Plot {
    Curve { x: axis(), y: axis(), series: vec![Series::new("a", points)], ..Curve::default() }.into()
}

#[test]
fn empty_plots_say_so() {
    let plots: [Plot; 10] = [
        Curve::default().into(),
        curve(vec![]),
        curve(vec![CurvePoint::new(f64::NAN, 1.0)]),
        HeatMap::cosine(vec![], vec![]).into(),
        Forest::default().into(),
        Strip::default().into(),
        Board::default().into(),
        Histogram::default().into(),
        Scatter::default().into(),
        Slope::default().into(),
    ];
    for plot in plots {
        for svg in drawn(&plot) {
            assert!(svg.contains("Nothing to draw: "), "{svg}");
        }
    }
}

#[test]
fn one_point_is_drawn() {
    for svg in drawn(&curve(vec![CurvePoint::new(3.0, 0.5).band(0.4, 0.6)])) {
        assert_eq!(svg.matches("class=\"pt c0\"").count(), 1, "{svg}");
    }
    for svg in drawn(&Histogram { x: axis(), values: vec![Num::new(0.0)], ..Histogram::default() }.into()) {
        assert_eq!(svg.matches("class=\"bar c0\"").count(), 2, "one in the legend, one bar: {svg}");
    }
}

#[test]
fn equal_values_do_not_divide_by_zero() {
    drawn(&curve((0..4).map(|i| CurvePoint::new(f64::from(i), 0.7)).collect()));
    drawn(&curve((0..4).map(|_| CurvePoint::new(2.0, 0.0)).collect()));
    let values = vec![Num::new(5.0); 40];
    drawn(&Histogram { x: axis(), values: values.clone(), null: values, ..Histogram::default() }.into());
    let points = vec![ScatterPoint { x: Num::new(1.0), y: Num::new(1.0), ..ScatterPoint::default() }; 3];
    drawn(&Scatter { x: axis(), y: axis(), diagonal: true, points }.into());
    let rows = vec![SlopeRow { ranks: vec![Num::new(1.0); 3], ..SlopeRow::default() }; 3];
    drawn(&Slope { columns: vec!["a".into(); 3], mover: Num::default(), rows }.into());
    drawn(
        &HeatMap {
            span: Num::default(),
            ..HeatMap::cosine(vec!["a".into()], vec![HeatRow::new("a", vec![Num::new(0.0)])])
        }
        .into(),
    );
}

#[test]
fn huge_and_tiny_values_stay_on_the_page() {
    drawn(&curve([-1e308, 0.0, 1e308].map(|v| CurvePoint::new(v, v)).to_vec()));
    drawn(&curve([1e-300, 2e-300].map(|v| CurvePoint::new(v, v)).to_vec()));
    drawn(&curve([1e15, 1e15 + 1.0].map(|v| CurvePoint::new(v, v)).to_vec()));
    let values = [-1e308, 1e308].map(Num::new).to_vec();
    drawn(&Histogram { x: axis(), values, ..Histogram::default() }.into());
}

#[test]
fn a_missing_value_breaks_the_line_and_is_stated() {
    let mut points: Vec<_> = (0..6).map(|i| CurvePoint::new(f64::from(i), 0.5).band(0.4, 0.6)).collect();
    points[3].y = Num::new(f64::NAN);
    let plot = curve(points);
    for svg in drawn(&plot) {
        assert_eq!(svg.matches("class=\"ln c0\"").count(), 2, "two stretches of line: {svg}");
        assert_eq!(svg.matches("class=\"bd c0\"").count(), 2, "two stretches of band: {svg}");
    }
    says(&plot, "1 point of a is missing and not drawn (not a number).");
    let heat = HeatMap::cosine(vec!["a".into()], vec![HeatRow::new("a", vec![Num::missing("one class")])]);
    says(&heat.into(), "1 cell is missing and not drawn (one class).");
}

#[test]
fn a_long_board_draws_its_ends_and_says_so() {
    let plot: Plot = Board { x: axis(), digits: 3, rows: board_rows(1000, &mut Lcg(1)) }.into();
    says(&plot, "The first and last 20 of 1000 rows are drawn; all are in the data.");
    for svg in drawn(&plot) {
        assert!(svg.contains("960 rows between"));
        assert!(svg.len() < 40_000, "{} bytes", svg.len());
    }
}

#[test]
fn a_thousand_of_everything_is_drawn() {
    let mut r = Lcg(3);
    let values: Vec<Num> = (0..1000).map(|_| Num::new(r.normal())).collect();
    let points = values.iter().map(|v| LabelledValue { label: "p".into(), value: v.clone() }).collect();
    let strip = Strip { x: axis(), reference: None, groups: vec![StripGroup { label: "g".into(), points }] };
    says(&strip.clone().into(), "Names of single dots are in the data");
    drawn(&strip.into());
    let rows = (0..1000).map(|i| SlopeRow {
        label: format!("item {i}"),
        group: String::new(),
        ranks: vec![Num::new(f64::from(i)), Num::new(f64::from((i * 7) % 1000))],
    });
    let slope: Plot =
        Slope { columns: vec!["a".into(), "b".into()], mover: Num::new(900.0), rows: rows.collect() }.into();
    says(&slope, "names are not written for lack of room");
    drawn(&slope);
    let columns: Vec<String> = (0..100).map(|i| format!("checkpoint {i}")).collect();
    let rows = columns.iter().map(|c| HeatRow::new(c, values[..100].to_vec())).collect();
    drawn(&HeatMap { span: Num::default(), ..HeatMap::cosine(columns, rows) }.into());
    let many = (0..40).map(|i| {
        Series::new(format!("s{i}"), vec![CurvePoint::new(0.0, f64::from(i)), CurvePoint::new(1.0, 0.0)])
    });
    drawn(&Curve { x: axis(), y: axis(), series: many.collect(), ..Curve::default() }.into());
}

#[test]
fn long_labels_are_cut_between_characters_and_kept_in_full() {
    let family = "👩‍👩‍👧‍👦";
    for label in
        ["word ".repeat(400).trim().to_owned(), family.repeat(120), "ا".repeat(500), "價".repeat(300)]
    {
        let rows = vec![BoardRow { label: label.clone(), score: Num::new(1.0), ..BoardRow::default() }];
        for svg in drawn(&Board { x: axis(), digits: 1, rows }.into()) {
            let page = parse(&svg);
            let cut = page
                .descendants()
                .find(|n| {
                    n.tag_name().name() == "text" && n.children().any(|c| c.tag_name().name() == "title")
                })
                .unwrap();
            assert_eq!(cut.first_element_child().unwrap().text(), Some(label.as_str()));
            let shown = cut.children().find(|n| n.is_text()).unwrap().text().unwrap();
            let kept = shown.strip_suffix('…').unwrap();
            assert!(label.starts_with(kept) && kept.chars().count() < 80 * 7);
            assert!(!label.starts_with(family) || kept.len() % family.len() == 0, "cut inside a character");
        }
    }
}

#[test]
fn blank_labels_are_named() {
    let rows = ["", " \t"].map(|l| HeatRow::new(l, vec![Num::new(0.5)]));
    let svg = &drawn(&HeatMap::cosine(vec!["\n".into()], rows.to_vec()).into())[0];
    assert!(svg.contains(">(empty)</text>") && svg.contains(">(blank)</text>"), "{svg}");
}

#[test]
fn colours_markers_and_dashes_tell_thirty_series_apart() {
    let series = (0..30)
        .map(|i| Series::new(format!("{i}"), vec![CurvePoint::new(0.0, 0.0), CurvePoint::new(1.0, 1.0)]));
    let svg = &drawn(&Curve { x: axis(), y: axis(), series: series.collect(), ..Curve::default() }.into())[0];
    let page = parse(svg);
    // The lines that share one end point differ in colour or dash.
    let mut looks = std::collections::HashSet::new();
    let lines = page.descendants().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("ln ")));
    for line in lines.filter(|n| n.attribute("d").is_some_and(|d| d.contains("L846"))) {
        looks.insert((line.attribute("class").unwrap(), line.attribute("stroke-dasharray").unwrap_or("")));
    }
    assert_eq!(looks.len(), 30);
}

/// The whole of a small drawing: a change of layout has to be looked at before it is accepted here.
#[test]
fn a_small_drawing_is_as_it_was() {
    let heat = HeatMap::cosine(vec!["a".into()], vec![HeatRow::new("a", vec![Num::new(-0.5)])]);
    let svg = &drawn(&heat.into())[1];
    let cell = "<rect x=\"50.31\" y=\"24.5\" width=\"61\" height=\"37.44\" class=\"neg\" fill-opacity=\"0.500\">\
                <title>a · a: \u{2212}0.50</title></rect>";
    assert!(svg.contains(cell), "{svg}");
    assert!(svg.starts_with("<svg class=\"tn\" viewBox=\"0 0 440 "), "{svg}");
}
