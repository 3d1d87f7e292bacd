//! Curves against doses, of responses that are made up.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::super::damage::{Harm, point, working_range};
use super::super::*;
use truenorth_stats::math::{self, Seeds};

const ALPHAS: [f64; 5] = [-0.2, -0.1, 0.0, 0.1, 0.2];

/// Units that follow the dose with their own slopes and noise; random directions and label flips move nothing.
fn planted(slope: f64, spread: f64, noise: f64, units: usize, seed: u64) -> Responses {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let slopes: Vec<f64> = (0..units).map(|_| slope + spread * normal()).collect();
    let bases: Vec<f64> = (0..units).map(|_| 3.0 * normal()).collect();
    let mut at = |slopes: &[f64]| -> Vec<Vec<f64>> {
        ALPHAS
            .iter()
            .map(|a| (0..units).map(|u| bases[u] + slopes[u] * a + noise * normal()).collect())
            .collect()
    };
    let direction = at(&slopes);
    let controls = (0..19).map(|_| at(&vec![0.0; units])).collect();
    let flips = (0..39).map(|_| at(&vec![0.0; units])).collect();
    Responses {
        measure: "planted".into(),
        expected: 1,
        alphas: ALPHAS.to_vec(),
        direction,
        controls,
        flips,
        clusters: (0..units).collect(),
        units: ["pairs", "pairs"],
    }
}

#[test]
fn a_planted_slope_is_found_with_its_size_and_its_strays() {
    let s = planted(5.0, 4.0, 0.1, 60, 1).steering(&Seeds::new(0)).unwrap();
    assert!((s.slope.value - 5.0).abs() < 1.5, "{}", s.slope.value);
    assert!(s.slope.interval.unwrap().contains(5.0));
    let flips = s.slope.null.as_ref().unwrap();
    assert!(flips.p == 1.0 / 40.0 && flips.draws == Some(39) && flips.what.contains("one-sided"));
    assert!(s.trend.as_ref().unwrap().null.is_none(), "the order over the doses is described, not tested");
    let judged = judge(&s, Some(flips.p));
    assert!(judged.verdict == SteeringVerdict::Steers, "{judged:?}");
    // P(N(5, 4) < 0) is 0.106.
    let wrong = s.wrong_way.unwrap();
    assert!(wrong.n == 60 && wrong.interval.unwrap().contains(0.106), "{wrong:?}");
    assert!((s.against_controls.unwrap().p - 1.0 / 20.0).abs() < 1e-12);
    let end = &s.points[4];
    assert!((end.change.value - 1.0).abs() < 0.4 && end.controls.len() == 19);
    assert!(s.points[2].controls.is_empty() && s.points[2].change.value.abs() < 1e-12);
}

#[test]
fn no_null_is_no_p_and_a_null_that_reaches_as_far_is_no_steering() {
    let whole = planted(5.0, 1.0, 0.1, 20, 1);
    let verdict = |r: &Responses| {
        let s = r.steering(&Seeds::new(0)).unwrap();
        let judged = judge(&s, s.slope.null.as_ref().map(|n| n.p));
        (judged.verdict, judged.because, s)
    };
    assert_eq!(verdict(&whole).0, SteeringVerdict::Steers);
    let (none, why, s) = verdict(&Responses { flips: vec![], ..whole.clone() });
    assert!(
        none == SteeringVerdict::Untested && why.contains("--null-draws") && s.slope.null.is_none(),
        "{why}"
    );
    let few = Responses { controls: whole.controls[..18].to_vec(), ..whole.clone() };
    let (few, why, s) = verdict(&few);
    assert!(
        few == SteeringVerdict::Untested && why.contains("18 random") && s.against_controls.is_none(),
        "{why}"
    );
    assert_eq!(s.control_slopes.len(), 18);
    // As steep as the direction itself in three of 39 flips, in one of 19 random directions.
    let steep = |drawn: &[Vec<Vec<f64>>], how_many: usize| {
        let mut drawn = drawn.to_vec();
        drawn[..how_many].fill(whole.direction.clone());
        drawn
    };
    let (not, why, _) = verdict(&Responses { flips: steep(&whole.flips, 3), ..whole.clone() });
    assert!(not == SteeringVerdict::NotShown && why.contains("p = 0.100 of 39 flips"), "{why}");
    let (not, why, _) = verdict(&Responses { controls: steep(&whole.controls, 1), ..whole.clone() });
    assert!(not == SteeringVerdict::NotShown && why.contains("p = 0.100 of 19 directions"), "{why}");
    let (not, why, _) = verdict(&planted(0.0, 4.0, 0.1, 20, 3));
    assert!(not == SteeringVerdict::NotShown && why.contains("interval"), "{why}");
}

