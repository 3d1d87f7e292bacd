//! Dose and response: what grows with α, beside what any push of that size does.

use rand::Rng;
use serde::Serialize;

use super::verdict::ENOUGH;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Null, Number, Test, of};
use truenorth_stats::math;
use truenorth_stats::math::{Interval, MathError, Seeds};

/// A measure of every unit (a pair or a prompt) at every dose, for the direction and its controls.
#[derive(Clone, Debug)]
pub struct Responses {
    /// Name of the measure, such as `log_odds`.
    pub measure: String,
    /// The way it should move as α grows: 1, -1, or 0 where nothing is expected.
    pub expected: i8,
    /// The doses in ascending order, 0 among them.
    pub alphas: Vec<f64>,
    /// `[doses][units]` under the direction.
    pub direction: Vec<Vec<f64>>,
    /// `[controls][doses][units]` under random directions.
    pub controls: Vec<Vec<Vec<f64>>>,
    /// `[draws][doses][units]` under directions of flipped labels, those labels being what is measured by too.
    pub flips: Vec<Vec<Vec<f64>>>,
    /// The cluster of each unit, from 0 without gaps.
    pub clusters: Vec<usize>,
    /// What a unit and a cluster are, such as `pairs` and `axes`.
    pub units: [&'static str; 2],
}

/// What was measured at one dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponsePoint {
    /// The dose in mean residual norms.
    pub alpha: f64,
    /// Mean over the units.
    pub mean: Number,
    /// Mean change from dose 0, paired by unit.
    pub change: Number,
    /// Mean of each random direction at this dose; empty at dose 0, where there is no push.
    pub controls: Vec<f64>,
}

/// How one measure follows the dose, with its nulls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steering {
    /// Name of the measure, such as `log_odds`.
    pub measure: String,
    /// The way it should move as α grows: 1, -1, or 0 where nothing is expected.
    pub expected: i8,
    /// A row a dose.
    pub points: Vec<ResponsePoint>,
    /// Mean over the units of the least-squares slope on α, a change for each residual norm. Its null
    /// is that of flipped labels, one-sided: the direction fitted anew and steered with, at the same doses on the
    /// same texts. None where no labels were flipped.
    pub slope: Number,
    /// Mean slopes of the label flips.
    pub flip_slopes: Vec<f64>,
    /// Mean slopes under each random direction.
    pub control_slopes: Vec<f64>,
    /// The slope's size against those under random directions; none with fewer than 19 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against_controls: Option<Null>,
    /// Mean over the units of Spearman's correlation with α: how orderly the response is, and no test. None where
    /// no unit ever changes.
    pub trend: Option<Number>,
    /// Share of the units whose slope points the other way than expected; none where nothing is.
    pub wrong_way: Option<Number>,
    /// Units with slope exactly 0, which count as neither way.
    pub unmoved: usize,
    /// Slope of each unit on α, in the order of the units.
    pub unit_slopes: Vec<f64>,
}

