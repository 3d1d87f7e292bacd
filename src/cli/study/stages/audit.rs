//! Confounds of the primary direction.

use std::time::Duration;

use truenorth::analyses::audit::{self, AuditData, Confound, Params};
use truenorth::analyses::extract::Question;
use truenorth::data::NearCopies;
use truenorth::estimate::HeldOutParams;

use super::super::super::direction::estimator;
use super::super::super::record::write_json;
use super::super::super::texts::{say_apart, say_shared};
use super::super::data::VALUE_FLIP;
use super::super::file::Audit;
use super::{Directions, Page, Run};

impl Run<'_> {
    pub(super) fn audit(&self, directions: &Directions, table: &Audit) -> anyhow::Result<Page> {
        let train = self.data.question()?;
        let near = NearCopies::new(self.study.near_copies)?;
        let mut sets: Vec<(&str, Question)> =
            self.data.confounds.iter().map(|(name, question)| (name.as_str(), question.clone())).collect();
        if let Some(rows) = &self.data.sentiment {
            sets.push(("sentiment", Question::sentiment(rows)?));
        }
        let sets = sets.into_iter().map(|(name, question)| {
            let question = if name == VALUE_FLIP {
                let question = question.apart_from(&train, name, near)?;
                say_apart(question.apart.as_ref());
                question
            } else {
                say_shared(&question, &train, name, near);
                question
            };
            Ok(Confound { name: name.to_owned(), question, circular: None })
        });
        let (flips, confounds): (Vec<Confound>, Vec<Confound>) =
            sets.collect::<anyhow::Result<Vec<_>>>()?.into_iter().partition(|c| c.name == VALUE_FLIP);
        let primary = directions.primary()?;
        let mut params = Params::new(self.study.site, self.study.positions, estimator(&primary.name)?);
        params.project_out = self.data.project_out.clone();
        params.audit.random_directions = table.random_directions;
        params.audit.permutations = table.permutations;
        params.audit.budget = Some(Duration::from_secs(table.budget_seconds));
        // Held-out separation with its null and the other estimators have sections of their own.
        let folds = Some(self.study.held_out.folds);
        params.held_out = HeldOutParams { folds, permutations: 0, ..HeldOutParams::by_pair() };
        params.agreement = false;
        let data = AuditData {
            train: &train,
            direction: Some(primary.direction()),
            confounds: &confounds,
            flips: &flips,
            sentiment: self.data.sentiment.as_ref().map(|s| &s.rows[..]),
        };
        let bar = self.bar("auditing", "tokens");
        let found = audit::audit(&self.reader, &data, &params, &self.seeds(), &bar)?;
        write_json(&self.folder.join("audit.json"), &found)?;
        Ok(Page {
            findings: audit::page::findings(&found),
            sections: vec![audit::page::section(&found)],
            ..Page::default()
        })
    }
}
