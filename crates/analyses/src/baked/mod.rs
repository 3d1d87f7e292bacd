//! A model with an edit in its weights against the one it was made from: what of the direction is left, and what else
//! changed.

mod found;
mod neutral;
mod page;
mod params;
mod run;
mod table;

#[cfg(test)]
mod tests;

use ndarray::ArrayView1;
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::CheckedEstimator;

pub use found::{AuditedBake, Neutral, SeparationAtSite};
pub use params::Params;

use truenorth_reading::extract::LabelledTexts;
use truenorth_reading::{
    Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing, NamedPrompt, Reader,
};

/// What is held against each other, and by which texts.
#[derive(Clone, Copy)]
pub struct BakedData<'a> {
    /// The model it was made from; the one with the edit is the one that is asked.
    pub origin: &'a Reader<'a>,
    /// Where texts are read, each place with its direction, `[hidden]`.
    pub directions: &'a [(Site, ArrayView1<'a, f64>)],
    /// The tokens of each text that are read.
    pub at: ReadAt,
    /// Texts of both ends of the direction.
    pub texts: &'a LabelledTexts,
    /// What fits directions anew in both models.
    pub estimator: &'a CheckedEstimator,
    /// Texts that have nothing to do with it, of two tokens or more.
    pub neutral: &'a [NamedPrompt],
}

/// A baked model against its origin.
#[derive(Clone, Copy, Debug)]
pub struct Baked;

impl Analysis for Baked {
    const NAME: &'static str = "direction audit";
    const TITLE: &'static str = "A model with an edit in its weights against its origin";
    type Params = Params;
    type Input<'a> = BakedData<'a>;
    type Found = AuditedBake;

    /// Reads the texts of both ends in both models, and every next token of the neutral ones.
    ///
    /// # Errors
    /// Without texts, with models of other widths, vocabularies or tokenizers, or when a reading fails.
    fn run(
        input: &BakedData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<AuditedBake, AnalysisError> {
        run::audit(input, params, asked)
    }

    fn page(found: &AuditedBake) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found))
    }

    fn table(found: &AuditedBake) -> Listing {
        table::table(found)
    }
}
