//! Steered samples.

use crate::analyses::steer::{self, Clamp, Dose, Push, Steered, neutral_ranges};
use crate::error::Error;
use crate::host::write_jsonl;
use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::Sampling;

use super::{Directions, Run};
use crate::study::file::Steer;

/// What the model wrote at each dose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Samples {
    pub rows: Vec<Steered>,
}

impl Run<'_> {
    pub(super) fn steer(&self, directions: &Directions, steer: &Steer) -> Result<Samples, Error> {
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
            pushes: vec![Push { direction, site, coefficient: 1.0, norm: Some(norm), clamp }],
            positions: steer.positions,
            alphas: steer.alphas.clone(),
            unit: "norm",
            ablate: steer.how.ablate,
            schedule: steer.how.to_schedule(),
            when: None,
        };
        let mut sampling = Sampling::greedy(steer.max_new_tokens);
        sampling.stop = self.reader.runner().stop_tokens();
        let prompts = self.data.generated_from();
        let prompts = &prompts[..steer.prompts.min(prompts.len())];
        let bar = self.bar("steering", "tokens");
        let mut rows = steer::steer(&self.reader, prompts, &dose, &sampling, &*bar)?;
        let damage = steer::damage(&self.reader, prompts, &dose, &*bar)?;
        for (row, damage) in rows.iter_mut().zip(damage.iter().cycle()) {
            row.damage = Some(damage.clone());
        }
        write_jsonl(self.host, &self.folder.join("steered.jsonl"), &rows)?;
        Ok(Samples { rows })
    }
}
