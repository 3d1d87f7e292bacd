//! Texts put before a model, read once, and directions fitted to what was read; the trait of an analysis and what all of
//! them say alike. Everything is asked through a [`truenorth_protocol::run::Runner`].
//!
//! A [`Reader`] gives the activations of texts at a site, from the store where it was asked before. A [`DirectionRecipe`] says
//! where texts are read and how a direction is fitted to them; [`extract`] does it. An [`Analysis`] is a question about a
//! model with its parameters, its result and how a report and a terminal show that.

mod activations;
pub mod analysis;
mod apart;
pub mod as_text;
mod at_sites;
pub mod beside;
pub mod by_name;
pub mod categories;
mod chains;
mod chunk;
pub mod cosine;
mod counted;
mod error;
pub mod extract;
#[cfg(test)]
mod fixture;
mod labelled;
mod memory;
mod named;
mod reading;
mod recipe;
pub mod sentence;
mod sinks;
pub mod site_range;
mod speech;
pub mod stat;
mod tally;
mod wanted;

pub use activations::{Reader, keep};
pub use analysis::{Analysis, AnalysisContext, AnalysisPage, Listing, Parameters};
pub use apart::{LeftOutTexts, SentimentTexts, sentiment_apart};
pub use at_sites::{AtSite, AtSites, FoundAtSites, OneOrMore};
pub use chains::{Chain, chains};
pub use cosine::{Cosine, CosineNulls, NO_TEXTS, Unrelated, cosine_table};
pub use error::AnalysisError;
pub use labelled::ClassTexts;
pub use memory::ActivationMemory;
pub use named::{NamedPrompt, Said};
pub use reading::Reading;
pub use recipe::{DirectionRecipe, default_permutations};
pub use site_range::{NoSites, SiteRange};
pub use speech::{ChatChoice, EncodedPrompt, SpecialTokens, Speech, SpeechRecord, Spelled, Spoken, chats};
pub use tally::{LeftOut, ReadingTally};
pub use wanted::only_reads;
