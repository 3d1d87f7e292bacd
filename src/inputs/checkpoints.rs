//! Checkpoints that are opened as they are asked for, one at a time in memory and each once: what was read of one lies
//! in a file until the end, for the probes that need every checkpoint's texts once more.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use ndarray::Array2;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_protocol::{ReadAt, Site};

use crate::analyses::geometry::{
    Checkpoint, Checkpoints, DeferredModel, Protocol, ProtocolReading, activations,
};
use crate::analyses::{AnalysisError, NamedPrompt, Reader};
use crate::error::{Error, ErrorContext as _};
use crate::host::Host;
use crate::session::ModelRecord;

/// The same texts read at one checkpoint after another.
pub struct CheckpointReadings<'a> {
    names: Vec<String>,
    stages: Vec<Option<String>>,
    checkpoints: &'a [Checkpoint],
    host: &'a dyn Host,
    prompts: &'a [NamedPrompt],
    place: (Site, ReadAt),
    protocols: Vec<Protocol>,
    /// Whether weights that are fetched are deleted once they are read, but those of a model that is opened again.
    deleting: Option<Option<&'a str>>,
    so_far: RefCell<ReadSoFar>,
}

#[derive(Default)]
struct ReadSoFar {
    models: Vec<ModelRecord>,
    /// Why a model could not be opened, in full.
    broken: Option<Error>,
    kept: Vec<TempActivations>,
    /// What was read of the last one in other ways.
    others: Vec<ProtocolReading>,
}

impl ReadSoFar {
    /// Keeps why something could not be done, whole.
    fn or_broken<T, E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        done: Result<T, E>,
        what: impl FnOnce() -> String,
    ) -> Result<T, AnalysisError> {
        done.map_err(|error| {
            let what = what();
            self.broken = Err::<(), _>(error).context(what.clone()).err();
            AnalysisError::Input(what)
        })
    }
}

/// Activations in a file that is gone with this.
struct TempActivations {
    file: File,
    dim: (usize, usize),
}

impl TempActivations {
    /// They were f32 when they were read, and are so again.
    #[allow(clippy::cast_possible_truncation)]
    fn new(x: &Array2<f64>) -> std::io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        let bytes: Vec<u8> = x.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        file.write_all(&bytes)?;
        Ok(Self { file, dim: x.dim() })
    }

    fn read(&mut self) -> std::io::Result<Array2<f64>> {
        let mut bytes = vec![];
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        let (four, _) = bytes.as_chunks::<4>();
        let values = four.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect();
        Array2::from_shape_vec(self.dim, values).map_err(std::io::Error::other)
    }
}

impl<'a> CheckpointReadings<'a> {
    /// Checkpoints by name, none of them opened yet.
    #[must_use]
    pub fn new(
        checkpoints: &'a [Checkpoint],
        host: &'a dyn Host,
        prompts: &'a [NamedPrompt],
        place: (Site, ReadAt),
    ) -> Self {
        let staged = checkpoints.iter().any(|c| c.stage.is_some());
        let stages = checkpoints.iter().filter(|_| staged).map(|c| c.stage.clone()).collect();
        let names = checkpoints.iter().map(|c| c.name.clone()).collect();
        Self {
            names,
            stages,
            checkpoints,
            host,
            prompts,
            place,
            protocols: vec![],
            deleting: None,
            so_far: RefCell::default(),
        }
    }

    /// Weights that are fetched for a checkpoint are deleted once its texts are read, but those of `again`, which is opened
    /// again.
    #[must_use]
    pub fn deleting(self, again: Option<&'a str>) -> Self {
        Self { deleting: Some(again), ..self }
    }

    /// The last one is read in these ways too.
    #[must_use]
    pub fn reading_too(self, protocols: &[Protocol]) -> Self {
        Self { protocols: protocols.to_vec(), ..self }
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

impl Checkpoints for CheckpointReadings<'_> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn stages(&self) -> &[Option<String>] {
        &self.stages
    }

    fn protocols(&self) -> Result<Vec<ProtocolReading>, AnalysisError> {
        Ok(std::mem::take(&mut self.so_far.borrow_mut().others))
    }

    fn activations(&self, i: usize) -> Result<Array2<f64>, AnalysisError> {
        let (name, model) = (&self.names[i], &self.checkpoints[i].model);
        let watch = self.host.watch(name, "tokens");
        if watch.interrupted() {
            return Err(RunError::Interrupted.into());
        }
        let mut so_far = self.so_far.borrow_mut();
        if let Some(kept) = so_far.kept.get_mut(i) {
            let read = kept.read();
            return so_far
                .or_broken(read, || format!("what was read of checkpoint `{name}` can't be read back"));
        }
        let delete = self.deleting.is_some_and(|again| again != Some(model));
        let opened = if delete { self.host.model_once(model) } else { self.host.model(model) };
        let session = so_far.or_broken(opened, || {
            let of = if name == model { String::new() } else { format!(" ({model})") };
            format!("checkpoint `{name}`{of} can't be opened")
        })?;
        let x = activations(&session.reader(), self.prompts, self.place, &*watch)?;
        if i + 1 == self.checkpoints.len() && so_far.others.is_empty() {
            for protocol in &self.protocols {
                let read = protocol.read(&session.reader(), self.prompts, self.place.0, &*watch)?;
                so_far.others.push(read);
            }
        }
        if so_far.kept.len() == i {
            so_far.models.push(session.record());
            let kept = so_far.or_broken(TempActivations::new(&x), || {
                format!(
                    "what was read of checkpoint `{name}` can't be kept in the folder for temporary files"
                )
            })?;
            so_far.kept.push(kept);
        }
        drop(session);
        if delete {
            let deleted = self.host.delete_fetched(model);
            so_far.or_broken(deleted, || format!("the weights of checkpoint `{name}` can't be deleted"))?;
        }
        Ok(x)
    }
}

/// A model that directions are pushed into, opened when they are there.
pub struct PushedModel<'a> {
    model: &'a str,
    host: &'a dyn Host,
    so_far: RefCell<ReadSoFar>,
}

impl<'a> PushedModel<'a> {
    /// A model by name, not opened yet.
    #[must_use]
    pub fn new(model: &'a str, host: &'a dyn Host) -> Self {
        Self { model, host, so_far: RefCell::default() }
    }

    /// The model it was, or why it could not be opened.
    ///
    /// # Errors
    /// When it could not be opened.
    pub fn finish(self) -> Result<Vec<ModelRecord>, Error> {
        let so_far = self.so_far.into_inner();
        so_far.broken.map_or(Ok(so_far.models), Err)
    }
}

impl DeferredModel for PushedModel<'_> {
    fn with(
        &self,
        ask: &mut dyn FnMut(&Reader<'_>, &dyn Watch) -> Result<(), AnalysisError>,
    ) -> Result<(), AnalysisError> {
        let mut so_far = self.so_far.borrow_mut();
        let session = so_far.or_broken(self.host.model(self.model), || {
            format!("`{}` can't be opened to be steered", self.model)
        })?;
        let watch = self.host.watch(&format!("steering {}", self.model), "tokens");
        ask(&session.reader(), &*watch)?;
        so_far.models.push(session.record());
        Ok(())
    }
}
