//! The plants of a strict statistician's review, again: what was printed then, and what is now, on a real model.
//!
//! Each plant is a world in which the answer is known: labels of chance, an answer that is two answers, a course that
//! drifts. `before` is what the review measured; the rest is measured here, shares with their exact 95 % intervals.

use ndarray::{Array1, Array2};
use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use serde_json::{Value, json};
use truenorth::analyses::board::{Board, BoardData};
use truenorth::analyses::geometry::change_point;
use truenorth::analyses::{Analysis as _, AnalysisContext, CosineNulls, Unrelated, board, stat};
use truenorth::data::{Distinct, Loaded, NearCopies, Pair, Template};
use truenorth::estimate::{
    Estimator, HeldOut, HeldOutParams, LogisticParams, Nuisances, Pipeline, ProjectMethod, Samples, SplitBy,
};
use truenorth::math::{Placement, Seeds, clopper_pearson, cosine, holm_adjusted};
use truenorth::report::Test;
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;

use crate::Outcome;
use crate::nulls::SCENARIOS;
use crate::place::{Place, Unit, question, turned};

/// Sweeps that are steered with, at most: each asks the model some thousand texts.
const SWEEPS: u64 = 20;
const DRAWS: usize = 199;

fn say(row: u8, plant: &str, before: &str, now: &Value) {
    println!("{}", json!({ "row": row, "plant": plant, "before": before, "now": now }));
}

/// A share of runs with its exact interval.
fn share(count: usize, of: usize) -> Outcome<Value> {
    let i = clopper_pearson(count as u64, of as u64, 0.95)?;
    Ok(json!({ "share": count as f64 / of as f64, "count": count, "of": of, "low": i.low, "high": i.high }))
}

fn each<T: Send>(runs: u64, one: impl Fn(u64) -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
    // The first run reads; the others find what it read.
    let first = one(0)?;
    let rest = (1..runs).into_par_iter().map(&one).collect::<Outcome<Vec<T>>>()?;
    Ok(std::iter::once(first).chain(rest).collect())
}

fn samples(place: &Place, pairs: &Distinct<Pair>) -> Outcome<Samples> {
    Ok(question(pairs).samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)?)
}

fn pipeline(estimator: Estimator) -> Outcome<Pipeline> {
    Ok(Pipeline { estimator: estimator.check()?, nuisances: Nuisances::none() })
}

fn logistic() -> Estimator {
    Estimator::Logistic(LogisticParams { alphas: vec![0.1], ..LogisticParams::default() })
}

fn distinct(rows: Vec<Pair>, of: &Distinct<Pair>) -> Outcome<Distinct<Pair>> {
    Ok(Distinct::pairs(Loaded::new(rows, of.sha256.clone()), &Template::default(), NearCopies::default())?)
}

/// Row 1: 40 pairs of which the chosen text is two answers and the rejected one is one.
fn two_answers(place: &Place) -> Outcome<()> {
    let seeds = Seeds::new(1);
    let mut rng = seeds.stream("two answers");
    let all = &place.pairs.rows;
    let mut answer = |pair: &Pair| if rng.random() { pair.chosen.clone() } else { pair.rejected.clone() };
    let third = all.len() / 3;
    let rows: Vec<Pair> = (0..third.min(40))
        .map(|i| Pair {
            rejected: answer(&all[i]),
            chosen: format!("{} {}", answer(&all[i + third]), answer(&all[i + 2 * third])),
            ..all[i].clone()
        })
        .collect();
    let pairs = distinct(rows, &place.pairs)?;
    let samples = samples(place, &pairs)?;
    for (name, nuisances) in [
        ("nothing", Nuisances::none()),
        ("within classes", Nuisances::none().by(ProjectMethod::WithinClass).with_length()),
        ("pooled", Nuisances::none().by(ProjectMethod::Pooled).with_length()),
        ("LEACE", Nuisances::none().by(ProjectMethod::Leace).with_length()),
    ] {
        let estimator = Estimator::Logistic(LogisticParams::default()).check()?;
        let params = HeldOutParams { permutations: DRAWS, ..HeldOutParams::by_pair() };
        let found = Pipeline { estimator, nuisances }.held_out(&samples, &params, &seeds)?;
        let alone = |name: &str| found.alone.iter().find(|a| a.name == name).map(|a| a.auroc.value);
        say(
            1,
            &format!("{} pairs, chosen is two answers; length taken out: {name}", pairs.rows.len()),
            "0.966 with nothing taken out, 0.964 within classes, 0.52 pooled",
            &json!({
                "auroc": found.auroc.value, "low": found.auroc.interval.low, "high": found.auroc.interval.high,
                "p": found.null.map(|n| n.p), "p given length": found.given_length.map(|n| n.p),
                "length alone": alone("length"), "words alone": alone("words"),
                "said to be projected out": found.erased.first().map(|e| e.gone),
            }),
        );
    }
    Ok(())
}

