//! The stages of a study, from data to results. Each leaves its artifacts in the run's folder; what
//! the model computed is in the store and what a stage found in the journal, so a study that was cut
//! short goes on where it stopped.

mod audit;
mod board;
mod direction;
mod geometry;
mod judge;
mod probing;
mod steered;
mod sweep;
mod transfer;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use truenorth_protocol::run::Watch;

use crate::analyses::{Page, Reader};
use crate::error::{Context as _, Error};
use crate::host::Host;
use crate::inputs::Texts;
use truenorth_data::NearCopies;
use truenorth_stats::math::Seeds;

use super::journal::Journal;
use crate::study::data::Data;
use crate::study::file::StudyFile;

pub use direction::Directions;
pub use steered::Samples;

/// What the stages share.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub study: &'a StudyFile,
    pub data: &'a Data,
    pub reader: Reader<'a>,
    pub folder: &'a Path,
    /// Who opens other models, and is told.
    pub host: &'a dyn Host,
}

/// All that a study found.
pub struct Results {
    pub directions: Directions,
    pub steered: Option<Samples>,
    /// What each further analysis puts into the report, by the name of its table.
    pub pages: Vec<(&'static str, Page)>,
}

impl Run<'_> {
    /// Runs all stages.
    pub fn all(&self, journal: &mut Journal<'_>) -> Result<Results, Error> {
        let study = self.study;
        // Every stage is cut into the folds of [held_out], so each depends on it.
        let (site, at) = (&study.site, study.positions.to_string());
        let asked = (site, at, &study.template, &study.direction, &study.held_out);
        let files: Vec<String> =
            study.direction.estimators.iter().map(|e| format!("directions/{e}.safetensors")).collect();
        let directions = journal.stage("direction", &asked, &files, || self.directions())?;
        let mut stage = Staged { journal, asked: &asked };
        let steered = stage.of("steer", &study.steer, &["steered.jsonl"], |s| self.steer(&directions, s))?;
        let mut pages = Vec::new();
        let mut add = |name, page: Option<Page>| pages.extend(page.map(|p| (name, p)));
        add("audit", stage.of("audit", &study.audit, &["audit.json"], |a| self.audit(&directions, a))?);
        let board = ["board.jsonl", "board.json"];
        add("score", stage.of("score", &study.score, &board, |s| self.score(&directions, s))?);
        add("sweep", stage.of("sweep", &study.sweep, &["sweep.json"], |s| self.sweep(s))?);
        if let (Some(table), Some(score)) = (&study.transfer, &study.score) {
            let others = table.models.iter().map(|m| Ok((m, self.host.identity(&m.model)?)));
            let inputs = Some((others.collect::<Result<Vec<_>, Error>>()?, score));
            let page = |_: &_| self.transfer(table, score, &directions);
            add("transfer", stage.of("transfer", &inputs, &transfer::leaves(table, study), page)?);
        }
        if let Some(classes) = self.data.labelled()? {
            let page = |p: &_| self.probing(p, &classes);
            add("probing", stage.of("probing", &study.probing, &["probing.json"], page)?);
            let page = |g: &_| self.geometry(g, &classes);
            add("geometry", stage.of("geometry", &study.geometry, &["geometry.json"], page)?);
        }
        if let (Some(table), Some(samples)) = (&study.judge, &steered) {
            let judge = table.model.as_deref().map(|m| self.host.identity(m)).transpose()?;
            let inputs = Some((table, judge, &study.steer));
            let files: Vec<String> = table.questions.iter().map(|q| format!("judge-{q}.json")).collect();
            add("judge", stage.of("judge", &inputs, &files, |_| self.judge(table, samples))?);
        }
        Ok(Results { directions, steered, pages })
    }

    fn bar(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        self.host.watch(doing, unit)
    }

    /// Who is told of copies.
    fn texts(&self) -> Result<Texts<'_>, Error> {
        let near = NearCopies::new(self.study.near_copies).request("can't use near_copies of the study")?;
        Ok(Texts { desk: self.host, near })
    }

    fn seeds(&self) -> Seeds {
        Seeds::new(self.study.seed)
    }
}

/// Stages that depend on how the direction was asked for, and on a table of the study.
struct Staged<'a, 'h, A> {
    journal: &'a mut Journal<'h>,
    asked: &'a A,
}

impl<A: Serialize> Staged<'_, '_, A> {
    /// Runs the stage of a table, if the study has it.
    fn of<P: Serialize, T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        table: &Option<P>,
        leaves: &[impl AsRef<str>],
        work: impl FnOnce(&P) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(table) = table else { return Ok(None) };
        let leaves: Vec<String> = leaves.iter().map(|l| l.as_ref().to_owned()).collect();
        self.journal.stage(name, &(self.asked, table), &leaves, || work(table)).map(Some)
    }
}
