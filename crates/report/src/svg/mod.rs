//! Plots drawn as SVG: coordinates here, colours and type in `plot.css`.
//!
//! Every plot is drawn at two widths, because text that scales down with its picture cannot be read
//! on a small screen. Colour never stands alone: series also differ in dash and marker.
mod board;
mod canvas;
mod curve;
mod forest;
mod frame;
mod heat;
mod histogram;
mod scale;
mod scatter;
mod slope;
mod spark;
mod strip;
mod text;
pub(super) mod xml;

use super::plot::Plot;
use canvas::Canvas;
pub(super) use canvas::Drawing;
pub(super) use spark::spark;

/// Style of every plot; its variables are set by `theme.css`.
pub(super) const STYLE: &str = include_str!("plot.css");
/// Colours, for light and dark.
pub(super) const THEME: &str = include_str!("theme.css");

/// The width a plot is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlotWidth {
    /// A full column.
    Wide,
    /// A small screen, or half a column.
    Compact,
}

impl PlotWidth {
    fn width(self) -> f64 {
        match self {
            Self::Wide => 860.0,
            Self::Compact => 440.0,
        }
    }
}

/// Names of groups in the order of their colours, so that one kind looks the same in all figures of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Palette(Vec<String>);

impl Palette {
    /// The groups of all plots; where they are more than there are colours each figure has its own order.
    pub fn new<'a>(plots: impl Iterator<Item = &'a Plot>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in plots.flat_map(group_names) {
            if !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
        if names.len() > canvas::COLOURS { Self::default() } else { Self(names) }
    }
}

fn group_names(plot: &Plot) -> Vec<&str> {
    match plot {
        Plot::Strip(p) => p.groups.iter().map(|g| g.label.as_str()).collect(),
        Plot::Board(p) => p.rows.iter().map(|r| r.group.as_str()).collect(),
        Plot::Scatter(p) => p.points.iter().map(|r| r.group.as_str()).collect(),
        Plot::Slope(p) => p.rows.iter().map(|r| r.group.as_str()).filter(|g| !g.is_empty()).collect(),
        Plot::Curve(_) | Plot::HeatMap(_) | Plot::Forest(_) | Plot::Histogram(_) => Vec::new(),
    }
}

/// Lays `plot` out.
pub(super) fn draw(plot: &Plot, size: PlotWidth, palette: &Palette) -> Drawing {
    let mut canvas = Canvas::new(size, palette.clone());
    match plot {
        Plot::Curve(p) => curve::draw(&mut canvas, p),
        Plot::HeatMap(p) => heat::draw(&mut canvas, p),
        Plot::Forest(p) => forest::draw(&mut canvas, p),
        Plot::Strip(p) => strip::draw(&mut canvas, p),
        Plot::Board(p) => board::draw(&mut canvas, p),
        Plot::Histogram(p) => histogram::draw(&mut canvas, p),
        Plot::Scatter(p) => scatter::draw(&mut canvas, p),
        Plot::Slope(p) => slope::draw(&mut canvas, p),
    }
    canvas.finish()
}