#[test]
fn flat_and_impossible_responses_are_said_to_be_so() {
    let mut flat = planted(0.0, 0.0, 0.0, 4, 1);
    let s = flat.steering(&Seeds::new(0)).unwrap();
    assert!(
        s.trend.is_none() && s.unmoved == 4 && judge(&s, Some(0.025)).verdict == SteeringVerdict::NotShown
    );
    flat.direction[0][0] = f64::NAN;
    let e = flat.steering(&Seeds::new(0)).unwrap_err().to_string();
    assert!(e.contains("planted") && e.contains("NaN"), "{e}");
    let one = planted(1.0, 0.0, 0.0, 1, 1).steering(&Seeds::new(0)).unwrap_err();
    assert!(one.to_string().contains("at least two"), "{one}");
    let few = planted(1.0, 0.0, 0.1, 5, 1).within(-0.1, 0.0).steering(&Seeds::new(0));
    assert!(few.unwrap_err().to_string().contains("three"));
}

#[test]
fn the_working_range_ends_before_the_first_dose_that_breaks() {
    let harm = |loss: f64, kl: f64, distinct: f64| Harm {
        losses: vec![loss, loss + 1.0],
        kls: vec![kl, kl],
        distinct_2: vec![distinct, distinct],
        empty: 0,
    };
    let plain = harm(10.0, 0.0, 0.9);
    let seeds = Seeds::new(0);
    // 5 tokens each: a loss of 5 more a text is a ratio of e.
    let of = |alpha, h: &Harm| point(alpha, h, &plain, &[&plain], &[5, 5], &seeds).unwrap();
    let points = [
        of(-0.2, &harm(10.5, 0.1, 0.2)),
        of(-0.1, &harm(10.1, 0.1, 0.9)),
        of(0.0, &plain),
        of(0.1, &harm(15.0, 0.1, 0.9)),
        of(0.2, &harm(10.0, 0.0, 0.9)),
    ];
    assert!((points[3].perplexity_ratio.value - std::f64::consts::E).abs() < 1e-12);
    assert_eq!(points[3].control_perplexity_ratios, [1.0]);
    // A text of one token has nothing to predict: it changes nothing but the count of texts that differ.
    let more = |h: &Harm, loss: f64| Harm {
        losses: [&h.losses[..], &[loss]].concat(),
        kls: [&h.kls[..], &[h.kls[0]]].concat(),
        ..h.clone()
    };
    let (pushed, still) = (more(&harm(15.0, 0.1, 0.9), 0.0), more(&plain, 0.0));
    let with_one = point(0.1, &pushed, &still, &[&still], &[5, 5, 0], &seeds).unwrap();
    assert_eq!(with_one.perplexity_ratio, points[3].perplexity_ratio);
    let range = working_range(&points, Bounds::default());
    // The dose beyond a broken one does not count, however harmless it looks.
    assert_eq!((range.low, range.high), (-0.1, 0.0));
    assert!(range.broken_below[0].contains("distinct-2") && range.broken_above[0].contains("perplexity"));
}

#[test]
fn curves_that_part_are_said_to_part() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let n = 40;
    let mut site = |k: usize, gap: f64, slope: f64| {
        let mut score = |m: f64| -> f64 { m + rng.sample::<f64, _>(StandardNormal) };
        let scores: Vec<f64> = (0..2 * n).map(|i| score(if i < n { gap } else { 0.0 })).collect();
        let slopes: Vec<f64> = (0..n).map(|_| score(slope)).collect();
        let positive: Vec<bool> = (0..2 * n).map(|i| i < n).collect();
        let auroc = math::auroc(&scores, &positive).unwrap();
        Halves {
            site: format!("resid_post.{k}"),
            auroc,
            margin: auroc,
            scores,
            reads: gap > 0.5,
            slope: math::mean(&slopes).unwrap(),
            slopes,
            steers: if slope > 0.5 { SteeringVerdict::Steers } else { SteeringVerdict::NotShown },
        }
    };
    let apart: Vec<Halves> = (0..6).map(|k| site(k, 0.6 * k as f64, 3.0 - 0.6 * k as f64)).collect();
    let clusters: Vec<usize> = (0..n).collect();
    let p = compare(&apart, &clusters, &Seeds::new(1)).unwrap();
    let (c, range) = (p.correlation.unwrap(), p.resampled.unwrap());
    assert!(
        c.value < -0.8 && c.interval.is_none() && range[0] < range[1] && range[1] < 0.0,
        "{c:?} {range:?}"
    );
    assert_eq!(p.best_steering, "resid_post.0");
    assert!(p.statement.contains("against each other") && p.reads_not_steers == ["resid_post.5"]);
    let together: Vec<Halves> = (0..6).map(|k| site(k, 0.6 * k as f64, 0.6 * k as f64)).collect();
    let p = compare(&together, &clusters, &Seeds::new(1)).unwrap();
    assert!(p.correlation.unwrap().null.unwrap().p < 0.05 && p.statement.contains("rise together"));
    assert!(compare(&together[..3], &clusters, &Seeds::new(1)).unwrap().correlation.is_none());
    assert!(compare(&[], &clusters, &Seeds::new(1)).is_err());
}
