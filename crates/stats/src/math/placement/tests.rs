use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;
use statrs::distribution::{ContinuousCDF, Normal};

use super::*;
use crate::math::Seeds;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../../fixtures/statistics/auroc.json")).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn same(found: &[f64], expected: &Value) {
    let expected = floats(expected);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {expected:?}");
}

#[test]
fn intervals_equal_the_reference() {
    for case in golden()["cases"].as_array().unwrap() {
        let positive: Vec<bool> =
            case["positive"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
        let clusters: Vec<usize> =
            floats(&case["clusters"]).into_iter().map(|c| c.round() as usize).collect();
        let of = |name: &str| Placement::auroc(&floats(&case[name]), &positive, &clusters).unwrap();
        let (first, other) = (of("scores"), of("other"));
        let ends = |i: Interval| [i.low, i.high];
        same(
            &[first.value(), first.variance(), first.design()],
            &Value::Array(["value", "variance", "design"].map(|k| case[k].clone()).to_vec()),
        );
        same(&ends(first.interval(0.95, 1.0).unwrap()), &case["interval"]);
        same(&ends(first.interval(0.95, 2.25).unwrap()), &case["stretched"]);
        let less = first.less(&other, 0.95, 1.0).unwrap();
        same(&[less.value, less.interval.low, less.interval.high], &case["less"]);
        let share = Placement::share(&floats(&case["wins"]), &clusters).unwrap();
        let [low, high] = ends(share.interval(0.95, 1.0).unwrap());
        same(&[share.value(), share.design(), low, high], &case["share"]);
    }
}

#[test]
fn what_is_all_right_has_a_width() {
    let clusters: Vec<usize> = (0..42).map(|i| i % 21).collect();
    let positive: Vec<bool> = (0..42).map(|i| i < 21).collect();
    let scores: Vec<f64> = positive.iter().map(|p| f64::from(u8::from(*p))).collect();
    let found = Placement::auroc(&scores, &positive, &clusters).unwrap();
    let whole = found.interval(0.95, 1.0).unwrap();
    same(&[whole.low, whole.high], &golden()["all_right_of_21"]);
    let share = Placement::share(&[1.0; 21], &clusters[..21]).unwrap().interval(0.95, 1.0).unwrap();
    same(&[share.low, share.high], &golden()["wilson_21_of_21"]);
    // The other end is the mirror image, and two perfect readers may still differ.
    let turned: Vec<bool> = positive.iter().map(|p| !p).collect();
    let mirrored = Placement::auroc(&scores, &turned, &clusters).unwrap().interval(0.95, 1.0).unwrap();
    assert!(mirrored.low == 0.0 && (mirrored.high - (1.0 - whole.low)).abs() < 1e-12, "{mirrored:?}");
    let none = found.less(&found, 0.95, 1.0).unwrap();
    assert!(none.value == 0.0 && none.interval.low < -0.05 && none.interval.high > 0.05, "{none:?}");
    // Of four axes next to nothing is known.
    let axes: Vec<usize> = clusters.iter().map(|c| c % 4).collect();
    let four = Placement::auroc(&scores, &positive, &axes).unwrap().interval(0.95, 1.0).unwrap();
    assert!(four.low < whole.low - 0.1 && four.high == 1.0, "{four:?}");
}

#[test]
fn what_has_no_interval_is_refused() {
    let two = [0, 1];
    assert!(Placement::auroc(&[1.0, 0.0], &[true, false], &[0, 0]).is_err());
    assert!(Placement::auroc(&[1.0, 0.0], &[true, true], &two).is_err());
    assert!(Placement::auroc(&[1.0, f64::NAN], &[true, false], &two).is_err());
    assert!(Placement::auroc(&[1.0], &[true, false], &two).is_err());
    assert!(Placement::share(&[1.0], &two).is_err() && Placement::share(&[1.0], &[0]).is_err());
    let [a, b] = [[0, 1, 2, 3], [0, 0, 1, 1]]
        .map(|c| Placement::auroc(&[3.0, 1.0, 2.0, 0.0], &[true, false, true, false], &c).unwrap());
    assert!(a.less(&b, 0.95, 1.0).is_err() && Placement::mean(&[a.clone(), b]).is_none());
    assert!(a.interval(1.0, 1.0).is_err());
}

/// Scores with a true AUROC: pairs whose texts have `shared` of their variance in common, in clusters of `size`.
fn planted(pairs: usize, size: usize, shared: f64, chance: f64, rng: &mut impl Rng) -> Placement {
    let gap = Normal::standard().inverse_cdf(chance) * 2.0_f64.sqrt();
    let mut draw = || -> f64 { StandardNormal.sample(&mut *rng) };
    let level: Vec<f64> = (0..pairs.div_ceil(size)).map(|_| shared.sqrt() * draw()).collect();
    let scores: Vec<f64> = (0..2 * pairs)
        .map(|i| {
            let gap = if i < pairs { gap } else { 0.0 };
            gap + level[i % pairs / size] + (1.0 - shared).sqrt() * draw()
        })
        .collect();
    let clusters: Vec<usize> = (0..2 * pairs).map(|i| i % pairs / size).collect();
    let positive: Vec<bool> = (0..2 * pairs).map(|i| i < pairs).collect();
    Placement::auroc(&scores, &positive, &clusters).unwrap()
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let mut rng = Seeds::new(3).stream("coverage");
    for (pairs, size, shared) in [(21, 1, 0.0), (21, 1, 0.5), (60, 1, 0.5), (60, 3, 0.3)] {
        for chance in [0.5, 0.7, 0.9, 0.97] {
            let held = (0..400)
                .filter(|_| {
                    let found = planted(pairs, size, shared, chance, &mut rng);
                    found.interval(0.95, 1.0).unwrap().contains(chance)
                })
                .count();
            // 400 draws at 95 % lie within 368 and 391 in 99.8 % of cases; a floor may hold it more often.
            assert!((364..=397).contains(&held), "{pairs} pairs, {size}, {shared}, {chance}: {held} of 400");
        }
    }
}
