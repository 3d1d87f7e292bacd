//! How often a test says that there is something where there is nothing, for each unit that labels are exchanged by:
//! what rows of a unit share has a random sign, so that a unit is one observation however many rows it has.

use ndarray::Array2;
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use super::{
    CheckedEstimator, Estimator, HeldOutParams, LogisticParams, Nuisances, Pipeline, Samples, SplitBy,
};
use crate::math::Seeds;

/// Data sets a test is tried on, and permutations in each: p <= 0.05 is one of 20.
const SEEDS: usize = 240;
const PERMUTATIONS: usize = 19;
/// A binomial of 240 at 1/20 leaves this range once in a thousand: its quantiles at 0.0005 and 0.9995 by the sum of
/// the law.
const BOUNDS: (usize, usize) = (3, 24);
const WIDTH: usize = 6;

fn normal(rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..WIDTH).map(|_| StandardNormal.sample(rng)).collect()
}

/// Rows near a vector.
fn near(vector: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    vector.iter().map(|v| 3.0 * v + rng.sample::<f64, _>(StandardNormal)).collect()
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), WIDTH), |(i, j)| rows[i][j])
}

/// Pairs in units that share the difference of chosen and rejected text.
fn pairs(units: usize, each: usize, rng: &mut ChaCha8Rng) -> (Array2<f64>, Array2<f64>, Vec<usize>) {
    let (mut chosen, mut rejected, mut unit) = (vec![], vec![], vec![]);
    for u in 0..units {
        let shared = normal(rng);
        for _ in 0..each {
            rejected.push(near(&[0.0; WIDTH], rng));
            chosen.push(near(&shared, rng));
            unit.push(u);
        }
    }
    (matrix(&chosen), matrix(&rejected), unit)
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| n.to_string()).collect()
}

fn by_axis(rng: &mut ChaCha8Rng) -> Samples {
    let (chosen, rejected, axis) = pairs(10, 3, rng);
    Samples::from_pairs(chosen.view(), rejected.view(), &names(0..30), &names(axis)).unwrap()
}

fn by_cluster(rng: &mut ChaCha8Rng) -> Samples {
    let (chosen, rejected, cluster) = pairs(10, 3, rng);
    let samples = Samples::from_pairs(chosen.view(), rejected.view(), &names(0..30), &names(0..30)).unwrap();
    samples.with_clusters(&cluster).unwrap()
}

fn single_pairs(rng: &mut ChaCha8Rng) -> Samples {
    let (chosen, rejected, _) = pairs(20, 1, rng);
    Samples::from_pairs(chosen.view(), rejected.view(), &names(0..20), &names(0..20)).unwrap()
}

/// Groups of one label each, whose rows share a vector.
fn groups_of_one_label(rng: &mut ChaCha8Rng) -> Samples {
    let mut labels = [[true; 8], [false; 8]].concat();
    labels.shuffle(rng);
    let (mut rows, mut positive, mut group) = (vec![], vec![], vec![]);
    for (g, label) in labels.iter().enumerate() {
        let shared = normal(rng);
        for _ in 0..3 {
            rows.push(near(&shared, rng));
            positive.push(*label);
            group.push(g);
        }
    }
    Samples::from_classes(
        matrix(&rows).view(),
        &positive,
        &names(group),
        &names((0..16).flat_map(|g| [g; 3])),
    )
    .unwrap()
}

/// Groups of near copies of two texts with a label each.
fn groups_of_both_labels(rng: &mut ChaCha8Rng) -> Samples {
    let (chosen, rejected, unit) = pairs(12, 2, rng);
    let rows = ndarray::concatenate(ndarray::Axis(0), &[chosen.view(), rejected.view()]).unwrap();
    let positive: Vec<bool> = (0..48).map(|i| i < 24).collect();
    let groups = names(unit.iter().chain(&unit).copied());
    Samples::from_classes(rows.view(), &positive, &groups, &groups).unwrap()
}

/// Groups of three texts of one label and one of the other: all four share a vector, or the three do.
fn uneven(alike: bool, rng: &mut ChaCha8Rng) -> Samples {
    let (mut rows, mut positive, mut group) = (vec![], vec![], vec![]);
    for g in 0..16 {
        let shared = normal(rng);
        let up: bool = rng.random();
        for i in 0..4 {
            let here = alike || i < 3;
            rows.push(near(if here { &shared } else { &[0.0; WIDTH] }, rng));
            positive.push((i < 3) == up);
            group.push(g);
        }
    }
    let groups = names(group);
    Samples::from_classes(matrix(&rows).view(), &positive, &groups, &groups).unwrap()
}

fn uneven_and_alike(rng: &mut ChaCha8Rng) -> Samples {
    uneven(true, rng)
}

fn uneven_with_copies(rng: &mut ChaCha8Rng) -> Samples {
    uneven(false, rng)
}

/// Texts of both labels in categories, where what the label does has another direction in each.
fn categories(rng: &mut ChaCha8Rng) -> Samples {
    let (chosen, rejected, unit) = pairs(10, 3, rng);
    let rows = ndarray::concatenate(ndarray::Axis(0), &[chosen.view(), rejected.view()]).unwrap();
    let positive: Vec<bool> = (0..60).map(|i| i < 30).collect();
    let axes = names(unit.iter().chain(&unit).copied());
    Samples::from_classes(rows.view(), &positive, &names(0..60), &axes).unwrap()
}

