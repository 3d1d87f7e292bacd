use ndarray::{Array1, Array2, Axis};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;

use super::conditional::{slopes_of_gaps, slopes_of_labels};
use super::eraser::{Eraser, Erasers};
use super::*;
use crate::math::Seeds;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/estimators/erasure.json")).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(floats).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn leace_equals_the_authors_package() {
    for case in golden()["leace"].as_array().unwrap() {
        let (x, z) = (matrix(&case["x"]), Array1::from(floats(&case["z"])));
        let mut erasers = Erasers::default();
        erasers.push(Eraser::leace(x.view(), &z, x.ncols()).unwrap().unwrap());
        let erased = erasers.rows(x.view());
        let centred = &erased - &erased.mean_axis(Axis(0)).unwrap();
        let far = (&centred - &matrix(&case["erased"])).iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        assert!(far < 1e-6, "{far}");
        // Nothing is left that goes with z, and a direction may be taken to rows as they are.
        let left = centred.t().dot(&(&z - z.mean().unwrap()));
        assert!(left.iter().all(|v| v.abs() < 1e-9), "{left}");
        let d = Array1::from_shape_fn(x.ncols(), |i| (i as f64).cos());
        let apart = &erased.dot(&d) - &x.dot(&erasers.direction(d.view()));
        assert!(apart.iter().all(|v| v.abs() < 1e-9));
    }
    let even = Eraser::leace(Array2::<f64>::eye(4).view(), &Array1::ones(4), 4).unwrap();
    assert!(even.is_none());
}

