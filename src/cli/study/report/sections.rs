//! The evidence: a section each for separation, agreement, the board and steered samples, then how
//! it was done and where it ends.

use truenorth::estimate::{HeldOut, SplitBy};
use truenorth::report::{
    Axis, Block, Board, BoardRow, Cell, Column, Figure, Forest, ForestRow, HeatMap, HeatRow, Labelled, Mark,
    NoteKind, Num, Plot, Section, Strip, StripGroup, Table,
};

use super::super::stages::{Results, Run};

/// All sections.
pub fn all(run: &Run<'_>, results: &Results) -> Vec<Section> {
    let mut out = vec![separation(results), agreement(run, results)];
    if !results.board.is_empty() {
        out.push(board(run, results));
    }
    if !results.steered.is_empty() {
        out.push(steered(run, results));
    }
    out.push(methods(run, results));
    out.push(limits(run));
    out
}

fn by(h: &HeldOut) -> &'static str {
    match h.by {
        SplitBy::Pair => "pairs held out",
        SplitBy::Axis => "axes held out",
    }
}

const SEPARATION_NOT_SHOWN: &str = "That the direction means the value. Separation on held-out data says that \
    chosen and rejected answers differ along it in some way that these pairs share; a stylistic habit of \
    whoever wrote them would do as well. It says nothing about what adding the direction does.";

