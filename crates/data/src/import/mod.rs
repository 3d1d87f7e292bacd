//! Public data sets and plain tables, turned into classes files.
//!
//! An [`Importer`] is told what the files are ([`ImportSource`]) and reads one after another; it gives
//! back rows as [`read_classes`](super::read_classes) reads them, and an [`ImportTally`] of what was
//! read, kept and dropped. Gzip is unpacked where the bytes say so, and a named set may come as
//! Parquet, as many mirrors have it. No data set is part of this project; mind their licences:
//!
//! | source | reads | text | label | licence of the original |
//! | --- | --- | --- | --- | --- |
//! | [`BeaverTails`](ImportSource::BeaverTails) | JSONL or Parquet: `prompt`, `response`, `category` {name: bool}, `is_safe` | `prompt` | `safe`, `harmful` by `is_safe` | CC BY-NC 4.0 |
//! | [`Alpaca`](ImportSource::Alpaca) | JSON array, JSONL or Parquet: `instruction`, `input` | both, a blank line between | `safe` | CC BY-NC 4.0 |
//! | [`AdvBench`](ImportSource::AdvBench) | CSV: `goal`, `target` | `goal` | `harmful` | MIT |
//! | [`HarmBench`](ImportSource::HarmBench) | CSV: `Behavior`, `FunctionalCategory`, `SemanticCategory`, `Tags`, `ContextString`, `BehaviorID` | `ContextString`, then `Behavior` | `harmful` | MIT |
//! | [`MaliciousInstruct`](ImportSource::MaliciousInstruct) | text, a request a line | the line | `harmful` | none stated |
//!
//! # What a label means
//! BeaverTails judges a prompt *together with* its response: a harmful request that was refused is `safe`
//! there, and a prompt that occurs with several responses can occur with both labels. Texts that
//! do so are left out and counted, or decided by most rows ([`Disagree::Majority`]); `text=prompt+response`
//! takes what was judged. The rows of one prompt share a `group`, so that no split cuts through it.
//!
//! # BeaverTails' categories
//! Its fourteen names become the ones of this project's own sets where these mean the same, as below;
//! the original names stay in the field `source_category`. A row of several categories (after this
//! mapping) is left out and counted, or takes the first of this table ([`MultiCategoryRule::First`]).
//! Safe rows have no category.
//!
//! | theirs | ours |
//! | --- | --- |
//! | `animal_abuse` | `animal-abuse` |
//! | `child_abuse` | `child-abuse` |
//! | `controversial_topics,politics` | `controversial` |
//! | `discrimination,stereotype,injustice` | `hate` |
//! | `drug_abuse,weapons,banned_substance` | `illegal-goods` |
//! | `financial_crime,property_crime,theft` | `fraud` |
//! | `hate_speech,offensive_language` | `hate` |
//! | `misinformation_regarding_ethics,laws_and_safety` | `misinformation` |
//! | `non_violent_unethical_behavior` | `unethical` |
//! | `privacy_violation` | `privacy` |
//! | `self_harm` | `self-harm` |
//! | `sexually_explicit,adult_content` | `sexual` |
//! | `terrorism,organized_crime` | `terrorism` |
//! | `violence,aiding_and_abetting,incitement` | `violence` |

#[cfg(feature = "parquet")]
mod arrow;
mod beavertails;
mod container;
mod csv;
mod error;
mod gather;
mod json;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "without_parquet.rs"]
mod parquet;
mod recipe;
mod record;
mod sample;
mod tally;

pub use error::{ImportError, ImportProblem};
pub use gather::Importer;
pub use options::{
    ColumnChoice, Disagree, ImportOptions, ImportSource, MultiCategoryRule, OptionsError, Renames,
};
pub use record::RowLocation;
pub use sample::{SplitShares, Streams};
pub use tally::{Dropped, FileTally, ImportTally, Imported};

#[cfg(test)]
mod tests;
