//! Models whose activations of the same texts are read one after another.

use ndarray::Array2;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ReadAt, Site};

use super::ProtocolReading;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader};

/// Models that read the same texts, of which none need be in memory beside another.
pub trait Checkpoints {
    /// What results call the checkpoints, in training order.
    fn names(&self) -> &[String];

    /// The stage of training that each is of; empty where none is named.
    fn stages(&self) -> &[Option<String>] {
        &[]
    }

    /// The same texts at the last checkpoint, read in other ways; empty where none is asked for. It is asked for once
    /// the last one was read.
    ///
    /// # Errors
    /// As [`Checkpoints::activations`].
    fn protocols(&self) -> Result<Vec<ProtocolReading>, AnalysisError> {
        Ok(vec![])
    }

    /// The activations of one, `[texts, width]`. It is asked for in order, and in order once more for the
    /// probes of every checkpoint on every other.
    ///
    /// # Errors
    /// When the model can't be opened or read, or the work is interrupted.
    fn activations(&self, i: usize) -> Result<Array2<f64>, AnalysisError>;
}

/// One model that is open, as a course of one checkpoint.
pub struct OneModel<'a> {
    name: [String; 1],
    reader: Reader<'a>,
    prompts: &'a [NamedPrompt],
    place: (Site, ReadAt),
    watch: &'a dyn Watch,
}

impl<'a> OneModel<'a> {
    /// The model under a name, and how it reads the texts.
    #[must_use]
    pub fn new(
        name: &str,
        reader: Reader<'a>,
        prompts: &'a [NamedPrompt],
        place: (Site, ReadAt),
        watch: &'a dyn Watch,
    ) -> Self {
        Self { name: [name.to_owned()], reader, prompts, place, watch }
    }
}

impl Checkpoints for OneModel<'_> {
    fn names(&self) -> &[String] {
        &self.name
    }

    fn activations(&self, _: usize) -> Result<Array2<f64>, AnalysisError> {
        activations(&self.reader, self.prompts, self.place, self.watch)
    }
}

/// The activations of texts at one site, `[texts, hidden]`.
///
/// # Errors
/// When the reading fails or is interrupted.
pub fn activations(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    (site, at): (Site, ReadAt),
    watch: &dyn Watch,
) -> Result<Array2<f64>, AnalysisError> {
    let first = reader.read(prompts, &[site], at, watch)?.into_iter().next();
    first
        .map(|r| r.values.mapv(f64::from))
        .ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() })
}
