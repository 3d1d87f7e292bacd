//! Confounds of the primary direction.

use crate::analyses::audit::{self, AuditData, Confound, Params};
use crate::analyses::extract::LabelledTexts;
use crate::analyses::{Analysis as _, AnalysisContext, AnalysisPage, DirectionRecipe};
use crate::direction::estimator;
use crate::error::Error;
use crate::host::write_json;
use crate::study::file::StudyFile;
use serde_json::Value;
use truenorth_stats::estimate::HeldOutParams;

use super::{EstimatedDirections, Stage, StageContext, StagesSoFar, keyed, needs};

/// Confounds of the primary direction.
pub struct AuditStage;

impl Stage for AuditStage {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(_) = &study.audit else { return Ok(()) };
        let there = !study.data.confounds.is_empty() || study.data.sentiment.is_some();
        needs("audit", "data.confounds or data.sentiment", there)
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.audit.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec!["audit.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.audit(so_far.directions, run.study.audit.as_ref().expect("a stage runs where its table is"))
    }
}

impl StageContext<'_> {
    pub(super) fn audit(
        &self,
        directions: &EstimatedDirections,
        table: &Params,
    ) -> Result<AnalysisPage, Error> {
        let train = self.data.question()?;
        let said = self.texts()?;
        let near = said.near;
        let mut sets: Vec<(&str, LabelledTexts)> =
            self.data.confounds.iter().map(|(name, question)| (name.as_str(), question.clone())).collect();
        if let Some(rows) = &self.data.sentiment {
            sets.push(("sentiment", LabelledTexts::sentiment(rows)?));
        }
        let sets = sets.into_iter().map(|(name, question)| {
            let question = if audit::ranked(name) {
                let question = question.apart_from(&train, name, near)?;
                said.say_apart(question.apart.as_ref());
                question
            } else {
                said.say_shared(&question, &train, name);
                question
            };
            Ok(Confound { name: name.to_owned(), question, circular: None })
        });
        let (flips, confounds): (Vec<Confound>, Vec<Confound>) =
            sets.collect::<Result<Vec<_>, Error>>()?.into_iter().partition(|c| audit::ranked(&c.name));
        let primary = directions.primary()?;
        // Held-out separation with its null and the other estimators have sections of their own.
        let params = Params { no_agreement: true, ..table.clone() };
        let folds = Some(self.study.held_out.folds);
        let recipe = DirectionRecipe {
            project_out: self.data.project_out.clone(),
            project_method: self.data.project_method,
            held_out: HeldOutParams { folds, permutations: 0, ..HeldOutParams::by_pair() },
            ..DirectionRecipe::new(self.study.site, self.study.positions, estimator(&primary.name)?)
        };
        let data = AuditData {
            train: &train,
            direction: Some(primary.direction()),
            confounds: &confounds,
            flips: &flips,
            sentiment: self.data.sentiment_rows(),
            recipe: &recipe,
        };
        let bar = self.bar("auditing", "tokens");
        let asked = AnalysisContext { reader: self.reader, seeds: &self.seeds(), watch: &*bar };
        let found = audit::Audit::run(&data, &params, &asked)?;
        write_json(self.host, &self.folder.join("audit.json"), &found)?;
        Ok(audit::Audit::page(&found))
    }
}
