//! Is a direction about what it says? Confound sets, value flips and other estimators against it.
//!
//! The texts are read at the direction's site; the numbers are those of
//! [`estimate::audit`](truenorth_stats::estimate::audit), and every row comes with a sentence that says what was
//! ruled out and what was not.

mod agreement;
mod ahead;
mod circular;
mod flip_page;
mod found;
pub mod page;
mod params;
mod run;
mod table;
mod words;

#[cfg(test)]
mod tests;

use ndarray::ArrayView1;
use truenorth_data::SentimentRow;
use truenorth_protocol::Site;

pub use agreement::{EstimatorAgreement, EstimatorHeldOut};
pub use found::{AuditTestFamily, Audited, ConfoundRow, FlipRow, Without};
pub use params::Params;

use truenorth_reading::extract::LabelledTexts;
use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, DirectionRecipe, Listing};

/// Texts that differ in one thing.
#[derive(Clone, Debug)]
pub struct Confound {
    /// The name of the set; `value-flip` and those that begin so are ranked.
    pub name: String,
    /// The texts: pairs, or two classes.
    pub question: LabelledTexts,
    /// Why a test on it would be circular, where the caller knows that; texts that sentiment was
    /// projected out with are found without it.
    pub circular: Option<String>,
}

/// What is audited, and against what.
#[derive(Clone, Copy)]
pub struct AuditData<'a> {
    /// What the direction was extracted from.
    pub train: &'a LabelledTexts,
    /// The direction, `[hidden]`; none takes what the pipeline finds in `train`.
    pub direction: Option<ArrayView1<'a, f64>>,
    /// The sets of texts that vary in one thing each; at least one.
    pub confounds: &'a [Confound],
    /// Pairs that differ in the value while what comes along is turned round; ranked, not ruled out.
    pub flips: &'a [Confound],
    /// Texts labelled for sentiment, to be projected out or held beside.
    pub sentiment: Option<&'a [SentimentRow]>,
    /// How the direction is found, and every confound's own.
    pub recipe: &'a DirectionRecipe,
}

/// Reads every text of an audit at all of these sites in one pass, for the audits of each of them.
///
/// # Errors
/// When a reading fails or is interrupted.
pub fn read_ahead(
    data: &AuditData<'_>,
    sites: &[Site],
    asked: &AnalysisContext<'_>,
) -> Result<(), AnalysisError> {
    ahead::read(data, sites, asked)
}

/// Whether a set of this name is of value flips, which are ranked and rule nothing out: `value-flip`, or `value-flip-`
/// and more.
#[must_use]
pub fn ranked(name: &str) -> bool {
    name.strip_prefix("value-flip").is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The analysis `audit`: confound sets held against one direction.
#[derive(Clone, Copy, Debug)]
pub struct Audit;

impl Analysis for Audit {
    const NAME: &'static str = "audit";
    const TITLE: &'static str = "Is the direction about what it says?";
    type Params = Params;
    type Input<'a> = AuditData<'a>;
    type Found = Audited;

    /// Reads all texts at a site and audits the direction.
    ///
    /// # Errors
    /// When a reading fails or is interrupted, a set has too few groups, one class, equal rows or another
    /// width than the direction; the set is named.
    fn run(
        input: &AuditData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Audited, AnalysisError> {
        run::audit(input, params, asked)
    }

    fn page(found: &Audited) -> AnalysisPage {
        AnalysisPage {
            keeps_back: page::keeps_back(found),
            ..AnalysisPage::new(page::findings(found), page::section(found)).decided_by(page::primary(found))
        }
    }

    fn table(found: &Audited) -> Listing {
        table::table(found)
    }
}
