use super::super::*;
use super::demo::demo;
use super::{around, axis, parse, texts};

#[test]
fn the_page_is_well_formed_and_whole() {
    let html = render::html(&demo());
    let page = parse(&html);
    let count = |name: &str| page.descendants().filter(|n| n.tag_name().name() == name).count();
    assert_eq!(count("h1"), 1);
    assert_eq!(count("figure"), 11);
    assert_eq!(count("figcaption"), 11);
    // Nine figures at two widths, two side by side at one, and four findings with a number.
    assert_eq!(count("svg"), 9 * 2 + 2 + 4);
    let limits = page.descendants().filter(|n| n.attribute("class") == Some("limits")).count();
    assert_eq!(limits, 11 + 2, "a figure or table without its limits");
}

#[test]
fn every_plot_has_a_title_and_a_description() {
    let html = render::html(&demo());
    let page = parse(&html);
    for svg in page.descendants().filter(|n| n.tag_name().name() == "svg") {
        let children: Vec<_> = svg.children().filter(|n| n.is_element()).take(2).collect();
        assert_eq!(children[0].tag_name().name(), "title");
        assert_eq!(children[1].tag_name().name(), "desc");
        assert!(children.iter().all(|n| !n.text().unwrap().trim().is_empty()));
        let ids = svg.attribute("aria-labelledby").unwrap();
        assert_eq!(
            ids,
            format!("{} {}", children[0].attribute("id").unwrap(), children[1].attribute("id").unwrap())
        );
    }
}

#[test]
fn ids_are_unique_and_links_stay_in_the_page() {
    let html = render::html(&demo());
    let page = parse(&html);
    let mut ids = std::collections::HashSet::new();
    for id in page.descendants().filter_map(|n| n.attribute("id")) {
        assert!(ids.insert(id), "{id} twice");
    }
    let links: Vec<_> = page.descendants().filter_map(|n| n.attribute("href")).collect();
    assert!(links.len() > 10);
    for link in links {
        assert!(ids.contains(link.strip_prefix('#').unwrap()), "{link} leads nowhere");
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let html = render::html(&demo());
    let page = parse(&html);
    for node in page.descendants().filter(|n| n.is_element()) {
        let name = node.tag_name().name();
        assert!(!["script", "link", "img", "iframe", "object", "use", "image"].contains(&name), "{name}");
        for attribute in node.attributes() {
            assert!(
                !["src", "srcset", "onload", "onclick", "action"].contains(&attribute.name()),
                "{attribute:?}"
            );
        }
    }
    assert!(
        !html.contains("http:")
            && !html.contains("https:")
            && !html.contains("url(")
            && !html.contains("@import")
    );
}

#[test]
fn text_is_text_wherever_it_stands() {
    let evil = "<script>alert('x')</script>\"&\u{0}\u{1b}\u{202e}";
    let plots: Vec<Plot> = vec![
        Curve {
            x: Axis { label: evil.into(), unit: Some(evil.into()), ..Axis::default() },
            y: Axis::new(evil),
            series: vec![Series::new(evil, vec![CurvePoint::new(0.0, 1.0)]), Series::control(evil, vec![])],
            x_marks: vec![Mark::at(0.0, evil)],
            y_marks: vec![Mark::at(0.0, evil)],
        }
        .into(),
        HeatMap::cosine(vec![evil.into()], vec![HeatRow::new(evil, vec![Num::missing(evil)])]).into(),
        Forest {
            x: axis(),
            reference: Some(Mark::at(0.0, evil)),
            digits: 2,
            rows: vec![ForestRow { label: evil.into(), group: Some(evil.into()), ..ForestRow::default() }],
        }
        .into(),
        Strip {
            x: axis(),
            reference: None,
            groups: vec![StripGroup {
                label: evil.into(),
                points: vec![LabelledValue { label: evil.into(), value: Num::new(1.0) }],
            }],
        }
        .into(),
        Board {
            x: axis(),
            digits: 2,
            rows: vec![BoardRow {
                label: evil.into(),
                group: evil.into(),
                score: Num::new(1.0),
                ..BoardRow::default()
            }],
        }
        .into(),
        Histogram { x: axis(), name: evil.into(), values: vec![Num::new(1.0)], ..Histogram::default() }
            .into(),
        Scatter {
            x: axis(),
            y: axis(),
            diagonal: false,
            points: vec![ScatterPoint {
                label: evil.into(),
                named: true,
                group: evil.into(),
                x: Num::new(0.0),
                y: Num::new(0.0),
            }],
        }
        .into(),
        Slope {
            columns: vec![evil.into(), evil.into()],
            mover: Num::new(1.0),
            rows: vec![SlopeRow {
                label: evil.into(),
                group: String::new(),
                ranks: vec![Num::new(1.0), Num::new(2.0)],
            }],
        }
        .into(),
    ];
    for plot in plots {
        let mut document = around(plot);
        document.title = evil.into();
        document.subtitle = evil.into();
        document.sections[0].id = evil.into();
        document.sections[0].blocks.push(KeyValueList::new(evil).with(evil, evil).into());
        document.sections[0].blocks.push(Block::note(NoteKind::Limit, evil));
        document.check().unwrap();
        let html = render::html(&document);
        assert!(!html.contains("<script") && !html.contains(['\u{0}', '\u{1b}', '\u{202e}']));
        // Read back, the text is there: only what XML forbids or what reorders text is shown by a sign.
        let page = parse(&html);
        assert_eq!(texts(&page, "h1"), ["<script>alert('x')</script>\"&\u{2400}\u{241b}\u{fffd}"]);
        // In the JSON it is exact.
        assert_eq!(render::from_json(&render::json(&document).unwrap()).unwrap().title, evil);
    }
}

#[test]
fn long_tables_fold_and_keep_every_row() {
    let mut table = Table::new("t", "caption", "limits", vec![Column::new("a"), Column::new("b")]);
    for i in 0..1000_u64 {
        table.push(vec![i.into(), Cell::number(i as f64 / 7.0, 3)]);
    }
    let document = Document {
        title: "t".into(),
        sections: vec![Section::new("s", "S", "").with(table)],
        ..Document::default()
    };
    let html = render::html(&document);
    let page = parse(&html);
    assert_eq!(texts(&page, "summary"), ["984 more rows of 1000"]);
    assert_eq!(page.descendants().filter(|n| n.tag_name().name() == "td").count(), 1000);
    assert!(html.contains("The other 984 rows are in report.json."), "paper must say what it leaves out");
}

#[test]
fn a_figure_of_its_own_carries_its_style() {
    let Block::Figure(figure) = &demo().sections[0].blocks[1] else { panic!() };
    let svg = render::figure_svg(figure);
    let page = parse(&svg);
    assert_eq!(page.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    assert!(texts(&page, "style")[0].contains("--c0"));
}
