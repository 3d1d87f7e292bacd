//! Intervals of shares, means, correlations and agreements.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use truenorth::analyses::board::{ScoredSequence, asymmetry};
use truenorth::analyses::judge::{JudgeVerdict, Verdicts, agreement};
use truenorth::analyses::sweep::Responses;
use truenorth::math::{Seeds, clopper_pearson, ratio_of_sums};
use truenorth::stats::number::{
    LEVEL, RESAMPLES, mean, mean_in_clusters, rank_correlation, share, share_in_clusters,
};

use super::{World, holds, rng};
use crate::Outcome;

pub const WORLDS: &[World] = &[
    World {
        interval: "Wilson, of a share",
        scenario: "28 of 40 expected",
        wide: false,
        held: |seed| Ok(holds(&share(coin(&mut rng(seed), 40, 0.7), 40)?, 0.7)),
    },
    World {
        interval: "Wilson, of a share",
        scenario: "38 of 40 expected",
        wide: false,
        held: |seed| Ok(holds(&share(coin(&mut rng(seed), 40, 0.95), 40)?, 0.95)),
    },
    World {
        interval: "Clopper and Pearson, of a share (value flips)",
        scenario: "28 of 40 expected",
        wide: false,
        held: |seed| Ok(clopper_pearson(coin(&mut rng(seed), 40, 0.7) as u64, 40, LEVEL)?.contains(0.7)),
    },
    World {
        interval: "score, of a share in clusters (judge, transfer)",
        scenario: "20 clusters of 3, half of all alike in a cluster, 80 % right",
        wide: false,
        held: |seed| clustered_share(seed, 20, 3, 0.8),
    },
    World {
        interval: "score, of a share in clusters (judge, transfer)",
        scenario: "12 clusters of 5, half of all alike in a cluster, 95 % right",
        wide: false,
        held: |seed| clustered_share(seed, 12, 5, 0.95),
    },
    World {
        interval: "Student's t, of a mean",
        scenario: "4 normal numbers",
        wide: false,
        held: |s| normal(s, 4),
    },
    World {
        interval: "bootstrap-t, of a mean",
        scenario: "8 normal numbers",
        wide: false,
        held: |s| normal(s, 8),
    },
    World {
        interval: "bootstrap-t, of a mean",
        scenario: "16 normal numbers",
        wide: false,
        held: |s| normal(s, 16),
    },
    World {
        interval: "bootstrap-t, of a mean",
        scenario: "40 normal numbers",
        wide: false,
        held: |s| normal(s, 40),
    },
    World {
        interval: "bootstrap-t, of a mean",
        scenario: "16 exponential numbers",
        wide: false,
        held: |s| exponential(s, 16),
    },
    World {
        interval: "bootstrap-t, of a mean",
        scenario: "32 exponential numbers",
        wide: false,
        held: |s| exponential(s, 32),
    },
    World {
        interval: "bootstrap-t, of a mean in clusters",
        scenario: "12 clusters of 1 to 6, half of the variance in common",
        wide: false,
        held: clustered_mean,
    },
    World {
        interval: "bootstrap-t, of a slope of steering",
        scenario: "12 pairs at 5 doses, each with a slope of its own",
        wide: false,
        held: slope,
    },
    World {
        interval: "bootstrap-t, of a ratio of perplexities",
        scenario: "32 texts of 10 to 60 tokens",
        wide: false,
        held: perplexity,
    },
    World {
        interval: "bootstrap, of Spearman's correlation",
        scenario: "24 pairs, ρ 0.48",
        wide: false,
        held: |s| spearman(s, 24, 0.5),
    },
    World {
        interval: "bootstrap, of Spearman's correlation",
        scenario: "102 pairs, ρ 0.48",
        wide: false,
        held: |s| spearman(s, 102, 0.5),
    },
    World {
        interval: "bootstrap, of Spearman's correlation",
        scenario: "102 pairs, ρ 0.89",
        wide: false,
        held: |s| spearman(s, 102, 0.9),
    },
    World {
        interval: "score, of Cohen's κ",
        scenario: "60 things, κ 0.36",
        wide: false,
        held: |s| kappa(s, 60, 0.2),
    },
    World {
        interval: "score, of Cohen's κ",
        scenario: "60 things, κ 0.81",
        wide: false,
        held: |s| kappa(s, 60, 0.05),
    },
    World {
        interval: "score, of Cohen's κ",
        scenario: "20 things, κ 0.81",
        wide: false,
        held: |s| kappa(s, 20, 0.05),
    },
    World {
        interval: "score, of Cohen's κ",
        scenario: "60 things, 9 of 10 of one kind, κ 0.65",
        wide: true,
        held: |s| kappa_of(s, (60, 0.9), 0.05),
    },
    World {
        interval: "score, of Cohen's κ",
        scenario: "60 things, 9 of 10 verdicts alike, κ 0",
        wide: true,
        held: |s| kappa_of(s, (60, 1.0), 0.1),
    },
    World {
        interval: "bootstrap, of the asymmetry of a board about its median",
        scenario: "102 normal scores, 10 at each end",
        wide: false,
        held: |seed| ends(seed, true),
    },
    World {
        interval: "bootstrap, of the asymmetry of a board about zero",
        scenario: "102 normal scores, 10 at each end",
        wide: false,
        held: |seed| ends(seed, false),
    },
];

fn coin(rng: &mut impl Rng, n: usize, p: f64) -> usize {
    (0..n).filter(|_| rng.random::<f64>() < p).count()
}

fn normals(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| StandardNormal.sample(rng)).collect()
}

