//! Confounds of the primary direction.

use truenorth::analyses::audit::{self, AuditData, Confound, Params};
use truenorth::analyses::extract::Question;
use truenorth::analyses::{Analysis as _, Asked, Page, Recipe};
use truenorth::data::NearCopies;
use truenorth::estimate::HeldOutParams;

use super::super::super::direction::estimator;
use super::super::super::record::write_json;
use super::super::super::texts::{say_apart, say_shared};
use super::super::data::VALUE_FLIP;
use super::{Directions, Run};

impl Run<'_> {
    pub(super) fn audit(&self, directions: &Directions, table: &Params) -> anyhow::Result<Page> {
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
        // Held-out separation with its null and the other estimators have sections of their own.
        let params = Params { no_agreement: true, ..table.clone() };
        let folds = Some(self.study.held_out.folds);
        let recipe = Recipe {
            project_out: self.data.project_out.clone(),
            held_out: HeldOutParams { folds, permutations: 0, ..HeldOutParams::by_pair() },
            ..Recipe::new(self.study.site, self.study.positions, estimator(&primary.name)?)
        };
        let data = AuditData {
            train: &train,
            direction: Some(primary.direction()),
            confounds: &confounds,
            flips: &flips,
            sentiment: self.data.sentiment.as_ref().map(|s| &s.rows[..]),
            recipe: &recipe,
        };
        let bar = self.bar("auditing", "tokens");
        let asked = Asked { reader: self.reader, seeds: &self.seeds(), watch: &bar };
        let found = audit::Audit::run(&data, &params, &asked)?;
        write_json(&self.folder.join("audit.json"), &found)?;
        Ok(audit::Audit::page(&found))
    }
}
