//! Projections token by token, on a page.

use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, Mark, Num, Section, Series, Table, Tick,
};

use super::found::{Monitored, MonitoredText, left_out};

/// Tokens that a figure names each of.
const NAMED: usize = 48;
/// Texts that have a section of their own.
const TEXTS: usize = 40;

const NOT_SHOWN: &str = "That the model uses what is read here, or that a token means by itself what its residual projects on: a residual \
     carries the text up to its token.";

/// An overview, then a section a text.
pub(super) fn sections(found: &Monitored) -> Vec<Section> {
    let mut all = vec![overview(found)];
    all.extend(found.texts.iter().take(TEXTS).enumerate().map(|(i, text)| section(found, i, text)));
    all
}

fn overview(found: &Monitored) -> Section {
    let left = found.texts.len().saturating_sub(TEXTS);
    let lead = format!(
        "{} texts, {} directions: the projection of the residual of every token on each direction.{}",
        found.texts.len(),
        found.directions.len(),
        if left > 0 { format!(" The first {TEXTS} are drawn; the JSON has all.") } else { String::new() }
    );
    let columns = ["direction", "site", "mean", "least", "greatest", "in"].map(Column::new).to_vec();
    let mut table = Table::new(
        "monitor-directions",
        match left_out(found) {
            None => "Projections over all tokens of all texts.".to_owned(),
            Some(said) => format!("Projections over the tokens of all texts. {said}"),
        },
        NOT_SHOWN,
        columns,
    );
    for d in &found.directions {
        let cell = |v: Option<f64>| v.map_or_else(|| Cell::empty("no token"), |v| Cell::number(v, 3));
        table.push(vec![
            d.name.as_str().into(),
            Cell::code(&d.site),
            cell(d.mean),
            cell(d.least),
            cell(d.greatest),
            d.unit.as_str().into(),
        ]);
    }
    Section::new("monitor", "Projections token by token", lead)
        .with(table)
        .with(Block::limits(&found.not_shown))
}

fn section(found: &Monitored, i: usize, text: &MonitoredText) -> Section {
    let generated = text.tokens.len() - text.given;
    let lead = match generated {
        0 => format!("{} tokens.", text.given),
        n => format!("{} tokens given and {n} generated.", text.given),
    };
    Section::new(format!("monitor-{i}"), text.id.clone(), lead)
        .with(figure(found, i, text))
        .with(table(found, i, text))
}

/// A token as it is shown: white space made visible.
fn shown(piece: &str) -> String {
    piece.replace('\n', "⏎").replace('\t', "⇥").replace(' ', "␣")
}

#[allow(clippy::cast_precision_loss, reason = "places of tokens")]
fn figure(found: &Monitored, i: usize, text: &MonitoredText) -> Figure {
    let series = found.directions.iter().enumerate().map(|(d, direction)| {
        let points = text.tokens.iter().enumerate().map(|(at, t)| CurvePoint::new(at as f64, t.cosine[d]));
        Series::new(format!("{} at {}", direction.name, direction.site), points.collect())
    });
    let mut x = Axis::new("token");
    if text.tokens.len() <= NAMED {
        x.ticks = text
            .tokens
            .iter()
            .enumerate()
            .map(|(at, t)| Tick { at: Num::new(at as f64), label: shown(&t.piece) })
            .collect();
    }
    let begun =
        (text.given < text.tokens.len()).then(|| Mark::at(text.given as f64 - 0.5, "generated from here"));
    Figure::new(
        format!("monitor-figure-{i}"),
        format!("Cosine of the residual with each direction: {}", text.id),
        Curve {
            x,
            y: Axis::new("cosine"),
            series: series.collect(),
            x_marks: begun.into_iter().collect(),
            y_marks: vec![Mark::at(0.0, "none")],
        },
        "The cosine is the projection whatever the norm of a token's residual, so that sinks of attention do not hide the \
         rest; the table has both.",
        NOT_SHOWN,
    )
}

fn table(found: &Monitored, i: usize, text: &MonitoredText) -> Table {
    let mut columns = ["token", "id"].map(Column::new).to_vec();
    for d in &found.directions {
        columns.push(Column::with_unit(format!("{} at {}", d.name, d.site), d.unit.clone()));
        columns.push(Column::new(format!("{} at {}, cosine", d.name, d.site)));
    }
    let mut table = Table::new(
        format!("monitor-table-{i}"),
        format!("Projection and cosine of every token of {}.", text.id),
        NOT_SHOWN,
        columns,
    );
    for token in &text.tokens {
        let mut row = vec![Cell::code(shown(&token.piece)), Cell::code(token.id.to_string())];
        for (p, c) in token.projection.iter().zip(&token.cosine) {
            row.extend([Cell::number(*p, 3), Cell::number(*c, 3)]);
        }
        table.push(row);
    }
    table
}
