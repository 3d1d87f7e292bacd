//! Reading against steering, site by site.

use anyhow::Context as _;
use truenorth::analyses::sweep::{self, SweepData, SweepParams};
use truenorth::estimate::HeldOutParams;
use truenorth_protocol::graph::Sampling;

use super::super::super::direction::{default_permutations, estimator};
use super::super::super::record::write_json;
use super::super::super::sites;
use super::super::file::Sweep;
use super::{Page, Run};

impl Run<'_> {
    pub(super) fn sweep(&self, table: &Sweep) -> anyhow::Result<Page> {
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
        let found = sweep::sweep(&self.reader, &data, &params, &self.seeds(), &bar)?;
        write_json(&self.folder.join("sweep.json"), &found)?;
        Ok(Page {
            findings: sweep::page::steering(&found),
            reading: sweep::page::reading(&found),
            sections: vec![sweep::page::section(&found)],
        })
    }
}
