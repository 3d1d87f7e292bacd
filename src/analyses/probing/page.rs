//! Probes: curves over sites with their controls, then what they beat and what they do not.

use crate::analyses::LeftOutTexts;
use crate::analyses::probing::{ALL, Baseline, ContrastProbe, HELD_OUT, Probed};
use crate::analyses::stat::Measured;
use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, Finding, Forest, ForestRow, Interval, Mark,
    Measure, NoteKind, Null, Num, Plot, Sample, Section, Series, Status, Table, Tick,
};

const NOT_SHOWN: &str = "That the model uses what is read here, or that it is the category that is read: whatever \
    else the two classes differ in, in these texts, would do as well.";

fn interval(m: &Measured) -> Interval {
    m.interval.map_or_else(|| Interval::none(&m.method), |i| Interval::p95(i.low, i.high, m.method.as_str()))
}

fn null(m: &Measured) -> Null {
    m.null.as_ref().map_or_else(
        || Null::none("nothing was permuted"),
        |n| {
            let [low, high] = n.range.map_or([None, None], |[l, h]| [Some(l), Some(h)]);
            Null::new(n.what.as_str(), low, high).with_p(n.p, n.draws.map(|d| d as u64))
        },
    )
}

fn bounds(m: &Measured) -> [Num; 2] {
    m.interval.map_or_else(|| [Num::missing("none"), Num::missing("none")], |i| [i.low.into(), i.high.into()])
}

fn above(m: &Measured, p: Option<f64>) -> Status {
    let low = m.interval.is_some_and(|i| i.low > 0.5);
    match p {
        Some(p) if low && p <= 0.05 => Status::Supported,
        // Few permutations can't give a small p, whatever there is to find; the interval must agree.
        Some(p) if !low && p > 0.05 => Status::NotSupported,
        _ => Status::Unclear,
    }
}

/// The lines for a front page, of all categories together.
#[must_use]
pub fn findings(result: &Probed) -> Vec<Finding> {
    let Some(all) = result.contrasts.first() else { return vec![] };
    let groups = |n: usize| Sample::new(n as u64, "groups");
    let mut out = vec![Finding {
        status: above(&all.held_out, all.held_out.null.as_ref().map(|n| n.p)),
        statement: format!("Texts labelled {} can be told from others on held-out groups.", result.positive),
        measure: Measure::new("held-out AUROC, site chosen inside", all.held_out.value),
        n: groups(all.groups),
        interval: interval(&all.held_out),
        null: null(&all.held_out),
        see: Some(format!("probing-{}", slug(all, 0))),
    }];
    for test in &all.tests {
        out.push(Finding {
            status: above(&test.auroc, test.auroc.null.as_ref().map(|n| n.p)),
            statement: format!("The probe carries over to the set {}.", test.name),
            measure: Measure::new(format!("AUROC at {}", test.site), test.auroc.value),
            n: groups(test.groups),
            interval: interval(&test.auroc),
            null: null(&test.auroc),
            see: Some("probing-sets".into()),
        });
    }
    for baseline in &all.baselines {
        // The set that is hardest to fake by surface cues is the last one named.
        if let Some(d) = baseline.differences.last() {
            let i = d.difference.interval;
            out.push(Finding {
                status: match i {
                    Some(i) if i.low > 0.0 => Status::Supported,
                    Some(i) if i.high <= 0.0 => Status::NotSupported,
                    _ => Status::Unclear,
                },
                statement: format!(
                    "On {} the probe knows more than {} ({}).",
                    d.set, baseline.name, baseline.what
                ),
                measure: Measure::new("difference of AUROC, paired by text", d.difference.value),
                n: Sample::new(d.difference.n as u64, "texts"),
                interval: interval(&d.difference),
                null: Null::new("no difference", 0.0, 0.0),
                see: Some("probing-controls".into()),
            });
        }
    }
    if let Some((truth, (set, on))) = all.truth.as_ref().and_then(|t| Some((t, t.on_task.last()?))) {
        let apart = on.interval.is_some_and(|i| !i.contains(0.5));
        out.push(Finding {
            status: Status::Caution,
            statement: if apart {
                let way = if on.value < 0.5 { "the other way round, " } else { "" };
                format!("A direction of truth separates {set} too, {way}without having seen the task.")
            } else {
                format!("A direction of truth does not clearly separate {set}.")
            },
            measure: Measure::new("AUROC of truth on the task", on.value),
            n: Sample::new(on.n as u64, format!("texts; fitted on {} statements", truth.rows)),
            interval: interval(on),
            null: null(on),
            see: Some("probing-truth".into()),
        });
    }
    out
}

