//! How often intervals hold the truth, where the truth is known.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};
use truenorth::math::{Placement, Seeds, clopper_pearson};
use truenorth::stats::number::{LEVEL, mean, rank_correlation, share};

use crate::Outcome;
use crate::rates::Coverage;

/// An interval in a world: whether it held the truth in the run of this seed.
type World = (&'static str, &'static str, fn(u64) -> Outcome<bool>);

const WORLDS: &[World] = &[
    ("Wilson, of a share", "28 of 40 expected", |seed| {
        let hits = coin(&mut rng(seed), 40, 0.7);
        Ok(share(hits, 40)?.interval.is_some_and(|i| i.contains(0.7)))
    }),
    ("Clopper and Pearson, of a share", "28 of 40 expected", |seed| {
        let hits = coin(&mut rng(seed), 40, 0.7);
        Ok(clopper_pearson(hits as u64, 40, LEVEL)?.contains(0.7))
    }),
    ("bootstrap, of a mean", "40 normal numbers", |seed| {
        let mut rng = rng(seed);
        let values: Vec<f64> = (0..40).map(|_| StandardNormal.sample(&mut rng)).collect();
        Ok(mean(&values, &mut rng)?.interval.is_some_and(|i| i.contains(0.0)))
    }),
    ("bootstrap, of Spearman's correlation", "80 pairs of normal numbers, ρ 0.48", |seed| {
        let mut rng = rng(seed);
        let a: Vec<f64> = (0..80).map(|_| StandardNormal.sample(&mut rng)).collect();
        let noise = |rng: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(rng) };
        let b: Vec<f64> = a.iter().map(|v| 0.5 * v + 0.75_f64.sqrt() * noise(&mut rng)).collect();
        let clusters: Vec<usize> = (0..80).collect();
        let found = rank_correlation(&a, &b, &clusters, 0, &Seeds::new(seed))?;
        // Spearman's of two normal numbers with correlation 0.5 (Pearson 1907).
        let truth = 6.0 / std::f64::consts::PI * (0.25_f64).asin();
        Ok(found.interval.is_some_and(|i| i.contains(truth)))
    }),
    ("Newcombe, of an AUROC", "40 texts of each class, AUROC 0.76", |seed| auroc(seed, 1.0)),
    ("Newcombe, of an AUROC", "40 texts of each class, AUROC 0.96", |seed| auroc(seed, 2.5)),
];

fn rng(seed: u64) -> ChaCha8Rng {
    Seeds::new(seed).stream("coverage")
}

fn coin(rng: &mut impl Rng, n: usize, p: f64) -> usize {
    (0..n).filter(|_| rng.random::<f64>() < p).count()
}

fn auroc(seed: u64, shift: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let scores: Vec<f64> = (0..80)
        .map(|i| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            noise + if i < 40 { shift } else { 0.0 }
        })
        .collect();
    let positive: Vec<bool> = (0..80).map(|i| i < 40).collect();
    let clusters: Vec<usize> = (0..80).collect();
    let truth = Normal::new(0.0, 1.0)?.cdf(shift / 2.0_f64.sqrt());
    Ok(Placement::auroc(&scores, &positive, &clusters)?.interval(LEVEL, 1.0)?.contains(truth))
}

/// A line of JSON each; whether all intervals hold what they promise.
pub fn all(runs: u64) -> Outcome<bool> {
    let mut good = true;
    for (interval, scenario, world) in WORLDS {
        let held: Vec<bool> = (0..runs).into_par_iter().map(world).collect::<Outcome<_>>()?;
        let held = held.into_iter().filter(|h| *h).count() as u64;
        let found = Coverage { interval, scenario, held, runs };
        good &= found.holds()?;
        println!("{}", found.line()?);
    }
    Ok(good)
}
