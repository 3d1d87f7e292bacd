//! Reports: a document model, rendered to JSON for machines and to one HTML page with SVG plots for people.
//!
//! A [`Document`] holds data, never markup. [`render::json`] writes all of it, figures' data included, so
//! that a reader can recompute every number; [`render::html`] draws the same data. Both are deterministic.
//!
//! Three rules are kept by the types: a number is finite or says why it is missing ([`Num`]); a finding
//! has its n, interval and null ([`Finding`]); a figure or table says what it does not show (`not_shown`).
//!
//! ```
//! use truenorth_report::{Axis, Curve, CurvePoint, Document, Figure, Section, Series, render};
//!
//! let auroc = Series::new("held-out pairs", vec![
//!     CurvePoint::new(0.0, 0.55).band(0.41, 0.68),
//!     CurvePoint::new(6.0, 0.93).band(0.86, 0.98),
//! ]);
//! let plot = Curve { x: Axis::new("block"), y: Axis::new("AUROC").range(0.0, 1.0), series: vec![auroc], ..Curve::default() };
//! let figure = Figure::new("reading", "Held-out separation", plot, "n = 45 pairs; band: 95 % interval.",
//!     "That the direction is used by the model.");
//! let document = Document {
//!     title: "A first look".into(),
//!     sections: vec![Section::new("separation", "Separation", "").with(figure)],
//!     ..Document::default()
//! };
//! assert!(render::json(&document)?.contains("\"not_shown\""));
//! assert!(render::html(&document).contains("<svg"));
//! # Ok::<(), truenorth_report::ReportError>(())
//! ```
//!
//! # The JSON
#![doc = include_str!("schema.md")]

mod check;
mod document;
mod error;
mod finding;
mod measured;
mod number;
mod plot;
pub mod render;
mod svg;
mod table;
mod tested;
mod write;

#[cfg(test)]
mod tests;

pub use document::{
    AnsweredQuestion, Block, Document, Figure, KeyValue, KeyValueList, NoteKind, QuestionVerdict, Rich,
    Section, Span, StudyAnswer, TextBeside,
};
pub use error::ReportError;
pub use finding::{Finding, FindingStatus, Measure, ReportedInterval, ReportedNull, Sample};
pub use measured::{bands, id};
pub use number::Num;
pub use plot::{
    Axis, Board, BoardRow, Curve, CurvePoint, Forest, ForestRow, HeatMap, HeatRow, Histogram, LabelledValue,
    Mark, Plot, Scatter, ScatterPoint, Series, Slope, SlopeRow, Strip, StripGroup, Tick,
};
pub use table::{Adjustment, Cell, Column, Table};
pub use tested::PrintedTest;
pub use truenorth_stats::test::Test;
pub use write::{HTML_NAME, JSON_NAME, free, free_page, write, write_page};
