//! Two ways to put the same texts before a model, on a page.

use super::{EstimatorComparison, PromptFormatComparison};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, KeyValueList, Mark,
    Measure, ReportedInterval, ReportedNull, Sample, Section, Table,
};

const NOT_SHOWN: &str = "That the way which separates more is the right one to ask in, or that its direction means more: a \
    template puts tokens around every text, and what is read at them may be of the template.";

/// Whether the primary estimator's separation changes, with each way to hold out.
pub(super) fn findings(found: &PromptFormatComparison) -> Vec<Finding> {
    let [first, second] = found.names();
    let first_estimator = found.rows.first().map(|r| r.estimator.clone());
    let finding = |row: &EstimatorComparison| {
        let apart = row.less.interval.is_some_and(|i| !i.contains(0.0));
        Finding {
            status: if apart { FindingStatus::Caution } else { FindingStatus::Unclear },
            statement: match (apart, row.less.value > 0.0) {
                (false, _) => format!(
                    "{} is not seen to separate held-out {} more or less as {second} than as {first}",
                    row.estimator, row.held_out
                ),
                (true, more) => format!(
                    "{} separates held-out {} {} as {second} than as {first}",
                    row.estimator,
                    row.held_out,
                    if more { "more" } else { "less" }
                ),
            },
            measure: Measure::of(format!("AUROC {second} less {first}"), &row.less, 3),
            n: Sample::of(&row.less, row.held_out.as_str()),
            interval: ReportedInterval::of(&row.less),
            null: ReportedNull::of(&row.less),
            see: Some("compare-table".into()),
        }
    };
    found.rows.iter().filter(|r| Some(&r.estimator) == first_estimator.as_ref()).map(finding).collect()
}

pub(super) fn section(found: &PromptFormatComparison) -> Section {
    let [first, second] = found.names();
    let lead = format!(
        "The same texts at {}, {first} as in the rest of this study and {second} beside, on the same splits: everything is fitted \
         anew in each way, and the difference is paired by what is held out.",
        found.site
    );
    let mut section = Section::new("compare", "The same texts, raw and as conversations", lead);
    for way in &found.ways {
        let mut group = KeyValueList::new(format!("Texts {}", way.name))
            .with("positions read", Cell::code(&way.positions));
        if let Some(tokens) = way.mean_tokens {
            group = group.with("tokens of a text, mean", Cell::number(tokens, 1));
        }
        if let Some(speech) = &way.speech {
            let named = speech.template.as_ref().zip(speech.source.as_ref());
            if let Some((name, source)) = named {
                group = group.with("chat template", Cell::code(format!("{name} of {source}")));
            }
            for (what, text) in
                [("SHA-256", &speech.sha256), ("system turn", &speech.system), ("date in it", &speech.date)]
            {
                if let Some(text) = text {
                    group = group.with(what, Cell::code(text));
                }
            }
        }
        section = section.with(Block::from(group));
    }
    section.with(figure(found)).with(table(found)).with(Block::limits(&found.not_shown))
}

fn figure(found: &PromptFormatComparison) -> Figure {
    let [first, second] = found.names();
    let rows = found
        .rows
        .iter()
        .map(|r| ForestRow::of(Some(&format!("{} held out", r.held_out)), &r.estimator, &r.less))
        .collect::<Vec<_>>();
    let mut rows = rows;
    rows.sort_by_key(|r| r.group.clone());
    Figure::new(
        "compare-figure",
        format!("What changes from {first} to {second}"),
        Forest {
            x: Axis::new(format!("AUROC {second} less {first}")),
            reference: Some(Mark::at(0.0, "no change")),
            digits: 2,
            rows,
        },
        "Paired difference of held-out AUROC with its 95 % interval.",
        NOT_SHOWN,
    )
}

fn table(found: &PromptFormatComparison) -> Table {
    let [first, second] = found.names();
    let mut columns = ["estimator", "held out", "units"].map(Column::new).to_vec();
    columns.extend([
        Column::new(format!("AUROC {first}")),
        Column::new(format!("AUROC {second}")),
        Column::new(format!("{second} less {first}")),
        Column::new(format!("pairs in order {first}")),
        Column::new(format!("pairs in order {second}")),
        Column::new(format!("{second} less {first}")),
        Column::new("cosine of the directions"),
    ]);
    let mut table = Table::new(
        "compare-table",
        "Held-out separation in both ways on the same splits. Differences: paired by unit, with an interval of the two put \
         together (Zou and Donner 2008), stretched as each (Nadeau and Bengio 2003). Cosine: of the directions fitted to all \
         texts.",
        NOT_SHOWN,
        columns,
    );
    for r in &found.rows {
        let order = |i: usize| Cell::maybe(r.in_order.as_ref().map(|o| &o[i]), 3, "not pairs");
        table.push(vec![
            r.estimator.as_str().into(),
            r.held_out.as_str().into(),
            r.less.n.into(),
            Cell::of(&r.auroc[0], 3),
            Cell::of(&r.auroc[1], 3),
            Cell::of(&r.less, 3),
            order(0),
            order(1),
            Cell::maybe(r.in_order_less.as_ref(), 3, "not pairs"),
            Cell::number(r.cosine.value, 3),
        ]);
    }
    table
}
