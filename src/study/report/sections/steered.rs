//! What the model wrote at each dose.

use truenorth_report::{Cell, Column, Section, Table};

use crate::study::stages::{StageContext, SteeredTexts, StudyFindings};

pub fn steered(run: &StageContext<'_>, results: &StudyFindings, samples: &SteeredTexts) -> Section {
    let mut table = Table::new(
        "steered-table",
        format!(
            "Greedy continuations with α mean residual norms of the direction added (one norm is {:.2}). \
             Log-probability: mean over the generated tokens under the steered model.",
            results.directions.residual_norm
        ),
        "That steering changes values. These are a few samples to read, not a test: no outcome was measured and \
         nothing says that a random direction of the same size would do less.",
        ["prompt", "α", "continuation", "log-probability"].map(Column::new).to_vec(),
    );
    for row in &samples.rows {
        table.push(vec![
            row.id.as_str().into(),
            Cell::number(row.alpha, 2),
            row.text.as_str().into(),
            Cell::number(row.logprob_mean, 2),
        ]);
    }
    Section::new(
        "steered",
        "Steered samples",
        format!(
            "What the model writes with the direction added at {}, to be read with care.",
            run.study.site
        ),
    )
    .with(table)
}
