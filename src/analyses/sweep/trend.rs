//! Dose and response: what grows with α, beside what any push of that size does.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::Serialize;

use super::super::AnalysisError;
use super::super::stat::{
    self, Null, Number, Test, bootstrap_over, drawn_null, of, resampled, weighted_mean,
};
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// A measure of every unit (a pair or a prompt) at every dose, for the direction and its controls.
#[derive(Clone, Debug)]
pub struct Responses {
    /// What is measured.
    pub measure: String,
    /// The way it should move as α grows: 1, -1, or 0 where nothing is expected.
    pub expected: i8,
    /// The doses in ascending order, 0 among them.
    pub alphas: Vec<f64>,
    /// `[doses][units]` under the direction.
    pub direction: Vec<Vec<f64>>,
    /// `[controls][doses][units]` under random directions.
    pub controls: Vec<Vec<Vec<f64>>>,
    /// The cluster of each unit, from 0 without gaps.
    pub clusters: Vec<usize>,
    /// What a unit and a cluster are, such as `pairs` and `axes`.
    pub units: [&'static str; 2],
}

/// The response at one dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The dose in mean residual norms.
    pub alpha: f64,
    /// The mean over the units.
    pub mean: Number,
    /// The mean change from dose 0.
    pub change: Number,
    /// Mean of each random direction at this dose; empty at dose 0, where there is no push.
    pub controls: Vec<f64>,
}

/// How a measure follows the dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steering {
    /// What is measured.
    pub measure: String,
    /// The way it should move as α grows: 1, -1, or 0 where nothing is expected.
    pub expected: i8,
    /// A row a dose.
    pub points: Vec<Point>,
    /// Mean over the units of the least-squares slope on α, a change for each residual norm. Its null
    /// is the mean slope under random directions of the same norm.
    pub slope: Number,
    /// Slopes under each random direction.
    pub control_slopes: Vec<f64>,
    /// Mean over the units of Spearman's correlation with α, which is Page's statistic (1963) up to a
    /// scale. Its null shuffles the doses within each unit. None where no unit ever changes.
    pub trend: Option<Number>,
    /// Share of the units whose slope points the other way than expected; none where nothing is.
    pub wrong_way: Option<Number>,
    /// Units with slope exactly 0, which count as neither way.
    pub unmoved: usize,
    /// The slope of each unit.
    pub unit_slopes: Vec<f64>,
}

impl Steering {
    /// Whether the measure follows the direction as expected, and further than under any random
    /// direction: the slope's whole interval is on that side of 0.
    #[must_use]
    pub fn steers(&self) -> bool {
        let sign = if self.expected < 0 { -1.0 } else { 1.0 };
        let clear = self.slope.interval.is_some_and(|i| (i.low * sign).min(i.high * sign) > 0.0);
        clear && self.control_slopes.iter().all(|c| c.abs() < self.slope.value.abs())
    }
}

impl Responses {
    /// The dose-response of the measure.
    ///
    /// # Errors
    /// With fewer than three doses or two clusters, shapes that differ, or a value that is not finite.
    pub fn steering(&self, permutations: usize, seeds: &Seeds) -> Result<Steering, AnalysisError> {
        self.check()?;
        let named = |e: MathError| of(&self.measure, &e);
        let seeds = seeds.child(&self.measure);
        let mut rng = seeds.stream("bootstrap");
        let zero = self.alphas.iter().position(|a| *a == 0.0).expect("the check asks for dose 0");
        let mut points = Vec::with_capacity(self.alphas.len());
        for (k, alpha) in self.alphas.iter().enumerate() {
            let values = &self.direction[k];
            let change: Vec<f64> = values.iter().zip(&self.direction[zero]).map(|(v, z)| v - z).collect();
            points.push(Point {
                alpha: *alpha,
                mean: self.mean(values, &mut rng).map_err(named)?,
                change: self.mean(&change, &mut rng).map_err(named)?,
                controls: if k == zero {
                    vec![]
                } else {
                    self.controls
                        .iter()
                        .map(|c| math::mean(&c[k]))
                        .collect::<Result<_, _>>()
                        .map_err(named)?
                },
            });
        }
        let unit_slopes = self.slopes(&self.direction);
        let control_slopes: Vec<f64> = self
            .controls
            .iter()
            .map(|c| math::mean(&self.slopes(c)))
            .collect::<Result<_, _>>()
            .map_err(named)?;
        let mut slope = self.mean(&unit_slopes, &mut rng).map_err(named)?;
        if !control_slopes.is_empty() {
            let reached = control_slopes.iter().filter(|c| c.abs() >= slope.value.abs()).count();
            let (low, high) = ends(&control_slopes);
            slope = slope.against(Null {
                test: Test::SteeringControls,
                what: "the mean slope under random directions of the same norm; the range is all of theirs"
                    .into(),
                expected: math::mean(&control_slopes).map_err(named)?,
                range: Some([low, high]),
                p: stat::permutation_p(reached, control_slopes.len()),
                draws: Some(control_slopes.len()),
            });
        }
        let against = |s: &&f64| **s * f64::from(self.expected) < 0.0;
        let wrong = unit_slopes.iter().filter(against).count();
        Ok(Steering {
            measure: self.measure.clone(),
            expected: self.expected,
            points,
            slope,
            control_slopes,
            trend: self.trend(permutations, &seeds).map_err(named)?,
            wrong_way: if self.expected == 0 {
                None
            } else {
                Some(stat::share(wrong, unit_slopes.len()).map_err(named)?)
            },
            unmoved: unit_slopes.iter().filter(|s| **s == 0.0).count(),
            unit_slopes,
        })
    }

