//! Tables and the cells in them.
use super::super::number::{bracket, count, fixed, or_dash, p_value};
use super::super::svg::xml::Xml;
use super::super::table::{Cell, Table};
use super::block::limits;
use super::page::{Page, status};

/// Rows up to which a table is shown whole, and rows shown of a longer one.
const WHOLE: usize = 30;
const HEAD: usize = 16;

pub(super) fn table(page: &mut Page, table: &Table, at: &str) {
    page.tables += 1;
    let number = page.tables;
    let anchor = page.anchors.get(&table.id).map(|t| t.anchor.clone()).unwrap_or_default();
    let x = &mut page.x;
    let cut = if table.rows.len() > WHOLE { HEAD } else { table.rows.len() };
    let (head, rest) = table.rows.split_at(cut);
    x.tag("div").a("class", "table").a("id", &anchor).open();
    scroll(x, table, head, Some(number), "scroll");
    if !rest.is_empty() {
        let all = count(table.rows.len() as u64);
        x.tag("details").open();
        x.element("summary", "", &format!("{} more rows of {all}", count(rest.len() as u64)));
        scroll(x, table, rest, None, "scroll tall");
        x.close();
        x.element("p", "print", &format!("The other {} rows are in report.json.", count(rest.len() as u64)));
    }
    limits(x, &table.not_shown, at);
    x.close();
}

fn scroll(x: &mut Xml, table: &Table, rows: &[Vec<Cell>], number: Option<usize>, class: &str) {
    // A region that scrolls must be reachable by keyboard.
    x.tag("div").a("class", class).a("tabindex", "0").a("role", "region").a("aria-label", &table.caption).open();
    x.tag("table").open();
    if let Some(number) = number {
        x.tag("caption").a("dir", "auto").open();
        x.element("strong", "", &format!("Table {number}."));
        x.text(" ");
        x.text(&table.caption);
        x.close();
    }
    x.tag("thead").open();
    x.tag("tr").open();
    for (i, column) in table.columns.iter().enumerate() {
        let numeric = table.rows.iter().filter_map(|r| r.get(i)).any(Cell::is_numeric);
        let tag = x.tag("th").a("scope", "col").a("dir", "auto");
        if numeric { tag.a("class", "num").open() } else { tag.open() }
        x.text(&column.name);
        if let Some(unit) = &column.unit {
            x.text(" ");
            x.element("small", "", &format!("({unit})"));
        }
        x.close();
    }
    x.close();
    x.close();
    x.tag("tbody").open();
    for row in rows {
        x.line();
        x.tag("tr").open();
        for (i, cell) in row.iter().enumerate() {
            let tag = if i == 0 { x.tag("th").a("scope", "row") } else { x.tag("td") };
            if cell.is_numeric() { tag.a("class", "num").open() } else { tag.a("dir", "auto").open() }
            content(x, cell);
            x.close();
        }
        x.close();
    }
    x.close();
    x.close();
    x.close();
}

/// What is inside a cell.
pub(super) fn content(x: &mut Xml, cell: &Cell) {
    match cell {
        Cell::Text { value } => x.text(value),
        Cell::Code { value } => x.element("code", "", value),
        Cell::Count { value } => x.text(&count(*value)),
        Cell::Number { value, digits } => match (value.get(), value.reason()) {
            (Some(v), _) => x.text(&fixed(v, *digits)),
            (None, reason) => gap(x, reason),
        },
        Cell::Interval { estimate, low, high, digits } => {
            if let Some(estimate) = estimate {
                x.text(&or_dash(estimate, *digits));
                x.text(" ");
            }
            x.element("span", "bounds", &bracket(low, high, *digits));
        }
        Cell::P { value, draws } => match value.reason() {
            None => x.text(&p_value(value, *draws)),
            reason => gap(x, reason),
        },
        Cell::Verdict { status: s } => status(x, *s),
        Cell::Empty { reason } => gap(x, Some(reason)),
    }
}

/// A dash, with the reason on hovering and for readers of the page's text.
fn gap(x: &mut Xml, reason: Option<&str>) {
    x.tag("abbr").a("class", "gap").a("title", reason.unwrap_or("missing")).text("–");
}
