//! All numbers of the probes in one table.

use super::{NOT_SHOWN, bounds};
use crate::geometry::PositiveShare;
use crate::probing::{HELD_OUT, Probed};
use truenorth_reading::stat::Number;
use truenorth_report::{Adjustment, Block, Cell, Column, Table, Test};

pub(super) fn table(result: &Probed) -> Block {
    let mut table = Table::new(
        "probing-table",
        format!(
            "Held-out: the site chosen inside the training folds. Test sets: the site whose held-out AUROC is furthest above its \
             null. Accuracy at a threshold chosen on other texts. Selectivity: held-out AUROC less its mean on permuted labels. \
             True positives at 1 %, {}.",
            result.rate_method
        ),
        NOT_SHOWN,
        [
            "category",
            "set",
            "texts",
            "site",
            "AUROC",
            "p",
            "p (Holm)",
            "p (Benjamini-Hochberg)",
            "true positives at 1 %",
            "accuracy",
            "selectivity",
        ]
        .map(Column::new)
        .to_vec(),
    );
    let estimate = |m: &Number| {
        let [low, high] = bounds(m);
        Cell::estimate(m.value, low, high, 3)
    };
    let rate = |r: Option<PositiveShare>| {
        r.map_or_else(
            || Cell::empty("positive texts of one group"),
            |r| Cell::estimate(r.value, r.low, r.high, 3),
        )
    };
    let draws = |m: &Number| m.null.as_ref().and_then(|n| n.draws).map(|d| d as u64);
    let p = |m: &Number| {
        m.null
            .as_ref()
            .map_or_else(|| Cell::empty("not run"), |n| Cell::p(n.test, n.p, n.draws.map(|d| d as u64)))
    };
    for c in &result.contrasts {
        let adjusted = |how, p: Option<f64>| {
            p.map_or_else(
                || Cell::empty("not run"),
                |p| Cell::adjusted(Test::ProbeNested, how, p, draws(&c.held_out)),
            )
        };
        let mut chosen = c.chosen.clone();
        chosen.dedup();
        table.push(vec![
            c.category.as_str().into(),
            HELD_OUT.into(),
            c.held_out.n.into(),
            Cell::code(chosen.join(", ")),
            estimate(&c.held_out),
            p(&c.held_out),
            adjusted(Adjustment::Holm, c.p_adjusted),
            adjusted(Adjustment::BenjaminiHochberg, c.p_bh),
            rate(c.true_positives),
            estimate(&c.accuracy),
            c.selectivity.map_or_else(|| Cell::empty("not run"), |s| Cell::number(s, 3)),
        ]);
        for t in &c.tests {
            table.push(vec![
                c.category.as_str().into(),
                t.name.as_str().into(),
                t.auroc.n.into(),
                Cell::code(t.site.as_str()),
                estimate(&t.auroc),
                p(&t.auroc),
                Cell::empty("held-out only"),
                Cell::empty("held-out only"),
                rate(t.true_positives),
                estimate(&t.accuracy),
                Cell::empty("held-out only"),
            ]);
        }
    }
    Block::Details { summary: "All numbers of the probes".into(), blocks: vec![table.into()] }
}
