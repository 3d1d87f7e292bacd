//! Comma-separated values as RFC 4180 has them, which is as much of them as a sheet needs.

/// Lines of cells; every cell is quoted.
pub(super) fn write(rows: &[Vec<String>]) -> String {
    let cell = |c: &String| format!("\"{}\"", c.replace('"', "\"\""));
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n").collect()
}

/// A text as a cell can hold it: no reader of text takes a byte of value 0, whose sign stands in its place.
pub(super) fn shown(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

/// A cell that no spreadsheet takes for a formula: what a model wrote may begin with `=`.
pub(super) fn tame(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

/// Reads rows of cells, each with its number from 1 as a spreadsheet counts it; blank ones are left out.
/// Spreadsheets of some countries write semicolons; whichever of the two stands first outside quotes in the first
/// line is the separator.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Excel's own way of naming the separator; the line counts as a row of the spreadsheet.
    let named = text.split(['\n', '\r']).next().and_then(|line| line.trim_matches('"').strip_prefix("sep="));
    let named = named
        .and_then(|rest| rest.chars().next().filter(|c| rest.len() == 1 && [',', ';', '\t'].contains(c)));
    let mut quoted = false;
    let separator = text
        .chars()
        .find(|c| {
            quoted ^= *c == '"';
            !quoted && [',', ';', '\t', '\n', '\r'].contains(c)
        })
        .filter(|c| !['\n', '\r'].contains(c));
    let separator = named.or(separator).unwrap_or(',');
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut inside, mut was_quoted, mut line, mut opened) = (false, false, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // Old spreadsheets end lines with a carriage return alone.
        let ends = c == '\n' || (c == '\r' && chars.peek() != Some(&'\n'));
        line += usize::from(ends);
        if inside {
            match c {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' => inside = false,
                c => cell.push(c),
            }
            continue;
        }
        match c {
            '"' if cell.is_empty() && !was_quoted => (inside, was_quoted, opened) = (true, true, line),
            c if c == separator => {
                row.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            _ if ends => {
                row.push(std::mem::take(&mut cell));
                was_quoted = false;
                rows.push(std::mem::take(&mut row));
            }
            '\r' => {}
            c => cell.push(c),
        }
    }
    if inside {
        return Err(format!("it has a quote on line {opened} that never ends"));
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    if named.is_some() {
        rows[0].clear();
    }
    let numbered = rows.into_iter().enumerate().map(|(i, row)| (i + 1, row));
    Ok(numbered.filter(|(_, row): &(usize, Vec<String>)| row.iter().any(|c| !c.trim().is_empty())).collect())
}

/// The names of the columns, in lower case.
pub(super) fn head(first: Option<(usize, Vec<String>)>) -> Result<Vec<String>, String> {
    let (number, cells) = first.unwrap_or_default();
    let head: Vec<String> = cells.iter().map(|c| c.trim().to_lowercase()).collect();
    if let Some(comment) = head.first().filter(|c| c.starts_with('#')) {
        return Err(format!(
            "row {number} is a comment, `{}`, where the names of the columns are expected; take the line out",
            comment.chars().take(40).collect::<String>()
        ));
    }
    let twice = (1..head.len()).find(|i| !head[*i].is_empty() && head[..*i].contains(&head[*i]));
    match twice {
        Some(i) => Err(format!("two columns are called `{}`; give one of them another name", head[i])),
        None => Ok(head),
    }
}

/// Whether two sheets are one, rows in any order: the same cells throughout, how lines end and what separates them aside,
/// on so many rows that two raters who fill theirs are not likely to agree on all.
#[must_use]
pub fn same_sheet(a: &str, b: &str) -> bool {
    let cells = |text: &str| {
        let mut rows: Vec<Vec<String>> = read(text)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, row)| row.iter().map(|c| plain(c)).collect())
            .collect();
        rows.sort_unstable();
        rows
    };
    let a = cells(a);
    // The head is a row too.
    a.len() > SAME_ROWS && a == cells(b)
}

/// How many rows two raters may fill alike.
const SAME_ROWS: usize = 5;

fn plain(cell: &str) -> String {
    cell.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}
