use super::super::number::{bracket, count, fixed, p_value, signed};
use super::super::*;
use super::demo::demo;
use super::{around, axis};

fn refused(document: &Document, path: &str) {
    match document.check() {
        Err(ReportError::Invalid { path: found, .. }) => assert_eq!(found, path),
        other => panic!("{path} was not refused: {other:?}"),
    }
    assert!(render::json(document).is_err(), "json must refuse what check refuses");
}

#[test]
fn json_comes_back_equal_and_in_the_same_bytes() {
    let json = render::json(&demo()).unwrap();
    let back = render::from_json(&json).unwrap();
    assert_eq!(back, demo());
    assert_eq!(render::json(&back).unwrap(), json);
    assert_eq!(render::html(&back), render::html(&demo()));
}

#[test]
fn figures_keep_their_data_in_the_json() {
    let value: serde_json::Value = serde_json::from_str(&render::json(&demo()).unwrap()).unwrap();
    assert_eq!(value["schema"], "truenorth.report");
    assert_eq!(value["version"], 2);
    let plot = &value["sections"][0]["blocks"][1]["plot"];
    assert_eq!(plot["kind"], "curve");
    assert_eq!(plot["series"][0]["points"].as_array().unwrap().len(), 30);
    // The point that is missing is null and says why.
    let gap = &plot["series"][0]["points"][9]["y"];
    assert_eq!(gap, &serde_json::json!({"value": null, "reason": "not a number"}));
    assert_eq!(value["front"][4]["measure"]["value"]["reason"], "stage not run");
}

#[test]
fn every_table_and_figure_of_the_json_says_what_it_does_not_show() {
    fn visit(value: &serde_json::Value, found: &mut usize) {
        if let Some(map) = value.as_object() {
            if map.contains_key("plot") || map.contains_key("columns") && map.contains_key("caption") {
                assert!(!map["not_shown"].as_str().unwrap().trim().is_empty(), "{}", map["id"]);
                *found += 1;
            }
            map.values().for_each(|v| visit(v, found));
        }
        value.as_array().into_iter().flatten().for_each(|v| visit(v, found));
    }
    let mut found = 0;
    visit(&serde_json::from_str(&render::json(&demo()).unwrap()).unwrap(), &mut found);
    assert_eq!(found, 13);
}

#[test]
fn another_schema_or_version_is_refused_by_name() {
    let json = render::json(&demo()).unwrap();
    for (from, to, named) in [
        ("\"version\": 2", "\"version\": 3", "truenorth.report/3"),
        ("truenorth.report", "other.report", "other.report/2"),
    ] {
        let error = render::from_json(&json.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(&error, ReportError::Schema { found, .. } if found == named), "{error}");
        assert!(error.hint().is_some());
    }
    assert!(matches!(render::from_json("{"), Err(ReportError::Json(_))));
    assert!(matches!(render::from_json("[]"), Err(ReportError::Schema { .. })));
}

#[test]
fn what_is_not_finite_is_missing_with_a_reason() {
    for (value, reason) in [
        (f64::NAN, "not a number"),
        (f64::INFINITY, "positive infinity"),
        (f64::NEG_INFINITY, "negative infinity"),
    ] {
        let number = Num::new(value);
        assert_eq!((number.get(), number.reason()), (None, Some(reason)));
        let json = serde_json::to_string(&number).unwrap();
        assert_eq!(json, format!("{{\"value\":null,\"reason\":\"{reason}\"}}"));
        assert_eq!(serde_json::from_str::<Num>(&json).unwrap(), number);
    }
    assert_eq!(serde_json::to_string(&Num::new(0.1)).unwrap(), "0.1");
    assert_eq!(Num::from(None).reason(), Some("not computed"));
    assert!(serde_json::from_str::<Num>("null").is_err(), "a null without a reason is not a number");
}

