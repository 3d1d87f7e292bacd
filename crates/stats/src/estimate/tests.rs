use ndarray::{Array1, Array2, Axis};
use proptest::prelude::*;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;

use super::*;
use crate::math::{Seeds, cosine, random_unit, unit};

fn gaussian(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, columns), || StandardNormal.sample(rng))
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("pair {i}")).collect()
}

fn axes(n: usize, count: usize) -> Vec<String> {
    (0..n).map(|i| format!("axis {}", i % count)).collect()
}

fn pairs(chosen: &Array2<f64>, rejected: &Array2<f64>) -> Samples {
    let n = chosen.nrows();
    Samples::from_pairs(chosen.view(), rejected.view(), &names(n), &axes(n, 5)).unwrap()
}

/// Pairs whose chosen row lies `strength` further along `direction`, in unit noise around a
/// prompt of its own.
fn planted(n: usize, direction: &Array1<f64>, strength: f64, rng: &mut impl Rng) -> Samples {
    let width = direction.len();
    let prompt = gaussian(n, width, rng) * 2.0 + 1.0;
    let chosen = &prompt + &gaussian(n, width, rng) + &(direction * (strength / 2.0));
    let rejected = &prompt + &gaussian(n, width, rng) - &(direction * (strength / 2.0));
    pairs(&chosen, &rejected)
}

fn estimators() -> Vec<CheckedEstimator> {
    [
        Estimator::MeanDiff,
        Estimator::Logistic(LogisticParams { alphas: vec![0.1, 10.0], folds: 3 }),
        Estimator::Lda { shrinkage: None },
        Estimator::Pca,
    ]
    .into_iter()
    .map(|e| e.check().unwrap())
    .collect()
}

fn fit(estimator: &CheckedEstimator, samples: &Samples) -> Array1<f64> {
    estimator.fit(samples, SplitBy::Pair, &Seeds::new(0)).unwrap().direction
}

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Array1<f64>> = v.as_array().unwrap().iter().map(vector).collect();
    ndarray::stack(Axis(0), &rows.iter().map(Array1::view).collect::<Vec<_>>()).unwrap()
}

fn vector(v: &Value) -> Array1<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn agrees(found: &Array1<f64>, expected: &Array1<f64>, tolerance: f64, what: &str) {
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what}: off by {worst:.1e}");
}

#[test]
fn directions_equal_scikit_learn() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../fixtures/estimators/fits.json")).unwrap();
    for (i, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let samples = pairs(&matrix(&case["chosen"]), &matrix(&case["rejected"]));
        let check = |estimator: Estimator, expected: &Value, tolerance: f64| {
            let what = format!("case {i}, {estimator:?}");
            let fit = estimator.check().unwrap().fit(&samples, SplitBy::Pair, &Seeds::new(0)).unwrap();
            agrees(&fit.direction, &vector(expected), tolerance, &what);
            fit.details
        };
        check(Estimator::MeanDiff, &case["mean_diff"], 1e-12);
        check(Estimator::Pca, &case["pca"], 1e-9);
        let details = check(Estimator::Lda { shrinkage: None }, &case["lda"], 1e-9);
        assert!((details.shrinkage.unwrap() - case["lda_shrinkage"].as_f64().unwrap()).abs() < 1e-10);
        for (share, expected) in case["lda_fixed"].as_object().unwrap() {
            check(Estimator::Lda { shrinkage: Some(share.parse().unwrap()) }, expected, 1e-9);
        }
        for (alpha, expected) in case["logistic"].as_object().unwrap() {
            let params = LogisticParams { alphas: vec![alpha.parse().unwrap()], folds: 2 };
            check(Estimator::Logistic(params), expected, 1e-7);
        }
    }
}

#[test]
fn a_planted_direction_is_found_and_more_pairs_find_it_better() {
    let mut rng = Seeds::new(1).stream("planted");
    let truth = random_unit(96, &mut rng).unwrap();
    let (few, many) = (planted(30, &truth, 4.0, &mut rng), planted(400, &truth, 4.0, &mut rng));
    for estimator in estimators() {
        let name = estimator.params().name();
        let close = |samples| cosine(fit(&estimator, samples).view(), truth.view()).unwrap();
        let (few, many) = (close(&few), close(&many));
        // Prompts are five times the noise of a response here; only paired estimators see past them.
        assert!(many > 0.85, "{name}: {many}");
        assert!(many > few && few > 0.4, "{name}: {few} then {many}");
    }
}

