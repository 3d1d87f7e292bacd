use std::time::Duration;

use ndarray::{Array1, Array2};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::*;
use crate::estimate::{Estimator, HeldOutParams, LogisticParams, Nuisances, Pipeline, Samples};
use crate::math::{Seeds, random_unit};

fn gaussian(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || {
        let v: f64 = StandardNormal.sample(rng);
        v as f32
    })
}

/// Rows of two classes at several layers.
struct Rows {
    layers: Vec<Array2<f32>>,
    labels: Vec<bool>,
    groups: Vec<String>,
}

impl Rows {
    fn train(&self) -> TrainSet<'_> {
        TrainSet { layers: &self.layers, labels: &self.labels, groups: &self.groups }
    }

    fn test(&self) -> TestSet<'_> {
        TestSet { name: "other", layers: &self.layers, labels: &self.labels, groups: &self.groups }
    }
}

/// Pairs whose positive row lies `strength` further along a direction at layer `at`, around a prompt
/// of their own.
fn pairs(n: usize, width: usize, layers: usize, at: usize, strength: f64, seed: u64) -> Rows {
    let mut rng = Seeds::new(seed).stream("pairs");
    let truth = random_unit(width, &mut Seeds::new(0).stream("truth")).unwrap();
    let layers = (0..layers)
        .map(|layer| {
            let prompts = gaussian(n, width, &mut rng);
            let mut x = gaussian(2 * n, width, &mut rng);
            for (i, mut row) in x.outer_iter_mut().enumerate() {
                row += &prompts.row(i % n);
                if layer == at {
                    let way = if i < n { strength / 2.0 } else { -strength / 2.0 };
                    row.iter_mut().zip(&truth).for_each(|(v, d)| *v += (d * way) as f32);
                }
            }
            x
        })
        .collect();
    Rows {
        layers,
        labels: (0..2 * n).map(|i| i < n).collect(),
        groups: (0..2 * n).map(|i| format!("{seed} {}", i % n)).collect(),
    }
}

/// Two classes in groups of one class each, three rows a group.
fn classes(groups: usize, width: usize, strength: f64, seed: u64) -> Rows {
    let mut rng = Seeds::new(seed).stream("classes");
    let truth = random_unit(width, &mut Seeds::new(0).stream("truth")).unwrap();
    let own = gaussian(groups, width, &mut rng);
    let mut x = gaussian(3 * groups, width, &mut rng);
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        row += &own.row(i / 3);
        let way = if i / 3 % 2 == 0 { strength } else { -strength };
        row.iter_mut().zip(&truth).for_each(|(v, d)| *v += (d * way) as f32);
    }
    Rows {
        layers: vec![x],
        labels: (0..3 * groups).map(|i| i / 3 % 2 == 0).collect(),
        groups: (0..3 * groups).map(|i| format!("{seed} {}", i / 3)).collect(),
    }
}

fn quick(estimator: ProbeEstimator, permutations: usize) -> ProbeSettings {
    ProbeSettings { permutations, repeats: 1, folds: 4, ..ProbeSettings::new(estimator) }
}

fn every() -> [ProbeEstimator; 3] {
    [
        ProbeEstimator::MeanDiff,
        ProbeEstimator::Lda { shrinkage: None },
        ProbeEstimator::Logistic { alphas: vec![0.01, 1.0] },
    ]
}

/// Training rows with a direction to project out.
struct Projected<'a>(&'a Rows, Array1<f64>);

impl Layers for Projected<'_> {
    fn count(&self) -> usize {
        self.0.layers.count()
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        self.0.layers.layer(index)
    }

    fn nuisances(&self, _: usize) -> Result<Vec<Array1<f64>>, SourceError> {
        Ok(vec![self.1.clone()])
    }
}

