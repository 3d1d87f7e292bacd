//! Graph kinds by families by places: each answer beside the engine's.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use truenorth::engine::Engine;
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::{Builder, CheckLimits, Sampling, Steps};
use truenorth_protocol::{Answer, CheckedGraph, DType, Graph, ModelInfo, ReadAt, Site, Tensor, WriteAt};

use super::compare::{self, SAME};
use super::generating::STEERED;
use super::graphs::Kit;
use super::runners::{causes, engine};
use crate::support::Reference;

/// A family's graphs and what the engine answers.
pub struct Family {
    pub name: String,
    pub path: PathBuf,
    pub engine: Arc<Engine>,
    kinds: Vec<(String, CheckedGraph, Answer)>,
    reference: Reference,
}

impl Family {
    pub fn new(name: &str, path: &Path, kinds: impl Fn(&Kit) -> Vec<(String, Graph)>) -> Self {
        let reference = Reference::of(path);
        let engine = engine(path, name);
        let kit = Kit::new(engine.info(), reference.tokens("prompts"));
        let (names, graphs): (Vec<String>, Vec<_>) = kinds(&kit).into_iter().unzip();
        let checked: Vec<CheckedGraph> =
            graphs.into_iter().map(|g| g.check(engine.info(), &CheckLimits::default()).unwrap()).collect();
        let wanted = all_of(engine.as_ref(), &checked);
        let kinds: Vec<_> = names.into_iter().zip(checked).zip(wanted).map(|((n, c), w)| (n, c, w)).collect();
        for (_, _, answer) in kinds.iter().filter(|(n, ..)| n == STEERED) {
            steering_shows(name, answer);
        }
        Self { name: name.to_owned(), path: path.to_owned(), engine, kinds, reference }
    }
}

/// Steering that leaves every token as it was would show nothing of where it was done.
fn steering_shows(family: &str, answer: &Answer) {
    for (site, tokens) in answer.values.iter().filter(|(site, _)| *site != "plain") {
        assert_ne!(Some(tokens), answer.values.get("plain"), "{family}: {site} changes no token");
    }
}

/// Runs several graphs at once.
fn all_of(runner: &dyn Runner, graphs: &[CheckedGraph]) -> Vec<Answer> {
    let mut answers = vec![None; graphs.len()];
    let mut keep = |i: usize, answer| {
        assert!(answers[i].replace(answer).is_none(), "two answers to graph {i}");
        ControlFlow::Continue(())
    };
    runner.run_each(graphs, &Unwatched, &mut keep).unwrap_or_else(|e| panic!("{}", causes(&e)));
    answers.into_iter().map(|a| a.expect("an answer each")).collect()
}

/// What was found.
#[derive(Default)]
pub struct Table {
    /// By place and family: cells, and the worst difference of those that are the same.
    families: BTreeMap<(String, String), (usize, f32)>,
    /// By place and kind, over all families.
    kinds: BTreeMap<(String, String), (usize, f32)>,
    wrong: Vec<String>,
}

impl Table {
    /// Runs every graph of a family at a place, one at a time: what fails is named, the rest still runs.
    /// `costs` is told of each that has run.
    pub fn fill(
        &mut self,
        place: &str,
        family: &Family,
        runner: &dyn Runner,
        costs: &dyn Fn(&CheckedGraph) -> Result<(), String>,
    ) {
        let begun = Instant::now();
        let all = family.kinds.iter().map(|(kind, checked, want)| {
            let got = runner.run(checked, &Unwatched).map_err(|e| causes(&e));
            let far = got.and_then(|got| compare::difference(&got, want));
            (kind.as_str(), far.and_then(|far| costs(checked).map(|()| far)))
        });
        let checked = against(runner.info(), &family.reference);
        let reference = std::iter::once_with(|| {
            let far = against_transformers(runner, &family.reference);
            ("transformers", far.and_then(|far| costs(&checked).map(|()| far)))
        });
        let (mut cells, mut worst) = (0, 0.0_f32);
        for (kind, found) in all.chain(reference) {
            cells += 1;
            match found {
                Ok(far) => {
                    worst = worst.max(far);
                    for (rows, row) in
                        [(&mut self.families, &family.name), (&mut self.kinds, &kind.to_owned())]
                    {
                        let cell = rows.entry((place.to_owned(), row.clone())).or_default();
                        *cell = (cell.0 + 1, cell.1.max(far));
                    }
                }
                Err(why) => {
                    let short: String = why.chars().take(900).collect();
                    println!("WRONG {}, {kind}, {place}: {short}", family.name);
                    self.wrong.push(format!("{}, {kind}, {place}: {short}", family.name));
                }
            }
        }
        println!("{place}, {}: {cells} graphs, worst {worst:.1e}, {:.1?}", family.name, begun.elapsed());
    }