/// A part of an id that names a contrast.
fn slug(contrast: &ContrastProbe, place: usize) -> String {
    let plain: String =
        contrast.category.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{place}-{}", plain.to_lowercase())
}

/// The section.
#[must_use]
pub fn section(result: &Probed) -> Section {
    let size = result.sets.first();
    let lead = format!(
        "Texts labelled {} against the others, read at {} sites ({} estimator, {} folds of whole groups; {} training \
         groups).",
        result.positive,
        result.sites.len(),
        result.estimator,
        result.folds,
        size.map_or(0, |s| s.groups)
    );
    let mut section = Section::new("probing", "Probing", lead);
    for (i, contrast) in result.contrasts.iter().enumerate().take(1) {
        section = section.with(curve(result, contrast, i));
    }
    section = section.with(sets(result)).with(table(result));
    if let Some(figure) = controls(result) {
        section = section.with(figure);
    }
    if let Some(figure) = cosines(result) {
        section = section.with(figure);
    }
    let others: Vec<Block> = result
        .contrasts
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, c)| Block::Figure(curve(result, c, i)))
        .collect();
    if !others.is_empty() {
        section = section.with(Block::Details { summary: "A curve a category".into(), blocks: others });
    }
    for sentence in result.apart.iter().flat_map(LeftOutTexts::sentences) {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    for r in &result.refused {
        let text = format!("{} was not probed: {}", r.category, r.why);
        section = section.with(Block::note(NoteKind::Warning, text));
    }
    for c in &result.contrasts {
        for (name, why) in &c.absent {
            let text = format!("{}: the control {name} gave no number: {why}", c.category);
            section = section.with(Block::note(NoteKind::Warning, text));
        }
    }
    let joined: usize = result.sets.iter().map(|s| s.joined).sum();
    let shared: Vec<&str> =
        result.contrasts.iter().filter(|c| c.shared_negatives).map(|c| c.category.as_str()).collect();
    let mut method = format!(
        "Sites and penalties are chosen inside the training folds. {} permutations of the labels were asked for, each \
         through the whole procedure. Adjusted p values: {} ({} tests).",
        result.permutations_asked, result.family.name, result.family.size
    );
    if joined > 0 {
        method += &format!(" {joined} groups were joined with others because they hold equal texts.");
    }
    if !shared.is_empty() {
        method += &format!(
            " Without negatives of their own, and so held against those of all: {}.",
            shared.join(", ")
        );
    }
    section
        .with(Block::note(NoteKind::Method, method))
        .with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}

fn axis(result: &Probed) -> Axis {
    let layers: Vec<Option<f64>> = result.sites.iter().map(|s| s.rsplit_once('.')?.1.parse().ok()).collect();
    let kinds: std::collections::HashSet<&str> =
        result.sites.iter().map(|s| s.rsplit_once('.').map_or(s.as_str(), |(k, _)| k)).collect();
    let mut axis = Axis::new(if kinds.len() == 1 { "block" } else { "site" });
    if kinds.len() != 1 || layers.iter().any(Option::is_none) || result.sites.len() <= 12 {
        axis.ticks = result
            .sites
            .iter()
            .enumerate()
            .map(|(i, s)| Tick { at: place(result, i).into(), label: s.clone() })
            .collect();
    }
    axis
}

/// Where a site stands: its block where all sites are of one kind, else its place in the list.
fn place(result: &Probed, at: usize) -> f64 {
    let kind = |s: &str| s.rsplit_once('.').map(|(k, l)| (k.to_owned(), l.parse::<f64>().ok()));
    let kinds: Vec<_> = result.sites.iter().map(|s| kind(s)).collect();
    let first = kinds.first().cloned().flatten().map(|k| k.0);
    let same =
        kinds.iter().all(|k| k.as_ref().is_some_and(|k| Some(&k.0) == first.as_ref() && k.1.is_some()));
    match kinds.get(at).cloned().flatten().and_then(|k| k.1) {
        Some(layer) if same => layer,
        _ => at as f64,
    }
}

