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
    let named = text.lines().next().and_then(|line| line.trim_matches('"').strip_prefix("sep="));
    let named = named
        .and_then(|rest| rest.chars().next().filter(|c| rest.len() == 1 && [',', ';', '\t'].contains(c)));
    let mut quoted = false;
    let separator = text
        .chars()
        .find(|c| {
            quoted ^= *c == '"';
            !quoted && [',', ';', '\t', '\n'].contains(c)
        })
        .filter(|c| *c != '\n');
    let separator = named.or(separator).unwrap_or(',');
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut inside, mut was_quoted, mut line, mut opened) = (false, false, 1, 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
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
            '\n' => {
                row.push(std::mem::take(&mut cell));
                was_quoted = false;
                rows.push(std::mem::take(&mut row));
            }
            '\r' if chars.peek() == Some(&'\n') => {}
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