    /// Prints the worst difference by kind and by family, and fails if anything differs.
    pub fn finish(self) {
        for (title, rows) in [("kind", &self.kinds), ("family", &self.families)] {
            let mut places: Vec<&str> = rows.keys().map(|(place, _)| place.as_str()).collect();
            places.dedup();
            let mut names: Vec<&str> = rows.keys().map(|(_, name)| name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            println!("\n| {title} | {} |\n|{}", places.join(" | "), " --- |".repeat(places.len() + 1));
            for name in names {
                let cell = |place: &&str| {
                    let (count, worst) = rows.get(&((*place).to_owned(), name.to_owned()))?;
                    Some(format!("{count}: {worst:.1e}"))
                };
                let cells: Vec<String> =
                    places.iter().map(|p| cell(p).unwrap_or_else(|| "none".into())).collect();
                println!("| {name} | {} |", cells.join(" | "));
            }
        }
        assert!(!self.families.is_empty(), "nothing was compared");
        assert!(self.wrong.is_empty(), "{} differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// What the committed references answer: every site at every token, greedy tokens, and both steered.
fn against(info: &ModelInfo, r: &Reference) -> CheckedGraph {
    let prompts = r.tokens("prompts");
    let site: Site = r.json["steering"]["site"].as_str().unwrap().parse().unwrap();
    let alpha = r.json["steering"]["alpha"].as_f64().unwrap();
    let mut b = Builder::new();
    let plain = b.tokens(prompts.clone());
    for site in Site::all(info.layers) {
        let read = b.read(plain, site, ReadAt::All);
        b.save(site.to_string(), read);
    }
    let steered = b.tokens(prompts);
    let d = b.constant(Tensor::vector(&r.tensor("direction")));
    b.add(steered, site, WriteAt::All, Steps::ALL, d, &[alpha]);
    let logits = b.read(steered, Site::Logits, ReadAt::All);
    b.save("steered_logits", logits);
    for (name, group) in [("greedy", plain), ("steered_greedy", steered)] {
        let tokens = b.generate(group, Sampling::greedy(32));
        b.save(name, tokens);
    }
    b.finish().check(info, &CheckLimits::default()).unwrap()
}

/// Asks for that and compares; the worst relative difference.
pub fn against_transformers(runner: &dyn Runner, r: &Reference) -> Result<f32, String> {
    let rows: usize = r.tokens("prompts").iter().map(Vec::len).sum();
    let checked = against(runner.info(), r);
    let answer = runner.run(&checked, &Unwatched).map_err(|e| causes(&e))?;
    let mut worst = 0.0_f32;
    for (name, value) in &answer.values {
        let tensor = value.tensor().unwrap();
        if tensor.dtype() == DType::I64 {
            let want: Vec<i64> = r.tokens(name).concat().into_iter().map(i64::from).collect();
            if tensor.to_i64().unwrap() != want {
                return Err(format!("{name}: other tokens"));
            }
            continue;
        }
        let (got, want) = (tensor.to_f32().unwrap(), r.tensor(name));
        let (all, row) = (compare::relative(&got, &want), crate::support::relative_rows(&got, &want, rows));
        if all >= SAME || row >= 2.0 * SAME {
            return Err(format!("{name}: off by {all:e}, worst row {row:e}"));
        }
        worst = worst.max(all);
    }
    Ok(worst)
}