/// The same folds through [`Pipeline::held_out`], which fits every fold on the rows.
#[test]
fn scores_from_scalar_products_are_those_of_the_rows() {
    for (case, rows) in [
        pairs(15, 60, 1, 0, 2.0, 1),
        pairs(40, 12, 1, 0, 1.0, 2),
        classes(14, 50, 0.4, 3),
        classes(20, 7, 0.4, 4),
    ]
    .iter()
    .enumerate()
    {
        let x = rows.layers[0].mapv(f64::from);
        let samples = Samples::from_classes(x.view(), &rows.labels, &rows.groups, &rows.groups).unwrap();
        let nuisance = random_unit(x.ncols(), &mut Seeds::new(9).stream("nuisance")).unwrap();
        let logistic = |alpha| {
            (
                Estimator::Logistic(LogisticParams { alphas: vec![alpha], folds: 2 }),
                ProbeEstimator::Logistic { alphas: vec![alpha] },
            )
        };
        for (plain, probe) in [
            (Estimator::MeanDiff, ProbeEstimator::MeanDiff),
            (Estimator::Lda { shrinkage: None }, ProbeEstimator::Lda { shrinkage: None }),
            (Estimator::Lda { shrinkage: Some(0.3) }, ProbeEstimator::Lda { shrinkage: Some(0.3) }),
            logistic(0.01),
            logistic(1.0),
        ] {
            for project in [false, true] {
                let mut nuisances = Nuisances::none();
                if project {
                    nuisances = nuisances.with_direction("other", nuisance.view()).unwrap();
                }
                let pipeline = Pipeline { estimator: plain.clone().check().unwrap(), nuisances };
                let params =
                    HeldOutParams { folds: Some(4), permutations: 0, repeats: 1, ..HeldOutParams::by_pair() };
                let expected = pipeline.held_out(&samples, &params, &Seeds::new(5)).unwrap();
                let projected = Projected(rows, nuisance.clone());
                let train =
                    if project { TrainSet { layers: &projected, ..rows.train() } } else { rows.train() };
                let found = quick(probe.clone(), 0).run(&train, &[], &Seeds::new(5)).unwrap();
                for (a, b) in found.nested.scores.iter().zip(&expected.scores) {
                    assert!((a - b).abs() < 1e-6, "case {case} {probe:?} {project}: {a} {b}");
                }
                assert_eq!(found.nested.auroc.value, found.layers[0].auroc.value);
                assert!((found.nested.auroc.value - expected.auroc.value).abs() < 1e-12);
            }
        }
    }
}

/// A permutation in a block is what its labels give when they are observed.
#[test]
fn a_permutation_is_the_whole_procedure_on_its_labels() {
    let rows = pairs(12, 40, 3, 1, 1.0, 6);
    for estimator in every() {
        let (found, reference) =
            quick(estimator.clone(), 40).run_by(&rows.train(), &[], &Seeds::new(3), None).unwrap();
        let null = found.nested.null.unwrap();
        let groups = crate::math::numbered(&rows.groups);
        let seeds = Seeds::new(3).child("held out");
        let design = design::NestedDesign::new(&groups, 4, &mut seeds.stream("folds")).unwrap();
        let relabel = Relabel::new(&rows.labels, &groups);
        assert_eq!(relabel.exchange, Exchange::PairFlips);
        let (mut nested, mut largest) = (0.0, 0.0);
        for i in 0..40 {
            let labels = relabel.draw(&design, &mut seeds.stream(&format!("permutation {i}"))).unwrap();
            let train = TrainSet { labels: &labels, ..rows.train() };
            // Observed and permuted labels meet one rule.
            let (again, _) = quick(estimator.clone(), 0)
                .run_by(&train, &[], &Seeds::new(3), Some(reference.clone()))
                .unwrap();
            nested += again.nested.auroc.value / 40.0;
            largest += again.layers[again.best].auroc.value / 40.0;
        }
        // Permuted logistic fits are less exact, so that a pair of close scores may change places.
        assert!((nested - null.mean).abs() < 1e-3, "{estimator:?} {nested} {}", null.mean);
        assert!((largest - found.maximum.unwrap().mean).abs() < 1e-3, "{estimator:?}");
    }
}

#[test]
fn the_planted_layer_is_found_and_carries_over() {
    let (rows, other) = (pairs(40, 80, 4, 2, 5.0, 7), pairs(30, 80, 4, 2, 5.0, 8));
    for estimator in every() {
        let found = quick(estimator, 99).run(&rows.train(), &[other.test()], &Seeds::new(1)).unwrap();
        assert_eq!((found.best, &found.nested.chosen[..]), (2, &[2, 2, 2, 2][..]));
        assert!(found.nested.auroc.value > 0.8 && found.nested.accuracy.value > 0.7, "{:?}", found.nested);
        assert!(found.nested.null.unwrap().p <= 0.01 && found.maximum.unwrap().p <= 0.01);
        assert!(found.nested.selectivity.unwrap() > 0.25);
        assert!(found.layers[2].p_any_layer.unwrap() <= 0.01);
        assert!(found.layers[0].p_any_layer.unwrap() > 0.05, "{:?}", found.layers[0]);
        let test = &found.tests[0];
        assert!(test.chosen == 2 && test.auroc > 0.8 && test.accuracy.value > 0.7, "{test:?}");
        assert!(test.null.unwrap().p <= 0.02 && (test.layers[0].value - 0.5).abs() < 0.3);
        assert_eq!(test.groups, 30);
    }
}