/// Points from left to right: sites may be given in any order.
fn sorted(mut points: Vec<CurvePoint>) -> Vec<CurvePoint> {
    let x = |p: &CurvePoint| p.x.get().unwrap_or(f64::NAN);
    points.sort_by(|a, b| x(a).total_cmp(&x(b)));
    points
}

fn curve(result: &Probed, contrast: &ContrastProbe, at: usize) -> Figure {
    let x = |site: &str| result.sites.iter().position(|s| s == site).map_or(f64::NAN, |at| place(result, at));
    let mut names = vec![HELD_OUT.to_owned()];
    names.extend(contrast.tests.iter().map(|t| t.name.clone()));
    let mut series: Vec<Series> = names
        .iter()
        .map(|name| {
            let points = contrast.rows.iter().filter(|r| r.set == *name).map(|r| {
                let [low, high] = bounds(&r.auroc);
                CurvePoint::new(x(&r.site), r.auroc.value).band(low, high)
            });
            Series::new(name.as_str(), sorted(points.collect()))
        })
        .collect();
    let held_out: Vec<_> = contrast.rows.iter().filter(|r| r.set == HELD_OUT).collect();
    let mut controls: Vec<&String> = held_out.iter().flat_map(|r| r.controls.keys()).collect();
    controls.sort_unstable();
    controls.dedup();
    for name in controls {
        let points = held_out
            .iter()
            .map(|r| CurvePoint::new(x(&r.site), r.controls.get(name).copied().unwrap_or(f64::NAN)));
        series.push(Series::control(format!("{name} (held-out)"), sorted(points.collect())));
    }
    let plot = Curve {
        x: axis(result),
        y: Axis::new("AUROC").range(0.3, 1.0),
        series,
        x_marks: vec![Mark::at(x(&contrast.best), "largest held-out AUROC")],
        y_marks: vec![Mark::at(0.5, "chance")],
    };
    let title = if contrast.category == ALL {
        "AUROC by site, all categories together".to_owned()
    } else {
        format!("AUROC by site, {}", contrast.category)
    };
    Figure::new(
        format!("probing-{}", slug(contrast, at)),
        title,
        Plot::Curve(plot),
        format!(
            "{} positive and {} negative training texts in {} groups. Bands: 95 % intervals of each site alone. \
             Grey: controls on the same held-out texts; random-label is the mean of {} permutations of the labels.",
            contrast.n[0], contrast.n[1], contrast.groups, contrast.permutations
        ),
        NOT_SHOWN,
    )
}

fn sets(result: &Probed) -> Figure {
    let mut rows = Vec::new();
    for c in &result.contrasts {
        let mut push = |set: &str, m: &Measured, status| {
            rows.push(ForestRow {
                label: c.category.clone(),
                group: Some(set.to_owned()),
                estimate: m.value.into(),
                interval: bounds(m),
                null: m.null.as_ref().and_then(|n| n.range).map(|r| r.map(Num::new)),
                n: m.n as u64,
                status: Some(status),
            });
        };
        push(HELD_OUT, &c.held_out, above(&c.held_out, c.p_adjusted));
        for t in &c.tests {
            push(&t.name, &t.auroc, above(&t.auroc, t.auroc.null.as_ref().map(|n| n.p)));
        }
    }
    let order: Vec<String> = result.sets.iter().map(|s| s.name.clone()).collect();
    // What was held out of the training texts belongs to no set, and stands first.
    rows.sort_by_key(|r| order.iter().position(|o| Some(o) == r.group.as_ref()).map_or(0, |at| at + 1));
    let plot = Forest {
        x: Axis::new("AUROC").range(0.0, 1.0),
        reference: Some(Mark::at(0.5, "chance")),
        digits: 2,
        rows,
    };
    Figure::new(
        "probing-sets",
        "Every category on every set",
        Plot::Forest(plot),
        "95 % intervals over groups; pale bar: central 95 % with the training labels permuted and all choices repeated. \
         n counts texts. The sign: supported where the interval lies above chance and p (Holm over categories for \
         held-out texts, unadjusted for test sets) is at most 0.05.",
        "Whether categories differ: their texts differ in number and difficulty, and some share their negatives.",
    )
}

