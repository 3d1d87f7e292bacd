//! Cosines of the estimators, and what was projected out.

use truenorth_report::{Block, Cell, Column, Figure, HeatMap, HeatRow, NoteKind, Num, Plot, Section, Table};

use crate::analyses::cosine_table;
use crate::study::stages::{StageContext, StudyFindings};

pub fn agreement(run: &StageContext<'_>, results: &StudyFindings) -> Section {
    let names: Vec<String> = results.directions.estimated.iter().map(|e| e.name.clone()).collect();
    let rows = names
        .iter()
        .zip(&results.directions.cosines)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::from(c.value)).collect()))
        .collect();
    let width = f64::from(run.reader.runner().info().hidden);
    let figure = Figure::new(
        "agreement-figure",
        "Cosine between estimators",
        Plot::HeatMap(HeatMap::cosine(names, rows)),
        format!(
            "Cosines of the directions fitted on all pairs. Two uniformly random directions of this width lie within \
             ±{:.2} of 0 in 95 % of cases; activations are far from uniform, and the table has what exchanged labels \
             give.",
            1.96 / width.sqrt()
        ),
        "Which estimator is right. Estimators that share the pairs share their confounds; agreement rules out \
         the estimator as the cause, nothing else.",
    );
    let mut table = Table::new(
        "nuisances",
        "What was projected out before fitting: cosine of each nuisance direction with the direction fitted \
         without projection, and with the one reported (near 0 by construction).",
        "That the confound is gone. Projection removes one linear direction each, estimated from finite texts; \
         a confound that acts in other directions, or not linearly, stays.",
        [
            "estimator",
            "projected out",
            "cosine before",
            "cosine after",
            "cosine of directions before and after",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for e in &results.directions.estimated {
        for p in &e.projected_out {
            table.push(vec![
                e.name.as_str().into(),
                p.name.as_str().into(),
                Cell::number(p.cosine_before, 3),
                Cell::number(p.cosine_after, 3),
                Cell::number(e.cosine_to_unprojected, 3),
            ]);
        }
    }
    let mut section = Section::new(
        "agreement",
        "Estimator agreement and nuisances",
        "Whether the direction depends on how it was estimated, and on length and sentiment.",
    )
    .with(figure);
    let estimated = &results.directions.estimated;
    let pairs = (0..estimated.len()).flat_map(|i| (i + 1..estimated.len()).map(move |j| (i, j)));
    let cosines = pairs.map(|(i, j)| {
        let name = format!("{} and {}", estimated[i].name, estimated[j].name);
        (name, &results.directions.cosines[i][j])
    });
    if estimated.len() > 1 {
        section = section.with(cosine_table(
            "agreement-table",
            "Cosines of every two estimators.",
            "Which estimator is right. Estimators that share the pairs share their confounds.",
            cosines,
        ));
    }
    for (name, reason) in results.directions.estimated.iter().flat_map(|e| &e.absent) {
        let text = format!("{name} was asked for and not projected out: {reason}");
        section = section.with(Block::note(NoteKind::Warning, text));
    }
    if table.rows.is_empty() { section } else { section.with(table) }
}