/// Share of p values at most 0.05, and their largest distance from uniform.
#[test]
fn what_a_test_set_is_called_changes_no_number() {
    let (train, other) = (pairs(40, 8, 2, 1, 1.0, 1), pairs(20, 8, 2, 1, 1.0, 2));
    let probe = quick(ProbeEstimator::MeanDiff, 19);
    let called = |name| {
        let test = TestSet { name, ..other.test() };
        let found = probe.run(&train.train(), &[test], &Seeds::new(0)).unwrap().tests.remove(0);
        (found.auroc, found.layers, found.accuracy)
    };
    assert_eq!(format!("{:?}", called("a")), format!("{:?}", called("folder/b")));
}

fn uniform(mut p: Vec<f64>) -> (f64, f64) {
    p.sort_by(f64::total_cmp);
    let small = p.iter().filter(|v| **v <= 0.05).count() as f64 / p.len() as f64;
    let n = p.len() as f64;
    let gap = p.iter().enumerate().map(|(i, v)| (v - (i + 1) as f64 / n).abs()).fold(0.0, f64::max);
    (small, gap)
}

/// With nothing to find, p values of the nested AUROC and of the maximum over layers are uniform.
#[test]
fn the_null_is_null() {
    let runs = 300_u64;
    for (estimator, paired) in [
        (ProbeEstimator::MeanDiff, true),
        (ProbeEstimator::MeanDiff, false),
        (ProbeEstimator::Lda { shrinkage: None }, true),
        (ProbeEstimator::Logistic { alphas: vec![0.1] }, true),
    ] {
        let found: Vec<(f64, f64)> = (0..runs)
            .into_par_iter()
            .filter_map(|run| {
                let rows = if paired { pairs(9, 10, 2, 9, 0.0, run) } else { classes(12, 10, 0.0, run) };
                let probe = ProbeSettings { folds: 3, ..quick(estimator.clone(), 39) };
                let found = match probe.run(&rows.train(), &[], &Seeds::new(run)) {
                    // Three folds of few groups; relabellings are drawn from those without this too.
                    Err(ProbeError::OneClassFold { .. }) => return None,
                    found => found.unwrap(),
                };
                Some((found.nested.null.unwrap().p, found.maximum.unwrap().p))
            })
            .collect();
        assert!(found.len() > 200, "{} usable runs", found.len());
        let (nested, largest): (Vec<f64>, Vec<f64>) = found.into_iter().unzip();
        for p in [nested, largest] {
            let (small, gap) = uniform(p);
            // 5 % of 300 with three standard errors, and the 0.1 % point of Kolmogorov's statistic.
            assert!((0.012..=0.088).contains(&small), "{estimator:?} {paired}: {small}");
            assert!(gap < 1.95 / (runs as f64).sqrt(), "{estimator:?} {paired}: {gap}");
        }
    }
}

#[test]
fn time_ends_the_permutations_and_the_count_says_so() {
    let rows = pairs(20, 30, 2, 0, 1.0, 9);
    let probe = ProbeSettings {
        budget: Some(Duration::ZERO),
        ..quick(ProbeEstimator::Logistic { alphas: vec![0.1, 1.0] }, 500)
    };
    let found = probe.run(&rows.train(), &[], &Seeds::new(0)).unwrap();
    assert!(found.permutations < 500 && found.permutations_asked == 500);
    assert_eq!(found.nested.null.unwrap().permutations, found.permutations);
    let unhurried = ProbeSettings { budget: Some(Duration::from_secs(3600)), permutations: 40, ..probe };
    assert_eq!(unhurried.run(&rows.train(), &[], &Seeds::new(0)).unwrap().permutations, 40);
}

#[test]
fn words_and_lengths_are_layers() {
    let texts: Vec<String> = (0..40)
        .map(|i| format!("{} number {}", if i % 2 == 0 { "Kind words" } else { "harsh words, all" }, i / 2))
        .collect();
    let labels: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
    let groups: Vec<String> = (0..40).map(|i| format!("{}", i / 2)).collect();
    let bag = BagOfWords::new(&texts).unwrap();
    let words = bag.layers(&texts);
    assert_eq!(words[0].dim(), (40, bag.len()));
    let lengths: Vec<f64> = texts.iter().map(|t| t.split(' ').count() as f64).collect();
    let lengths = Lengths::layers(&lengths).unwrap();
    let mut scores = Vec::new();
    for layers in [&words, &lengths] {
        let train = TrainSet { layers, labels: &labels, groups: &groups };
        let found = quick(ProbeEstimator::MeanDiff, 39).run(&train, &[], &Seeds::new(0)).unwrap();
        assert!((found.nested.auroc.value - 1.0).abs() < 1e-12);
        scores.push(found.nested.scores);
    }
    let less = auroc_difference(&scores[0], &scores[1], &labels, &groups, 0.95).unwrap();
    assert!(less.value == 0.0 && less.interval.contains(0.0) && less.clusters == 20);
    // Both are right everywhere, and what is known of the difference still has a width.
    assert!(less.interval.low < -0.02 && less.interval.high > 0.02, "{less:?}");
    assert!(matches!(BagOfWords::new(&["…", ""]), Err(ProbeError::Count { .. })));
    assert!(matches!(Lengths::layers(&[3.0, 0.0]), Err(ProbeError::Parameter { .. })));
}

