//! Whether a document is whole: every part says what a report must say.
use super::document::{AnsweredQuestion, Block, Document, Figure, QuestionVerdict, Rich, Section, Span};
use super::error::ReportError;
use super::finding::Finding;
use super::number::Num;
use super::plot::{CurvePoint, Plot};
use super::table::{Cell, Table};
use std::collections::HashSet;

const MAX_DIGITS: usize = 12;

impl Document {
    /// Checks that ids are unique and links lead somewhere, that no limit (`not_shown`) is blank, that
    /// matrices and tables are rectangular, bounds in order, p values and levels in range.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] with a JSON pointer to the first part that is not.
    pub fn check(&self) -> Result<(), ReportError> {
        filled("/title", &self.title)?;
        let mut ids = HashSet::new();
        for (s, section) in self.sections.iter().enumerate() {
            let at = format!("/sections/{s}");
            claim(&mut ids, &at, &section.id)?;
            filled(&format!("{at}/title"), &section.title)?;
            walk(section, &at, &mut |at, block| check_block(&mut ids, at, block))?;
        }
        for (s, section) in self.sections.iter().enumerate() {
            walk(section, &format!("/sections/{s}"), &mut |at, block| links(&ids, at, block))?;
        }
        for (f, finding) in self.front.iter().enumerate() {
            check_finding(&ids, &format!("/front/{f}"), finding)?;
        }
        if let Some(answer) = &self.answer {
            filled("/answer/sentence", &answer.sentence)?;
            for (q, question) in answer.questions.iter().enumerate() {
                check_question(self, &format!("/answer/questions/{q}"), question)?;
            }
            for (n, note) in answer.notes.iter().enumerate() {
                links(&ids, &format!("/answer/notes/{n}"), &Block::Paragraph { text: note.clone() })?;
            }
        }
        for (g, group) in self.provenance.iter().enumerate() {
            for (e, entry) in group.entries.iter().enumerate() {
                check_cell(&format!("/provenance/{g}/entries/{e}/value"), &entry.value)?;
            }
        }
        Ok(())
    }
}

type Visit<'a> = dyn FnMut(&str, &Block) -> Result<(), ReportError> + 'a;

fn walk(section: &Section, at: &str, visit: &mut Visit<'_>) -> Result<(), ReportError> {
    walk_blocks(&section.blocks, at, visit)
}

fn walk_blocks(blocks: &[Block], at: &str, visit: &mut Visit<'_>) -> Result<(), ReportError> {
    for (b, block) in blocks.iter().enumerate() {
        let at = format!("{at}/blocks/{b}");
        visit(&at, block)?;
        if let Block::Details { blocks, .. } = block {
            walk_blocks(blocks, &at, visit)?;
        }
    }
    Ok(())
}

fn invalid(at: &str, found: impl Into<String>, expected: &str) -> ReportError {
    ReportError::Invalid { path: at.to_owned(), found: found.into(), expected: expected.to_owned() }
}

fn filled(at: &str, text: &str) -> Result<(), ReportError> {
    if text.trim().is_empty() { Err(invalid(at, "blank text", "words")) } else { Ok(()) }
}

fn claim(ids: &mut HashSet<String>, at: &str, id: &str) -> Result<(), ReportError> {
    let at = format!("{at}/id");
    filled(&at, id)?;
    if ids.insert(id.to_owned()) {
        Ok(())
    } else {
        Err(invalid(&at, format!("id {id:?} for the second time"), "an id of its own"))
    }
}

fn check_block(ids: &mut HashSet<String>, at: &str, block: &Block) -> Result<(), ReportError> {
    match block {
        Block::Table(table) => {
            claim(ids, at, &table.id)?;
            check_table(at, table)
        }
        Block::Figure(figure) => check_figure(ids, at, figure),
        Block::Row { figures } => {
            for (f, figure) in figures.iter().enumerate() {
                check_figure(ids, &format!("{at}/figures/{f}"), figure)?;
            }
            Ok(())
        }
        Block::KeyValues(group) => {
            for (e, entry) in group.entries.iter().enumerate() {
                check_cell(&format!("{at}/entries/{e}/value"), &entry.value)?;
            }
            Ok(())
        }
        Block::Beside { texts } => texts
            .iter()
            .enumerate()
            .try_for_each(|(t, text)| filled(&format!("{at}/texts/{t}/title"), &text.title)),
        Block::Paragraph { .. } | Block::List { .. } | Block::Note { .. } | Block::Details { .. } => Ok(()),
    }
}

