//! From the document to text.
mod anchors;
mod block;
mod page;
mod scripted;
mod table;

pub use scripted::{Scripted, scripted};

use super::document::{Document, Figure};
use super::error::ReportError;
use super::svg::{self, PlotWidth};
use serde::Serialize;
use serde_json::Value;

/// Name of the JSON's schema.
pub const SCHEMA: &str = "truenorth.report";
/// Version of the JSON's schema.
pub const VERSION: u64 = 2;

#[derive(Serialize)]
struct ReportEnvelope<'a> {
    schema: &'static str,
    version: u64,
    #[serde(flatten)]
    document: &'a Document,
}

/// The document as indented JSON with a final line break.
///
/// # Errors
/// [`ReportError::Invalid`] if the document is not whole (see [`Document::check`]).
pub fn json(document: &Document) -> Result<String, ReportError> {
    document.check()?;
    unchecked_json(document)
}

fn unchecked_json(document: &Document) -> Result<String, ReportError> {
    let envelope = ReportEnvelope { schema: SCHEMA, version: VERSION, document };
    let mut text = serde_json::to_string_pretty(&envelope).map_err(ReportError::Json)?;
    text.push('\n');
    Ok(text)
}

/// Reads a document back from its JSON.
///
/// # Errors
/// [`ReportError::Json`] if it is not JSON of the schema, [`ReportError::Schema`] if it is of another schema or
/// version, [`ReportError::Invalid`] if the document is not whole.
pub fn from_json(text: &str) -> Result<Document, ReportError> {
    let value: Value = serde_json::from_str(text).map_err(ReportError::Json)?;
    let schema = value.get("schema").and_then(Value::as_str).unwrap_or("none");
    let version = value.get("version").and_then(Value::as_u64);
    if schema != SCHEMA || version != Some(VERSION) {
        let version = version.map_or("none".to_owned(), |v| v.to_string());
        return Err(ReportError::Schema {
            found: format!("{schema}/{version}"),
            expected: format!("{SCHEMA}/{VERSION}"),
        });
    }
    let document: Document = serde_json::from_value(value).map_err(ReportError::Json)?;
    document.check()?;
    Ok(document)
}

/// The document as one self-contained page: no script, no outside resource, light, dark and print.
///
/// What is not whole is drawn as far as it goes; call [`Document::check`] to be told.
#[must_use]
pub fn html(document: &Document) -> String {
    page::page(document)
}

/// The colours and rules of every page, for pages that are served: light, dark, narrow and print.
#[must_use]
pub fn stylesheet() -> String {
    [svg::THEME, page::PAGE_STYLE, svg::STYLE].concat()
}

/// A figure as an SVG file of its own.
#[must_use]
pub fn figure_svg(figure: &Figure) -> String {
    let style = format!("{}{}", svg::THEME, svg::STYLE);
    let palette = svg::Palette::new(std::iter::once(&figure.plot));
    svg::draw(&figure.plot, PlotWidth::Wide, &palette).svg(&figure.title, "plot", Some(&style))
}

/// A figure's plot at both widths, `div`s of the classes `plot wide` and `plot compact`, for a page of somebody else's that
/// has [`stylesheet`]; its elements have no styles of their own. `id` makes the ids in it unique in that page.
#[must_use]
pub fn fragment(figure: &Figure, id: &str) -> String {
    let palette = svg::Palette::new(std::iter::once(&figure.plot));
    let one = |size: PlotWidth, name: &str| {
        let drawn = svg::draw(&figure.plot, size, &palette).unstyled(&figure.title, &format!("{id}-{name}"));
        format!("<div class=\"plot {name}\">{drawn}</div>")
    };
    one(PlotWidth::Wide, "wide") + &one(PlotWidth::Compact, "compact")
}