fn table(result: &Probed) -> Block {
    let mut table = Table::new(
        "probing-table",
        "Held-out: the site chosen inside the training folds. Test sets: the site with the largest held-out AUROC. \
         Accuracy at a threshold chosen on other texts. Selectivity: held-out AUROC less its mean on permuted labels.",
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
            "accuracy",
            "selectivity",
        ]
        .map(Column::new)
        .to_vec(),
    );
    let estimate = |m: &Measured| {
        let [low, high] = bounds(m);
        Cell::estimate(m.value, low, high, 3)
    };
    let draws = |m: &Measured| m.null.as_ref().and_then(|n| n.draws).map(|d| d as u64);
    let p = |m: &Measured| {
        m.null.as_ref().map_or_else(|| Cell::empty("not run"), |n| Cell::p(n.p, n.draws.map(|d| d as u64)))
    };
    for c in &result.contrasts {
        let adjusted =
            |p: Option<f64>| p.map_or_else(|| Cell::empty("not run"), |p| Cell::p(p, draws(&c.held_out)));
        let mut chosen = c.chosen.clone();
        chosen.dedup();
        table.push(vec![
            c.category.as_str().into(),
            HELD_OUT.into(),
            c.held_out.n.into(),
            Cell::code(chosen.join(", ")),
            estimate(&c.held_out),
            p(&c.held_out),
            adjusted(c.p_adjusted),
            adjusted(c.p_bh),
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
                estimate(&t.accuracy),
                Cell::empty("held-out only"),
            ]);
        }
    }
    Block::Details { summary: "All numbers of the probes".into(), blocks: vec![table.into()] }
}

fn controls(result: &Probed) -> Option<Figure> {
    let mut rows = Vec::new();
    for c in &result.contrasts {
        let row = |b: &Baseline| -> Vec<ForestRow> {
            let one = |d: &crate::analyses::probing::Difference| ForestRow {
                label: format!("{} on {} ({:.2} against {:.2})", c.category, d.set, d.probe, d.control),
                group: Some(format!("more than {}", b.name)),
                estimate: d.difference.value.into(),
                interval: bounds(&d.difference),
                null: None,
                n: d.difference.n as u64,
                status: Some(match d.difference.interval {
                    Some(i) if i.low > 0.0 => Status::Supported,
                    Some(i) if i.high <= 0.0 => Status::NotSupported,
                    _ => Status::Unclear,
                }),
            };
            b.differences.iter().map(one).collect()
        };
        rows.extend(c.baselines.iter().flat_map(row));
    }
    rows.sort_by_key(|r| r.group.clone());
    if rows.is_empty() {
        return None;
    }
    let plot = Forest {
        x: Axis::new("AUROC of the probe less that of the control"),
        reference: Some(Mark::at(0.0, "knows no more")),
        digits: 2,
        rows,
    };
    Some(Figure::new(
        "probing-controls",
        "What the probe knows beyond its controls",
        Plot::Forest(plot),
        "Paired by text; 95 % intervals over groups, unadjusted for their number. Both go through the same folds and \
         choices. n counts texts.",
        "That a control is the best of its kind: another reader of the words might do better than this bag of them.",
    ))
}

fn cosines(result: &Probed) -> Option<Figure> {
    let of = |c: &ContrastProbe| {
        let truth = c.truth.as_ref()?;
        let points = truth
            .cosines
            .iter()
            .enumerate()
            .map(|(i, m)| CurvePoint::new(place(result, i), m.as_ref().map_or(f64::NAN, |m| m.value)));
        Some(Series::new(c.category.as_str(), sorted(points.collect())))
    };
    let series: Vec<Series> = result.contrasts.iter().take(8).filter_map(of).collect();
    let first = result.contrasts.iter().find_map(|c| c.truth.as_ref())?;
    let reach = first.cosines.iter().flatten().find_map(|c| c.null.as_ref()?.range).map_or(0.0, |r| r[1]);
    let plot = Curve {
        x: axis(result),
        y: Axis::new("cosine").range(-1.0, 1.0),
        series,
        x_marks: vec![],
        y_marks: vec![Mark::span(-reach, reach, "95 % of random directions")],
    };
    Some(Figure::new(
        "probing-truth",
        "Cosine with a direction of truth",
        Plot::Curve(plot),
        format!(
            "Mean difference of the category against that of {} true and false statements, which reach a held-out \
             AUROC of {:.2} themselves.",
            first.rows, first.held_out.value
        ),
        "That a cosine outside the band means truth: activations lie in a narrow cone, in which any two mean \
         differences may have one.",
    ))
}
