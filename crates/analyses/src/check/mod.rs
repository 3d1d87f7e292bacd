//! A look at labelled texts before any separation: what they hold twice, what splits would leak, what words and length
//! give away, how even they are, and what so many of them can find.
//!
//! No model is asked. It has the parts of an [`Analysis`](truenorth_reading::Analysis), and looks at texts in place of
//! activations; where a tokenizer is at hand, lengths are counted in its tokens too.

mod balance;
mod found;
mod lengths;
mod page;
mod params;
mod power;
mod prompts;
mod splits;
mod table;
mod texts;

#[cfg(test)]
mod tests;

pub use found::{
    AxisCounts, Balance, CheckedTexts, Length, PairPrompts, PlannedPower, SplitCheck, SplitKind,
};
pub use params::Params;

use texts::TextTable;
use truenorth_data::{ClassRow, Distinct, NearCopies, Pair, Template};
use truenorth_protocol::run::Runner;
use truenorth_reading::{AnalysisError, AnalysisPage, Listing};
use truenorth_stats::math::Seeds;

/// Labelled texts, as they are read.
#[derive(Clone, Copy, Debug)]
pub enum TextsToCheck<'a> {
    /// Contrastive pairs, and how prompt and response become one text.
    Pairs(&'a Distinct<Pair>, &'a Template),
    /// Two classes, and the label of the positive one where the labels do not say it.
    Classes(&'a Distinct<ClassRow>, Option<&'a str>),
}

/// The texts to look at, and what counts as a near copy.
#[derive(Clone, Copy)]
pub struct CheckData<'a> {
    /// Pairs or classes, copies left out.
    pub texts: TextsToCheck<'a>,
    /// How alike texts must be to be near copies.
    pub near: NearCopies,
    /// Whose tokens lengths are counted in as well, where a model is at hand.
    pub tokens: Option<&'a dyn Runner>,
}

/// A look at labelled texts before any separation.
#[derive(Clone, Copy, Debug)]
pub struct Check;

impl Check {
    /// The name of the study's table and stage.
    pub const NAME: &'static str = "check";
    /// The title of a page about this alone.
    pub const TITLE: &'static str = "The texts, before any separation";

    /// Looks.
    ///
    /// # Errors
    /// When a parameter is out of range, there is one class alone, or the tokenizer refuses a text.
    pub fn run(input: &CheckData<'_>, params: &Params, seeds: &Seeds) -> Result<CheckedTexts, AnalysisError> {
        use truenorth_reading::Parameters as _;
        params.check()?;
        let sheet = TextTable::new(input.texts)?;
        let seeds = seeds.child(Self::NAME);
        let dealt = splits::DealtTexts::new(&sheet, params, &seeds);
        Ok(CheckedTexts {
            unit: sheet.unit.to_owned(),
            rows: sheet.copies.rows,
            texts: sheet.texts.len(),
            units: sheet.units(),
            clusters: sheet.copies.clusters,
            largest_cluster: sheet.largest(),
            copies: sheet.copies.clone(),
            prompts: prompts::prompts(input.texts, input.near),
            splits: dealt.splits()?,
            lengths: lengths::lengths(&sheet, &dealt, params.length_gap, input.tokens)?,
            balance: balance::balance(&sheet),
            power: power::power(&sheet, params)?,
            claim: params.claim,
            length_gap: params.length_gap,
            not_shown: found::NOT_SHOWN.map(str::to_owned).to_vec(),
        })
    }

    /// The findings and the section of a report.
    #[must_use]
    pub fn page(found: &CheckedTexts) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found))
    }

    /// The rows and sentences of a terminal.
    #[must_use]
    pub fn table(found: &CheckedTexts) -> Listing {
        table::table(found)
    }
}
