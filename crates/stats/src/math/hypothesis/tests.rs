use ndarray::{Array2, array};
use serde_json::Value;

use super::*;
use crate::math::{MathError, Seeds, benjamini_hochberg, holm, holm_adjusted};

fn golden(name: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../../../../fixtures/statistics/tests.json")).unwrap();
    all[name].as_array().unwrap().clone()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(floats).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn close(found: f64, expected: &Value, case: &Value) {
    let expected = expected.as_f64().unwrap();
    // Relative too, so that a small p can't pass by being small.
    let fine = (found - expected).abs() <= 1e-6 * expected.abs().max(1e-6);
    assert!(fine, "{found} is not {expected}: {case}");
}

const SIDES: [(&str, Alternative); 3] =
    [("two-sided", Alternative::TwoSided), ("greater", Alternative::Greater), ("less", Alternative::Less)];

fn sides(case: &Value, test: impl Fn(Alternative) -> TestResult) {
    for (name, side) in SIDES {
        let found = test(side);
        close(found.p, &case["p"][name], case);
        if let Some(method) = case.get("method") {
            assert_eq!(&serde_json::to_value(found.method).unwrap(), method, "{case}");
        }
        close(found.statistic, &case["statistic"], case);
    }
}

#[test]
fn binomial_equals_scipy() {
    for case in golden("binomial") {
        let of = |key: &str| case[key].as_u64().unwrap();
        sides(&case, |side| binomial_test(of("k"), of("n"), case["rate"].as_f64().unwrap(), side).unwrap());
    }
}

#[test]
fn two_samples_equal_scipy() {
    for case in golden("mann_whitney") {
        sides(&case, |side| mann_whitney(&floats(&case["a"]), &floats(&case["b"]), side).unwrap());
    }
}

#[test]
fn paired_differences_equal_scipy() {
    for case in golden("wilcoxon") {
        sides(&case, |side| wilcoxon_signed_rank(&floats(&case["d"]), side).unwrap());
    }
}

#[test]
fn rank_correlations_equal_scipy() {
    for case in golden("spearman") {
        sides(&case, |side| spearman_test(&floats(&case["a"]), &floats(&case["b"]), side).unwrap());
    }
}

#[test]
fn trends_equal_scipy() {
    for case in golden("jonckheere") {
        let (dose, value) = (floats(&case["dose"]), floats(&case["value"]));
        sides(&case, |side| jonckheere_terpstra(&dose, &value, side).unwrap());
    }
    for case in golden("page") {
        let found = page_trend(matrix(&case["values"]).view(), Alternative::Greater).unwrap();
        close(found.p, &case["p"], &case);
        close(found.statistic, &case["statistic"], &case);
        assert_eq!(&serde_json::to_value(found.method).unwrap(), &case["method"]);
        // Doses in reverse order turn the question round.
        let turned = matrix(&case["values"]).slice_move(ndarray::s![.., ..;-1]);
        close(page_trend(turned.view(), Alternative::Less).unwrap().p, &case["p"], &case);
    }
}

#[test]
fn agreement_equals_statsmodels() {
    for case in golden("kappa") {
        let found = cohen_kappa(matrix(&case["table"]).view(), 0.95).unwrap();
        close(found.value, &case["kappa"], &case);
        close(found.standard_error, &case["standard_error"], &case);
        close(found.interval.low, &case["low"], &case);
        close(found.interval.high, &case["high"], &case);
    }
    for case in golden("fleiss") {
        close(fleiss_kappa(matrix(&case["counts"]).view()).unwrap(), &case["kappa"], &case);
    }
    let mut rng = Seeds::new(0).stream("signs");
    for case in golden("signs") {
        let (a, b) = (floats(&case["a"]), floats(&case["b"]));
        let found = sign_agreement(&a, &b, None, 0.95, &mut rng).unwrap();
        close(found.p, &case["p"], &case);
        close(found.expected, &case["expected"], &case);
        close(found.agreement, &case["agreement"], &case);
        // Dealt out at random, a cluster a pair, p is the exact one up to Monte Carlo error.
        let alone: Vec<usize> = (0..a.len()).collect();
        let drawn = sign_agreement(&a, &b, Some((&alone, 4000)), 0.95, &mut rng).unwrap();
        let error = (found.p * (1.0 - found.p) / 4000.0).sqrt() + 1.0 / 4000.0;
        assert!((drawn.p - found.p).abs() < 4.0 * error, "{} {}", drawn.p, found.p);
    }
}

#[test]
fn change_points_equal_an_enumeration() {
    let mut rng = Seeds::new(0).stream("series");
    for case in golden("change_point") {
        let found = change_point(&floats(&case["series"]), 1999, &mut rng).unwrap();
        close(found.statistic, &case["statistic"], &case);
        assert_eq!(found.at as u64, case["at"].as_u64().unwrap());
        match found.method {
            Method::Exact => close(found.p, &case["p"], &case),
            _ => assert!((found.p - case["p"].as_f64().unwrap()).abs() < 0.03, "{} {case}", found.p),
        }
    }
}

#[test]
fn corrections_equal_statsmodels() {
    for case in golden("many_tests") {
        let p = floats(&case["p"]);
        let holms = holm_adjusted(&p).unwrap();
        for (found, expected) in holms.iter().zip(case["holm"].as_array().unwrap()) {
            close(*found, expected, &case);
        }
        for (found, expected) in
            benjamini_hochberg(&p).unwrap().iter().zip(case["benjamini_hochberg"].as_array().unwrap())
        {
            close(*found, expected, &case);
        }
        for level in [0.01, 0.05, 0.2] {
            let stands: Vec<bool> = holms.iter().map(|p| *p <= level).collect();
            assert_eq!(holm(&p, level), stands);
        }
    }
    assert!(matches!(holm_adjusted(&[0.1, f64::NAN]), Err(MathError::OutOfRange { .. })));
    assert!(matches!(benjamini_hochberg(&[1.5]), Err(MathError::OutOfRange { .. })));
}

/// In data of clusters, an interval over clusters covers about as often as it says, one over
/// single pairs far less.
#[test]
fn the_interval_of_a_rank_correlation_is_that_of_its_clusters() {
    use rand::Rng;
    let (mut by_cluster, mut by_pair) = (0, 0);
    for run in 0..100_u64 {
        let mut rng = Seeds::new(run).stream("clusters");
        // Twenty clusters of five nearly equal pairs; the lists are unrelated.
        let (mut a, mut b, mut clusters) = (Vec::new(), Vec::new(), Vec::new());
        for cluster in 0..20 {
            let (x, y): (f64, f64) = (rng.random(), rng.random());
            for _ in 0..5 {
                a.push(x + 0.01 * rng.random::<f64>());
                b.push(y + 0.01 * rng.random::<f64>());
                clusters.push(cluster);
            }
        }
        let found = spearman_bootstrap(&a, &b, &clusters, 200, 0.95, &mut rng).unwrap();
        assert_eq!(found.clusters, 20);
        by_cluster += i32::from(found.interval.contains(0.0));
        let alone: Vec<usize> = (0..100).collect();
        let naive = spearman_bootstrap(&a, &b, &alone, 200, 0.95, &mut rng).unwrap();
        by_pair += i32::from(naive.interval.contains(0.0));
    }
    assert!(by_cluster >= 85, "{by_cluster}");
    assert!(by_pair <= 75, "{by_pair}");
}

#[test]
fn what_does_not_exist_is_refused() {
    let side = Alternative::TwoSided;
    let mut rng = Seeds::new(0).stream("refused");
    assert!(matches!(binomial_test(3, 2, 0.5, side), Err(MathError::OutOfRange { .. })));
    assert!(matches!(binomial_test(0, 0, 0.5, side), Err(MathError::TooFew { .. })));
    assert!(matches!(binomial_test(1, 2, 1.0, side), Err(MathError::OutOfRange { .. })));
    assert!(matches!(mann_whitney(&[], &[1.0], side), Err(MathError::TooFew { .. })));
    assert!(matches!(mann_whitney(&[1.0; 9], &[1.0; 9], side), Err(MathError::Constant { .. })));
    assert!(matches!(mann_whitney(&[f64::NAN], &[1.0], side), Err(MathError::NotFinite { .. })));
    assert!(matches!(wilcoxon_signed_rank(&[0.0, 0.0], side), Err(MathError::TooFew { .. })));
    assert!(matches!(spearman_test(&[1.0, 2.0], &[1.0, 2.0], side), Err(MathError::TooFew { .. })));
    assert!(matches!(
        spearman_test(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0], side),
        Err(MathError::Constant { .. })
    ));
    assert!(matches!(
        jonckheere_terpstra(&[1.0, 2.0, 3.0], &[0.0; 3], side),
        Err(MathError::Constant { .. })
    ));
    assert!(matches!(page_trend(array![[1.0, 2.0, 3.0]].view(), side), Err(MathError::TooFew { .. })));
    assert!(matches!(page_trend(Array2::zeros((3, 3)).view(), side), Err(MathError::Constant { .. })));
    assert!(matches!(
        cohen_kappa(array![[4.0, 0.0], [0.0, 0.0]].view(), 0.95),
        Err(MathError::Constant { .. })
    ));
    assert!(matches!(
        cohen_kappa(array![[1.0, -1.0], [0.0, 2.0]].view(), 0.9),
        Err(MathError::OutOfRange { .. })
    ));
    assert!(matches!(fleiss_kappa(array![[3.0, 0.0], [1.0, 1.0]].view()), Err(MathError::OutOfRange { .. })));
    assert!(matches!(change_point(&[1.0; 9], 10, &mut rng), Err(MathError::Constant { .. })));
    assert!(matches!(change_point(&[1.0, 2.0], 10, &mut rng), Err(MathError::TooFew { .. })));
    assert!(matches!(
        sign_agreement(&[0.0, 1.0], &[1.0, 0.0], None, 0.95, &mut rng),
        Err(MathError::TooFew { .. })
    ));
}
