//! Tables and the cells in them.
use super::super::number::{bracket, count, fixed, or_dash, p_value};
use super::super::svg::xml::Xml;
use super::super::table::{Cell, Table};
use super::block::limits;
use super::page::{PageWriter, status};

/// Rows up to which a table is shown whole, and rows shown of a longer one.
const WHOLE: usize = 30;
const HEAD: usize = 16;

pub(super) fn table(page: &mut PageWriter, table: &Table, at: &str) {
    page.tables += 1;
    let number = page.tables;
    let anchor = page.anchors.of(&table.id);
    let x = &mut page.x;
    let cut = if table.rows.len() > WHOLE { HEAD } else { table.rows.len() };
    let (head, rest) = table.rows.split_at(cut);
    let columns = looks(table);
    x.tag("div").a("class", &format!("table {}", room(table, &columns))).a("id", &anchor).open();
    let caption = format!("{anchor}-c");
    x.tag("p").a("class", "caption").a("id", &caption).a("dir", "auto").open();
    x.element("strong", "", &format!("Table {number}."));
    x.text(" ");
    x.text(&table.caption);
    x.close();
    scroll(x, table, &columns, head, &caption, "scroll");
    if !rest.is_empty() {
        let all = count(table.rows.len() as u64);
        x.tag("details").open();
        x.element("summary", "", &format!("{} more rows of {all}", count(rest.len() as u64)));
        scroll(x, table, &columns, rest, &caption, "scroll tall");
        x.close();
        x.element("p", "print", &format!("The other {} rows are in report.json.", count(rest.len() as u64)));
    }
    limits(x, &table.not_shown, at);
    x.close();
}

/// How a column is set: as numbers or words, and how narrow it may become.
struct ColumnLook {
    numeric: bool,
    /// Width of its longest word in characters, so that words break only where they are very long.
    word: usize,
}

fn looks(table: &Table) -> Vec<ColumnLook> {
    let column = |i: usize| table.rows.iter().filter_map(move |r| r.get(i));
    let longest = |cell: &Cell| match cell {
        Cell::Text { value } | Cell::Code { value } => {
            value.split_whitespace().map(|w| w.chars().count()).max().unwrap_or(0)
        }
        _ => 0,
    };
    let look = |i| ColumnLook {
        numeric: column(i).any(Cell::is_numeric),
        word: column(i).map(longest).max().unwrap_or(0).min(18),
    };
    (0..table.columns.len()).map(look).collect()
}

/// Widths in rem below which tables are shown as a list a row, so that no column is hidden; each has its rules in the
/// page's style.
const ROOM: [(f64, &str); 5] = [(22.0, "t22"), (34.0, "t34"), (46.0, "t46"), (58.0, "t58"), (70.0, "t70")];
/// Rows that are looked at for the room that a table takes.
const SEEN: usize = 64;
/// Rem a character of a table's type, and between columns.
const CHARACTER: f64 = 0.46;
const GAP: f64 = 0.9;

/// The class of the least width that a table has room in.
fn room(table: &Table, looks: &[ColumnLook]) -> &'static str {
    let shown = |cell: &Cell| {
        let mut x = Xml::default();
        content(&mut x, cell);
        let mut inside = false;
        let plain = |c: &char| {
            inside = (inside || *c == '<') && *c != '>';
            !inside && *c != '>'
        };
        x.finish().chars().filter(plain).count()
    };
    let column = |(i, look): (usize, &ColumnLook)| {
        let cells = table.rows.iter().take(SEEN).filter_map(|r| r.get(i));
        // Words wrap; numbers break once, before their interval.
        let whole = cells
            .map(|cell| match cell {
                Cell::Interval { .. } => shown(cell) * 2 / 3,
                Cell::Text { .. } | Cell::Code { .. } => shown(cell).min(look.word.max(14)),
                _ => shown(cell),
            })
            .max()
            .unwrap_or(0);
        let head = table.columns[i].name.split_whitespace().map(|w| w.chars().count()).max().unwrap_or(0);
        CHARACTER * whole.max(head) as f64 + GAP
    };
    let wide: f64 = looks.iter().enumerate().map(column).sum();
    ROOM.iter().find(|(most, _)| wide <= *most).map_or(ROOM[ROOM.len() - 1].1, |(_, class)| class)
}

fn scroll(x: &mut Xml, table: &Table, looks: &[ColumnLook], rows: &[Vec<Cell>], caption: &str, class: &str) {
    // A region that scrolls must be reachable by keyboard.
    x.tag("div")
        .a("class", class)
        .a("tabindex", "0")
        .a("role", "region")
        .a("aria-labelledby", caption)
        .open();
    x.tag("table").a("aria-labelledby", caption).open();
    x.tag("thead").open();
    x.tag("tr").open();
    for (column, look) in table.columns.iter().zip(looks) {
        let mut tag = x.tag("th").a("scope", "col").a("dir", "auto");
        if look.numeric {
            tag = tag.a("class", "num");
        }
        if look.word > 0 {
            tag = tag.a("style", &format!("min-width:calc({}ch + .9rem)", look.word));
        }
        tag.open();
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
            let head = table.columns.get(i).map_or("", |c| c.name.as_str());
            let tag = if i == 0 { x.tag("th").a("scope", "row") } else { x.tag("td").a("data-head", head) };
            let numeric = looks.get(i).is_some_and(|l| l.numeric);
            if numeric {
                tag.a("class", "num").open()
            } else {
                tag.a("dir", "auto").open()
            }
            content(x, cell);
            x.close();
        }
        x.close();
    }
    x.close();
    x.close();
    x.close();
}

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
        Cell::P { test, value, draws, .. } => match value.reason() {
            None => x.text(&p_value(value, draws.map(|n| test.counted(n))).replace(' ', "\u{a0}")),
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
