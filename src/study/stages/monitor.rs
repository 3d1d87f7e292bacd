//! Prompts, and what the model writes behind them, watched token by token.

use serde_json::Value;

use super::{EstimatedDirections, Stage, StageContext, StagesSoFar, keyed};
use crate::analyses::monitor::{self, MonitorData, Watched};
use crate::analyses::{Analysis as _, AnalysisContext, AnalysisPage, Parameters as _};
use crate::error::{Error, ErrorContext as _};
use crate::host::write_json;
use crate::study::file::{MonitorTable, StudyFile};
use crate::study::refused;

const FILE: &str = "monitor.json";
/// Prompts that are watched where the table does not say how many.
const PROMPTS: usize = 8;

/// Projections token by token.
pub struct MonitorStage;

impl Stage for MonitorStage {
    fn name(&self) -> &'static str {
        monitor::Monitor::NAME
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(table) = &study.monitor else { return Ok(()) };
        if table.prompts == Some(0) {
            return Err(refused(
                "[monitor] watches no prompts: prompts = 0",
                "give 1 or more, or leave it out",
            ));
        }
        table.params.check().context("[monitor] can't be run")
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.monitor.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec![FILE.to_owned()]
    }

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.monitor(so_far.directions, run.study.monitor.as_ref().expect("a stage runs where its table is"))
    }
}

impl StageContext<'_> {
    fn monitor(&self, directions: &EstimatedDirections, table: &MonitorTable) -> Result<AnalysisPage, Error> {
        let watched = directions.estimated.iter().map(|found| Watched {
            name: found.name.clone(),
            site: self.study.site,
            direction: found.narrow(),
            norm: Some(directions.residual_norm),
        });
        let watched: Vec<Watched> = watched.collect();
        let prompts = self.data.generated_from();
        let texts = &prompts[..table.prompts.unwrap_or(PROMPTS).min(prompts.len())];
        let bar = self.bar("watching", "tokens");
        let asked = AnalysisContext { reader: self.reader, seeds: &self.seeds(), watch: &*bar };
        let data = MonitorData { texts, directions: &watched };
        let found = monitor::Monitor::run(&data, &table.params, &asked)?;
        write_json(self.host, &self.folder.join(FILE), &found)?;
        Ok(monitor::Monitor::page(&found))
    }
}
