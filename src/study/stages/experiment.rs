//! Arms beside base.

use crate::analyses::Analysis as _;
use crate::analyses::experiment::Experiment;
use crate::direction::estimator;
use crate::error::{Error, ErrorContext as _};
use crate::experiment::{ExperimentContext, OwnDirection, load};
use crate::host::write_json;
use crate::study::file::StudyFile;
use crate::study::refused;
use serde_json::Value;

use super::{AnalysisPage, Stage, StageContext, StagesSoFar, keyed, needs};

/// Arms beside base.
pub struct ExperimentStage;

impl Stage for ExperimentStage {
    fn name(&self) -> &'static str {
        Experiment::NAME
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        use crate::analyses::Parameters as _;
        let Some(table) = &study.experiment else { return Ok(()) };
        table.check().context("[experiment] can't be run")?;
        if table.log_odds > 0 {
            needs("experiment", "data.pairs for log_odds", study.data.pairs.is_some())?;
        }
        if table.arms.is_empty() && table.ratings.is_empty() && table.texts.is_none() {
            return Err(refused(
                "[experiment] has no arms beside base",
                "give a table [[experiment.arms]] each, with a name and what is done",
            ));
        }
        if !table.predictions.is_empty() && study.register.is_none() {
            return Err(refused(
                "[experiment] has predictions, and the study no [register] that seals them",
                "add [register] with a hypothesis, or take the predictions out",
            ));
        }
        Ok(())
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        let Some(table) = &run.study.experiment else { return Ok(None) };
        let models = table.judges.iter().chain(table.arms.iter().filter_map(|a| a.model.as_ref()));
        let models = models.map(|m| run.host.identity(m)).collect::<Result<Vec<_>, _>>()?;
        let mut plain = table.clone();
        // Where files lie is no part of what is asked; what is in them is among the data.
        plain.files().for_each(|file| *file = "".into());
        keyed(Some(&(plain, models)))
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec!["experiment.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        let params = run.study.experiment.as_ref().expect("a stage runs where its table is");
        let given = run.data.experiment.as_ref().context("a study with an experiment has read its files")?;
        let first = so_far.directions.primary()?;
        let own = OwnDirection {
            name: first.name.clone(),
            site: run.study.site,
            vector: first.narrow(),
            norm: so_far.directions.residual_norm,
        };
        let question = run.data.question()?;
        let stands = ExperimentContext {
            reader: run.reader,
            question: Some(&question),
            pairs: run.data.pairs().map(|p| (p, &run.data.template)),
            estimator: estimator(&first.name)?,
            project_out: &run.data.project_out,
            project_method: run.data.project_method,
            sentiment: run.data.sentiment_rows(),
            neutral: &run.data.neutral.named,
            at: run.study.positions,
            own: Some(&own),
            load: &load,
            judges: vec![],
        };
        let found = crate::experiment::run(params, given, stands, run.host, &run.seeds())?;
        write_json(run.host, &run.folder.join("experiment.json"), &found)?;
        Ok(Experiment::page(&found))
    }
}
