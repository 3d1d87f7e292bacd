//! What computes the scores: the program's model behind the seam of runners.

use truenorth_protocol::run::Runner;
use truenorth_reading::Reader;

/// A model, here or elsewhere, and how texts are put before it.
pub trait ScoringModel: Send + Sync {
    /// The model, as what runs graphs.
    fn runner(&self) -> &dyn Runner;

    /// A reader over it that holds nothing, so that memory stays as it is however much is scored. What a job of a
    /// hosted model needs to be picked up after a restart is behind it.
    fn reader(&self) -> Reader<'_>;
}