#[test]
fn numbers_are_printed_as_papers_print_them() {
    assert_eq!(fixed(-0.001, 2), "0.00");
    assert_eq!(fixed(-1.5, 1), "\u{2212}1.5");
    assert_eq!(signed(0.25, 2), "+0.25");
    assert_eq!(signed(0.001, 2), "0.00");
    assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    assert_eq!(count(1234), "1234");
    assert_eq!(bracket(&Num::new(-0.1), &Num::new(0.2), 1), "[\u{2212}0.1, 0.2]");
    assert_eq!(bracket(&Num::default(), &Num::default(), 1), "no interval");
    assert_eq!(p_value(&Num::new(0.0421), None), "0.042");
    assert_eq!(p_value(&Num::new(1e-9), None), "< 0.001");
    // 999 draws cannot show less than 1/1000, whatever number is passed.
    assert_eq!(p_value(&Num::new(1e-9), Some(999)), "≤ 0.001");
    assert_eq!(p_value(&Num::new(1.0 / 1001.0), Some(1000)), "≤ 0.001");
    assert_eq!(p_value(&Num::new(1e-9), Some(9999)), "≤ 0.0001");
    assert_eq!(p_value(&Num::new(0.2), Some(999)), "0.200");
}

#[test]
fn blank_limits_are_refused() {
    let mut document = demo();
    let Block::Figure(figure) = &mut document.sections[0].blocks[1] else { panic!() };
    figure.not_shown = " \n".into();
    refused(&document, "/sections/0/blocks/1/not_shown");
    let mut document = demo();
    let Block::Table(table) = &mut document.sections[2].blocks[1] else { panic!() };
    table.not_shown.clear();
    refused(&document, "/sections/2/blocks/1/not_shown");
}

#[test]
fn ragged_tables_and_matrices_are_refused() {
    let mut document = demo();
    let Block::Table(table) = &mut document.sections[2].blocks[1] else { panic!() };
    table.rows[3].pop();
    refused(&document, "/sections/2/blocks/1/rows/3");
    let heat = HeatMap::cosine(vec!["a".into(), "b".into()], vec![HeatRow::new("a", vec![Num::new(1.0)])]);
    refused(&around(heat), "/sections/0/blocks/0/plot/rows/0/cells");
    let slope = Slope {
        columns: vec!["a".into(), "b".into()],
        rows: vec![SlopeRow { ranks: vec![Num::new(1.0)], ..SlopeRow::default() }],
        ..Slope::default()
    };
    refused(&around(slope), "/sections/0/blocks/0/plot/rows/0/ranks");
}

#[test]
fn ids_must_be_unique_and_links_lead_somewhere() {
    let mut document = demo();
    document.sections[1].id = "null".into();
    refused(&document, "/sections/1/id");
    let mut document = demo();
    document.front[1].see = Some("nowhere".into());
    refused(&document, "/front/1/see");
    let mut document = demo();
    document.sections[0].blocks.push(Block::Details {
        summary: "s".into(),
        blocks: vec![Block::text(Rich(vec![Span::Link { to: "x".into(), text: "x".into() }]))],
    });
    refused(&document, "/sections/0/blocks/5/blocks/0/text");
}

#[test]
fn numbers_out_of_order_or_range_are_refused() {
    let points = vec![CurvePoint::new(1.0, 0.0), CurvePoint::new(0.0, 0.0)];
    let curve =
        |points| Curve { x: axis(), y: axis(), series: vec![Series::new("a", points)], ..Curve::default() };
    refused(&around(curve(points)), "/sections/0/blocks/0/plot/series/0/points/1/x");
    let points = vec![CurvePoint::new(0.0, 0.0).band(1.0, -1.0)];
    refused(&around(curve(points)), "/sections/0/blocks/0/plot/series/0/points/0/band");
    let mut document = demo();
    document.front[0].null.p = Num::new(1.2);
    refused(&document, "/front/0/null/p");
    let mut document = demo();
    document.front[0].interval.level = Num::new(95.0);
    refused(&document, "/front/0/interval/level");
    let mut document = demo();
    document.front[0].n.count = 0;
    refused(&document, "/front/0/n/count");
}
