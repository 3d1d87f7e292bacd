//! An outcome: arms beside each other, their placebos, the scopes.

use truenorth_report::{
    Adjustment, Axis, Block, Cell, Column, Figure, Forest, ForestRow, LabelledValue, Mark, NoteKind, Num,
    Section, Strip, StripGroup, Table, Test,
};

use crate::found::{Effect, Found, OutcomeFound};
use crate::outcome::OutcomeKind;

const NOT_SHOWN: &str = "That the outcome is what one cares about, and that a mean stands for every prompt: the table of texts \
     shows what was written.";

pub(super) fn section(found: &Found, i: usize) -> Section {
    let outcome = &found.outcomes[i];
    let decides = if i == found.primary { " It decides." } else { " It describes." };
    let lead = format!(
        "{}: every arm less base, in {}, over {}.{decides}",
        outcome.name, outcome.unit, outcome.over
    );
    let mut section = Section::new(format!("experiment-outcome-{i}"), capital(&outcome.name), lead);
    if outcome.effects.is_empty() {
        return section.with(Block::note(NoteKind::Warning, "No row has it."));
    }
    section = section.with(forest(outcome, i)).with(effects(outcome, i));
    if outcome.effects.iter().any(|e| e.placebo.is_some()) {
        section = section.with(placebos(outcome, i));
    }
    if !outcome.scopes.is_empty() {
        section = section.with(scopes(outcome, i));
    }
    if let OutcomeKind::Score { .. } = outcome.kind {
        section = section.with(Block::note(
            NoteKind::Method,
            "Two baselines: base as it was rated beside the arm, and the fixed baseline, the mean rating of a prompt's base text \
             over all arms that it stood beside. Where ratings of base drift from arm to arm, the fixed one is the same for \
             all.",
        ));
    }
    section
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn forest(outcome: &OutcomeFound, i: usize) -> Figure {
    let rows = outcome
        .effects
        .iter()
        .map(|e| {
            let mut row = ForestRow::of(None, &e.arm, &e.difference);
            row.null = e.placebo.as_ref().and_then(|p| p.null.range).map(|r| r.map(Num::new));
            row
        })
        .collect();
    Figure::new(
        format!("experiment-forest-{i}"),
        format!("{} of each arm, less base", capital(&outcome.name)),
        Forest {
            x: Axis::new(format!("mean difference, {}", outcome.unit)),
            reference: Some(Mark::at(0.0, "base")),
            digits: 2,
            rows,
        },
        "Squares are means with their 95 % intervals; grey bars the middle 95 % of an edit's placebos.",
        NOT_SHOWN,
    )
}

fn effects(outcome: &OutcomeFound, i: usize) -> Table {
    let scale = matches!(outcome.kind, OutcomeKind::Score { .. });
    let mut names = vec!["arm", "less base", "n", "p, signed ranks", "p, Holm", "above base", "p, signs"];
    if scale {
        names.insert(2, "less the fixed baseline");
    }
    let mut table = Table::new(
        format!("experiment-effects-{i}"),
        format!(
            "{} of each arm less base, in {}: means with intervals over {} (near copies together), Wilcoxon's signed ranks \
             (exact, also with ties) and after Holm over the arms; the share of {} above base among those that differ, with its \
             exact sign test.",
            capital(&outcome.name),
            outcome.unit,
            outcome.over,
            outcome.over
        ),
        NOT_SHOWN,
        names.into_iter().map(Column::new).collect(),
    );
    for e in &outcome.effects {
        let mut row = vec![
            Cell::from(e.arm.as_str()),
            Cell::of(&e.difference, 3),
            e.difference.n.into(),
            Cell::p_of(&e.difference),
            holm(e),
            Cell::maybe(e.above.as_ref(), 2, "no difference anywhere"),
            e.above.as_ref().map_or_else(|| Cell::empty("no difference anywhere"), Cell::p_of),
        ];
        if scale {
            row.insert(2, Cell::maybe(e.fixed.as_ref(), 3, "base was rated nowhere"));
        }
        table.push(row);
    }
    table
}

fn holm(e: &Effect) -> Cell {
    e.holm.map_or_else(
        || Cell::empty("nothing is tested"),
        |p| Cell::adjusted(Test::ArmShift, Adjustment::Holm, p, None),
    )
}

fn placebos(outcome: &OutcomeFound, i: usize) -> Figure {
    let label = |values: &[f64], what: &str| -> Vec<LabelledValue> {
        let named =
            |(k, v): (usize, &f64)| LabelledValue { label: format!("{what} {}", k + 1), value: Num::new(*v) };
        values.iter().enumerate().map(named).collect()
    };
    let mut groups = Vec::new();
    for e in outcome.effects.iter().filter(|e| e.placebo.is_some() || e.flips.is_some()) {
        groups.push(StripGroup {
            label: e.arm.clone(),
            points: vec![LabelledValue { label: e.arm.clone(), value: e.difference.value.into() }],
        });
        for (stands, what) in [(&e.placebo, "placebos"), (&e.flips, "shuffled labels")] {
            if let Some(p) = stands {
                let points = label(&p.differences, what.trim_end_matches('s'));
                groups.push(StripGroup { label: format!("{}, {what}", e.arm), points });
            }
        }
    }
    Figure::new(
        format!("experiment-placebos-{i}"),
        "Each edit beside as large edits along other directions",
        Strip {
            x: Axis::new(format!("mean difference from base, {}", outcome.unit)),
            reference: Some(Mark::at(0.0, "base")),
            groups,
        },
        "A point an edit: the arm's own, and one a direction that stands in for its. Draws of one number are the same for all \
         arms, and p counts those whose largest of all arms reaches the arm's own, each arm in its own standard deviations.",
        "That an edit which does more than these does what it is named for.",
    )
}

fn scopes(outcome: &OutcomeFound, i: usize) -> Table {
    let mut table = Table::new(
        format!("experiment-scopes-{i}"),
        "The same on all rows and on the stated scopes. A row goes where the arm's or base's text is outside the scope; p after \
         Holm over the arms of the scope.",
        "Why rows fall out of a scope: where an arm makes them fall out, what is left is no fair sample of it.",
        ["scope", "arm", "rows", "left out", "less base", "p, Holm"].map(Column::new).to_vec(),
    );
    for e in &outcome.effects {
        table.push(vec![
            "all rows".into(),
            e.arm.as_str().into(),
            e.difference.n.into(),
            0_usize.into(),
            Cell::of(&e.difference, 3),
            holm(e),
        ]);
    }
    for scope in &outcome.scopes {
        for arm in &scope.arms {
            table.push(vec![
                scope.scope.as_str().into(),
                arm.arm.as_str().into(),
                (arm.of - arm.dropped).into(),
                arm.dropped.into(),
                Cell::maybe(arm.difference.as_ref(), 3, "no row is left"),
                arm.holm.map_or_else(
                    || Cell::empty("nothing is tested"),
                    |p| Cell::adjusted(Test::ArmShift, Adjustment::Holm, p, None),
                ),
            ]);
        }
    }
    table
}