/// A row is its cluster's, or, as often, its own.
fn clustered_share(seed: u64, clusters: usize, size: usize, p: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let mut counts = Vec::new();
    for _ in 0..clusters {
        let all = rng.random::<f64>() < p;
        for _ in 0..size {
            // Two rows of a cluster are both the cluster's in half of all cases.
            let own = rng.random::<f64>() < p;
            counts.push(if rng.random::<f64>() < 0.5_f64.sqrt() { all } else { own });
        }
    }
    let of: Vec<usize> = (0..counts.len()).map(|i| i / size).collect();
    Ok(holds(&share_in_clusters(&counts, &of, "clusters")?, p))
}

fn normal(seed: u64, n: usize) -> Outcome<bool> {
    let mut rng = rng(seed);
    Ok(holds(&mean(&normals(&mut rng, n), &mut rng)?, 0.0))
}

fn exponential(seed: u64, n: usize) -> Outcome<bool> {
    let mut rng = rng(seed);
    let values: Vec<f64> = (0..n).map(|_| Exp1.sample(&mut rng)).collect();
    Ok(holds(&mean(&values, &mut rng)?, 1.0))
}

fn clustered_mean(seed: u64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let (mut values, mut clusters) = (Vec::new(), Vec::new());
    for c in 0..12 {
        let own: f64 = StandardNormal.sample(&mut rng);
        for v in normals(&mut rng, 1 + c % 6) {
            values.push(own + v);
            clusters.push(c);
        }
    }
    Ok(holds(&mean_in_clusters(&values, &clusters, "clusters", &mut rng)?, 0.0))
}

/// Slopes of mean 1 and standard deviation 1, and noise at every dose.
fn slope(seed: u64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let alphas = vec![-0.2, -0.1, 0.0, 0.1, 0.2];
    let slopes: Vec<f64> = normals(&mut rng, 12).into_iter().map(|s| 1.0 + s).collect();
    let direction = alphas
        .iter()
        .map(|a| slopes.iter().zip(normals(&mut rng, 12)).map(|(s, e)| a * s + 0.1 * e).collect())
        .collect();
    let responses = Responses {
        measure: "a measure".into(),
        expected: 1,
        alphas,
        direction,
        controls: vec![],
        flips: vec![],
        clusters: (0..12).collect(),
        units: ["pairs", "pairs"],
    };
    Ok(holds(&responses.steering(&Seeds::new(seed))?.slope, 1.0))
}

/// The logarithm of the ratio, over texts whose tokens lose 0.2 more on average.
fn perplexity(seed: u64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let sizes: Vec<f64> = (0..32).map(|_| f64::from(rng.random_range(10..=60_i32))).collect();
    let more: Vec<f64> = sizes
        .iter()
        .map(|n| {
            let own: f64 = Exp1.sample(&mut rng);
            0.2 * n * own
        })
        .collect();
    Ok(ratio_of_sums(&more, &sizes, RESAMPLES, LEVEL, &mut rng)?.interval.contains(0.2))
}

fn spearman(seed: u64, n: usize, r: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let a = normals(&mut rng, n);
    let noise = normals(&mut rng, n);
    let b: Vec<f64> = a.iter().zip(noise).map(|(v, e)| r * v + (1.0 - r * r).sqrt() * e).collect();
    let clusters: Vec<usize> = (0..n).collect();
    let found = rank_correlation(&a, &b, &clusters, 0, &Seeds::new(seed))?;
    // Spearman's of two normal numbers with correlation r (Pearson 1907).
    Ok(holds(&found, 6.0 / std::f64::consts::PI * (r / 2.0).asin()))
}

/// Two judges of a thing that is first or second as often, each wrong so often by itself.
fn kappa(seed: u64, n: usize, wrong: f64) -> Outcome<bool> {
    kappa_of(seed, (n, 0.5), wrong)
}

/// The same of things of which such a share is first.
fn kappa_of(seed: u64, (n, first): (usize, f64), wrong: f64) -> Outcome<bool> {
    let mut rng = rng(seed);
    let truth: Vec<bool> = (0..n).map(|_| rng.random::<f64>() < first).collect();
    let mut judge = |name: &str| Verdicts {
        judge: name.into(),
        verdicts: truth
            .iter()
            .enumerate()
            .map(|(i, up)| {
                let says = *up != (rng.random::<f64>() < wrong);
                (format!("{i}"), if says { JudgeVerdict::First } else { JudgeVerdict::Second })
            })
            .collect(),
    };
    let both = [judge("one"), judge("other")];
    let found = agreement(&both, 0, &Seeds::new(seed))?;
    let kappa = found.first().and_then(|a| a.kappa.as_ref());
    let says_first = first * (1.0 - wrong) + (1.0 - first) * wrong;
    let chance = says_first.powi(2) + (1.0 - says_first).powi(2);
    let same = (1.0 - wrong).powi(2) + wrong.powi(2);
    Ok(kappa.is_none_or(|k| holds(k, (same - chance) / (1.0 - chance))))
}

fn ends(seed: u64, median: bool) -> Outcome<bool> {
    let mut rng = rng(seed);
    let row = |(i, score): (usize, f64)| ScoredSequence {
        id: i.to_string(),
        text: String::new(),
        score,
        z: score,
        coherence: 1.0,
        shift_norm: 1.0,
        z_bound: 1.0,
        p_random: 1.0,
        rank: 0,
        counted_with: None,
        labels: Default::default(),
    };
    let board: Vec<ScoredSequence> = normals(&mut rng, 102).into_iter().enumerate().map(row).collect();
    let found = asymmetry(&board, 10, None, &Seeds::new(seed))?;
    Ok(holds(if median { &found.about_median } else { &found.about_zero }, 0.0))
}