/// Rows 2 and 5: worlds of the calibration, on the real model; all of them, or those whose name has `only`.
fn worlds(place: &Place, runs: u64, only: Option<&str>) -> Outcome<()> {
    for (row, name, test, before) in [
        (5, "axes turned as a whole", Test::HeldOut, "13 % (flipped by pair)"),
        (5, "classes, groups as a whole", Test::ProbeNested, "21 % (flipped by row)"),
        (5, "pairs with near copies", Test::HeldOut, "pairs told twice had not been clustered"),
        (
            2,
            "steering along labels of chance",
            Test::SteeringFlips,
            "26 % of 46 (doses shuffled within pairs)",
        ),
    ] {
        if only.is_some_and(|only| !"worlds".contains(only) && !name.contains(only)) {
            continue;
        }
        let scenario = SCENARIOS.iter().find(|s| s.name == name).ok_or("no such world")?;
        let runs = if row == 2 { runs.min(SWEEPS) } else { runs };
        let found = each(runs, |seed| (scenario.run)(place, seed))?;
        let p: Vec<f64> = found.iter().filter_map(|run| run.get(&test).copied()).collect();
        let both = |run: &crate::rates::Run| {
            let small = |test: Test| run.get(&test).is_some_and(|p| *p <= 0.05);
            small(Test::SteeringFlips) && small(Test::SteeringControls)
        };
        let alarms = p.iter().filter(|p| **p <= 0.05).count();
        let mut now = share(alarms, p.len())?;
        if row == 2 {
            now["both nulls, as a verdict asks"] = share(found.iter().filter(|r| both(r)).count(), p.len())?;
        }
        say(row, &format!("{name}: {} at most 0.05", test.id()), before, &now);
    }
    Ok(())
}

/// Row 4: boards along directions of labels of chance.
fn boards(place: &Place, runs: u64) -> Outcome<()> {
    for (name, estimator, before) in
        [("mean-diff", Estimator::MeanDiff, "87 %"), ("logistic", logistic(), "42 %")]
    {
        let found = each(runs, |seed| {
            let seeds = Seeds::new(seed);
            let pairs = turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance"));
            let (samples, pipeline) = (samples(place, &pairs)?, pipeline(estimator.clone())?);
            let direction = pipeline.extract(&samples, SplitBy::Pair, &seeds)?.fit.direction;
            let relabelled = pipeline.relabelled_directions(&samples, SplitBy::Pair, DRAWS, &seeds)?;
            let data = BoardData {
                probes: &place.probes.named,
                sequences: &place.sequences.all,
                kinds: &[],
                direction: direction.view(),
                sites: &[place.site],
                over: board::Over::Mean,
                relabelled: Some(relabelled.view()),
                beside: None,
            };
            let params = board::Params { draws: 0, permutations: 99, ..board::Params::default() };
            let asked = AnalysisContext { reader: place.session.reader(), seeds: &seeds, watch: &Unwatched };
            let found = Board::run(&data, &params, &asked)?;
            let uniform: Vec<f64> = found.rows.iter().map(|r| r.p_random).collect();
            Ok([found.family.stands > 0, holm_adjusted(&uniform)?.iter().any(|p| *p <= 0.05)])
        })?;
        let count = |at: usize| share(found.iter().filter(|f| f[at]).count(), found.len());
        let now =
            json!({ "any sequence stands": count(0)?, "of the uniform closed form with Holm": count(1)? });
        say(
            4,
            &format!("board of {} sequences, {name}, labels of chance", place.sequences.all.len()),
            before,
            &now,
        );
    }
    Ok(())
}

