//! What is found where something is planted: directions, confounds, layers.

use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;
use truenorth::estimate::audit::{AuditParams, ConfoundSet, ConfoundVerdict, audit};
use truenorth::estimate::probing::{ProbeEstimator, ProbeSettings, TrainSet};
use truenorth::estimate::{EstimateError, Estimator, LogisticParams, SplitBy};
use truenorth::math::{Seeds, clopper_pearson, cosine, quantile};

use crate::Outcome;
use crate::world::{World, pipeline};

fn each<T: Send>(runs: u64, one: impl Fn(u64) -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
    (0..runs).into_par_iter().map(&one).collect()
}

/// A share with its exact interval.
fn share(of: usize, n: usize) -> Outcome<serde_json::Value> {
    let interval = clopper_pearson(of as u64, n as u64, 0.95)?;
    Ok(json!({ "share": of as f64 / n as f64, "of": n, "low": interval.low, "high": interval.high }))
}

fn cosines(runs: u64) -> Outcome<()> {
    let world = World::new(256);
    let logistic = LogisticParams { alphas: vec![0.01, 0.1, 1.0, 10.0], folds: 5 };
    for (name, estimator) in [
        ("mean-diff", Estimator::MeanDiff),
        ("lda", Estimator::Lda { shrinkage: None }),
        ("logistic", Estimator::Logistic(logistic)),
        ("pca", Estimator::Pca),
    ] {
        for strength in [1.0, 2.0, 4.0] {
            let found = each(runs, |seed| {
                let mut rng = Seeds::new(seed).stream("cosine");
                let truth = world.direction(&mut rng)?;
                let train = world.samples(135, &(&truth * strength), "train", &mut rng)?;
                let fit = pipeline(&estimator)?.extract(&train, SplitBy::Pair, &Seeds::new(seed))?.fit;
                Ok(cosine(fit.direction.view(), truth.view())?)
            })?;
            let at = |q| quantile(&found, q);
            println!(
                "{}",
                json!({
                    "what": "cosine to the planted direction", "estimator": name, "pairs": 135, "width": 256,
                    "strength": strength, "runs": runs, "median": at(0.5)?, "low": at(0.05)?, "high": at(0.95)?,
                })
            );
        }
    }
    Ok(())
}

fn audits(runs: u64) -> Outcome<()> {
    let logistic = LogisticParams { alphas: vec![0.1, 1.0, 10.0], folds: 5 };
    for (name, estimator) in [
        ("mean-diff", Estimator::MeanDiff),
        ("lda", Estimator::Lda { shrinkage: None }),
        ("logistic", Estimator::Logistic(logistic)),
    ] {
        for leak in [0.0, 1.0, 2.0, 3.0] {
            // Of three confounds the first leaks into the training pairs.
            let found = each(runs, |seed| {
                let mut rng = Seeds::new(seed).stream("audit");
                let world = World::new(60);
                let truth = world.direction(&mut rng)?;
                let confounds = [0; 3].map(|_| world.direction(&mut rng));
                let [first, second, third] = confounds;
                let confounds = [first?, second?, third?];
                let train = world.samples(30, &(&truth * 2.0 + &confounds[0] * leak), "train", &mut rng)?;
                let sets = confounds
                    .iter()
                    .map(|c| world.samples(24, &(c * 4.0), "set", &mut rng))
                    .collect::<Result<Vec<_>, EstimateError>>()?;
                let sets: Vec<ConfoundSet<'_>> = sets
                    .iter()
                    .map(|samples| ConfoundSet { name: "set", samples, projected_out: false })
                    .collect();
                let params =
                    AuditParams { random_directions: 999, permutations: 0, ..AuditParams::default() };
                let found = audit(&pipeline(&estimator)?, &train, None, &sets, &params, &Seeds::new(seed))?;
                let flags: Vec<bool> =
                    found.rows.iter().map(|r| r.verdict == ConfoundVerdict::Confounded).collect();
                Ok((flags, found.family))
            })?;
            let count = |f: fn(&[bool]) -> bool| found.iter().filter(|(flags, _)| f(flags)).count();
            println!(
                "{}",
                json!({
                    "what": "audit of three confounds, Holm at 5 %", "estimator": name, "leak of the first": leak,
                    "pairs": 30, "pairs of a set": 24, "width": 60,
                    "mean family": found.iter().map(|f| f.1 as f64).sum::<f64>() / found.len() as f64,
                    "first flagged": share(count(|f| f[0]), found.len())?,
                    "any of the others flagged": share(count(|f| f[1] || f[2]), found.len())?,
                    "any flagged": share(count(|f| f.contains(&true)), found.len())?,
                })
            );
        }
    }
    Ok(())
}

fn probing(runs: u64) -> Outcome<()> {
    let (pairs, layers) = (24, 6);
    for (name, estimator) in [
        ("mean-diff", ProbeEstimator::MeanDiff),
        ("lda", ProbeEstimator::Lda { shrinkage: None }),
        ("logistic", ProbeEstimator::Logistic { alphas: vec![0.1, 1.0, 10.0] }),
    ] {
        for strength in [0.0, 1.5] {
            let found = each(runs, |seed| {
                let mut rng = Seeds::new(seed).stream("probing");
                let world = World::new(40);
                let truth = world.direction(&mut rng)?;
                // Something to find at one layer of six, or at none.
                let rows: Vec<Array2<f32>> = (0..layers)
                    .map(|layer| {
                        let here = if layer == 3 { strength } else { 0.0 };
                        let (one, other) = world.pairs(pairs, &(&truth * here), &mut rng);
                        let both = ndarray::concatenate(ndarray::Axis(0), &[one.view(), other.view()])?;
                        Ok(both.mapv(|v| v as f32))
                    })
                    .collect::<Outcome<_>>()?;
                let labels: Vec<bool> = (0..2 * pairs).map(|i| i < pairs).collect();
                let groups: Vec<String> = (0..2 * pairs).map(|i| (i % pairs).to_string()).collect();
                let probe = ProbeSettings { permutations: 199, ..ProbeSettings::new(estimator.clone()) };
                let train = TrainSet { layers: &rows, labels: &labels, groups: &groups };
                let found = probe.run(&train, &[], &Seeds::new(seed))?;
                let p = |null: Option<truenorth::estimate::NullTest>| null.map_or(f64::NAN, |n| n.p);
                Ok([p(found.nested.null), p(found.maximum)])
            })?;
            for (which, at) in [("nested", 0), ("maximum over layers", 1)] {
                let mut p: Vec<f64> = found.iter().map(|f| f[at]).collect();
                p.sort_by(f64::total_cmp);
                let n = p.len() as f64;
                let gap =
                    p.iter().enumerate().map(|(i, v)| (v - (i + 1) as f64 / n).abs()).fold(0.0, f64::max);
                println!(
                    "{}",
                    json!({
                        "what": "p of probing", "null": which, "estimator": name, "planted": strength,
                        "pairs": pairs, "layers": layers, "width": 40, "permutations": 199,
                        "at most 0.05": share(p.iter().filter(|p| **p <= 0.05).count(), p.len())?,
                        "distance from uniform": gap, "its 5 % point": 1.358 / n.sqrt(),
                    })
                );
            }
        }
    }
    Ok(())
}

/// All of it, a line of JSON each.
pub fn all(runs: u64) -> Outcome<()> {
    cosines(runs)?;
    audits(runs)?;
    probing(runs)
}
