//! Checkpoints that are opened as they are asked for, one at a time in memory.

use std::cell::RefCell;

use ndarray::Array2;
use truenorth::analyses::geometry::{Checkpoints, activations};
use truenorth::analyses::{AnalysisError, Named};
use truenorth::run::RunError;
use truenorth_protocol::{ReadAt, Site};

use super::args::ModelArgs;
use super::progress::{self, Bar};
use super::record::ModelRecord;
use super::session::Session;

/// The same texts read at one checkpoint after another.
pub struct Opened<'a> {
    names: &'a [String],
    /// How each is opened, but for its name.
    args: &'a ModelArgs,
    prompts: &'a [Named],
    place: (Site, ReadAt),
    so_far: RefCell<SoFar>,
}

#[derive(Default)]
struct SoFar {
    /// The models opened, in order.
    models: Vec<ModelRecord>,
    /// Why a model could not be opened, in full.
    broken: Option<anyhow::Error>,
    /// The checkpoint read last, which need not be opened again.
    last: Option<(usize, Array2<f64>)>,
}

impl<'a> Opened<'a> {
    /// Checkpoints by name, none of them opened yet.
    pub fn new(
        names: &'a [String],
        args: &'a ModelArgs,
        prompts: &'a [Named],
        place: (Site, ReadAt),
    ) -> Self {
        Self { names, args, prompts, place, so_far: RefCell::default() }
    }

    /// What was found with the checkpoints, and the models they were; an error in opening one is given whole.
    pub fn finish<T>(self, found: Result<T, AnalysisError>) -> anyhow::Result<(T, Vec<ModelRecord>)> {
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
        if progress::interrupted() {
            return Err(RunError::Interrupted.into());
        }
        let mut so_far = self.so_far.borrow_mut();
        if let Some((_, x)) = so_far.last.as_ref().filter(|(last, _)| *last == i) {
            return Ok(x.clone());
        }
        so_far.last = None;
        let name = &self.names[i];
        let session = match Session::open(&ModelArgs { model: name.clone(), ..self.args.clone() }) {
            Ok(session) => session,
            Err(error) => {
                let what = format!("checkpoint `{name}` can't be opened");
                so_far.broken = Some(error.context(what.clone()));
                return Err(AnalysisError::Input(what));
            }
        };
        let bar = Bar::new(name, 0, "tokens", self.args.common.quiet);
        let x = activations(&session.reader(), self.prompts, self.place, &bar)?;
        if so_far.models.len() == i {
            so_far.models.push(session.record());
        }
        so_far.last = Some((i, x.clone()));
        Ok(x)
    }
}
