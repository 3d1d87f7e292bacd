//! The study's report: what was found, said with its limits.

mod front;
mod sections;

use crate::analyses::stat::p_cell;
use std::time::Duration;

use crate::analyses::Listing;
use crate::error::Error;
use truenorth_data::store;
use truenorth_protocol::ModelInfo;
use truenorth_protocol::graph::{Builder, CheckLimits};
use truenorth_report::{Cell, Document, Group};

use super::journal::Stage;
use crate::study::file::StudyFile;
use crate::study::stages::{Results, Run};

/// Refuses a site that the model does not have, before anything is read.
pub fn check(study: &StudyFile, info: &ModelInfo) -> Result<(), Error> {
    let mut b = Builder::new();
    let group = b.texts(["."]);
    let read = b.read(group, study.site, study.positions);
    b.save("x", read);
    b.finish().check(info, &CheckLimits::default()).map_err(truenorth_protocol::run::RunError::from)?;
    Ok(())
}

/// The report of a study.
pub fn document(
    run: &Run<'_>,
    results: &Results,
    store: Option<store::Session>,
    stages: &[Stage],
    elapsed: Duration,
) -> Document {
    let info = run.reader.runner().info();
    let aspects = front::aspects(run, results);
    Document {
        title: run.study.title.clone(),
        subtitle: format!("{} at {}, {}", info.name, run.study.site, run.data.extent()),
        provenance: provenance(run, store, stages, elapsed),
        answer: front::answer(run, &aspects),
        front: aspects.into_iter().flat_map(|a| a.findings).collect(),
        sections: sections::all(run, results),
    }
}

fn provenance(
    run: &Run<'_>,
    store: Option<store::Session>,
    stages: &[Stage],
    elapsed: Duration,
) -> Vec<Group> {
    let info = run.reader.runner().info();
    let study = run.study;
    let mut model = Group::new("Model")
        .with("model", Cell::code(&info.name))
        .with("weights", Cell::code(&info.revision))
        .with("architecture", info.family.as_str())
        .with("blocks × width", format!("{} × {}", info.layers, info.hidden))
        .with("computed by", Cell::code(&info.path))
        .with("site", Cell::code(study.site.to_string()))
        .with("positions read", Cell::code(study.positions.to_string()))
        .with("template", Cell::code(&study.template))
        .with("seed", Cell::code(study.seed.to_string()))
        .with("truenorth", Cell::code(env!("CARGO_PKG_VERSION")));
    for left_out in run.reader.left_out() {
        model = model.with("means", left_out.to_string());
    }
    let mut data = Group::new("Data (SHA-256 of each file)");
    for (role, rows, sha256) in run.data.files() {
        data = data.with(format!("{role}, {rows} rows"), Cell::code(sha256));
    }
    let mut made = Group::new("This run").with("wall time", format!("{:.1} s", elapsed.as_secs_f64()));
    for stage in stages {
        let took = match stage.seconds {
            None => "not done".into(),
            Some(_) if stage.kept => "kept from an earlier run".into(),
            Some(s) => format!("{s:.1} s"),
        };
        made = made.with(format!("stage {}", stage.name), took);
    }
    made = match store {
        Some(s) => made
            .with("activations and answers found in the store", s.hits)
            .with("computed and stored", s.writes),
        None => made.with("store", "not used (--no-cache)"),
    };
    let mut groups = vec![model, data, made];
    if let Some(fell) = run.host.fallen().map(|f| f.group()) {
        groups.insert(0, fell);
    }
    groups
}

/// The result in a few lines.
pub fn summary(run: &Run<'_>, results: &Results) -> Listing {
    let words = run.data.words();
    let held_out = |of: &str| format!("AUROC held-out {of}");
    let (units, axes) = (held_out(words.units), held_out(words.axes));
    let mut rows = vec![["estimator", &units, "95 %", &axes, "95 %", "p of each"].map(String::from).to_vec()];
    for e in &results.directions.estimated {
        let interval = |h: &truenorth_stats::estimate::HeldOut| {
            format!("{:.3} to {:.3}", h.auroc.interval.low, h.auroc.interval.high)
        };
        let p = |h: &truenorth_stats::estimate::HeldOut| {
            h.null.map_or_else(|| "-".into(), |n| p_cell(n.p, Some(n.permutations)))
        };
        rows.push(vec![
            e.name.clone(),
            format!("{:.3}", e.by_pair.auroc.value),
            interval(&e.by_pair),
            format!("{:.3}", e.by_axis.auroc.value),
            interval(&e.by_axis),
            format!("{}, {}", p(&e.by_pair), p(&e.by_axis)),
        ]);
    }
    let says = front::aspects(run, results).iter().map(front::Aspect::line).collect();
    Listing { rows, says, ..Listing::default() }
}