/// Row 4: directions of disjoint pairs with labels of chance.
fn disjoint(place: &Place, runs: u64) -> Outcome<()> {
    for (name, estimator) in [("mean-diff", Estimator::MeanDiff), ("logistic", logistic())] {
        let found = each(runs, |seed| {
            let seeds = Seeds::new(seed);
            let pairs = turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance"));
            let half = |odd: usize| -> Outcome<(Array1<f64>, Unrelated)> {
                let mut pairs = pairs.clone();
                let keep: Vec<bool> = pairs.cluster.iter().map(|c| c % 2 == odd).collect();
                pairs.retain(&keep);
                let (samples, pipeline) = (samples(place, &pairs)?, pipeline(estimator.clone())?);
                let seeds = seeds.child(if odd == 1 { "odd" } else { "even" });
                Ok((
                    pipeline.extract(&samples, SplitBy::Pair, &seeds)?.fit.direction,
                    Unrelated {
                        permuted: pipeline.relabelled_directions(&samples, SplitBy::Pair, DRAWS, &seeds)?,
                        matched: pipeline.matched_directions(&samples, DRAWS, &seeds)?,
                    },
                ))
            };
            let ((a, of_a), (b, of_b)) = (half(0)?, half(1)?);
            let value = cosine(a.view(), b.view())?;
            let uniform = stat::Null::random_direction(value, a.len())?.p;
            let bare = stat::Number::bare(value, 2, "labels of chance");
            let held = truenorth::analyses::Cosine::new(bare, a.len(), Ok(&CosineNulls::of(&of_a, &of_b)))?;
            let p = |null: Option<&stat::Null>| null.map_or(1.0, |n| n.p);
            Ok([uniform, p(held.number.null.as_ref()), p(held.matched.as_ref())])
        })?;
        let small = |at: usize| share(found.iter().filter(|p| p[at] <= 0.05).count(), found.len());
        say(
            4,
            &format!("cosine of two {name} directions of disjoint pairs, labels of chance"),
            if name == "mean-diff" { "55 % against uniform directions" } else { "not measured" },
            &json!({ "exchanged labels": small(1)?, "drawn like the activations": small(2)?, "uniform, described only": small(0)? }),
        );
    }
    Ok(())
}

/// Row 5: every pair told four times in nearly the same words, with labels of chance.
fn near_copies(place: &Place, runs: u64) -> Outcome<()> {
    let found = each(runs, |seed| {
        let seeds = Seeds::new(seed);
        let mut some = place.pairs.clone();
        let keep: Vec<bool> = (0..some.rows.len()).map(|i| i < 24).collect();
        some.retain(&keep);
        let some = turned(&some, Unit::Cluster, &mut seeds.stream("labels of chance"));
        let told = |word: &str| {
            let again = |p: &Pair| Pair {
                id: format!("{} {word}", p.id),
                chosen: format!("{} {word}", p.chosen),
                rejected: format!("{} {word}", p.rejected),
                ..p.clone()
            };
            some.rows.iter().map(again).collect::<Vec<Pair>>()
        };
        let rows = [some.rows.clone(), told("indeed"), told("really"), told("then")].concat();
        let pairs = distinct(rows, &place.pairs)?;
        let params = HeldOutParams { repeats: 1, permutations: DRAWS, ..HeldOutParams::by_pair() };
        let supported =
            |found: &HeldOut| found.auroc.interval.low > 0.5 && found.null.is_some_and(|null| null.p < 0.05);
        let samples = samples(place, &pairs)?;
        let own = pipeline(logistic())?.held_out(&samples, &params, &seeds)?;
        // As before: every pair is a unit of its own.
        let each: Vec<usize> = (0..pairs.rows.len()).collect();
        let apart = pipeline(logistic())?.held_out(&samples.with_clusters(&each)?, &params, &seeds)?;
        Ok([supported(&own), supported(&apart)])
    })?;
    let count = |at: usize| share(found.iter().filter(|f| f[at]).count(), found.len());
    say(
        5,
        "24 pairs told four times in nearly the same words, labels of chance: held out as supported",
        "80 of 80",
        &json!({ "near copies as one": count(0)?, "each pair by itself": count(1)? }),
    );
    Ok(())
}

