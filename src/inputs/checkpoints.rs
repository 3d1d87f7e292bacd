//! Checkpoints that are opened as they are asked for, one at a time in memory.

use ndarray::Array2;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_protocol::{ReadAt, Site};

use crate::analyses::{AnalysisError, Named, Reader};
use crate::error::{Context as _, Error};
use crate::host::Host;
use crate::session::ModelRecord;

/// The same texts read at one checkpoint after another.
pub struct Checkpoints<'a> {
    names: &'a [String],
    host: &'a dyn Host,
    prompts: &'a [Named],
    site: Site,
    at: ReadAt,
    /// The models opened so far, in order.
    models: Vec<ModelRecord>,
    /// Why a model could not be opened, in full.
    broken: Option<Error>,
    /// The checkpoint read last, which need not be opened again.
    last: Option<(usize, Array2<f64>)>,
}

impl<'a> Checkpoints<'a> {
    /// Checkpoints by name, none of them opened yet.
    #[must_use]
    pub fn new(
        names: &'a [String],
        host: &'a dyn Host,
        prompts: &'a [Named],
        (site, at): (Site, ReadAt),
    ) -> Self {
        Self { names, host, prompts, site, at, models: vec![], broken: None, last: None }
    }

    /// The activations of one checkpoint, `[texts, hidden]`.
    ///
    /// # Errors
    /// When it can't be opened or read, or the work is interrupted.
    pub fn load(&mut self, i: usize) -> Result<Array2<f64>, AnalysisError> {
        let name = &self.names[i];
        let watch = self.host.watch(name, "tokens");
        if watch.interrupted() {
            return Err(RunError::Interrupted.into());
        }
        if let Some((_, x)) = self.last.as_ref().filter(|(last, _)| *last == i) {
            return Ok(x.clone());
        }
        self.last = None;
        let session = match self.host.model(name) {
            Ok(session) => session,
            Err(error) => {
                let what = format!("checkpoint `{name}` can't be opened");
                self.broken = Err::<(), _>(error).context(what.clone()).err();
                return Err(AnalysisError::Input(what));
            }
        };
        let x = activations(&session.reader(), self.prompts, (self.site, self.at), &*watch)?;
        if self.models.len() == i {
            self.models.push(session.record());
        }
        self.last = Some((i, x.clone()));
        Ok(x)
    }

    /// What was found with the checkpoints, and the models they were; an error in opening one is given whole.
    ///
    /// # Errors
    /// When one could not be opened, or nothing was found.
    pub fn finish<T>(self, found: Result<T, AnalysisError>) -> Result<(T, Vec<ModelRecord>), Error> {
        match (self.broken, found) {
            (Some(error), _) => Err(error),
            (None, found) => Ok((found?, self.models)),
        }
    }
}

/// The activations of texts at one site, `[texts, hidden]`.
///
/// # Errors
/// When they can't be read.
pub fn activations(
    reader: &Reader<'_>,
    prompts: &[Named],
    (site, at): (Site, ReadAt),
    watch: &dyn Watch,
) -> Result<Array2<f64>, AnalysisError> {
    let first = reader.read(prompts, &[site], at, watch)?.into_iter().next();
    first
        .map(|r| r.values.mapv(f64::from))
        .ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() })
}
