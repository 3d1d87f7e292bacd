//! Choosing tokens from logits.

use truenorth_protocol::draws::Draws;

use super::error::EngineError;
use truenorth_stats::math::{largest, log_sum_exp};

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// Id of the token.
    pub token: u32,
    /// Its natural log-probability under the logits as they are, before temperature and nucleus.
    pub logprob: f64,
}

/// How one prompt's tokens are chosen.
///
/// Every prompt has a stream of random numbers of its own, one number a token, so that what else
/// is in a batch changes nothing.
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f64,
    top_p: f64,
    draws: Draws,
}

impl Sampler {
    /// A sampler for the prompt of this row of the whole request. Temperature 0 is greedy.
    ///
    /// # Errors
    /// A negative or infinite temperature, or a nucleus outside of (0, 1].
    pub fn new(temperature: f64, top_p: f64, seed: u64, row: u64) -> Result<Self, EngineError> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(EngineError::Sampling {
                what: "temperature",
                found: temperature,
                expected: "a finite number of at least 0",
            });
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(EngineError::Sampling {
                what: "top-p",
                found: top_p,
                expected: "above 0 and at most 1",
            });
        }
        Ok(Self { temperature, top_p, draws: Draws::new(seed, row) })
    }

    /// Chooses a token and says how likely it was. Logits have to be finite.
    ///
    /// # Errors
    /// No logits, or one that is NaN or infinite.
    pub fn pick(&mut self, logits: &[f32]) -> Result<Pick, EngineError> {
        let token = self.token(logits)?;
        // Its own choice among them.
        let logit = logits[token as usize];
        Ok(Pick { token, logprob: f64::from(logit) - log_sum_exp(logits) })
    }

    /// Chooses a token alone, which for greedy choice is much less work.
    ///
    /// # Errors
    /// As [`Sampler::pick`].
    #[allow(clippy::cast_possible_truncation)]
    pub fn token(&mut self, logits: &[f32]) -> Result<u32, EngineError> {
        // All are looked at before one is searched for: that loop is free of branches.
        let finite = logits.iter().fold(true, |all, v| all & v.is_finite());
        if let Some(bad) = logits.iter().find(|v| !finite && !v.is_finite()) {
            return Err(EngineError::Sampling {
                what: "a logit",
                found: f64::from(*bad),
                expected: "finite logits",
            });
        }
        let token = if self.temperature == 0.0 { greedy(logits) } else { self.draw(logits) };
        token.map(|t| t as u32).ok_or(EngineError::Sampling {
            what: "the number of logits",
            found: 0.0,
            expected: "at least 1",
        })
    }

    /// Inverts the cumulative distribution at a uniform number.
    fn draw(&mut self, logits: &[f32]) -> Option<usize> {
        let max = f64::from(largest(logits));
        let weight = |l: &f32| ((f64::from(*l) - max) / self.temperature).exp();
        let mut candidates: Vec<(usize, f64)> = logits.iter().map(weight).enumerate().collect();
        let mut total: f64 = candidates.iter().map(|c| c.1).sum();
        if self.top_p < 1.0 {
            total = nucleus(&mut candidates, total, self.top_p);
        }
        let mut left = self.draws.draw() * total;
        for (token, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return Some(*token);
            }
        }
        // Rounding can leave a crumb; it belongs to the last token that has any weight.
        candidates.iter().rev().find(|c| c.1 > 0.0).map(|c| c.0)
    }
}

/// Keeps the smallest set of most likely tokens with at least this share, most likely first and
/// ties by id, and returns its weight.
fn nucleus(candidates: &mut Vec<(usize, f64)>, total: f64, share: f64) -> f64 {
    // All of those with less than this together weigh less than what is left out, so none of them
    // is in the set, and only the others need sorting.
    #[allow(clippy::cast_precision_loss)]
    let floor = total * (1.0 - share) / candidates.len() as f64;
    candidates.retain(|c| c.1 >= floor);
    candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut sum = 0.0;
    let mut count = 0;
    for (_, weight) in candidates.iter() {
        sum += weight;
        count += 1;
        if sum >= share * total {
            break;
        }
    }
    candidates.truncate(count);
    sum
}

/// The largest logit; ties go to the lowest id.
#[must_use]
pub fn greedy(logits: &[f32]) -> Option<usize> {
    let most = largest(logits);
    logits.iter().position(|l| *l == most)
}