#[test]
fn what_can_not_be_estimated_is_refused() {
    let mut rng = Seeds::new(2).stream("refused");
    let (a, b) = (gaussian(6, 4, &mut rng), gaussian(6, 4, &mut rng));
    let samples = pairs(&a, &b);
    let seeds = Seeds::new(0);
    let from = |c: &Array2<f64>, r: &Array2<f64>, n: usize| {
        Samples::from_pairs(c.view(), r.view(), &names(n), &axes(n, 2)).map(|_| ())
    };
    assert!(matches!(
        from(&a, &gaussian(5, 4, &mut rng), 6),
        Err(EstimateError::Count { expected: 6, found: 5, .. })
    ));
    assert!(matches!(
        from(&a, &gaussian(6, 3, &mut rng), 6),
        Err(EstimateError::Width { expected: 4, found: 3, .. })
    ));
    assert!(matches!(from(&a, &b, 5), Err(EstimateError::Count { .. })));
    assert!(matches!(
        from(&a.slice_move(ndarray::s![..0, ..]), &b.clone().slice_move(ndarray::s![..0, ..]), 0),
        Err(EstimateError::OneClass { .. })
    ));
    let a = gaussian(6, 4, &mut rng);
    let mut nan = a.clone();
    nan[[2, 1]] = f64::NAN;
    assert!(matches!(from(&nan, &b, 6), Err(EstimateError::NotFinite { row: 2, column: 1, .. })));
    let twice = vec!["same"; 6];
    assert!(matches!(
        Samples::from_pairs(a.view(), b.view(), &twice, &twice),
        Err(EstimateError::NoPair { positive: 6, negative: 6, .. })
    ));
    assert!(matches!(
        Samples::from_classes(a.view(), &[true; 6], &names(6), &names(6)),
        Err(EstimateError::OneClass { positive: 6, negative: 0 })
    ));
    for estimator in estimators() {
        let fit = |s: &Samples| estimator.fit(s, SplitBy::Pair, &seeds).map(|_| ());
        let flat = Array2::from_elem((6, 4), 0.1);
        assert!(matches!(fit(&pairs(&flat, &flat)), Err(EstimateError::Constant { rows: 12 })));
        assert!(matches!(fit(&pairs(&a, &a)), Err(EstimateError::NoDifference { .. })));
    }
    let classes =
        Samples::from_classes(a.view(), &[true, false, true, false, true, false], &names(6), &names(6))
            .unwrap();
    let pca = Estimator::Pca.check().unwrap();
    assert!(matches!(pca.fit(&classes, SplitBy::Pair, &seeds), Err(EstimateError::NeedsPairs("pca"))));
    for bad in [
        Estimator::Lda { shrinkage: Some(1.5) },
        Estimator::Logistic(LogisticParams { alphas: vec![0.0], folds: 5 }),
    ] {
        assert!(matches!(bad.check(), Err(EstimateError::Parameter { .. })));
    }
    let wide = pairs(&gaussian(6, 40, &mut rng), &gaussian(6, 40, &mut rng));
    let bare = Estimator::Lda { shrinkage: Some(0.0) }.check().unwrap();
    assert!(matches!(bare.fit(&wide, SplitBy::Pair, &seeds), Err(EstimateError::Singular { .. })));
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
    let folds = HeldOutParams { folds: Some(7), ..HeldOutParams::by_pair() };
    assert!(matches!(pipeline.held_out(&samples, &folds, &seeds), Err(EstimateError::Split(_))));
    let length = Pipeline { nuisances: Nuisances::none().with_length(), ..pipeline };
    assert!(matches!(length.extract(&samples, SplitBy::Pair, &seeds), Err(EstimateError::NeedsLengths)));
    assert!(matches!(samples.clone().with_lengths(&[0.0; 12]), Err(EstimateError::Length { row: 0, .. })));
}

