//! Blind rating by people: a shuffled sheet, a sealed key, predictions, and only then the answer.
//!
//! [`prepare`] deals the two texts of every item to the left and the right and shuffles the items. The
//! sheet goes to the raters; the key says which side is which and is kept shut; its SHA-256 is the seal.
//! [`register`] writes down what is expected, bound to the seal. [`Rate`] opens the key only when it is
//! the one that was sealed and predictions were registered for it, and then tests.
//!
//! The dealing depends on a secret that the caller draws anew for every sheet. A seed that others know
//! would let a rater deal the sides again.

mod altered;
mod csv;
mod each;
mod filled;
mod foreign;
mod found;
pub mod page;
mod params;
mod rank;
mod register;
mod sheet;
mod table;
mod unblind;

#[cfg(test)]
mod foreign_tests;
#[cfg(test)]
mod tests;

pub use csv::same_sheet;
pub use each::{RatedRow, each};
pub use filled::Filled;
pub use foreign::{Foreign, foreign, is_foreign};
pub use found::{PredictionResult, RatedItem, RaterResult, Unblinded};
pub use params::Params;
pub use rank::signed_rank_p;
pub use register::{RatingPrediction, RatingRegistration, register};
pub use sheet::{BlindPair, BlindSheet, ChoiceScale, SheetSeal, prepare};

use truenorth_reading::{AnalysisError, AnalysisPage, Listing};
use truenorth_stats::math::Seeds;

/// Ratings, the key, and what was predicted before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct RateData<'a> {
    /// The filled sheets, a rater each.
    pub sheets: &'a [Filled],
    /// The sheet as it was given out, where it is at hand: it tells edited texts that were exchanged.
    pub issued: Option<&'a str>,
    /// The key, as the bytes that its seal was made of.
    pub key: &'a [u8],
    /// The seal and what was predicted.
    pub registration: &'a RatingRegistration,
}

/// What people say who rated without knowing. It has the parts of an [`Analysis`](truenorth_reading::Analysis), and asks
/// people in place of a model.
#[derive(Clone, Copy, Debug)]
pub struct Rate;

impl Rate {
    /// The name of the verb and of the study's stage.
    pub const NAME: &'static str = "rate";
    /// The title of a page about this alone.
    pub const TITLE: &'static str = "What people say who did not know";

    /// Opens the key and tests the ratings.
    ///
    /// # Errors
    /// When the key is not the sealed one, the registration was changed after it was made or has no
    /// predictions, a sheet has other columns, an unknown code or a choice that is none, two raters have one
    /// name, or no item is decided. Nothing of the key is told by these errors.
    pub fn run(input: &RateData<'_>, params: &Params, seeds: &Seeds) -> Result<Unblinded, AnalysisError> {
        unblind::unblind(input, params, seeds)
    }

    /// Tests ratings on sheets of another program, for which nothing was registered.
    ///
    /// # Errors
    /// As [`Rate::run`], but that no key was sealed.
    pub fn unsealed(found: &Foreign, params: &Params, seeds: &Seeds) -> Result<Unblinded, AnalysisError> {
        unblind::tested(&found.sheets, None, &found.key, &found.registration, params, seeds)
    }

    /// The findings and the section of a report.
    #[must_use]
    pub fn page(found: &Unblinded) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found)).decided_by(Some(0))
    }

    /// The rows and sentences of a terminal.
    #[must_use]
    pub fn table(found: &Unblinded) -> Listing {
        table::table(found)
    }
}
