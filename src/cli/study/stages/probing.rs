//! Probes of many sites, with test sets and controls.

use truenorth::analyses::probing::{Control, Params, ProbeData, Probing, TestTexts};
use truenorth::analyses::{Analysis as _, Asked, Labelled, Reader};
use truenorth::data::NearCopies;

use super::super::super::probe::untrained;
use super::super::super::record::write_json;
use super::super::super::texts::say_apart;
use super::{Page, Run};

impl Run<'_> {
    pub(super) fn probing(&self, table: &Params, train: &Labelled) -> anyhow::Result<Page> {
        let near = NearCopies::new(self.study.near_copies)?;
        let tests = self.data.tests.iter().map(|(name, rows)| {
            let texts = Labelled::new(rows, Some(&train.positive_end))?;
            let test = TestTexts::apart(name, texts, train, near)?;
            say_apart(test.apart.as_ref());
            Ok(test)
        });
        let tests = tests.collect::<anyhow::Result<Vec<_>>>()?;
        let truth = self.data.truth.as_ref().map(|rows| Labelled::new(rows, None)).transpose()?;
        let info = self.reader.runner().info();
        let engine = match table.controls.contains(&Control::RandomInit) {
            true => Some(untrained(&Err(0), self.args, info)?),
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
            truth: truth.as_ref(),
            untrained: engine.as_ref().map(|e| Reader::new(e, self.store)),
        };
        let bar = self.bar("probing", "tokens");
        let asked = Asked { reader: self.reader, seeds: &self.seeds(), watch: &bar };
        let found = Probing::run(&data, &params, &asked)?;
        write_json(&self.folder.join("probing.json"), &found)?;
        Ok(Probing::page(&found))
    }
}
