//! Steered samples.

use crate::analyses::steer::{self, Clamp, Dose, Push, Steered, neutral_ranges};
use crate::direction::estimator;
use crate::error::{Error, ErrorContext as _};
use crate::host::write_jsonl;
use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::Sampling;
use truenorth_stats::estimate::{Pipeline, SplitBy};

use super::{EstimatedDirections, StageContext};
use crate::study::file::{SteerTable, WhenTable};

/// What the model wrote at each dose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SteeredTexts {
    pub rows: Vec<Steered>,
}

impl StageContext<'_> {
    pub(super) fn steer(
        &self,
        directions: &EstimatedDirections,
        steer: &SteerTable,
    ) -> Result<SteeredTexts, Error> {
        let (site, norm) = (self.study.site, directions.residual_norm);
        let direction = directions.primary()?.narrow();
        let clamp = match steer.how.clamp {
            None => None,
            Some(Clamp::Between(low, high)) => Some([low * norm, high * norm]),
            Some(Clamp::Neutral) => {
                let bar = self.bar("reading neutral texts", "tokens");
                let neutral = &self.data.neutral.named;
                neutral_ranges(&self.reader, &[(site, &direction)], neutral, &*bar)?.pop()
            }
        };
        let dose = Dose {
            pushes: vec![Push {
                direction,
                site,
                coefficient: 1.0,
                norm: Some(norm),
                clamp,
                spares_first: steer.how.clamp == Some(Clamp::Neutral),
            }],
            positions: steer.positions,
            alphas: steer.alphas.clone(),
            unit: "norm",
            ablate: steer.how.ablate,
            schedule: steer.how.to_schedule(),
            when: steer.when.as_ref().map(|when| self.when(when)).transpose()?,
        };
        let mut sampling = Sampling::greedy(steer.max_new_tokens);
        sampling.stop = self.reader.runner().stop_tokens();
        let prompts = self.data.generated_from();
        let prompts = &prompts[..steer.prompts.min(prompts.len())];
        let bar = self.bar("steering", "tokens");
        let mut rows = steer::steer(&self.reader, prompts, &dose, &sampling, &*bar)?;
        // Factors of tokens that are not generated change nothing.
        let run = Dose { schedule: dose.schedule.within(steer.max_new_tokens), ..dose };
        let damage = steer::damage(&self.reader, prompts, &run, &*bar)?;
        for (row, damage) in rows.iter_mut().zip(damage.iter().cycle()) {
            row.damage = Some(damage.clone());
        }
        write_jsonl(self.host, &self.folder.join("steered.jsonl"), &rows)?;
        Ok(SteeredTexts { rows })
    }

    /// The condition that the first estimator's direction of another site makes.
    fn when(&self, when: &WhenTable) -> Result<steer::When, Error> {
        let name = self.study.direction.estimators.first().context("a study has at least one estimator")?;
        let bar = self.bar("reading what decides", "tokens");
        let (site, at) = (when.site, self.study.positions);
        let samples = self.data.question()?.samples(&self.reader, site, at, &*bar)?;
        let pipeline = Pipeline { estimator: estimator(name)?, nuisances: self.nuisances_at(site, &*bar)? };
        let found = pipeline.extract(&samples, SplitBy::Pair, &self.seeds().child(name))?;
        let norm = steer::mean_norm(&self.reader, site, &self.data.neutral.named, &*bar)?;
        #[allow(clippy::cast_possible_truncation)]
        let direction = found.fit.direction.iter().map(|v| *v as f32).collect();
        Ok(steer::When { direction, site, above: when.above * norm, of: when.by.0 })
    }
}