#[test]
fn planted_length_and_sentiment_are_projected_out() {
    let mut rng = Seeds::new(3).stream("nuisance");
    let width = 60;
    let [truth, length, sentiment] = [(); 3].map(|()| random_unit(width, &mut rng).unwrap());
    let n = 200;
    let mut row = |sign: f64, log_length: f64, mood: f64| {
        gaussian(1, width, &mut rng).row(0).to_owned() * 0.5
            + &truth * (sign * 1.5)
            + &length * (log_length * 3.0)
            + &sentiment * (mood * 2.0)
    };
    let (mut chosen, mut rejected, mut lengths) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for i in 0..n {
        // Chosen texts are longer by a factor that varies, and happier.
        let (l, r) = (2.0 + f64::from(i % 7) * 0.2, 1.8 + f64::from(i % 5) * 0.2);
        chosen.push(row(1.0, l, 0.8));
        rejected.push(row(-1.0, r, -0.8));
        lengths.0.push(l.exp());
        lengths.1.push(r.exp());
    }
    let moods: Vec<Array1<f64>> =
        (0..120).map(|i| row(0.0, 2.0, if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
    let stack =
        |v: &[Array1<f64>]| ndarray::stack(Axis(0), &v.iter().map(Array1::view).collect::<Vec<_>>()).unwrap();
    let samples =
        pairs(&stack(&chosen), &stack(&rejected)).with_lengths(&[lengths.0, lengths.1].concat()).unwrap();
    let positive: Vec<bool> = (0..120).map(|i| i % 2 == 0).collect();
    let nuisances = Nuisances::none()
        .by(ProjectMethod::WithinClass)
        .with_length()
        .with_sentiment(stack(&moods).view(), &positive)
        .unwrap();
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances };
    let found = pipeline.extract(&samples, SplitBy::Pair, &Seeds::new(0)).unwrap();
    let cos = |d: &Array1<f64>, e: &Array1<f64>| cosine(d.view(), e.view()).unwrap();
    assert!(cos(&found.unprojected.direction, &sentiment) > 0.4);
    assert!(cos(&found.fit.direction, &sentiment).abs() < 0.1);
    assert!(cos(&found.fit.direction, &length).abs() < 0.1);
    assert!(cos(&found.fit.direction, &truth) > 0.95, "{}", cos(&found.fit.direction, &truth));
    let names: Vec<&str> = found.projected_out.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["length", "length-within-pairs", "sentiment"]);
    assert!(found.projected_out.iter().all(|p| p.cosine_after.abs() < 1e-9));
    assert!(found.projected_out[2].cosine_before > 0.4);

    // Texts of one length have no length direction; that is said, not made up.
    let even = samples.with_lengths(&vec![9.0; 2 * n as usize]).unwrap();
    let found = pipeline.extract(&even, SplitBy::Pair, &Seeds::new(0)).unwrap();
    assert_eq!(
        found.absent.iter().map(|a| a.0.as_str()).collect::<Vec<_>>(),
        ["length", "length-within-pairs"]
    );
}

#[test]
fn held_out_pairs_and_axes_are_separated_where_there_is_something() {
    let mut rng = Seeds::new(4).stream("held out");
    let truth = random_unit(80, &mut rng).unwrap();
    let samples = planted(40, &truth, 6.0, &mut rng);
    for estimator in estimators() {
        let name = estimator.params().name();
        let pipeline = Pipeline { estimator, nuisances: Nuisances::none() };
        for params in [HeldOutParams::by_pair(), HeldOutParams::by_axis()] {
            let params = HeldOutParams { permutations: 19, repeats: 2, ..params };
            let found = pipeline.held_out(&samples, &params, &Seeds::new(0)).unwrap();
            assert!(found.auroc.value > 0.7, "{name}: {}", found.auroc.value);
            assert!(found.auroc.interval.contains(found.auroc.value), "{name}");
            assert!(found.paired_accuracy.unwrap().value > 0.8, "{name}");
            assert!(found.null.unwrap().p <= 0.1, "{name}: {:?}", found.null);
            assert_eq!((found.folds, found.units), if params.by == SplitBy::Pair { (5, 40) } else { (5, 5) });
            let again = pipeline.held_out(&samples, &params, &Seeds::new(0)).unwrap();
            assert_eq!(found, again);
        }
    }
}

/// Five axes have 16 ways to be flipped that are not each other's opposite: no p of theirs is below 1/16, however many
/// draws are asked for.
#[test]
fn a_few_ways_to_flip_are_each_made_once() {
    let mut rng = Seeds::new(6).stream("few axes");
    let truth = random_unit(20, &mut rng).unwrap();
    for strength in [0.0, 6.0] {
        let samples = planted(20, &truth, strength, &mut rng);
        for estimator in estimators() {
            let name = estimator.params().name();
            let pipeline = Pipeline { estimator, nuisances: Nuisances::none() };
            let null = |permutations: usize| {
                let params = HeldOutParams { permutations, ..HeldOutParams::by_axis() };
                pipeline.held_out(&samples, &params, &Seeds::new(0)).unwrap().null.unwrap()
            };
            let (all, many, few) = (null(15), null(199), null(14));
            assert_eq!(all, many, "{name}");
            assert_eq!((all.permutations, few.permutations), (15, 14), "{name}");
            let sixteenths = all.p * 16.0;
            assert!(sixteenths >= 1.0 && (sixteenths - sixteenths.round()).abs() < 1e-9, "{name}: {all:?}");
            assert!(few.p > all.p.min(1.0 / 16.0), "{name}: {few:?}");
        }
    }
}

