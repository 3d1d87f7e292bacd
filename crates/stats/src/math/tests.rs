use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/estimators/math.json")).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} is not {b} within {tolerance}");
}

fn gaussian(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, columns), || StandardNormal.sample(rng))
}

#[test]
fn shares_of_random_directions_equal_scipy() {
    for case in golden()["shares"].as_array().unwrap() {
        let expected = case["share"].as_f64().unwrap();
        let share =
            share_with_cosine(case["cosine"].as_f64().unwrap(), case["width"].as_u64().unwrap() as usize)
                .unwrap();
        assert!((share - expected).abs() <= 1e-9 * expected.max(1e-12), "{share} {case}");
    }
}

#[test]
fn intervals_equal_scipy() {
    for case in golden()["intervals"].as_array().unwrap() {
        let (k, n) = (case["successes"].as_u64().unwrap(), case["trials"].as_u64().unwrap());
        let level = case["level"].as_f64().unwrap();
        for (name, found) in
            [("wilson", wilson(k, n, level)), ("clopper_pearson", clopper_pearson(k, n, level))]
        {
            let (found, expected) = (found.unwrap(), floats(&case[name]));
            close(found.low, expected[0], 1e-9);
            close(found.high, expected[1], 1e-9);
        }
    }
}

#[test]
fn ranks_and_moments_equal_references() {
    for case in golden()["ranked"].as_array().unwrap() {
        let (a, b) = (floats(&case["a"]), floats(&case["b"]));
        let y: Vec<bool> =
            case["positive"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
        assert_eq!(ranks(&a).unwrap(), floats(&case["ranks"]));
        close(auroc(&a, &y).unwrap(), case["auroc"].as_f64().unwrap(), 1e-12);
        // Ranks of ranks are ranks: Pearson's correlation of ranks is Spearman's.
        close(
            pearson(&ranks(&a).unwrap(), &ranks(&b).unwrap()).unwrap(),
            case["spearman"].as_f64().unwrap(),
            1e-12,
        );
        close(spearman(&a, &b).unwrap(), case["spearman"].as_f64().unwrap(), 1e-12);
        close(mean(&a).unwrap(), case["mean"].as_f64().unwrap(), 1e-12);
        close(standard_deviation(&a).unwrap(), case["standard_deviation"].as_f64().unwrap(), 1e-12);
        for pair in case["quantiles"].as_array().unwrap() {
            let pair = floats(pair);
            close(quantile(&a, pair[0]).unwrap(), pair[1], 1e-12);
        }
    }
}

#[test]
fn what_does_not_exist_is_refused() {
    let zero = Array1::<f64>::zeros(3);
    let one = array![1.0, 0.0, 0.0];
    assert!(matches!(unit(zero.view()), Err(MathError::ZeroVector { .. })));
    assert!(matches!(cosine(one.view(), zero.view()), Err(MathError::ZeroVector { .. })));
    assert!(matches!(cosine(one.view(), array![1.0].view()), Err(MathError::Length { .. })));
    assert!(matches!(unit(array![f64::NAN].view()), Err(MathError::NotFinite { index: 0, .. })));
    assert!(matches!(auroc(&[1.0, 2.0], &[true, true]), Err(MathError::TooFew { .. })));
    assert!(matches!(auroc(&[1.0, f64::NAN], &[true, false]), Err(MathError::NotFinite { .. })));
    assert!(matches!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), Err(MathError::Constant { .. })));
    // By hand: deviations (-1.5, -0.5, 0.5, 1.5) and (-2, -1, 0, 3), 8 / sqrt(5 * 14).
    close(pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 6.0]).unwrap(), 8.0 / 70.0_f64.sqrt(), 1e-15);
    assert!(matches!(spearman(&[1.0, 1.0], &[1.0, 2.0]), Err(MathError::Constant { .. })));
    assert!(matches!(quantile(&[], 0.5), Err(MathError::TooFew { .. })));
    assert!(matches!(quantile(&[1.0], 1.5), Err(MathError::OutOfRange { .. })));
    assert!(matches!(standard_deviation(&[1.0]), Err(MathError::TooFew { .. })));
    assert!(matches!(wilson(3, 2, 0.95), Err(MathError::OutOfRange { .. })));
    assert!(matches!(clopper_pearson(0, 0, 0.95), Err(MathError::TooFew { .. })));
    assert!(matches!(share_with_cosine(f64::NAN, 5), Err(MathError::OutOfRange { .. })));
    assert!(matches!(share_with_cosine(0.1, 0), Err(MathError::TooFew { .. })));
    assert!(matches!(
        specificity(Array2::zeros((2, 3)).view(), one.view()),
        Err(MathError::ZeroVector { .. })
    ));
    assert!(matches!(specificity(Array2::ones((2, 2)).view(), one.view()), Err(MathError::Length { .. })));
    assert!(matches!(RowSpace::of(Array2::zeros((2, 3)).view()), Err(MathError::ZeroVector { .. })));
    let mut rng = Seeds::new(0).stream("few");
    assert!(matches!(cluster_bootstrap(1, 10, 0.9, &mut rng, |_| Some(0.0)), Err(MathError::TooFew { .. })));
    assert!(matches!(cluster_bootstrap(4, 10, 0.9, &mut rng, |_| None), Err(MathError::TooFew { .. })));
}

