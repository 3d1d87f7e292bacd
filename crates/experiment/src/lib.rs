//! Experiments with arms: the same prompts under each of several arms, base among them, and what judges, people and
//! numbers say of what is written.
//!
//! An arm is base, a prefix, a system prompt, an edit of the residual stream, or another model. What it writes is flagged
//! where it echoes its prefix, loops, takes no stance or breaks off, and every result stands beside the same on the rows
//! without flags. Outcomes are paired with base by prompt; near copies of a prompt count as one. Tests are corrected over
//! the arms (Holm). An edit is held against as large edits along directions drawn like the activations, judged by the
//! same judge who does not know: without nineteen of them no edit is said to steer.

mod agree;
mod arm_params;
mod arms;
mod ask;
mod baseline;
mod changed;
mod effect;
mod flags;
mod found;
mod outcome;
mod page;
mod params;
mod placebo;
mod raters;
mod rating;
mod scope;
mod sheet;
mod table;
mod verdict;
mod weigh;

#[cfg(test)]
#[path = "../../reading/src/fixture.rs"]
mod fixture;
#[cfg(test)]
mod tests;
// Names of the shared fixture.
#[cfg(test)]
use truenorth_reading::{NamedPrompt, only_reads};

use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing};

pub use arm_params::ArmParams;
pub use arms::{Arm, ArmKind, EditEffect};
pub use ask::judges::{Chooser, Chosen, ModelJudge};
pub use ask::{ArmAsked, ExperimentData, LogOdds, PlaceboContrast, given};
pub use found::{
    AgreedByArm, ArmFound, ArmText, ArmVerdict, Artefact, Drift, Effect, Found, OrderAgreement, OutcomeFound,
    Placebo, Predicted, RaterFound, RaterStanding, ScopeFound,
};
pub use outcome::{Outcome, OutcomeKind, Units};
pub use page::answer;
pub use params::{ArmPrediction, ExpectedSign, LEAST_PLACEBOS, Params};
pub use rating::{PreferredText, RaterKind, Rating, check_ratings_once, read_ratings};
pub use sheet::{PeopleSheet, TextPair, opened, people_sheet};
pub use weigh::{ExperimentMeasurements, ExperimentPrompt, WrittenText, weigh};

/// An experiment with arms.
#[derive(Clone, Copy, Debug)]
pub struct Experiment;

impl Analysis for Experiment {
    const NAME: &'static str = "experiment";
    const TITLE: &'static str = "What each arm does";
    type Params = Params;
    type Input<'a> = ExperimentData<'a>;
    type Found = Found;

    /// Has every arm and every placebo write, judged, and weighs what was written.
    ///
    /// # Errors
    /// Without base or another arm, without prompts, with parameters that make no sense, or when the work fails. All that
    /// models have answered by then is kept.
    fn run(
        input: &ExperimentData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Found, AnalysisError> {
        let sheet = ask::ask(input, params, asked)?;
        weigh(&sheet, params, asked.seeds)
    }

    fn page(found: &Found) -> AnalysisPage {
        page::page(found)
    }

    fn table(found: &Found) -> Listing {
        table::table(found)
    }
}
