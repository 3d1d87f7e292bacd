//! What each of several sites gives a sequence.

use super::{NOT_SHOWN, ROWS, outermost};
use crate::board::BoardSummary;
use truenorth_report::{Cell, Column, Table};

/// A row a sequence, a column a site; none where there is one.
pub(super) fn table(result: &BoardSummary) -> Option<Table> {
    let over = result.over.as_ref()?;
    let mut columns = ["rank", "sequence", "score"].map(Column::new).to_vec();
    columns.extend(over.sites.iter().map(|site| Column::new(format!("score at {site}"))));
    let caption = format!("The score at each site, of which the {} is the score of the board.", over.over);
    let mut table = Table::new("board-sites", caption, NOT_SHOWN, columns);
    for row in outermost(&result.rows, ROWS) {
        let mut cells = vec![row.rank.into(), row.text.as_str().into(), Cell::of(&row.score, 4)];
        cells.extend(row.sites.iter().map(|at| Cell::number(at.score, 4)));
        table.push(cells);
    }
    Some(table)
}