#[test]
fn near_dependence_is_loud_and_leaves_the_set_alone() {
    let a = array![1.0, 0.0, 0.0];
    let almost = array![1.0, 1e-9, 0.0];
    let mut set = Orthonormal::new(3, [a.view()]).unwrap();
    assert!(matches!(set.push(almost.view()), Err(MathError::Dependent { index: 1, .. })));
    assert_eq!(set.len(), 1);
    set.push(array![1.0, 1e-3, 0.0].view()).unwrap();
    let left = set.project_out(array![2.0, 3.0, 4.0].view()).unwrap();
    close(norm((&left - &array![0.0, 0.0, 4.0]).view()), 0.0, 1e-12);
}

#[test]
fn norm_neither_overflows_nor_underflows() {
    close(norm(array![3e200, 4e200].view()) / 1e200, 5.0, 1e-12);
    close(norm(array![3e-200, 4e-200].view()) * 1e200, 5.0, 1e-12);
}

#[test]
fn seeds_are_stable_and_streams_differ() {
    let draw = |s: &Seeds, label: &str| s.stream(label).random::<u64>();
    let seeds = Seeds::new(7);
    assert_eq!(draw(&seeds, "a"), draw(&Seeds::new(7), "a"));
    assert_ne!(draw(&seeds, "a"), draw(&seeds, "b"));
    assert_ne!(draw(&seeds, "a"), draw(&Seeds::new(8), "a"));
    assert_ne!(draw(&seeds.child("a"), "b"), draw(&seeds.child("b"), "a"));
}

#[test]
fn p_random_agrees_with_drawn_directions() {
    // A width small enough for a share that can be counted.
    let mut rng = Seeds::new(3).stream("monte carlo");
    let delta = gaussian(16, 24, &mut rng) + 0.3;
    let observed = specificity(delta.view(), random_unit(24, &mut rng).unwrap().view()).unwrap();
    let draws = 20_000;
    let hits = (0..draws)
        .filter(|_| {
            let d = random_unit(24, &mut rng).unwrap();
            specificity(delta.view(), d.view()).unwrap().z.abs() >= observed.z.abs()
        })
        .count();
    let exact = observed.p_random;
    let error = (exact * (1.0 - exact) / draws as f64).sqrt();
    assert!((hits as f64 / draws as f64 - exact).abs() < 4.0 * error, "{hits} of {draws} against {exact}");
}

#[test]
fn bootstrap_interval_of_a_mean_is_the_textbook_one() {
    let mut rng = Seeds::new(5).stream("bootstrap");
    let values: Vec<f64> = (0..400).map(|_| StandardNormal.sample(&mut rng)).collect();
    let boot = cluster_bootstrap(400, 4000, 0.95, &mut rng, |counts| {
        Some(counts.iter().zip(&values).map(|(c, v)| f64::from(*c) * v).sum::<f64>() / 400.0)
    })
    .unwrap();
    let half = 1.96 * standard_deviation(&values).unwrap() / 20.0;
    close(boot.interval.low, mean(&values).unwrap() - half, 0.012);
    close(boot.interval.high, mean(&values).unwrap() + half, 0.012);
}

