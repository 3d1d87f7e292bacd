//! What a push breaks, and how far it may go.

use serde::Serialize;

use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, LEVEL, Number, RESAMPLES, of};
use truenorth_stats::math::{Interval, MathError, Seeds, ratio_of_sums};

/// How much damage a dose may do. The defaults are a convention, not a finding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// Perplexity of neutral text, as a multiple of the unsteered model's.
    pub perplexity_ratio: f64,
    /// Mean divergence of the next token from the unsteered model, in nats.
    pub kl: f64,
    /// Distinct-2 of generations, as a share of the unsteered model's.
    pub distinct_2_ratio: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { perplexity_ratio: 2.0, kl: 1.0, distinct_2_ratio: 0.7 }
    }
}

impl Bounds {
    pub(super) fn check(&self) -> Result<(), AnalysisError> {
        let fair =
            self.perplexity_ratio >= 1.0 && self.kl >= 0.0 && (0.0..=1.0).contains(&self.distinct_2_ratio);
        if fair {
            return Ok(());
        }
        Err(AnalysisError::Input(format!(
            "the bounds of damage are a perplexity ratio of {} (--max-perplexity, at least 1), a divergence of {} \
             (--max-kl, at least 0) and a distinct-2 ratio of {} (--min-distinct-2, from 0 to 1)",
            self.perplexity_ratio, self.kl, self.distinct_2_ratio
        )))
    }
}

/// What one dose breaks, measured on neutral texts and generations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DamagePoint {
    /// The dose in mean residual norms, 0 for the unsteered model.
    pub alpha: f64,
    /// Perplexity of the neutral texts, tokens pooled.
    pub perplexity: f64,
    /// Perplexity over that of the unsteered model.
    pub perplexity_ratio: Number,
    /// Mean `KL(unsteered ‖ steered)` of the token after each neutral text, in nats.
    pub kl: Number,
    /// Mean distinct-2 of the generations; none where nothing was generated.
    pub distinct_2: Option<Number>,
    /// Generations that stopped before a second token, which have no distinct-2.
    pub empty: usize,
    /// Perplexity ratios under random directions.
    pub control_perplexity_ratios: Vec<f64>,
    /// Mean divergences under random directions.
    pub control_kls: Vec<f64>,
}

/// The doses whose damage, and that of every smaller dose of their sign, stays within the bounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkingRange {
    /// The bounds that the doses were held to.
    pub bounds: Bounds,
    /// The largest dose below 0, or 0 where none is within.
    pub low: f64,
    /// The largest dose above 0, or 0 where none is within.
    pub high: f64,
    /// As `low`, with the worse end of every interval within the bounds.
    pub sure_low: f64,
    /// As `high`, with the worse end of every interval within the bounds.
    pub sure_high: f64,
    /// What the first dose below `low` breaks, where there is one.
    pub broken_below: Vec<String>,
    /// What the first dose above `high` breaks, where there is one.
    pub broken_above: Vec<String>,
}

/// What was measured under one arm at one dose: a column a neutral text, a prompt.
#[derive(Clone, Debug, Default)]
pub(super) struct Harm {
    /// Negative log-likelihood of each neutral text, its first token left out.
    pub losses: Vec<f64>,
    /// Divergence after each neutral text.
    pub kls: Vec<f64>,
    /// Distinct-2 of each generation that has one.
    pub distinct_2: Vec<f64>,
    /// Generations without one.
    pub empty: usize,
}

