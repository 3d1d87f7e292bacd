//! Reading against steering, site by site.

use crate::analyses::sweep::{self, Lexicon, SweepData};
use crate::analyses::{Analysis as _, Asked, default_permutations};
use crate::direction::estimator;
use crate::error::{Context as _, Error};
use crate::host::write_json;
use truenorth_stats::estimate::HeldOutParams;

use super::{Page, Run};
use crate::study::file::Sweep;

impl Run<'_> {
    pub(super) fn sweep(&self, table: &Sweep) -> Result<Page, Error> {
        let pairs = self.data.pairs().context("a study with a sweep has pairs")?;
        let name = table.estimator.as_ref().or(self.study.direction.estimators.first());
        let estimator = estimator(name.context("a study has at least one estimator")?)?;
        let given = self.study.held_out.permutations;
        let permutations = given.unwrap_or_else(|| default_permutations(estimator.params()));
        let folds = Some(self.study.held_out.folds);
        let held_out = HeldOutParams { folds, permutations, ..HeldOutParams::by_pair() };
        let keywords: Vec<(Lexicon, i8)> =
            self.data.keywords.iter().map(|k| (k.lexicon.clone(), k.way)).collect();
        let data = SweepData {
            pairs,
            template: &self.data.template,
            neutral: &self.data.neutral.named,
            prompts: table.params.steered_prompts.map_or(&[], |_| self.data.generated_from()),
            sentiment: self.data.sentiment.as_ref().map(|s| &s.rows[..]),
            keywords: &keywords,
            at: self.study.positions,
            estimator: &estimator,
            project_out: &self.data.project_out,
            held_out: &held_out,
        };
        let bar = self.bar("sweeping sites", "tokens");
        let asked = Asked { reader: self.reader, seeds: &self.seeds(), watch: &*bar };
        let found = sweep::Sweep::run(&data, &table.params, &asked)?;
        write_json(self.host, &self.folder.join("sweep.json"), &found)?;
        Ok(sweep::Sweep::page(&found))
    }
}
