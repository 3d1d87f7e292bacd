//! Steered samples.

use crate::error::Error;
use crate::host::write_jsonl;
use serde::{Deserialize, Serialize};
use truenorth_analyses::steer::{self, Dose, Push, Schedule, Steered};
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
        let dose = Dose {
            pushes: vec![Push {
                direction: directions.primary()?.narrow(),
                site: self.study.site,
                coefficient: 1.0,
                norm: Some(directions.residual_norm),
                clamp: None,
            }],
            positions: steer.positions,
            alphas: steer.alphas.clone(),
            unit: "norm",
            ablate: false,
            schedule: Schedule::default(),
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