/// The damage of a dose beside the unsteered model and the controls.
pub(super) fn point(
    alpha: f64,
    harm: &Harm,
    plain: &Harm,
    controls: &[&Harm],
    tokens: &[usize],
    seeds: &Seeds,
) -> Result<DamagePoint, AnalysisError> {
    let named = |e: MathError| of("damage", &e);
    let total = |losses: &[f64]| losses.iter().sum::<f64>() / tokens.iter().sum::<usize>() as f64;
    let ratio = |h: &Harm| (total(&h.losses) - total(&plain.losses)).exp();
    let mut rng = seeds.stream(&format!("damage {alpha}"));
    // A text of one token has nothing that could be predicted.
    let predicted: Vec<usize> = (0..tokens.len()).filter(|i| tokens[*i] > 0).collect();
    let perplexity_ratio = if predicted.len() < 2 {
        Number::bare(ratio(harm), predicted.len(), "none: one text has no spread")
    } else {
        // The logarithm is a ratio of sums over texts.
        let more: Vec<f64> = predicted.iter().map(|i| harm.losses[*i] - plain.losses[*i]).collect();
        let sizes: Vec<f64> = predicted.iter().map(|i| tokens[*i] as f64).collect();
        let found = ratio_of_sums(&more, &sizes, RESAMPLES, LEVEL, &mut rng).map_err(named)?;
        let Interval { low, high, level } = found.interval;
        let interval = Interval { low: low.exp(), high: high.exp(), level };
        Number {
            value: ratio(harm),
            interval: Some(interval),
            ..stat::studentised(&found, predicted.len(), "texts")
        }
    };
    Ok(DamagePoint {
        alpha,
        perplexity: total(&harm.losses).exp(),
        perplexity_ratio,
        kl: stat::mean(&harm.kls, &mut rng).map_err(named)?,
        distinct_2: match harm.distinct_2.is_empty() {
            true => None,
            false => Some(stat::mean(&harm.distinct_2, &mut rng).map_err(named)?),
        },
        empty: harm.empty,
        control_perplexity_ratios: controls.iter().map(|c| ratio(c)).collect(),
        control_kls: controls
            .iter()
            .map(|c| truenorth_stats::math::mean(&c.kls))
            .collect::<Result<_, _>>()
            .map_err(named)?,
    })
}

/// How far a dose may go on either side of 0. Points are in ascending order of dose, 0 among them.
pub(super) fn working_range(points: &[DamagePoint], bounds: Bounds) -> WorkingRange {
    let plain = points.iter().find(|p| p.alpha == 0.0).and_then(|p| p.distinct_2.as_ref()).map(|d| d.value);
    let broken = |p: &DamagePoint, sure: bool| -> Vec<String> {
        let high = |m: &Number| m.interval.filter(|_| sure).map_or(m.value, |i| i.high);
        let low = |m: &Number| m.interval.filter(|_| sure).map_or(m.value, |i| i.low);
        let mut out = Vec::new();
        if high(&p.perplexity_ratio) > bounds.perplexity_ratio {
            out.push(format!(
                "perplexity at α {} is {:.2} times the unsteered model's",
                p.alpha, p.perplexity_ratio.value
            ));
        }
        if high(&p.kl) > bounds.kl {
            out.push(format!("divergence at α {} is {:.2} nats", p.alpha, p.kl.value));
        }
        if let (Some(plain), Some(d)) = (plain, &p.distinct_2)
            && low(d) < bounds.distinct_2_ratio * plain
        {
            out.push(format!("distinct-2 at α {} is {:.2}, unsteered {plain:.2}", p.alpha, d.value));
        }
        if p.distinct_2.is_none() && p.empty > 0 {
            out.push(format!("all {} generations at α {} stop at once", p.empty, p.alpha));
        }
        out
    };
    let walk = |side: Vec<&DamagePoint>, sure: bool| {
        let mut reached = 0.0;
        for p in side {
            let what = broken(p, sure);
            if !what.is_empty() {
                return (reached, what);
            }
            reached = p.alpha;
        }
        (reached, vec![])
    };
    let below = || points.iter().rev().filter(|p| p.alpha < 0.0).collect::<Vec<_>>();
    let above = || points.iter().filter(|p| p.alpha > 0.0).collect::<Vec<_>>();
    let ((low, broken_below), (high, broken_above)) = (walk(below(), false), walk(above(), false));
    WorkingRange {
        bounds,
        low,
        high,
        sure_low: walk(below(), true).0,
        sure_high: walk(above(), true).0,
        broken_below,
        broken_above,
    }
}