#[test]
fn weighted_auroc_is_that_of_the_repeated_sample() {
    let scores = [0.1, 0.4, 0.4, 0.8, 0.9];
    let positive = [false, true, false, true, false];
    let counts = [2, 0, 3, 1, 1];
    let (mut s, mut p) = (Vec::new(), Vec::new());
    for i in 0..5 {
        for _ in 0..counts[i] {
            s.push(scores[i]);
            p.push(positive[i]);
        }
    }
    let sorted = SortedScores::new(&scores, &positive).unwrap();
    close(sorted.auroc(Some(&counts)).unwrap(), auroc(&s, &p).unwrap(), 1e-15);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn z_is_root_width_times_cosine_times_coherence(seed: u64, probes in 1..12_usize, width in 2..40_usize) {
        let mut rng = Seeds::new(seed).stream("identity");
        let delta = gaussian(probes, width, &mut rng);
        let s = specificity(delta.view(), random_unit(width, &mut rng).unwrap().view()).unwrap();
        prop_assert!((s.z - s.z_bound * s.cosine * s.coherence).abs() < 1e-9 * s.z_bound);
        prop_assert!(s.z.abs() <= s.z_bound * (1.0 + 1e-12) && (0.0..=1.0).contains(&s.coherence));
        prop_assert!((s.score - s.cosine * s.shift_norm).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&s.p_random));
    }

    #[test]
    fn row_space_is_an_isometry(seed: u64, n in 1..10_usize, width in 1..40_usize, repeat: bool, steep in 0..5_i32) {
        let mut rng = Seeds::new(seed).stream("rows");
        let mut x = gaussian(n, width, &mut rng);
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            row *= 10_f64.powi(-steep * i32::try_from(i % 2).unwrap());
        }
        if repeat && n > 1 {
            let first = x.row(0).to_owned();
            x.row_mut(n - 1).assign(&first);
        }
        let space = RowSpace::of(x.view()).unwrap();
        prop_assert!(space.rank() <= width);
        let z = space.coordinates(x.view()).unwrap();
        let scale = x.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (back, row) in z.outer_iter().map(|r| space.lift(r).unwrap()).zip(x.outer_iter()) {
            prop_assert!(norm((&back - &row).view()) < 1e-9 * scale);
        }
    }

    #[test]
    fn what_is_projected_out_is_gone(seed: u64, k in 1..4_usize, width in 5..30_usize) {
        let mut rng = Seeds::new(seed).stream("out");
        let directions = gaussian(k, width, &mut rng);
        let set = Orthonormal::new(width, directions.outer_iter()).unwrap();
        let x = set.project_out_rows(gaussian(3, width, &mut rng).view()).unwrap();
        for row in x.outer_iter() {
            for d in directions.outer_iter() {
                prop_assert!(row.dot(&d).abs() < 1e-10 * norm(d));
            }
        }
    }

    #[test]
    fn auroc_knows_order_only(seed: u64, n in 4..60_usize) {
        let mut rng = Seeds::new(seed).stream("auroc");
        let scores: Vec<f64> = (0..n).map(|_| (rng.random::<f64>() * 9.0).floor()).collect();
        let positive: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        let base = auroc(&scores, &positive).unwrap();
        let stretched: Vec<f64> = scores.iter().map(|s| (s * 0.3).exp() - 5.0).collect();
        prop_assert!((auroc(&stretched, &positive).unwrap() - base).abs() < 1e-12);
        let flipped: Vec<f64> = scores.iter().map(|s| -s).collect();
        prop_assert!((auroc(&flipped, &positive).unwrap() - (1.0 - base)).abs() < 1e-12);
        // Against the definition, pair by pair.
        let mut wins = 0.0;
        for i in (0..n).step_by(2) {
            for j in (1..n).step_by(2) {
                wins += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
            }
        }
        prop_assert!((base - wins / (n.div_ceil(2) * (n / 2)) as f64).abs() < 1e-12);
    }
}

#[test]
fn eigenvectors_are_eigenvectors() {
    let mut rng = Seeds::new(1).stream("eigen");
    for n in [1, 2, 6, 30] {
        let mut x = gaussian(n, 40, &mut rng);
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            row *= 10_f64.powi(-3 * i32::try_from(i % 2).unwrap());
        }
        let matrix = x.dot(&x.t());
        let (values, vectors) = symmetric_eigen(matrix.view()).unwrap();
        let residual = matrix.dot(&vectors) - &vectors * &values;
        assert!(residual.iter().all(|r| r.abs() < 1e-12 * values[0]), "{n}");
        let right = gaussian(1, n, &mut rng).row(0).to_owned();
        let solved = solve_positive_definite(matrix.view(), right.view()).unwrap();
        let off = matrix.dot(&solved) - &right;
        assert!(norm(off.view()) < 1e-7 * norm(right.view()), "{n}");
    }
    assert!(solve_positive_definite(Array2::zeros((2, 2)).view(), Array1::ones(2).view()).is_err());
    assert!(symmetric_eigen(Array2::zeros((2, 3)).view()).is_err());
}