fn links(ids: &HashSet<String>, at: &str, block: &Block) -> Result<(), ReportError> {
    let check = |at: String, text: &Rich| {
        for span in &text.0 {
            if let Span::Link { to, .. } = span {
                linked(ids, &at, to)?;
            }
        }
        Ok(())
    };
    match block {
        Block::Paragraph { text } | Block::Note { text, .. } => check(format!("{at}/text"), text),
        Block::List { items, .. } => {
            items.iter().enumerate().try_for_each(|(i, item)| check(format!("{at}/items/{i}"), item))
        }
        _ => Ok(()),
    }
}

fn linked(ids: &HashSet<String>, at: &str, to: &str) -> Result<(), ReportError> {
    if ids.contains(to) {
        Ok(())
    } else {
        Err(invalid(at, format!("a link to {to:?}"), "the id of a section, table or figure"))
    }
}

fn check_finding(ids: &HashSet<String>, at: &str, finding: &Finding) -> Result<(), ReportError> {
    filled(&format!("{at}/statement"), &finding.statement)?;
    digits(&format!("{at}/measure/digits"), finding.measure.digits)?;
    if finding.n.count == 0 && finding.measure.value.get().is_some() {
        return Err(invalid(
            &format!("{at}/n/count"),
            "a number computed from 0",
            "a sample or a missing number",
        ));
    }
    filled(&format!("{at}/n/of"), &finding.n.of)?;
    ordered(&format!("{at}/interval"), &finding.interval.low, &finding.interval.high)?;
    if finding.interval.level.get().is_some_and(|level| level <= 0.0 || level >= 1.0) {
        return Err(invalid(
            &format!("{at}/interval/level"),
            shown(&finding.interval.level),
            "a level in (0, 1)",
        ));
    }
    filled(&format!("{at}/interval/method"), &finding.interval.method)?;
    ordered(&format!("{at}/null"), &finding.null.low, &finding.null.high)?;
    filled(&format!("{at}/null/method"), &finding.null.method)?;
    probability(&format!("{at}/null/p"), &finding.null.p)?;
    finding.see.as_ref().map_or(Ok(()), |to| linked(ids, &format!("{at}/see"), to))
}

fn check_question(document: &Document, at: &str, question: &AnsweredQuestion) -> Result<(), ReportError> {
    filled(&format!("{at}/asks"), &question.asks)?;
    filled(&format!("{at}/says"), &question.says)?;
    question.holm.as_ref().map_or(Ok(()), |p| probability(&format!("{at}/holm"), p))?;
    match question.primary {
        Some(place) if place >= document.front.len() => {
            Err(invalid(&format!("{at}/primary"), format!("{place}"), "the place of a finding in `front`"))
        }
        None if matches!(question.verdict, QuestionVerdict::Yes | QuestionVerdict::No) => Err(invalid(
            &format!("{at}/primary"),
            "a verdict without its test",
            "the place of a finding in `front`",
        )),
        _ => Ok(()),
    }
}

fn check_table(at: &str, table: &Table) -> Result<(), ReportError> {
    filled(&format!("{at}/caption"), &table.caption)?;
    filled(&format!("{at}/not_shown"), &table.not_shown)?;
    for (r, row) in table.rows.iter().enumerate() {
        let at = format!("{at}/rows/{r}");
        width(&at, row.len(), table.columns.len())?;
        for (c, cell) in row.iter().enumerate() {
            check_cell(&format!("{at}/{c}"), cell)?;
        }
    }
    Ok(())
}

