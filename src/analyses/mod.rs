//! Questions about a model, asked through a [`truenorth_protocol::run::Runner`].

mod activations;
mod analysis;
mod apart;
pub(crate) mod as_text;
pub mod audit;
pub mod beside;
pub mod board;
mod by_name;
mod chunk;
pub(crate) mod cosine;
mod counted;
mod error;
pub mod extract;
#[cfg(test)]
pub(crate) mod fixture;
pub mod geometry;
pub mod judge;
mod labelled;
mod memory;
mod named;
pub mod probing;
pub mod rate;
mod reading;
mod recipe;
mod sentence;
mod site_range;
mod speech;
pub mod stat;
pub mod steer;
pub mod sweep;
mod tally;
pub mod transfer;
mod wanted;

pub use activations::{Reader, keep};
pub use analysis::{Analysis, Asked, Listing, Page, Parameters};
pub use apart::{LeftOutTexts, SentimentTexts, sentiment_apart};
pub use cosine::{Cosine, Drawn, NO_TEXTS, Unrelated};
pub use error::AnalysisError;
pub use labelled::Labelled;
pub use memory::Memory;
pub use named::{Named, Said};
pub use reading::Reading;
pub use recipe::{Recipe, default_permutations};
pub use site_range::{NoSites, SiteRange};
pub use speech::{ChatChoice, Encoded, SpecialTokens, Speech, SpeechRecord, Spelled, Spoken, chats};
pub use tally::{LeftOut, Tally};
