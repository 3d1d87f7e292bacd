//! The stages of a study, from data to results. Each leaves its artifacts in the run's folder; what
//! the model computed is in the store and what a stage found in the journal, so a study that was cut
//! short goes on where it stopped.

mod audit;
mod board;
mod check;
mod compare;
mod direction;
mod experiment;
mod geometry;
mod judge;
mod monitor;
mod probing;
mod steered;
mod sweep;
mod transfer;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use truenorth_protocol::run::Watch;

use crate::analyses::check::Check;
use crate::analyses::{AnalysisPage, Reader};
use crate::error::Error;
use crate::host::Host;
use crate::inputs::TextFiles;
use crate::study::{reference, refused};
use truenorth_stats::math::Seeds;

use super::journal::RunJournal;
use crate::study::data::StudyData;
use crate::study::file::StudyFile;

pub use direction::EstimatedDirections;
pub use steered::SteeredTexts;

/// What the stages share.
#[derive(Clone, Copy)]
pub struct StageContext<'a> {
    pub path: &'a Path,
    pub study: &'a StudyFile,
    pub data: &'a StudyData,
    pub reader: Reader<'a>,
    pub folder: &'a Path,
    /// Who opens other models, and is told.
    pub host: &'a dyn Host,
}

pub struct StudyFindings {
    pub directions: EstimatedDirections,
    pub steered: Option<SteeredTexts>,
    /// What each further analysis puts into the report, by the name of its table.
    pub pages: Vec<(&'static str, AnalysisPage)>,
}

impl StageContext<'_> {
    /// Runs all stages.
    pub fn all(&self, journal: &mut RunJournal<'_>) -> Result<StudyFindings, Error> {
        let study = self.study;
        // Every stage is cut into the folds of [held_out], so each depends on it.
        let (site, at) = (&study.site, study.positions.to_string());
        let asked = (site, at, &study.template, &study.direction, &study.held_out);
        let checked = journal
            .stage(Check::NAME, &(&asked, &study.check), &[check::FILE.to_owned()], || self.check())
            .map_err(|e| in_keys(e, Check::NAME))?;
        let files: Vec<String> =
            study.direction.estimators.iter().map(|e| format!("directions/{e}.safetensors")).collect();
        let directions = journal
            .stage("direction", &asked, &files, || self.directions())
            .map_err(|e| in_keys(e, "direction"))?;
        journal.first_found(self.reader.store().map(|s| s.session().hits));
        let steered = match &study.steer {
            Some(table) => {
                let (inputs, leaves) = ((&asked, table), ["steered.jsonl".to_owned()]);
                let steered = journal.stage("steer", &inputs, &leaves, || self.steer(&directions, table));
                Some(steered.map_err(|e| in_keys(e, "steer"))?)
            }
            None => None,
        };
        let so_far = StagesSoFar { directions: &directions, steered: steered.as_ref() };
        let mut pages = vec![(Check::NAME, checked)];
        for stage in STAGES {
            let Some(own) = stage.asked(self)? else { continue };
            let leaves = stage.leaves(study);
            let page = journal
                .stage(stage.name(), &(&asked, own), &leaves, || stage.page(self, &so_far))
                .map_err(|e| in_keys(e, stage.name()))?;
            pages.push((stage.name(), page));
        }
        Ok(StudyFindings { directions, steered, pages })
    }

    fn bar(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        self.host.watch(doing, unit)
    }

    fn texts(&self) -> Result<TextFiles<'_>, Error> {
        Ok(TextFiles { desk: self.host.desk(), near: self.study.near()? })
    }

    fn seeds(&self) -> Seeds {
        Seeds::new(self.study.seed)
    }
}

/// An analysis as a part of a study: from its table to its page.
pub trait Stage: Sync {
    /// The name of its table, and of its stage.
    fn name(&self) -> &'static str;

    /// Refuses what the study's data can't answer, before a file or a model is opened.
    fn check(&self, study: &StudyFile) -> Result<(), Error>;

    /// What its result depends on beside what all depend on; none where the study does not ask it.
    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error>;

    /// The files that it leaves in the run's folder.
    fn leaves(&self, study: &StudyFile) -> Vec<String>;

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error>;
}

/// What the stages before the analyses left.
pub struct StagesSoFar<'a> {
    directions: &'a EstimatedDirections,
    steered: Option<&'a SteeredTexts>,
}

/// Every analysis that a study can ask, in the order in which they run. Where its sections and findings stand in the report is
/// in `report/sections` and `report/questions`; those of a stage that neither names come last.
pub static STAGES: [&dyn Stage; 10] = [
    &compare::CompareStage,
    &audit::AuditStage,
    &board::BoardStage,
    &sweep::SweepStage,
    &monitor::MonitorStage,
    &transfer::TransferStage,
    &probing::ProbingStage,
    &geometry::GeometryStage,
    &judge::JudgeStage,
    &experiment::ExperimentStage,
];

/// Names the keys of a table where an analysis names the flags of its verb.
pub(super) fn in_keys(error: Error, table: &str) -> Error {
    error.in_words(reference::words(table))
}

/// Refuses a table whose data are not there.
fn needs(table: &str, what: &str, there: bool) -> Result<(), Error> {
    if there {
        return Ok(());
    }
    Err(refused(format!("[{table}] needs {what}"), "name the files, or leave the table out"))
}

/// A table as the key of its stage.
fn keyed(table: Option<&impl Serialize>) -> Result<Option<Value>, Error> {
    Ok(table.map(serde_json::to_value).transpose()?)
}
