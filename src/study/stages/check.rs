//! The look at the texts, before anything is read.

use crate::analyses::Page;
use crate::analyses::check::{Check, CheckData, Params, Texts};
use crate::error::Error;
use crate::host::write_json;
use crate::study::data::Contrast;

use super::Run;

/// Where what is found goes.
pub(super) const FILE: &str = "check.json";

impl Run<'_> {
    pub(super) fn check(&self) -> Result<Page, Error> {
        let (study, data) = (self.study, self.data);
        let params =
            Params { folds: study.check.folds.or(Some(study.held_out.folds)), ..study.check.clone() };
        let texts = match &data.contrast {
            Contrast::Pairs(pairs) => Texts::Pairs(pairs, &data.template),
            Contrast::Classes(rows, positive) => Texts::Classes(rows, positive.as_deref()),
        };
        let tokens = Some(self.reader.runner());
        let input = CheckData { texts, near: self.texts()?.near, tokens };
        let found = Check::run(&input, &params, &self.seeds())?;
        write_json(self.host, &self.folder.join(FILE), &found)?;
        Ok(Check::page(&found))
    }
}
