//! Probes of many sites, with test sets and controls.

use crate::analyses::Parameters as _;
use crate::analyses::probing::{Control, Params, ProbeData, Probing, TestTexts};
use crate::analyses::{Analysis as _, AnalysisContext, ClassTexts};
use crate::error::Error;
use crate::error::ErrorContext as _;
use crate::host::write_json;
use crate::session::Session;
use crate::study::file::StudyFile;
use crate::study::refused;
use serde_json::Value;
use truenorth_stats::estimate::probing::ProbeEstimator;

use super::{AnalysisPage, Stage, StageContext, StagesSoFar, keyed, needs};

/// Probes of many sites.
pub struct ProbingStage;

impl Stage for ProbingStage {
    fn name(&self) -> &'static str {
        "probing"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(probing) = &study.probing else { return Ok(()) };
        needs("probing", "data.classes", study.data.classes.is_some())?;
        probing.check().context("[probing] can't be run")?;
        if probing.estimator.is_none() {
            let first = study.direction.estimators.first().map(|name| name.parse::<ProbeEstimator>());
            first.transpose().request("[probing] names no estimator, and the study's first is no probe's")?;
        }
        let truth = !probing.controls.contains(&Control::Truth) || study.data.truth.is_some();
        needs("probing", "data.truth for its control `truth`", truth)
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.probing.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec!["probing.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, _: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        let classes = run.data.labelled()?.expect("a stage runs where its table is");
        run.probing(run.study.probing.as_ref().expect("a stage runs where its table is"), &classes)
    }
}

impl StageContext<'_> {
    /// The study's model with weights drawn at random.
    fn untrained(&self) -> Result<Session, Error> {
        let session = self.host.untrained(&self.study.model, 0)?;
        let (info, trained) = (session.runner().info(), self.reader.runner().info());
        if (info.layers, info.hidden) == (trained.layers, trained.hidden) {
            return Ok(session);
        }
        Err(refused(
            format!(
                "{} has {} blocks of width {}, {} has {} of {}",
                info.name, info.layers, info.hidden, trained.name, trained.layers, trained.hidden
            ),
            "use an untrained model of the same architecture",
        ))
    }

    pub(super) fn probing(&self, table: &Params, train: &ClassTexts) -> Result<AnalysisPage, Error> {
        let said = self.texts()?;
        let near = said.near;
        let tests = self.data.tests.iter().map(|(name, texts)| {
            let test = TestTexts::apart(name, texts.clone(), train, near)?;
            said.say_apart(test.apart.as_ref());
            Ok(test)
        });
        let tests = tests.collect::<Result<Vec<_>, Error>>()?;
        let engine = match table.controls.contains(&Control::RandomInit) {
            true => Some(self.untrained()?),
            false => None,
        };
        let first = || self.study.direction.estimators.first().map(|name| name.parse()).transpose();
        let params = Params {
            positions: table.positions.or(Some(self.study.positions)),
            estimator: table.estimator.clone().map_or_else(first, |e| Ok(Some(e)))?,
            folds: table.folds.or(Some(self.study.held_out.folds)),
            ..table.clone()
        };
        let data = ProbeData {
            train,
            tests: &tests,
            truth: self.data.truth.as_ref(),
            untrained: engine.as_ref().map(Session::reader),
        };
        let bar = self.bar("probing", "tokens");
        let asked = AnalysisContext { reader: self.reader, seeds: &self.seeds(), watch: &*bar };
        let found = Probing::run(&data, &params, &asked)?;
        write_json(self.host, &self.folder.join("probing.json"), &found)?;
        Ok(Probing::page(&found))
    }
}
