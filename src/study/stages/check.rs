//! The look at the texts, before anything is read.

use crate::analyses::AnalysisPage;
use crate::analyses::check::{Check, CheckData, Params, TextsToCheck};
use crate::error::Error;
use crate::host::write_json;
use crate::study::data::ContrastTexts;

use super::StageContext;

/// Where what is found goes.
pub(super) const FILE: &str = "check.json";

impl StageContext<'_> {
    pub(super) fn check(&self) -> Result<AnalysisPage, Error> {
        let (study, data) = (self.study, self.data);
        let params =
            Params { folds: study.check.folds.or(Some(study.held_out.folds)), ..study.check.clone() };
        let texts = match &data.contrast {
            ContrastTexts::Pairs(pairs) => TextsToCheck::Pairs(pairs, &data.template),
            ContrastTexts::Classes(rows, positive) => TextsToCheck::Classes(rows, positive.as_deref()),
        };
        let tokens = Some(self.reader.runner());
        let input = CheckData { texts, near: self.texts()?.near, tokens };
        let found = Check::run(&input, &params, &self.seeds())?;
        write_json(self.host, &self.folder.join(FILE), &found)?;
        Ok(Check::page(&found))
    }
}