    /// The response of only some doses.
    #[must_use]
    pub fn within(&self, low: f64, high: f64) -> Self {
        let keep: Vec<usize> =
            (0..self.alphas.len()).filter(|k| (low..=high).contains(&self.alphas[*k])).collect();
        let pick = |v: &[Vec<f64>]| keep.iter().map(|k| v[*k].clone()).collect();
        Self {
            alphas: keep.iter().map(|k| self.alphas[*k]).collect(),
            direction: pick(&self.direction),
            controls: self.controls.iter().map(|c| pick(c)).collect(),
            ..self.clone()
        }
    }

    fn check(&self) -> Result<(), AnalysisError> {
        let (doses, units) = (self.alphas.len(), self.clusters.len());
        let wrong = |what: String| Err(AnalysisError::Input(format!("{}: {what}", self.measure)));
        if doses < 3 || !self.alphas.contains(&0.0) {
            return wrong(format!("{doses} doses; a dose-response needs at least three, 0 among them"));
        }
        if self.cluster_count() < 2 {
            return wrong(format!(
                "{} {} among those steered; an interval needs at least two (--steered-pairs gives more)",
                self.cluster_count(),
                self.units[1]
            ));
        }
        let fits = |v: &Vec<Vec<f64>>| v.len() == doses && v.iter().all(|u| u.len() == units);
        if !fits(&self.direction) || !self.controls.iter().all(fits) {
            return wrong(format!("the responses are not {units} {} at {doses} doses", self.units[0]));
        }
        let all = self.direction.iter().chain(self.controls.iter().flatten()).flatten();
        match all.into_iter().find(|v| !v.is_finite()) {
            Some(v) => wrong(format!("a response is {v}")),
            None => Ok(()),
        }
    }

    fn cluster_count(&self) -> usize {
        self.clusters.iter().max().map_or(0, |c| c + 1)
    }

    /// The mean over units with the bootstrap over clusters.
    fn mean(&self, values: &[f64], rng: &mut impl Rng) -> Result<Number, MathError> {
        let mut weights = vec![0; values.len()];
        let interval = resampled(self.cluster_count(), rng, |counts| {
            for (w, c) in weights.iter_mut().zip(&self.clusters) {
                *w = counts[*c];
            }
            Some(weighted_mean(values, &weights))
        })?;
        Ok(Number {
            value: math::mean(values)?,
            n: values.len(),
            interval: Some(interval),
            method: bootstrap_over(self.units[1]),
            null: None,
        })
    }

    /// The least-squares slope of each unit on α.
    fn slopes(&self, responses: &[Vec<f64>]) -> Vec<f64> {
        let mean = self.alphas.iter().sum::<f64>() / self.alphas.len() as f64;
        let square: f64 = self.alphas.iter().map(|a| (a - mean).powi(2)).sum();
        (0..self.clusters.len())
            .map(|u| {
                // Taken from the first dose, so that what never changes has slope 0 and not a rounding.
                let first = responses[0][u];
                let terms = self.alphas.iter().zip(responses).map(|(a, r)| (a - mean) * (r[u] - first));
                terms.sum::<f64>() / square
            })
            .collect()
    }

    pub(super) fn trend(&self, permutations: usize, seeds: &Seeds) -> Result<Option<Number>, MathError> {
        let centred = |values: &[f64]| -> Result<Vec<f64>, MathError> {
            let middle = (values.len() as f64 + 1.0) / 2.0;
            let ranks: Vec<f64> = math::ranks(values)?.into_iter().map(|r| r - middle).collect();
            let norm = ranks.iter().map(|r| r * r).sum::<f64>().sqrt();
            // A unit that never changes has no order, and adds nothing either way.
            Ok(if norm > 0.0 { ranks.into_iter().map(|r| r / norm).collect() } else { ranks })
        };
        let doses = centred(&self.alphas)?;
        let mut units = Vec::with_capacity(self.clusters.len());
        for u in 0..self.clusters.len() {
            units.push(centred(&self.direction.iter().map(|d| d[u]).collect::<Vec<f64>>())?);
        }
        if units.iter().flatten().all(|r| *r == 0.0) {
            return Ok(None);
        }
        let rho = |u: &[f64]| u.iter().zip(&doses).map(|(a, b)| a * b).sum::<f64>();
        let each: Vec<f64> = units.iter().map(|u| rho(u)).collect();
        let trend = self.mean(&each, &mut seeds.stream("trend bootstrap"))?;
        let mut rng = seeds.stream("trend permutations");
        let mut draws = Vec::with_capacity(permutations);
        let mut together: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (unit, cluster) in self.clusters.iter().enumerate() {
            together.entry(*cluster).or_default().push(unit);
        }
        for _ in 0..permutations {
            // What belongs together keeps its doses together.
            for of_cluster in together.values() {
                let mut order: Vec<usize> = (0..doses.len()).collect();
                order.shuffle(&mut rng);
                for unit in of_cluster {
                    units[*unit] = order.iter().map(|dose| units[*unit][*dose]).collect();
                }
            }
            draws.push(units.iter().map(|u| rho(u)).sum::<f64>() / units.len() as f64);
        }
        if draws.is_empty() {
            return Ok(Some(trend));
        }
        let null = drawn_null(
            (Test::SteeringTrend, "doses shuffled within each unit, alike in units of one cluster"),
            trend.value,
            0.0,
            &draws,
        )?;
        Ok(Some(trend.against(null)))
    }
}

fn ends(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)))
}
