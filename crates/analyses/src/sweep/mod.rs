//! A range of sites: how well the direction found there reads, beside how far it steers.
//!
//! At every site a direction is estimated and its held-out separation measured. Then `α·d` is added
//! there in both signs and several doses, α in mean residual norms of the site over neutral prompts.
//! Two nulls stand beside it, at the same doses on the same texts: the whole procedure on flipped labels (the
//! direction fitted anew, and the flipped labels those that it is measured by), and random directions of the same
//! norm with the covariance of the activations. No outcome needs a judge:
//!
//! - `log_odds`: log-probability of the chosen response less that of the rejected one, after the same
//!   prompt; `log_odds_per_token` is the same with each response's mean over its tokens, which a longer
//!   response can't win by its length. Every pair is pushed along a direction fitted without its fold,
//!   so that no pair is scored by a direction that has seen it.
//! - `projection`: the generations are read by the unsteered model, and projected on `d`.
//! - `refusal` and the caller's word lists: the share of generations that hold one of the phrases.
//!
//! Beside them stands the damage: perplexity of neutral text, divergence of the next token from the
//! unsteered model, and repetition.

mod answers;
mod compare;
mod damage;
mod estimators;
mod flips;
mod found;
pub mod page;
mod params;
mod reading;
mod respond;
mod rows;
mod run;
mod table;
mod trend;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

use truenorth_data::{Distinct, Pair, SentimentRow, Template};
use truenorth_protocol::ReadAt;
use truenorth_stats::estimate::{CheckedEstimator, HeldOutParams, ProjectMethod};

pub use compare::{Halves, Parting, compare};
pub use damage::{Bounds, DamagePoint, WorkingRange};
pub use estimators::{EstimatorRow, Estimators};
pub use flips::Budget;
pub use found::{Swept, SweptEstimator, SweptSite};
pub use params::Params;
pub use reading::ReadingPoint;
pub use trend::{ResponsePoint, Responses, Steering};
pub use verdict::{ReasonedVerdict, SteeringVerdict, judge, over_sites};
pub use words::{Lexicon, REFUSAL, distinct_2};

use truenorth_reading::extract::ProjectOut;
use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing, NamedPrompt};

/// What is swept: texts, and how the direction of a site is found.
#[derive(Clone, Copy)]
pub struct SweepData<'a> {
    /// The contrastive pairs, copies left out.
    pub pairs: &'a Distinct<Pair>,
    /// How prompt and response become one text.
    pub template: &'a Template,
    /// Neutral texts: the unit of α, perplexity and divergence are measured on them.
    pub neutral: &'a [NamedPrompt],
    /// Prompts to generate from; none leaves the measures of generations out.
    pub prompts: &'a [NamedPrompt],
    /// Texts labelled for sentiment, to be projected out or held beside.
    pub sentiment: Option<&'a [SentimentRow]>,
    /// Word lists counted in generations beside refusals, each with the way it should move: 1, -1 or 0.
    pub keywords: &'a [(Lexicon, i8)],
    /// At which token texts are read.
    pub at: ReadAt,
    /// The estimators of every site's directions, by name; the first is the one whose verdict is the sweep's.
    pub estimators: &'a [(String, CheckedEstimator)],
    /// What is projected out of the texts first.
    pub project_out: &'a [ProjectOut],
    /// How it is projected out.
    pub project_method: ProjectMethod,
    /// Held-out separation; its folds are also those whose pairs are steered.
    pub held_out: &'a HeldOutParams,
}

/// A sweep over sites.
#[derive(Clone, Copy, Debug)]
pub struct Sweep;

impl Analysis for Sweep {
    const NAME: &'static str = "sweep";
    const TITLE: &'static str = "Reading and steering over the sites";
    type Params = Params;
    type Input<'a> = SweepData<'a>;
    type Found = Swept;

    /// Sweeps sites.
    ///
    /// # Errors
    /// When the doses have one sign, a site can't be written, there are too few pairs or neutral texts, the
    /// tokenizer is not at hand, or the work fails. All that the model has answered by then is kept.
    fn run(
        input: &SweepData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Swept, AnalysisError> {
        run::sweep(input, params, asked)
    }

    fn page(found: &Swept) -> AnalysisPage {
        AnalysisPage {
            reading: page::reading(found),
            ..AnalysisPage::new(page::steering(found), page::section(found)).decided_by(page::primary(found))
        }
    }

    fn table(found: &Swept) -> Listing {
        table::table(found)
    }
}