impl Responses {
    /// The dose-response of the measure.
    ///
    /// # Errors
    /// With fewer than three doses or two clusters, shapes that differ, or a value that is not finite.
    pub fn steering(&self, seeds: &Seeds) -> Result<Steering, AnalysisError> {
        self.check()?;
        let named = |e: MathError| of(&self.measure, &e);
        let seeds = seeds.child(&self.measure);
        let mut rng = seeds.stream("bootstrap");
        let zero = self.alphas.iter().position(|a| *a == 0.0).expect("the check asks for dose 0");
        let mut points = Vec::with_capacity(self.alphas.len());
        for (k, alpha) in self.alphas.iter().enumerate() {
            let values = &self.direction[k];
            let change: Vec<f64> = values.iter().zip(&self.direction[zero]).map(|(v, z)| v - z).collect();
            points.push(ResponsePoint {
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
        let slopes = |arm: &[Vec<f64>]| math::slopes(&self.alphas, arm);
        let unit_slopes = slopes(&self.direction).map_err(named)?;
        let mean_slopes = |arms: &[Vec<Vec<f64>>]| -> Result<Vec<f64>, AnalysisError> {
            arms.iter().map(|arm| math::mean(&slopes(arm)?)).collect::<Result<_, _>>().map_err(named)
        };
        let (control_slopes, flip_slopes) = (mean_slopes(&self.controls)?, mean_slopes(&self.flips)?);
        let mut slope = self.mean(&unit_slopes, &mut rng).map_err(named)?;
        if !flip_slopes.is_empty() {
            slope = slope.clone().against(self.flipped(slope.value, &flip_slopes).map_err(named)?);
        }
        let against_controls = if control_slopes.len() < ENOUGH {
            None
        } else {
            Some(beside(slope.value, &control_slopes).map_err(named)?)
        };
        let against = |s: &&f64| **s * f64::from(self.expected) < 0.0;
        let wrong = unit_slopes.iter().filter(against).count();
        Ok(Steering {
            measure: self.measure.clone(),
            expected: self.expected,
            points,
            slope,
            flip_slopes,
            control_slopes,
            against_controls,
            trend: self.trend(&seeds).map_err(named)?,
            wrong_way: if self.expected == 0 {
                None
            } else {
                Some(stat::share(wrong, unit_slopes.len()).map_err(named)?)
            },
            unmoved: unit_slopes.iter().filter(|s| **s == 0.0).count(),
            unit_slopes,
        })
    }

    /// The responses at doses in `[low, high]`, ends included.
    #[must_use]
    pub fn within(&self, low: f64, high: f64) -> Self {
        let keep: Vec<usize> =
            (0..self.alphas.len()).filter(|k| (low..=high).contains(&self.alphas[*k])).collect();
        let pick = |v: &[Vec<f64>]| keep.iter().map(|k| v[*k].clone()).collect();
        Self {
            alphas: keep.iter().map(|k| self.alphas[*k]).collect(),
            direction: pick(&self.direction),
            controls: self.controls.iter().map(|c| pick(c)).collect(),
            flips: self.flips.iter().map(|c| pick(c)).collect(),
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
        if !fits(&self.direction) || !self.controls.iter().chain(&self.flips).all(fits) {
            return wrong(format!("the responses are not {units} {} at {doses} doses", self.units[0]));
        }
        let drawn = self.controls.iter().chain(&self.flips);
        let all = self.direction.iter().chain(drawn.flatten()).flatten();
        match all.into_iter().find(|v| !v.is_finite()) {
            Some(v) => wrong(format!("a response is {v}")),
            None => Ok(()),
        }
    }

    fn cluster_count(&self) -> usize {
        math::dense_count(&self.clusters)
    }

    /// The mean over units with its interval over clusters.
    fn mean(&self, values: &[f64], rng: &mut impl Rng) -> Result<Number, MathError> {
        stat::mean_in_clusters(values, &self.clusters, self.units[1], rng)
    }

    /// The slope against those of the label flips: how many reach as far the way that is expected, or either way
    /// where none is.
    fn flipped(&self, seen: f64, flips: &[f64]) -> Result<Null, MathError> {
        let far = |v: f64| if self.expected == 0 { v.abs() } else { v * f64::from(self.expected) };
        let reached = flips.iter().filter(|v| math::reaches(far(**v), far(seen))).count();
        let sided = if self.expected == 0 { "two-sided" } else { "one-sided" };
        Ok(Null {
            test: Test::SteeringFlips,
            what: format!(
                "labels flipped by {}, the direction fitted anew and steered with; {sided}",
                self.units[1]
            ),
            expected: math::mean(flips)?,
            range: Some([math::quantile(flips, 0.025)?, math::quantile(flips, 0.975)?]),
            p: stat::permutation_p(reached, flips.len()),
            draws: Some(flips.len()),
        })
    }

    fn trend(&self, seeds: &Seeds) -> Result<Option<Number>, MathError> {
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
        let mut found = self.mean(&each, &mut seeds.stream("trend bootstrap"))?;
        // No correlation lies beyond these.
        found.interval =
            found.interval.map(|i| Interval { low: i.low.max(-1.0), high: i.high.min(1.0), ..i });
        Ok(Some(found))
    }
}

/// The size of a slope beside those under random directions, whose signs are arbitrary.
fn beside(seen: f64, controls: &[f64]) -> Result<Null, MathError> {
    let reached = controls.iter().filter(|c| math::reaches(c.abs(), seen.abs())).count();
    let (low, high) = ends(controls);
    Ok(Null {
        test: Test::SteeringControls,
        what: "random directions with the covariance of the activations and the same norm, two-sided; the range is \
               all of theirs"
            .into(),
        expected: math::mean(controls)?,
        range: Some([low, high]),
        p: stat::permutation_p(reached, controls.len()),
        draws: Some(controls.len()),
    })
}

pub(super) fn ends(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)))
}
