//! Probes of many sites, with test sets and controls.

use crate::host::write_json;
use crate::session::Session;
use crate::study::refused;
use std::time::Duration;

use crate::analyses::Labelled;
use crate::analyses::probing::{self, ProbeData, ProbeParams, TestTexts};
use crate::direction::probe_estimator;
use crate::error::{Context as _, Error};
use truenorth_stats::estimate::probing::Probe;

use super::{Page, Run};
use crate::inputs::sites;
use crate::study::file::Probing;

impl Run<'_> {
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

    pub(super) fn probing(&self, table: &Probing, train: &Labelled) -> Result<Page, Error> {
        let asks = |control: &str| table.controls.iter().any(|c| c == control);
        let said = self.texts()?;
        let near = said.near;
        let tests = self.data.tests.iter().map(|(name, rows)| {
            let texts = Labelled::new(rows, Some(&train.positive_end))?;
            let test = TestTexts::apart(name, texts, train, near)?;
            said.say_apart(test.apart.as_ref());
            Ok(test)
        });
        let tests = tests.collect::<Result<Vec<_>, Error>>()?;
        let truth = self.data.truth.as_ref().filter(|_| asks("truth"));
        let truth = truth.map(|rows| Labelled::new(rows, None)).transpose()?;
        let engine = match asks("random-init") {
            true => Some(self.untrained()?),
            false => None,
        };
        let name = table.estimator.as_ref().or(self.study.direction.estimators.first());
        let params = ProbeParams {
            sites: sites::of_names(&table.sites)?,
            at: self.study.positions,
            probe: Probe {
                folds: self.study.held_out.folds,
                permutations: table.permutations,
                budget: Some(Duration::from_secs(table.budget_seconds)),
                ..Probe::new(probe_estimator(name.context("a study has at least one estimator")?)?)
            },
            categories: true,
            bag_of_words: asks("bag-of-words"),
            length: asks("length"),
        };
        let data = ProbeData {
            train,
            tests: &tests,
            truth: truth.as_ref(),
            untrained: engine.as_ref().map(Session::reader),
        };
        let bar = self.bar("probing", "tokens");
        let found = probing::probe(&self.reader, &data, &params, &self.seeds(), &*bar)?;
        write_json(self.host, &self.folder.join("probing.json"), &found)?;
        Ok(Page {
            findings: probing::page::findings(&found),
            sections: vec![probing::page::section(&found)],
            ..Page::default()
        })
    }
}
