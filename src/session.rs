//! A model opened for some work, with the store beside it.

use std::sync::Arc;

use serde::Serialize;
use truenorth_data::store::Store;
use truenorth_protocol::ModelInfo;
use truenorth_protocol::run::Runner;

use crate::analyses::{
    ActivationMemory, AnalysisError, LeftOut, Reader, ReadingTally, Speech, SpeechRecord, Spoken,
};

/// A model and the store.
pub struct Session {
    runner: Arc<dyn Runner>,
    store: Option<Arc<Store>>,
    memory: ActivationMemory,
    tally: ReadingTally,
    spoken: Option<Spoken>,
}

impl Session {
    /// A model with a store, or without one.
    #[must_use]
    pub fn new(runner: Box<dyn Runner>, store: Option<Arc<Store>>) -> Self {
        Self {
            runner: Arc::from(runner),
            store,
            memory: ActivationMemory::default(),
            tally: ReadingTally::default(),
            spoken: None,
        }
    }

    /// The same, which puts texts before the model in this way; with what its user should know.
    ///
    /// # Errors
    /// When the model has no such chat template, or it can't be read.
    pub fn speaking(self, speech: &Speech) -> Result<(Self, Option<String>), AnalysisError> {
        let (spoken, note) = speech.open(self.runner.as_ref())?;
        Ok((Self { spoken: Some(spoken), ..self }, note))
    }

    /// The reader over model and store; without a store it remembers what it reads.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        let reader = Reader::new(self.runner.as_ref(), self.store.as_deref()).with_tally(&self.tally);
        let reader = reader.remembering(&self.memory);
        match &self.spoken {
            Some(spoken) => reader.speaking(spoken),
            None => reader,
        }
    }

    /// The model, as what runs graphs.
    #[must_use]
    pub fn runner(&self) -> &dyn Runner {
        self.runner.as_ref()
    }

    /// The model as a result remembers it, with what its means have left out so far.
    #[must_use]
    pub fn record(&self) -> ModelRecord {
        let speech = self.spoken.as_ref().and_then(Spoken::record);
        ModelRecord {
            left_out: self.tally.counts(),
            warnings: self.tally.warnings(),
            speech,
            ..self.runner.info().into()
        }
    }

    /// The model, for work that goes on beside this, or longer.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Runner> {
        self.runner.clone()
    }

    /// The store of activations and answers; none where nothing is kept.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        self.store.as_deref()
    }
}

/// A model as a result remembers it.
#[derive(Clone, Debug, Serialize)]
pub struct ModelRecord {
    /// The name that it was opened by, such as `smollm2-135m`.
    pub name: String,
    /// Revision of a hosted model, or the content identity of local weights.
    pub revision: String,
    /// The numeric path that computed it.
    pub path: String,
    /// Tokens that means left out, a row a site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What makes its readings other than they look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How texts were put before it, where not as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech: Option<SpeechRecord>,
}

impl From<&ModelInfo> for ModelRecord {
    fn from(info: &ModelInfo) -> Self {
        Self {
            name: info.name.clone(),
            revision: info.revision.clone(),
            path: info.path.clone(),
            left_out: vec![],
            warnings: vec![],
            speech: None,
        }
    }
}
