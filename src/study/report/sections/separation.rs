//! Held-out separation by estimator.

use crate::analyses::beside::{self, SeparationBeside};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Forest, ForestRow, Mark, Plot, Section, Table, Test,
};
use truenorth_stats::estimate::{HeldOut, SplitBy};

use crate::study::stages::{StageContext, StudyFindings};

fn by(run: &StageContext<'_>, h: &HeldOut) -> String {
    let words = run.data.words();
    match h.by {
        SplitBy::Pair => format!("{} held out", words.units),
        SplitBy::Axis => format!("{} held out", words.axes),
    }
}

const SEPARATION_NOT_SHOWN: &str = "That the direction means what its texts were chosen for. Separation on held-out \
    data says that the two ends differ along it in some way that these texts share; a habit of whoever wrote them \
    would do as well. It says nothing about what adding the direction does.";

pub fn separation(run: &StageContext<'_>, results: &StudyFindings) -> Section {
    let words = run.data.words();
    let mut rows = Vec::new();
    let mut table = Table::new(
        "separation-table",
        format!(
            "Held-out separation of {} from {}. Everything (what is projected out, centring, penalties, the \
             direction) is fitted on the other folds only. Intervals: 95 %, a score interval over the units held \
             out (Newcombe 2006), stretched for the rows that folds share (Nadeau and Bengio 2003). Null: {}, the whole pipeline rerun.",
            words.high, words.low, words.null
        ),
        SEPARATION_NOT_SHOWN,
        ["estimator", "held out", "units", "AUROC", "in order within pairs", "null, central 95 %", "p"]
            .map(Column::new)
            .to_vec(),
    );
    let mut sides = Vec::new();
    let mut erased = Vec::new();
    for e in &results.directions.estimated {
        let [by_pair, by_axis] = [&e.by_pair, &e.by_axis];
        erased
            .extend(SeparationBeside(by_pair).erased().into_iter().map(|said| format!("{}: {said}", e.name)));
        for h in [by_pair, by_axis] {
            sides.push(([e.name.clone(), by(run, h)], SeparationBeside(h)));
            let ci = h.auroc.interval;
            rows.push(ForestRow {
                label: e.name.clone(),
                group: Some(by(run, h)),
                estimate: h.auroc.value.into(),
                interval: [ci.low.into(), ci.high.into()],
                null: h.null.map(|n| [n.low.into(), n.high.into()]),
                n: h.units as u64,
                status: None,
            });
            let paired = h.paired_accuracy.map_or_else(
                || Cell::empty("not pairs"),
                |p| Cell::estimate(p.value, p.interval.low, p.interval.high, 3),
            );
            let null = h.null.map_or_else(|| Cell::empty("not run"), |n| Cell::interval(n.low, n.high, 3));
            let p = h.null.map_or_else(
                || Cell::empty("not run"),
                |n| Cell::p(Test::HeldOut, n.p, Some(n.permutations as u64)),
            );
            table.push(vec![
                e.name.as_str().into(),
                by(run, h).into(),
                h.units.into(),
                Cell::estimate(h.auroc.value, ci.low, ci.high, 3),
                paired,
                null,
                p,
            ]);
        }
    }
    rows.sort_by_key(|r| r.group.clone());
    let forest = Forest {
        x: Axis::new("AUROC").range(0.0, 1.0),
        reference: Some(Mark::at(0.5, "chance")),
        digits: 2,
        rows,
    };
    let figure = Figure::new(
        "separation-figure",
        "Held-out separation by estimator",
        Plot::Forest(forest),
        "AUROC with its 95 % interval; the pale bar is the central 95 % of the null.",
        SEPARATION_NOT_SHOWN,
    );
    Section::new(
        "separation",
        "Held-out separation",
        format!(
            "How well a direction fitted on some {} tells {} from {} in others. Holding out whole {} asks whether \
             it carries over to what it has not seen.",
            words.units, words.high, words.low, words.axes
        ),
    )
    .with(figure)
    .with(table)
    .with(beside::table("separation-beside", &sides))
    .with(Block::List { ordered: false, items: erased.into_iter().map(Into::into).collect() })
}
