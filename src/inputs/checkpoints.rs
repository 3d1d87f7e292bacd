//! Checkpoints that are opened as they are asked for, one at a time in memory.

use std::cell::RefCell;

use ndarray::Array2;
use truenorth_protocol::run::RunError;
use truenorth_protocol::{ReadAt, Site};

use crate::analyses::geometry::{Checkpoints, activations};
use crate::analyses::{AnalysisError, Named};
use crate::error::{Context as _, Error};
use crate::host::Host;
use crate::session::ModelRecord;

/// The same texts read at one checkpoint after another.
pub struct Opened<'a> {
    names: &'a [String],
    host: &'a dyn Host,
    prompts: &'a [Named],
    place: (Site, ReadAt),
    so_far: RefCell<SoFar>,
}

#[derive(Default)]
struct SoFar {
    /// The models opened, in order.
    models: Vec<ModelRecord>,
    /// Why a model could not be opened, in full.
    broken: Option<Error>,
    /// The checkpoint read last, which need not be opened again.
    last: Option<(usize, Array2<f64>)>,
}

impl<'a> Opened<'a> {
    /// Checkpoints by name, none of them opened yet.
    #[must_use]
    pub fn new(names: &'a [String], host: &'a dyn Host, prompts: &'a [Named], place: (Site, ReadAt)) -> Self {
        Self { names, host, prompts, place, so_far: RefCell::default() }
    }

    /// What was found with the checkpoints, and the models they were; an error in opening one is given whole.
    ///
    /// # Errors
    /// When one could not be opened, or nothing was found.
    pub fn finish<T>(self, found: Result<T, AnalysisError>) -> Result<(T, Vec<ModelRecord>), Error> {
        let so_far = self.so_far.into_inner();
        match (so_far.broken, found) {
            (Some(error), _) => Err(error),
            (None, found) => Ok((found?, so_far.models)),
        }
    }
}

impl Checkpoints for Opened<'_> {
    fn names(&self) -> &[String] {
        self.names
    }

    fn activations(&self, i: usize) -> Result<Array2<f64>, AnalysisError> {
        let name = &self.names[i];
        let watch = self.host.watch(name, "tokens");
        if watch.interrupted() {
            return Err(RunError::Interrupted.into());
        }
        let mut so_far = self.so_far.borrow_mut();
        if let Some((_, x)) = so_far.last.as_ref().filter(|(last, _)| *last == i) {
            return Ok(x.clone());
        }
        so_far.last = None;
        let session = match self.host.model(name) {
            Ok(session) => session,
            Err(error) => {
                let what = format!("checkpoint `{name}` can't be opened");
                so_far.broken = Err::<(), _>(error).context(what.clone()).err();
                return Err(AnalysisError::Input(what));
            }
        };
        let x = activations(&session.reader(), self.prompts, self.place, &*watch)?;
        if so_far.models.len() == i {
            so_far.models.push(session.record());
        }
        so_far.last = Some((i, x.clone()));
        Ok(x)
    }
}
