//! Reading against steering, site by site.

use crate::analyses::sweep::{self, Lexicon, SweepData};
use crate::analyses::{Analysis as _, AnalysisContext, default_permutations};
use crate::direction::estimator;
use crate::error::{Error, ErrorContext as _};
use crate::host::write_json;
use crate::study::file::StudyFile;
use crate::study::refused;
use serde_json::Value;

use super::{AnalysisPage, Stage, StageContext, StagesSoFar, keyed, needs};
use crate::study::file::SweepTable;

/// Reading against steering, site by site.
pub struct SweepStage;

impl Stage for SweepStage {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(sweep) = &study.sweep else { return Ok(()) };
        needs("sweep", "data.pairs", study.data.pairs.is_some())?;
        if sweep.params.sites.is_empty() {
            return Err(refused("[sweep] names no sites", "give some, as in resid_post.4..28:4"));
        }
        Ok(())
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.sweep.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec!["sweep.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, _: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.sweep(run.study.sweep.as_ref().expect("a stage runs where its table is"))
    }
}

impl StageContext<'_> {
    pub(super) fn sweep(&self, table: &SweepTable) -> Result<AnalysisPage, Error> {
        let pairs = self.data.pairs().context("a study with a sweep has pairs")?;
        let own = self.study.direction.estimators.first().context("a study has at least one estimator")?;
        let names = if table.estimator.is_empty() { std::slice::from_ref(own) } else { &table.estimator[..] };
        let estimators = names
            .iter()
            .map(|name| Ok((name.clone(), estimator(name)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        // One way to hold out for all of them: that of the slowest.
        let slowest = estimators.iter().map(|(_, e)| e.params()).min_by_key(|e| default_permutations(e));
        let [held_out, _] =
            self.study.held_out_params(slowest.context("a sweep has at least one estimator")?);
        let keywords: Vec<(Lexicon, i8)> =
            self.data.keywords.iter().map(|k| (k.lexicon.clone(), k.expected)).collect();
        let data = SweepData {
            pairs,
            template: &self.data.template,
            neutral: &self.data.neutral.named,
            prompts: table.params.steered_prompts.map_or(&[], |_| self.data.generated_from()),
            sentiment: self.data.sentiment_rows(),
            keywords: &keywords,
            at: self.study.positions,
            estimators: &estimators,
            project_out: &self.data.project_out,
            project_method: self.data.project_method,
            held_out: &held_out,
        };
        let bar = self.bar("sweeping sites", "tokens");
        let asked = AnalysisContext { reader: self.reader, seeds: &self.seeds(), watch: &*bar };
        let found = sweep::Sweep::run(&data, &table.params, &asked)?;
        write_json(self.host, &self.folder.join("sweep.json"), &found)?;
        Ok(sweep::Sweep::page(&found))
    }
}