/// The expected AUROC is held by the interval, and p is small, at about the nominal rates; with
/// nothing to find as well as with something.
#[test]
fn intervals_cover_and_the_null_is_null() {
    let runs = 200_u64;
    let truth = random_unit(24, &mut Seeds::new(7).stream("truth")).unwrap();
    for strength in [0.0, 2.0] {
        let found: Vec<HeldOut> = (0..runs)
            .map(|run| {
                let mut rng = Seeds::new(run).stream("rows");
                let half = &truth * (strength / 2.0);
                let samples =
                    pairs(&(gaussian(30, 24, &mut rng) + &half), &(gaussian(30, 24, &mut rng) - &half));
                let pipeline = Pipeline {
                    estimator: Estimator::MeanDiff.check().unwrap(),
                    nuisances: Nuisances::none(),
                };
                let permutations = if strength == 0.0 { 39 } else { 0 };
                let params = HeldOutParams { permutations, repeats: 2, ..HeldOutParams::by_pair() };
                pipeline.held_out(&samples, &params, &Seeds::new(run)).unwrap()
            })
            .collect();
        let expected = found.iter().map(|f| f.auroc.value).sum::<f64>() / runs as f64;
        let covered = found.iter().filter(|f| f.auroc.interval.contains(expected)).count();
        // 95 % of 200 less three standard errors.
        assert!(covered >= 181, "strength {strength}: {covered}");
        if strength == 0.0 {
            assert!((expected - 0.5).abs() < 0.03, "{expected}");
            let small = found.iter().filter(|f| f.null.unwrap().p <= 0.05).count();
            assert!((1..=19).contains(&small), "{small}");
        } else {
            assert!(expected > 0.8 && covered < 200, "{expected} {covered}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn scale_order_and_offset_do_not_matter(seed: u64, wide: bool) {
        let mut rng = Seeds::new(seed).stream("invariance");
        let width = if wide { 70 } else { 8 };
        let truth = random_unit(width, &mut rng).unwrap();
        let samples = planted(15, &truth, 2.0, &mut rng);
        let offset = gaussian(1, width, &mut rng) * 5.0;
        let moved = samples.with_x((&samples.x + &offset) * 37.0);
        let mut order: Vec<usize> = (0..30).collect();
        rand::seq::SliceRandom::shuffle(order.as_mut_slice(), &mut rng);
        let shuffled = samples.select(&order);
        for estimator in [
            Estimator::MeanDiff,
            Estimator::Logistic(LogisticParams { alphas: vec![0.05], folds: 2 }),
            Estimator::Lda { shrinkage: None },
            Estimator::Pca,
        ] {
            let estimator = estimator.check().unwrap();
            let base = fit(&estimator, &samples);
            for other in [&moved, &shuffled] {
                let cos = cosine(fit(&estimator, other).view(), base.view()).unwrap();
                prop_assert!(cos > 1.0 - 1e-9, "{} {cos}", estimator.params().name());
            }
            // Turning the label round turns the direction round.
            let mut turned = samples.clone();
            turned.positive.iter_mut().for_each(|p| *p = !*p);
            let cos = cosine(fit(&estimator, &turned).view(), base.view()).unwrap();
            prop_assert!(cos < -1.0 + 1e-9, "{} {cos}", estimator.params().name());
        }
    }

    #[test]
    fn row_space_and_full_width_agree(seed: u64) {
        let mut rng = Seeds::new(seed).stream("row space");
        let truth = random_unit(50, &mut rng).unwrap();
        let samples = planted(8, &truth, 2.0, &mut rng);
        let centred = &samples.x - &samples.x.mean_axis(Axis(0)).unwrap();
        let space = crate::math::RowSpace::of(centred.view()).unwrap();
        for estimator in estimators() {
            // The fit at full width (no more than twice as many rows as columns turns nothing).
            let inner = samples.with_x(space.coordinates(centred.view()).unwrap());
            let lifted = space.lift(fit(&estimator, &inner).view()).unwrap();
            let padded = fit(&estimator, &samples);
            prop_assert!(cosine(lifted.view(), padded.view()).unwrap() > 1.0 - 1e-9);
            prop_assert!((unit(lifted.view()).unwrap() - &lifted).iter().all(|d| d.abs() < 1e-12));
        }
    }
}