/// How many of the data sets have p <= 0.05.
fn hits(make: fn(&mut ChaCha8Rng) -> Samples, by: SplitBy, estimator: &CheckedEstimator) -> usize {
    let pipeline = Pipeline { estimator: estimator.clone(), nuisances: Nuisances::none() };
    let params = HeldOutParams {
        by,
        folds: Some(4),
        repeats: 1,
        permutations: PERMUTATIONS,
        ..HeldOutParams::by_pair()
    };
    (0..SEEDS)
        .into_par_iter()
        .filter(|seed| {
            let seeds = Seeds::new(*seed as u64);
            let samples = make(&mut seeds.stream("planted"));
            let null = pipeline.held_out(&samples, &params, &seeds).unwrap().null.unwrap();
            null.p <= 0.05
        })
        .count()
}

fn mean_diff() -> CheckedEstimator {
    Estimator::MeanDiff.check().unwrap()
}

#[test]
fn labels_are_exchanged_by_what_rows_share() {
    /// A name, samples without anything to find, and how they are split.
    type Unit = (&'static str, fn(&mut ChaCha8Rng) -> Samples, SplitBy);
    let units: [Unit; 7] = [
        ("pairs", single_pairs, SplitBy::Pair),
        ("clusters of near copies", by_cluster, SplitBy::Pair),
        ("axes of pairs", by_axis, SplitBy::Axis),
        ("groups of one label", groups_of_one_label, SplitBy::Pair),
        ("groups of both labels", groups_of_both_labels, SplitBy::Pair),
        ("uneven groups, rows alike", uneven_and_alike, SplitBy::Pair),
        ("categories", categories, SplitBy::Axis),
    ];
    for (name, make, by) in units {
        let hits = hits(make, by, &mean_diff());
        assert!((BOUNDS.0..=BOUNDS.1).contains(&hits), "{name}: {hits} of {SEEDS}");
    }
}

/// The same data, flipped by what is smaller than the unit: so the test above can fail.
#[test]
fn labels_exchanged_by_less_than_what_rows_share_find_what_is_not_there() {
    let hits = hits(by_axis, SplitBy::Pair, &mean_diff());
    assert!(hits > 2 * BOUNDS.1, "{hits} of {SEEDS}");
}

/// Why such groups are told: no exchange within a group is right for both kinds.
#[test]
fn uneven_groups_of_copies_find_what_is_not_there() {
    let hits = hits(uneven_with_copies, SplitBy::Pair, &mean_diff());
    assert!(hits > BOUNDS.1, "{hits} of {SEEDS}");
}

#[test]
fn logistic_regression_is_tested_at_one_penalty_and_keeps_its_level() {
    let logistic = Estimator::Logistic(LogisticParams { alphas: vec![0.1, 10.0], folds: 3 }).check().unwrap();
    let found = hits(single_pairs, SplitBy::Pair, &logistic);
    assert!((BOUNDS.0..=BOUNDS.1).contains(&found), "{found} of {SEEDS}");
    let pipeline = Pipeline { estimator: logistic, nuisances: Nuisances::none() };
    let samples = single_pairs(&mut Seeds::new(1).stream("planted"));
    let params = HeldOutParams { permutations: 9, ..HeldOutParams::by_pair() };
    let held_out = pipeline.held_out(&samples, &params, &Seeds::new(1)).unwrap();
    let at = held_out.null.unwrap().fixed.unwrap();
    assert!(at.alpha == 0.1 && (at.auroc - held_out.auroc.value).abs() < 0.3);
    let said = held_out.auroc.number("pairs", Some((&held_out.null.unwrap(), "labels flipped")));
    assert!(said.null.unwrap().what.contains("at penalty 0.1"));
}

/// Directions that know nothing look like the rows within their classes, or like those of other labels.
#[test]
fn null_directions_have_the_covariance_of_the_rows() {
    let mut rng = Seeds::new(4).stream("rows");
    let scale = [5.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    let mut rows = || -> Array2<f64> {
        Array2::from_shape_fn((200, WIDTH), |(_, j)| scale[j] * rng.sample::<f64, _>(StandardNormal))
    };
    let (chosen, rejected) = (rows() + 3.0, rows());
    let samples =
        Samples::from_pairs(chosen.view(), rejected.view(), &names(0..200), &names(0..200)).unwrap();
    let pipeline = Pipeline { estimator: mean_diff(), nuisances: Nuisances::none() };
    let matched = pipeline.matched_directions(&samples, 400, &Seeds::new(1)).unwrap();
    let flipped = pipeline.relabelled_directions(&samples, SplitBy::Pair, 400, &Seeds::new(1)).unwrap();
    assert_eq!((matched.dim(), flipped.dim()), ((400, WIDTH), (400, WIDTH)));
    // E g0^2 / (g0^2 + ... + g5^2) for N(0, 25) beside five N(0, 1): 0.617 by 1e6 draws of numpy's default_rng(0).
    let share = matched.column(0).mapv(|v| v * v).mean().unwrap();
    assert!((share - 0.617).abs() < 0.05, "{share}");
    let contrast = 1.0 / (WIDTH as f64).sqrt();
    let along = |d: &Array2<f64>| d.outer_iter().map(|r| (r.sum() * contrast).abs()).sum::<f64>() / 400.0;
    assert!(along(&matched) < 0.6 && along(&flipped) < 0.9);
    assert!(flipped.outer_iter().all(|r| (r.dot(&r) - 1.0).abs() < 1e-9));
}
