//! Intervals of AUROCs and of their differences, the scores as they are.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use statrs::distribution::{ContinuousCDF as _, Normal};
use truenorth::math::Placement;
use truenorth::stats::number::LEVEL;

use super::{World, rng};
use crate::Outcome;

const NEWCOMBE: &str = "Newcombe, of an AUROC (board, audit, test sets)";
const LESS: &str = "Zou and Donner, of a difference of AUROCs";

pub const WORLDS: &[World] = &[
    World {
        interval: NEWCOMBE,
        scenario: "40 texts of each class, 0.50",
        wide: false,
        held: |s| texts(s, 40, 0.0),
    },
    World {
        interval: NEWCOMBE,
        scenario: "40 texts of each class, 0.76",
        wide: false,
        held: |s| texts(s, 40, 1.0),
    },
    World {
        interval: NEWCOMBE,
        scenario: "40 texts of each class, 0.96",
        wide: false,
        held: |s| texts(s, 40, 2.5),
    },
    World {
        interval: NEWCOMBE,
        scenario: "40 pairs, texts correlated 0.5, 0.76",
        wide: false,
        held: |s| clusters(s, 40, 1, 1.0),
    },
    World {
        interval: NEWCOMBE,
        scenario: "21 pairs, texts correlated 0.5, 0.96",
        wide: false,
        held: |s| clusters(s, 21, 1, 2.5),
    },
    World {
        interval: NEWCOMBE,
        scenario: "15 axes of 8 pairs, an axis in common, 0.76",
        wide: false,
        held: |s| clusters(s, 15, 8, 1.0),
    },
    World {
        interval: LESS,
        scenario: "40 pairs, 0.76 less 0.64, scores correlated 0.5",
        wide: false,
        held: |s| less(s, 1.0, 0.5),
    },
    World {
        interval: LESS,
        scenario: "40 pairs, 0.96 less 0.76, scores correlated 0.5",
        wide: false,
        held: |s| less(s, 2.5, 1.0),
    },
];

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn area(shift: f64) -> f64 {
    Normal::standard().cdf(shift / 2.0_f64.sqrt())
}

fn texts(seed: u64, n: usize, shift: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let scores: Vec<f64> = (0..2 * n).map(|i| normal(&mut rng) + if i < n { shift } else { 0.0 }).collect();
    let positive: Vec<bool> = (0..2 * n).map(|i| i < n).collect();
    let each: Vec<usize> = (0..2 * n).collect();
    Ok(Placement::auroc(&scores, &positive, &each)?.interval(LEVEL, 1.0)?.contains(area(shift)))
}

/// Pairs whose texts have half of their variance in common; in clusters of several, half of that of the cluster.
fn clusters(seed: u64, n: usize, size: usize, shift: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let (mut scores, mut positive, mut of) = (Vec::new(), Vec::new(), Vec::new());
    let half = 0.5_f64.sqrt();
    for c in 0..n {
        let common = normal(&mut rng);
        for _ in 0..size {
            let pair = if size == 1 { common } else { half * common + half * normal(&mut rng) };
            for up in [true, false] {
                scores.push(half * pair + half * normal(&mut rng) + if up { shift } else { 0.0 });
                positive.push(up);
                of.push(c);
            }
        }
    }
    Ok(Placement::auroc(&scores, &positive, &of)?.interval(LEVEL, 1.0)?.contains(area(shift)))
}

fn less(seed: u64, first: f64, second: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let half = 0.5_f64.sqrt();
    let (mut a, mut b, mut positive, mut of) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for c in 0..40 {
        for up in [true, false] {
            let common = half * normal(&mut rng);
            let of_class = |shift: f64| if up { shift } else { 0.0 };
            a.push(common + half * normal(&mut rng) + of_class(first));
            b.push(common + half * normal(&mut rng) + of_class(second));
            positive.push(up);
            of.push(c);
        }
    }
    let [a, b] = [a, b].map(|scores| Placement::auroc(&scores, &positive, &of));
    Ok(a?.less(&b?, LEVEL, 1.0)?.interval.contains(area(first) - area(second)))
}