#[test]
fn words_and_slopes_equal_scikit_learn() {
    let all = golden();
    let bag = &all["bag"];
    let texts: Vec<&str> = bag["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let positive: Vec<bool> = floats(&bag["positive"]).iter().map(|l| *l > 0.5).collect();
    let train: Vec<usize> = floats(&bag["train"]).into_iter().map(|i| i.round() as usize).collect();
    let odds = WordSets::of(&texts).unwrap().log_odds(&train, &positive);
    for (found, expected) in odds.iter().zip(floats(&bag["log_odds"])) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    assert!(WordSets::of(&["…", ""]).is_none());
    let slopes = &all["slopes"];
    let positive: Vec<bool> =
        slopes["positive"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
    for (found, name) in [
        (slopes_of_gaps(&[floats(&slopes["gaps"])]).unwrap(), "slope_of_gaps"),
        (slopes_of_labels(&[floats(&slopes["lengths"])], &positive).unwrap(), "slope_of_labels"),
    ] {
        let expected = slopes[name].as_f64().unwrap();
        assert!((found[0] - expected).abs() < 1e-5 * expected.abs(), "{name}: {found:?} {expected}");
    }
    assert_eq!(slopes_of_gaps(&[vec![0.0; 4]]).unwrap(), [0.0]);
    assert_eq!(slopes_of_labels(&[vec![1.0; 4]], &[true, false, true, false]).unwrap(), [0.0]);
    // A column that tells the labels apart takes all that one without a spread leaves.
    let both = slopes_of_gaps(&[vec![0.0; 4], vec![1.0, 2.0, 1.5, 0.5]]).unwrap();
    assert!(both[0] == 0.0 && both[1] > 1.0, "{both:?}");
}

/// Pairs, or texts, whose label goes with length and whose activations go with length alone; or, with `truth`, with the
/// label too.
fn long(paired: bool, truth: f64, rng: &mut impl Rng) -> Samples {
    let n = 40;
    let mut draw = || -> f64 { StandardNormal.sample(&mut *rng) };
    let mut lengths: Vec<f64> =
        (0..2 * n).map(|i| 3.0 + 0.4 * draw() + if i < n { 0.25 } else { -0.25 }).collect();
    let x = Array2::from_shape_fn((2 * n, 6), |(i, j)| {
        let own = if i < n { truth } else { -truth };
        draw() * 0.3
            + if j == 0 {
                2.0 * lengths[i]
            } else if j == 1 {
                own
            } else {
                0.0
            }
    });
    lengths.iter_mut().for_each(|l| *l = l.exp());
    let ids: Vec<String> = (0..2 * n).map(|i| i.to_string()).collect();
    let samples = if paired {
        let (a, b) = x.view().split_at(Axis(0), n);
        Samples::from_pairs(a, b, &ids[..n], &ids[..n])
    } else {
        let positive: Vec<bool> = (0..2 * n).map(|i| i < n).collect();
        Samples::from_classes(x.view(), &positive, &ids, &ids)
    };
    samples.unwrap().with_lengths(&lengths).unwrap()
}

#[test]
fn what_length_gives_is_not_taken_for_more() {
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
    let params = HeldOutParams { permutations: 39, repeats: 1, ..HeldOutParams::by_pair() };
    for paired in [true, false] {
        let (mut plain, mut given) = (0, 0);
        for run in 0..60 {
            let samples = long(paired, 0.0, &mut Seeds::new(run).stream("rows"));
            let found = pipeline.held_out(&samples, &params, &Seeds::new(run)).unwrap();
            plain += usize::from(found.null.unwrap().p <= 0.05);
            given += usize::from(found.given_length.unwrap().p <= 0.05);
        }
        // 60 runs at 5 % have 3, more than 9 in 0.1 % of cases.
        assert!(plain > 40 && given <= 9, "paired {paired}: {plain} {given}");
        let more = long(paired, 0.4, &mut Seeds::new(0).stream("rows"));
        let found = pipeline.held_out(&more, &params, &Seeds::new(0)).unwrap();
        assert!(found.given_length.unwrap().p <= 0.05, "{:?}", found.given_length);
    }
}

/// The activations go with characters, which tokens say nothing of: given tokens alone there seems to be more.
#[test]
fn what_a_second_length_gives_is_not_taken_for_more() {
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
    let params = HeldOutParams { permutations: 39, repeats: 1, ..HeldOutParams::by_pair() };
    for paired in [true, false] {
        let (mut first, mut both) = (0, 0);
        for run in 0..40 {
            let mut rng = Seeds::new(run).stream("rows");
            let samples = long(paired, 0.0, &mut rng);
            let characters = samples.log_length.as_ref().unwrap().mapv(f64::exp).to_vec();
            let tokens: Vec<f64> = characters.iter().map(|_| rng.random_range(5.0..50.0)).collect();
            let one = samples.with_lengths_of(&tokens, "tokens of prompt and response").unwrap();
            let two = one.clone().with_second_lengths(&characters, "characters of the response").unwrap();
            let [one, two] = [one, two].map(|s| pipeline.held_out(&s, &params, &Seeds::new(run)).unwrap());
            first += usize::from(one.given_length.unwrap().p <= 0.05);
            both += usize::from(two.given_length.unwrap().p <= 0.05);
            let said: Vec<_> = two.alone.iter().map(|a| (a.name.as_str(), a.of.as_deref())).collect();
            let expected = ["tokens of prompt and response", "characters of the response"].map(Some);
            assert_eq!(said, [("length", expected[0]), ("second-length", expected[1])]);
            assert_eq!(one.alone[..], two.alone[..1]);
        }
        // 40 runs at 5 % have 2, more than 7 in 0.1 % of cases.
        assert!(first > 25 && both <= 7, "paired {paired}: {first} {both}");
    }
}

#[test]
fn length_is_called_projected_out_where_it_is_gone() {
    let samples = long(true, 0.2, &mut Seeds::new(9).stream("rows"));
    let params = HeldOutParams { permutations: 0, repeats: 3, ..HeldOutParams::by_pair() };
    let gone = |method: ProjectMethod| {
        let nuisances = Nuisances::none().by(method).with_length();
        let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances };
        let found = pipeline.held_out(&samples, &params, &Seeds::new(1)).unwrap();
        let one = &found.erased[0];
        assert_eq!((one.name.as_str(), one.method, one.gone), ("length", method, one.interval.contains(0.5)));
        (one.auroc - 0.5, found)
    };
    let (left, found) = gone(ProjectMethod::WithinClass);
    let pooled = gone(ProjectMethod::Pooled).0.abs();
    let leace = gone(ProjectMethod::Leace).0.abs();
    assert!(left > pooled && left > leace, "{left} {pooled} {leace}");
    // Length is known, sentiment and words are not.
    assert_eq!(found.alone.len(), 1);
    assert!(found.alone[0].name == "length" && found.alone[0].auroc.value > 0.6, "{:?}", found.alone);
    assert!((found.auroc.value - found.alone[0].auroc.value - found.alone[0].less.value).abs() < 1e-12);
    let missing: Vec<&str> = found.not_beside.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(missing, ["sentiment", "words"]);
}

#[test]
fn sentiment_is_held_out_of_its_own_texts() {
    let mut rng = Seeds::new(4).stream("rows");
    let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut rows = |n: usize, mood: f64, truth: f64| {
        Array2::from_shape_fn((n, 12), |(_, j)| {
            0.5 * draw()
                + if j == 0 {
                    mood
                } else if j == 1 {
                    truth
                } else {
                    0.0
                }
        })
    };
    let (up, down) = (rows(40, 1.5, 0.5), rows(40, -1.5, -0.5));
    let moods = ndarray::concatenate![Axis(0), rows(60, 1.5, 0.0), rows(60, -1.5, 0.0)];
    let positive: Vec<bool> = (0..120).map(|i| i < 60).collect();
    let ids: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    let samples = Samples::from_pairs(up.view(), down.view(), &ids, &ids).unwrap();
    let params = HeldOutParams { permutations: 0, repeats: 2, ..HeldOutParams::by_pair() };
    let run = |nuisances: Nuisances| {
        let pipeline = Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances };
        pipeline.held_out(&samples, &params, &Seeds::new(1)).unwrap()
    };
    let beside = run(Nuisances::none().with_sentiment_beside(moods.view(), &positive).unwrap());
    assert!(beside.erased.is_empty() && beside.auroc.value > 0.95);
    assert!(beside.alone[0].name == "sentiment" && beside.alone[0].auroc.value > 0.95, "{:?}", beside.alone);
    for method in [ProjectMethod::Pooled, ProjectMethod::Leace] {
        let out = run(Nuisances::none().by(method).with_sentiment(moods.view(), &positive).unwrap());
        assert!(out.erased[0].name == "sentiment" && out.erased[0].gone, "{method:?}: {:?}", out.erased);
        assert!(out.auroc.value < beside.auroc.value && out.auroc.value > 0.7, "{}", out.auroc.value);
    }
}