fn separation(results: &Results) -> Section {
    let mut rows = Vec::new();
    let mut table = Table::new(
        "separation-table",
        "Held-out separation of chosen from rejected. Everything (what is projected out, centring, penalties, \
         the direction) is fitted on the other folds only. Intervals: 95 %, bootstrap over the units held out, \
         stretched for the rows that folds share (Nadeau and Bengio 2003). Null: labels flipped within pairs, the whole pipeline rerun.",
        SEPARATION_NOT_SHOWN,
        ["estimator", "held out", "units", "AUROC", "pairs in order", "null, central 95 %", "p"]
            .map(Column::new)
            .to_vec(),
    );
    for e in &results.estimated {
        for h in [&e.by_pair, &e.by_axis] {
            let ci = h.auroc.interval;
            rows.push(ForestRow {
                label: e.name.clone(),
                group: Some(by(h).into()),
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
            let p =
                h.null.map_or_else(|| Cell::empty("not run"), |n| Cell::p(n.p, Some(n.permutations as u64)));
            table.push(vec![
                e.name.as_str().into(),
                by(h).into(),
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
        "How well a direction fitted on some pairs tells chosen from rejected in others. Holding out whole axes \
         asks whether it carries over to values it has not seen.",
    )
    .with(figure)
    .with(table)
}

fn agreement(run: &Run<'_>, results: &Results) -> Section {
    let names: Vec<String> = results.estimated.iter().map(|e| e.name.clone()).collect();
    let rows = names
        .iter()
        .zip(&results.cosines)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::from(*c)).collect()))
        .collect();
    let width = f64::from(run.reader.runner().info().hidden);
    let figure = Figure::new(
        "agreement-figure",
        "Cosine between estimators",
        Plot::HeatMap(HeatMap::cosine(names, rows)),
        format!(
            "Cosines of the directions fitted on all pairs. Two random directions of this width lie within \
             ±{:.2} of 0 in 95 % of cases.",
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
    for e in &results.estimated {
        for p in &e.extraction.projected_out {
            table.push(vec![
                e.name.as_str().into(),
                p.name.as_str().into(),
                Cell::number(p.cosine_before, 3),
                Cell::number(p.cosine_after, 3),
                Cell::number(e.extraction.cosine_to_unprojected, 3),
            ]);
        }
    }
    let mut section = Section::new(
        "agreement",
        "Estimator agreement and nuisances",
        "Whether the direction depends on how it was estimated, and on length and sentiment.",
    )
    .with(figure);
    for (name, reason) in results.estimated.iter().flat_map(|e| &e.extraction.absent) {
        let text = format!("{name} was asked for and not projected out: {reason}");
        section = section.with(Block::note(NoteKind::Warning, text));
    }
    if table.rows.is_empty() { section } else { section.with(table) }
}

const BOARD_NOT_SHOWN: &str = "That a sequence holds, or lacks, the value. A score says how the sequence moves \
    the residual of neutral probes behind it along the direction, in this model, at this site. |z| is bounded by \
    the root of the width, and p_random compares with random directions, not with other meanings.";

/// Rows of the board drawn at each end.
const ENDS: usize = 12;

fn board(run: &Run<'_>, results: &Results) -> Section {
    let kinds: Vec<String> = run.data.sequences.as_ref().map_or_else(Vec::new, |s| {
        s.rows.iter().map(|r| r.kind.clone().unwrap_or_else(|| "unlabelled".into())).collect()
    });
    let mut rows: Vec<_> = results.board.iter().zip(&kinds).collect();
    rows.sort_by_key(|(row, _)| row.rank);
    let ends = rows.iter().take(ENDS).chain(rows.iter().skip(ENDS.max(rows.len().saturating_sub(ENDS))));
    let drawn = ends
        .map(|(row, kind)| BoardRow {
            rank: (row.rank as f64).into(),
            label: row.text.clone(),
            group: (*kind).clone(),
            score: row.score.into(),
            interval: None,
            z: row.z.into(),
        })
        .collect();
    let probes = run.data.probes.as_ref().map_or(0, |(p, _)| p.len());
    let ends = Figure::new(
        "board-ends",
        "Both ends of the board",
        Plot::Board(Board { x: Axis::new("score"), digits: 3, rows: drawn }),
        format!(
            "The {ENDS} highest and lowest of {} sequences; score: mean shift of {probes} normalised probe \
             residuals along the direction.",
            results.board.len()
        ),
        BOARD_NOT_SHOWN,
    );
    let mut names = kinds.clone();
    names.sort();
    names.dedup();
    let groups = names
        .into_iter()
        .map(|name| StripGroup {
            points: rows
                .iter()
                .filter(|(_, k)| **k == name)
                .map(|(row, _)| Labelled { label: row.text.clone(), value: row.z.into() })
                .collect(),
            label: name,
        })
        .collect();
    let strip = Figure::new(
        "board-kinds",
        "z by kind of sequence",
        Plot::Strip(Strip { x: Axis::new("z"), reference: Some(Mark::at(0.0, "no shift")), groups }),
        "Each mark is a sequence; z is the score in units of what a random direction would give.",
        BOARD_NOT_SHOWN,
    );
    let mut table = Table::new(
        "board-table",
        "All sequences by score.",
        BOARD_NOT_SHOWN,
        ["rank", "sequence", "kind", "score", "z", "coherence", "shift norm", "p_random"]
            .map(Column::new)
            .to_vec(),
    );
    for (row, kind) in &rows {
        table.push(vec![
            row.rank.into(),
            row.text.as_str().into(),
            kind.as_str().into(),
            Cell::number(row.score, 4),
            Cell::number(row.z, 2),
            Cell::number(row.coherence, 2),
            Cell::number(row.shift_norm, 3),
            Cell::p(row.p_random, None),
        ]);
    }
    let first = results.estimated.first().map_or("", |e| e.name.as_str());
    Section::new(
        "board",
        "The board of sequences",
        format!("How far each sequence, put before neutral probes, moves them along the {first} direction."),
    )
    .with(ends)
    .with(strip)
    .with(Block::Details {
        summary: format!("All {} sequences", results.board.len()),
        blocks: vec![table.into()],
    })
}

fn steered(run: &Run<'_>, results: &Results) -> Section {
    let mut table = Table::new(
        "steered-table",
        format!(
            "Greedy continuations with α mean residual norms of the direction added (one norm is {:.2}). \
             Log-probability: mean over the generated tokens under the steered model.",
            results.residual_norm
        ),
        "That steering changes values. These are a few samples to read, not a test: no outcome was measured and \
         nothing says that a random direction of the same size would do less.",
        ["prompt", "α", "continuation", "log-probability"].map(Column::new).to_vec(),
    );
    for row in &results.steered {
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

fn methods(run: &Run<'_>, results: &Results) -> Section {
    let study = run.study;
    let out = if study.direction.project_out.is_empty() {
        "Nothing was projected out.".to_owned()
    } else {
        format!("Projected out of every row first: {}.", study.direction.project_out.join(", "))
    };
    let alphas: Vec<String> = results
        .estimated
        .iter()
        .filter_map(|e| e.extraction.fit.details.alpha.map(|a| format!("{} chose penalty {a}", e.name)))
        .chain(results.estimated.iter().filter_map(|e| {
            e.extraction.fit.details.shrinkage.map(|s| format!("{} used shrinkage {s:.3}", e.name))
        }))
        .collect();
    Section::new("methods", "Methods", "")
        .with(Block::text(format!(
            "Each pair became two texts by the template; the residual stream at {} was read at position `{}`. {out} \
             Estimators: {}. {}",
            study.site,
            study.positions,
            study.direction.estimators.join(", "),
            if alphas.is_empty() { String::new() } else { format!("On all pairs {}.", alphas.join(", ")) }
        )))
        .with(Block::text(format!(
            "Held-out separation: {} folds of pairs, and each axis by itself; label flips as the table says; 2000 \
             bootstrap resamples of the units held out, with the directions kept. Seed {}.",
            study.held_out.folds, study.seed
        )))
        .with(Block::text(
            "Scores: with r the residual divided by its norm, a sequence s shifts probe p by r(s + p) − r(p). The \
             score is the mean shift's projection on the direction, z the score over ‖Δ‖/√(P·H), coherence \
             √P‖mean shift‖/‖Δ‖, and p_random the exact share of random directions with at least this |z|.",
        ))
}

fn limits(run: &Run<'_>) -> Section {
    let mut section = Section::new("limits", "Limits", "What nothing in this report can show.").with(Block::List {
        ordered: false,
        items: [
            "One model, one site, one set of pairs. Nothing here was repeated on another model or layer.",
            "The pairs were written for this purpose; what their authors share besides the values is shared by \
             all pairs, held out or not.",
            "Reading is not steering: a direction that separates activations need not be one that the model uses.",
            "No human has rated any text of this study.",
        ]
        .map(Into::into)
        .to_vec(),
    });
    let asked = &run.study.direction.project_out;
    if !asked.iter().any(|p| p == "sentiment") || !asked.iter().any(|p| p == "length") {
        section = section.with(Block::note(
            NoteKind::Warning,
            "Length, sentiment or both were not projected out; the direction may be theirs.",
        ));
    }
    section
}