fn check_cell(at: &str, cell: &Cell) -> Result<(), ReportError> {
    match cell {
        Cell::Number { digits: d, .. } => digits(at, *d),
        Cell::Interval { low, high, digits: d, .. } => digits(at, *d).and_then(|()| ordered(at, low, high)),
        Cell::P { value, .. } => probability(at, value),
        _ => Ok(()),
    }
}

fn check_figure(ids: &mut HashSet<String>, at: &str, figure: &Figure) -> Result<(), ReportError> {
    claim(ids, at, &figure.id)?;
    filled(&format!("{at}/title"), &figure.title)?;
    filled(&format!("{at}/not_shown"), &figure.not_shown)?;
    check_plot(&format!("{at}/plot"), &figure.plot)
}

fn check_plot(at: &str, plot: &Plot) -> Result<(), ReportError> {
    match plot {
        Plot::Curve(curve) => {
            for (s, series) in curve.series.iter().enumerate() {
                check_series(&format!("{at}/series/{s}/points"), &series.points)?;
            }
        }
        Plot::HeatMap(heat) => {
            digits(&format!("{at}/digits"), heat.digits)?;
            for (r, row) in heat.rows.iter().enumerate() {
                width(&format!("{at}/rows/{r}/cells"), row.cells.len(), heat.columns.len())?;
            }
        }
        Plot::Forest(forest) => {
            digits(&format!("{at}/digits"), forest.digits)?;
            for (r, row) in forest.rows.iter().enumerate() {
                let [low, high] = &row.interval;
                ordered(&format!("{at}/rows/{r}/interval"), low, high)?;
                if let Some([low, high]) = &row.null {
                    ordered(&format!("{at}/rows/{r}/null"), low, high)?;
                }
            }
        }
        Plot::Board(board) => {
            digits(&format!("{at}/digits"), board.digits)?;
            for (r, row) in board.rows.iter().enumerate() {
                if let Some([low, high]) = &row.interval {
                    ordered(&format!("{at}/rows/{r}/interval"), low, high)?;
                }
            }
        }
        Plot::Slope(slope) => {
            for (r, row) in slope.rows.iter().enumerate() {
                width(&format!("{at}/rows/{r}/ranks"), row.ranks.len(), slope.columns.len())?;
            }
        }
        Plot::Strip(_) | Plot::Histogram(_) | Plot::Scatter(_) => {}
    }
    Ok(())
}

fn check_series(at: &str, points: &[CurvePoint]) -> Result<(), ReportError> {
    let mut last = f64::NEG_INFINITY;
    for (p, point) in points.iter().enumerate() {
        if let Some(x) = point.x.get() {
            if x < last {
                return Err(invalid(
                    &format!("{at}/{p}/x"),
                    format!("{x} after {last}"),
                    "points in order of x",
                ));
            }
            last = x;
        }
        if let Some([low, high]) = &point.band {
            ordered(&format!("{at}/{p}/band"), low, high)?;
        }
    }
    Ok(())
}

fn width(at: &str, found: usize, expected: usize) -> Result<(), ReportError> {
    if found == expected {
        Ok(())
    } else {
        Err(invalid(at, format!("{found} values"), &format!("{expected}, one a column")))
    }
}

fn digits(at: &str, found: usize) -> Result<(), ReportError> {
    if found <= MAX_DIGITS {
        Ok(())
    } else {
        Err(invalid(at, format!("{found} decimals"), &format!("at most {MAX_DIGITS}")))
    }
}

fn ordered(at: &str, low: &Num, high: &Num) -> Result<(), ReportError> {
    match (low.get(), high.get()) {
        (Some(l), Some(h)) if l > h => {
            Err(invalid(at, format!("bounds {l} and {h}"), "the lower bound first"))
        }
        _ => Ok(()),
    }
}

fn probability(at: &str, p: &Num) -> Result<(), ReportError> {
    if p.get().is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        Err(invalid(at, shown(p), "a probability in [0, 1]"))
    } else {
        Ok(())
    }
}

fn shown(value: &Num) -> String {
    value.get().map_or_else(|| "a missing number".to_owned(), |v| v.to_string())
}
