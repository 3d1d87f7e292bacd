//! Reading against steering, site by site.

use crate::analyses::default_permutations;
use crate::analyses::sweep::{self, SweepData, SweepParams};
use crate::direction::estimator;
use crate::error::{Context as _, Error};
use crate::host::write_json;
use truenorth_protocol::graph::Sampling;
use truenorth_stats::estimate::HeldOutParams;

use super::{Page, Run};
use crate::inputs::sites;
use crate::study::file::Sweep;

impl Run<'_> {
    pub(super) fn sweep(&self, table: &Sweep) -> Result<Page, Error> {
        let pairs = self.data.pairs().context("a study with a sweep has pairs")?;
        let prompts = self.data.generated_from();
        let data = SweepData {
            pairs,
            template: &self.data.template,
            neutral: &self.data.neutral.named,
            prompts: &prompts[..table.prompts.min(prompts.len())],
            sentiment: self.data.sentiment.as_ref().map(|s| &s.rows[..]),
        };
        let name = table.estimator.as_ref().or(self.study.direction.estimators.first());
        let estimator = estimator(name.context("a study has at least one estimator")?)?;
        let given = self.study.held_out.permutations;
        let permutations = given.unwrap_or_else(|| default_permutations(estimator.params()));
        let folds = self.study.held_out.folds;
        let mut sampling = Sampling::greedy(table.max_new_tokens);
        sampling.stop = self.reader.runner().stop_tokens();
        let params = SweepParams {
            at: self.study.positions,
            project_out: self.data.project_out.clone(),
            held_out: HeldOutParams { folds: Some(folds), permutations, ..HeldOutParams::by_pair() },
            folds,
            steered_pairs: table.pairs,
            alphas: table.alphas.clone(),
            random_directions: table.random_directions,
            sampling,
            keywords: self.data.keywords.iter().map(|k| (k.lexicon.clone(), k.way)).collect(),
            ..SweepParams::new(sites::of_names(&table.sites)?, estimator)
        };
        let bar = self.bar("sweeping sites", "tokens");
        let found = sweep::sweep(&self.reader, &data, &params, &self.seeds(), &*bar)?;
        write_json(self.host, &self.folder.join("sweep.json"), &found)?;
        Ok(Page {
            findings: sweep::page::steering(&found),
            reading: sweep::page::reading(&found),
            sections: vec![sweep::page::section(&found)],
        })
    }
}