/// Row 7: courses without a break.
fn courses() -> Outcome<()> {
    type Next = fn(usize, f64, f64) -> f64;
    let kinds: [(&str, Next); 5] = [
        ("independent", |_, _, e| e),
        ("autocorrelated 0.5", |_, last, e| 0.5 * last + e),
        ("autocorrelated 0.8", |_, last, e| 0.8 * last + e),
        ("random walk", |_, last, e| last + e),
        ("even drift", |i, _, e| 0.2 * i as f64 + e),
    ];
    for (name, next) in kinds {
        for width in [1_usize, 64] {
            let found = each(60, |seed| {
                let seeds = Seeds::new(seed);
                let mut rng = seeds.stream("course");
                let mut rows = Array2::<f64>::zeros((39, width));
                for i in 0..39 {
                    for j in 0..width {
                        let noise: f64 = StandardNormal.sample(&mut rng);
                        let last = if i == 0 { 0.0 } else { rows[[i - 1, j]] };
                        rows[[i, j]] = next(i, last, noise);
                    }
                }
                let gram = rows.dot(&rows.t());
                let gram: Vec<Vec<f64>> = gram.outer_iter().map(|r| r.to_vec()).collect();
                let names: Vec<String> = (0..39).map(|i| i.to_string()).collect();
                Ok(change_point(&names, &gram, 999, &seeds)?.is_some_and(|c| c.p <= 0.05))
            })?;
            say(
                7,
                &format!("39 checkpoints, {width} numbers each, {name}: a break at 5 %"),
                if name == "independent" { "7 %" } else { "100 % of 60" },
                &share(found.iter().filter(|f| **f).count(), found.len())?,
            );
        }
    }
    Ok(())
}

/// Row 6: value flips against the training pairs, by the counts of the review. Row 8: the interval where all is right.
fn counts() -> Outcome<()> {
    let p = truenorth::stats::number::overlap_p(16, 16 + 104, 38, 38 + 135).ok_or("counts that can't be")?;
    say(
        6,
        "16 of 38 value flips against 104 of 135 training pairs",
        "read beside each other, no test",
        &json!({ "fisher p": p }),
    );
    for (name, clusters, rows) in [("21 pairs", 21_usize, 1_usize), ("4 axes of 8 pairs", 4, 8)] {
        let n = clusters * rows;
        let scores: Vec<f64> = (0..2 * n).map(|i| if i < n { 1.0 + i as f64 } else { -(i as f64) }).collect();
        let positive: Vec<bool> = (0..2 * n).map(|i| i < n).collect();
        let of: Vec<usize> = (0..2 * n).map(|i| (i % n) / rows).collect();
        let found = Placement::auroc(&scores, &positive, &of)?.interval(0.95, 1.0)?;
        say(
            8,
            &format!("AUROC of 1, {name}"),
            "[1.000, 1.000]",
            &json!({ "low": found.low, "high": found.high }),
        );
    }
    Ok(())
}

/// Row 9: one way to split, and twenty.
fn splits(place: &Place) -> Outcome<()> {
    let samples = samples(place, &place.pairs)?;
    let params = HeldOutParams { permutations: 0, ..HeldOutParams::by_pair() };
    let found = pipeline(Estimator::Logistic(LogisticParams::default()))?.held_out(
        &samples,
        &params,
        &Seeds::new(0),
    )?;
    let before = "0.692 printed; 20 splits: mean 0.678, 0.658 to 0.697";
    say(
        9,
        "the real contrast, held out by pair, logistic",
        before,
        &json!({
            "auroc": found.auroc.value, "low": found.auroc.interval.low, "high": found.auroc.interval.high,
            "splits": found.auroc.repeats,
        }),
    );
    Ok(())
}

/// All of them, a line of JSON each; `runs` worlds of each kind at most.
pub fn all(place: &Place, runs: u64, only: Option<&str>) -> Outcome<()> {
    let asked = |name: &str| only.is_none_or(|only| name.contains(only));
    if asked("counts") {
        counts()?;
    }
    if asked("courses") {
        courses()?;
    }
    if asked("splits") {
        splits(place)?;
    }
    if asked("two answers") {
        two_answers(place)?;
    }
    if asked("near copies") {
        near_copies(place, runs)?;
    }
    if asked("disjoint") {
        disjoint(place, runs)?;
    }
    if asked("boards") {
        boards(place, runs)?;
    }
    worlds(place, runs, only)
}
