//! The same texts put before the model in another way.

use serde_json::Value;
use truenorth_stats::estimate::CheckedEstimator;

use super::{Stage, StageContext, StagesSoFar, keyed};
use crate::analyses::compare::{Compare, CompareData, Params, Side};
use crate::analyses::{Analysis as _, AnalysisContext, AnalysisPage, Spoken};
use crate::direction::estimator;
use crate::error::Error;
use crate::host::write_json;
use crate::study::file::StudyFile;

/// Raw against chat.
pub struct CompareStage;

impl Stage for CompareStage {
    fn name(&self) -> &'static str {
        Compare::NAME
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(table) = &study.compare else { return Ok(()) };
        Ok(table.differs(&study.speech(), study.positions)?)
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.compare.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec!["compare.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, _: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.compare(run.study.compare.as_ref().expect("a stage runs where its table is"))
    }
}

impl StageContext<'_> {
    pub(super) fn compare(&self, table: &Params) -> Result<AnalysisPage, Error> {
        let (study, data) = (self.study, self.data);
        let speech = table.speech(&study.speech());
        let (other, note) = speech.open(self.reader.runner())?;
        if let Some(note) = note {
            self.host.note(&note);
        }
        let raw = Spoken::raw();
        let own = self.reader.spoken().unwrap_or(&raw);
        let template = speech.template(&study.template_beside(&speech))?;
        let questions = [data.question()?, data.question_by(&template)?];
        let estimators: Vec<(String, CheckedEstimator)> = study
            .direction
            .estimators
            .iter()
            .map(|name| Ok::<_, Error>((name.clone(), estimator(name)?)))
            .collect::<Result<_, _>>()?;
        let seeds = self.seeds();
        let input = CompareData {
            sides: [
                Side { question: &questions[0], spoken: own, at: study.positions },
                Side {
                    question: &questions[1],
                    spoken: &other,
                    at: table.positions.unwrap_or(study.positions),
                },
            ],
            site: study.site,
            estimators: &estimators,
            project_out: (&data.project_out, data.project_method),
            sentiment: data.sentiment.as_ref().map(|s| &s.rows[..]),
            folds: study.held_out.folds,
            seeds: &seeds,
        };
        let bar = self.bar("comparing raw and chat", "tokens");
        let asked = AnalysisContext { reader: self.reader, seeds: &seeds, watch: &*bar };
        let found = Compare::run(&input, table, &asked)?;
        write_json(self.host, &self.folder.join("compare.json"), &found)?;
        Ok(Compare::page(&found))
    }
}
