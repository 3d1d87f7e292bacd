//! Probes of many sites, with test sets and controls.

use std::time::Duration;

use anyhow::Context as _;
use truenorth::analyses::probing::{self, ProbeData, ProbeParams, TestTexts};
use truenorth::analyses::{Labelled, Reader};
use truenorth::data::NearCopies;
use truenorth::estimate::probing::Probe;

use super::super::super::probe::{probe_estimator, untrained};
use super::super::super::record::write_json;
use super::super::super::sites;
use super::super::super::texts::say_apart;
use super::super::file::Probing;
use super::{Page, Run};

impl Run<'_> {
    pub(super) fn probing(&self, table: &Probing, train: &Labelled) -> anyhow::Result<Page> {
        let asks = |control: &str| table.controls.iter().any(|c| c == control);
        let near = NearCopies::new(self.study.near_copies)?;
        let tests = self.data.tests.iter().map(|(name, rows)| {
            let texts = Labelled::new(rows, Some(&train.positive_end))?;
            let test = TestTexts::apart(name, texts, train, near)?;
            say_apart(test.apart.as_ref());
            Ok(test)
        });
        let tests = tests.collect::<anyhow::Result<Vec<_>>>()?;
        let truth = self.data.truth.as_ref().filter(|_| asks("truth"));
        let truth = truth.map(|rows| Labelled::new(rows, None)).transpose()?;
        let info = self.reader.runner().info();
        let engine = match asks("random-init") {
            true => Some(untrained(&Err(0), self.args, info)?),
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
            untrained: engine.as_ref().map(|e| Reader::new(e, self.store)),
        };
        let bar = self.bar("probing", "tokens");
        let found = probing::probe(&self.reader, &data, &params, &self.seeds(), &bar)?;
        write_json(&self.folder.join("probing.json"), &found)?;
        Ok(Page {
            findings: probing::page::findings(&found),
            sections: vec![probing::page::section(&found)],
            ..Page::default()
        })
    }
}