#[test]
fn what_can_not_be_probed_is_refused_by_name() {
    let good = pairs(12, 20, 2, 0, 2.0, 1);
    let other = pairs(12, 20, 2, 0, 2.0, 2);
    let probe = quick(ProbeEstimator::MeanDiff, 20);
    let run =
        |train: &TrainSet<'_>, tests: &[TestSet<'_>]| probe.run(train, tests, &Seeds::new(0)).unwrap_err();

    let mut layers = good.layers.clone();
    layers[1][[3, 4]] = f32::NAN;
    let e = run(&TrainSet { layers: &layers, ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::NotFinite { layer: 1, row: 3, column: 4, .. }), "{e}");
    let mut layers = good.layers.clone();
    layers[1].fill(0.3);
    let e = run(&TrainSet { layers: &layers, ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::Constant { layer: 1, .. }), "{e}");
    let mut layers = good.layers.clone();
    let first = layers[0].slice(ndarray::s![..12, ..]).to_owned();
    layers[0].slice_mut(ndarray::s![12.., ..]).assign(&first);
    let e = run(&TrainSet { layers: &layers, ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::Fit { layer: 0, .. }), "{e}");
    let e = run(&TrainSet { labels: &[true; 24], ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::OneClass { positive: 24, negative: 0, .. }), "{e}");
    let e = run(&TrainSet { groups: &good.groups[1..], ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::Count { what: "groups", .. }), "{e}");
    let layers = vec![good.layers[0].slice(ndarray::s![1.., ..]).to_owned()];
    let e = run(&TrainSet { layers: &layers, ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::Count { what: "rows", expected: 24, found: 23, .. }), "{e}");

    let e = run(&good.train(), &[TestSet { groups: &good.groups, ..other.test() }]);
    assert!(matches!(&e, ProbeError::Leaked { set, count: 12, .. } if set == "other"), "{e}");
    let e = run(&good.train(), &[TestSet { labels: &[false; 24], ..other.test() }]);
    assert!(matches!(&e, ProbeError::OneClass { set, .. } if set == "other"), "{e}");
    let narrow = pairs(12, 19, 2, 0, 2.0, 3);
    let e = run(&good.train(), &[narrow.test()]);
    assert!(matches!(e, ProbeError::Count { what: "columns", .. }), "{e}");

    let few = pairs(3, 20, 1, 0, 2.0, 4);
    assert!(matches!(run(&few.train(), &[]), ProbeError::Split(_)));
    let e = ProbeSettings { folds: 3, ..probe.clone() }.run(&few.train(), &[], &Seeds::new(0)).unwrap_err();
    assert!(matches!(e, ProbeError::FewRelabellings { .. }) && e.to_string().contains('8'), "{e}");
    let e = ProbeSettings { folds: 2, ..probe.clone() }.run(&good.train(), &[], &Seeds::new(0)).unwrap_err();
    assert!(matches!(e, ProbeError::Parameter { what: "number of folds", .. }), "{e}");
    // Two groups hold all positive rows, so some fit has none.
    let labels: Vec<bool> = (0..24).map(|i| i % 12 < 2).collect();
    let e = ProbeSettings { folds: 12, ..probe.clone() }
        .run(&TrainSet { labels: &labels, ..good.train() }, &[], &Seeds::new(0))
        .unwrap_err();
    assert!(matches!(e, ProbeError::OneClassFold { positive: 0, .. }), "{e}");
    for bad in [ProbeEstimator::Lda { shrinkage: Some(0.0) }, ProbeEstimator::Logistic { alphas: vec![] }] {
        let e = quick(bad, 0).run(&good.train(), &[], &Seeds::new(0)).unwrap_err();
        assert!(matches!(e, ProbeError::Parameter { .. }), "{e}");
    }
    let flat: Vec<Array2<f32>> = vec![];
    let e = run(&TrainSet { layers: &flat, ..good.train() }, &[]);
    assert!(matches!(e, ProbeError::Count { what: "layers or more", .. }), "{e}");
}
