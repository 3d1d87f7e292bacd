//! Estimators beside each other.

use truenorth_report::{Cell, Column, Table};

use super::{NOT_SHOWN, status};
use crate::sweep::Estimators;

/// A row a site and estimator.
pub(super) fn table(found: &Estimators) -> Table {
    let mut table = Table::new(
        "sweep-estimators",
        "Estimators beside each other, on the same texts, folds and label flips. The differences are to the first \
         estimator at the same site: of the AUROC over the units held out, of the slope pair by pair. Cosine: with the \
         direction of the first. What is said of steering counts all sites and estimators.",
        NOT_SHOWN,
        ["site", "estimator", "cosine", "AUROC", "difference", "slope", "difference", "steers", "because"]
            .map(Column::new)
            .to_vec(),
    );
    for row in &found.rows {
        table.push(vec![
            Cell::code(row.site.to_string()),
            row.estimator.as_str().into(),
            Cell::number(row.cosine, 2),
            Cell::of(&row.auroc, 3),
            Cell::maybe(row.auroc_less.as_ref(), 3, "the first estimator"),
            Cell::of(&row.slope, 2),
            Cell::maybe(row.slope_less.as_ref(), 2, "the first estimator"),
            status(row.steers.verdict).into(),
            row.steers.because.as_str().into(),
        ]);
    }
    table
}
