//! The study's report: what was found, said with its limits.

mod findings;
mod questions;
mod sections;

use crate::analyses::stat::p_cell;
use crate::analyses::{SpecialTokens, Spoken};
use std::time::Duration;

use crate::analyses::Listing;
use truenorth_data::store;
use truenorth_report::{Cell, Document, KeyValueList};

pub use questions::{Front, front};

use super::data::StudyData;
use super::journal::StageRecord;
use crate::study::stages::{StageContext, StudyFindings};

pub fn document(
    run: &StageContext<'_>,
    results: &StudyFindings,
    front: Front,
    (store, stages, elapsed): (Option<store::SessionCounts>, &[StageRecord], Duration),
) -> Document {
    let info = run.reader.runner().info();
    // An analysis that no question asks for must not lose what it found.
    let unasked = sections::unasked(&results.pages, &front.findings);
    let findings = [front.findings, unasked].concat();
    let document = Document {
        title: run.study.title.clone(),
        subtitle: format!("{} at {}, {}", info.name, run.study.site, run.data.extent()),
        provenance: provenance(run, store, stages, elapsed),
        answer: Some(front.answer),
        front: findings,
        sections: sections::all(run, results),
    };
    document.with_tests(&[
        format!(
            "What is random is drawn from seed {}; each test has a stream of its own, named after its analysis.",
            run.study.seed
        ),
        "Left out of every test: copies and near copies beyond the first of their cluster are counted with it, and \
         means over tokens leave out what the provenance names."
            .into(),
    ])
}

fn provenance(
    run: &StageContext<'_>,
    store: Option<store::SessionCounts>,
    stages: &[StageRecord],
    elapsed: Duration,
) -> Vec<KeyValueList> {
    let info = run.reader.runner().info();
    let study = run.study;
    let mut model = KeyValueList::new("Model")
        .with("model", Cell::code(&info.name))
        .with("weights", Cell::code(&info.revision))
        .with("architecture", info.family.as_str())
        .with("blocks × width", format!("{} × {}", info.layers, info.hidden))
        .with("computed by", Cell::code(&info.path))
        .with("site", Cell::code(study.site.to_string()))
        .with("positions read", Cell::code(study.positions.to_string()))
        .with("template", Cell::code(run.data.template.to_string()))
        .with("seed", Cell::code(study.seed.to_string()))
        .with("truenorth", Cell::code(env!("CARGO_PKG_VERSION")));
    if let Some(speech) = run.reader.spoken().and_then(Spoken::record) {
        let mut with = |name: &str, text: Option<String>| {
            if let Some(text) = text {
                model = std::mem::take(&mut model).with(name, Cell::code(text));
            }
        };
        with("chat template", speech.template.zip(speech.source).map(|(name, of)| format!("{name} of {of}")));
        with("chat template, SHA-256", speech.sha256);
        with("system turn", speech.system);
        with("date in the template", speech.date);
        if speech.special_tokens == SpecialTokens::None {
            with("tokens around a text", Some("none".into()));
        }
    }
    for left_out in run.reader.left_out() {
        model = model.with("means", left_out.to_string());
    }
    for warning in run.reader.warnings() {
        model = model.with("warning", warning);
    }
    let mut data = KeyValueList::new("Data (SHA-256 of each file)");
    for (role, rows, sha256) in run.data.files() {
        data = data.with(format!("{role}, {rows} rows"), Cell::code(sha256));
    }
    let again =
        format!("truenorth study run {} --model {} --seed {}", run.path.display(), study.model, study.seed);
    let mut made = KeyValueList::new("This run")
        .with("every number again", Cell::code(again))
        .with("wall time", format!("{:.1} s", elapsed.as_secs_f64()));
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

pub fn summary(results: &StudyFindings, front: &Front, data: &StudyData) -> Listing {
    let words = data.words();
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
    let mut says = vec![front.answer.sentence.clone()];
    says.extend(
        front.answer.questions.iter().map(|q| format!("{} {}. {}", q.asks, q.verdict.word(), q.says)),
    );
    Listing { rows, says, ..Listing::default() }
}
