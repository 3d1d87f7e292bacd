//! How far held-out rows lie apart, in units of the scores themselves.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Samples;
use super::held_out::HeldOut;
use super::samples::SplitBy;
use crate::math::{Interval, MathError, dense_count};
use crate::number::{LEVEL, Number};

impl HeldOut {
    /// Mean held-out score of the positive rows less that of the negative ones, in standard deviations of the scores
    /// that directions were fitted on. The interval is Student's over the units held out, with the linearised standard
    /// error of a difference of means, its variance `1 + J/(J − 1)` times for `J` folds as that of the AUROC
    /// ([`interval`](crate::estimate::Estimate::interval)).
    ///
    /// # Errors
    /// With fewer than two units, or rows that are not those of the scores.
    pub fn gap(&self, samples: &Samples) -> Result<Number, MathError> {
        let (units, positive) = (samples.units(self.by), samples.positive());
        if self.scores.len() != positive.len() {
            let (expected, found) = (positive.len(), self.scores.len());
            return Err(MathError::Length { what: "held-out scores", expected, found });
        }
        let side = |up: bool| -> Vec<usize> { (0..positive.len()).filter(|i| positive[*i] == up).collect() };
        let mut value = 0.0;
        let mut parts = vec![0.0; dense_count(units)];
        for (rows, sign) in [(side(true), 1.0), (side(false), -1.0)] {
            let n = rows.len() as f64;
            let mean = rows.iter().map(|i| self.scores[*i]).sum::<f64>() / n;
            value += sign * mean;
            for i in rows {
                parts[units[i]] += sign * (self.scores[i] - mean) / n;
            }
        }
        let (m, folds) = (parts.len() as f64, self.folds as f64);
        let law = StudentsT::new(0.0, 1.0, m - 1.0).map_err(|_| MathError::TooFew {
            what: "units held out",
            least: 2,
            found: parts.len(),
        })?;
        let variance = m / (m - 1.0) * parts.iter().map(|p| p * p).sum::<f64>();
        let reach = law.inverse_cdf(0.5 + LEVEL / 2.0) * (variance * (1.0 + folds / (folds - 1.0))).sqrt();
        let of = if self.by == SplitBy::Pair { "pairs" } else { "axes" };
        Ok(Number {
            value,
            n: self.rows,
            interval: Some(Interval { low: value - reach, high: value + reach, level: LEVEL }),
            method: format!("Student's t over {of}, stretched for shared rows"),
            null: None,
        })
    }
}
