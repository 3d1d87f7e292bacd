//! Tests of the report: the model, the drawings, the page, the files.
mod colour;
mod demo;
mod edge;
mod files;
mod model;
mod page;
mod tested;

use super::{Axis, Document, Figure, Plot, Section};

/// A document around one figure.
fn around(plot: impl Into<Plot>) -> Document {
    let figure = Figure::new("fig", "A figure", plot, "caption", "what it does not show");
    Document {
        title: "t".into(),
        sections: vec![Section::new("s", "Section", "lead").with(figure)],
        ..Document::default()
    }
}

fn axis() -> Axis {
    Axis::new("value")
}

/// The page parsed as XML; fails where it is not well-formed.
fn parse(markup: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(markup, options).unwrap()
}

/// Text of every element with that name.
fn texts(page: &roxmltree::Document<'_>, name: &str) -> Vec<String> {
    let nodes = page.descendants().filter(|n| n.tag_name().name() == name);
    nodes.map(|n| n.descendants().filter_map(|d| d.is_text().then(|| d.text()).flatten()).collect()).collect()
}
