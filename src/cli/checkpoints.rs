//! Checkpoints that are opened as they are asked for, one at a time in memory.

use ndarray::Array2;
use truenorth::analyses::{AnalysisError, Named, Reader};
use truenorth::run::{RunError, Watch};
use truenorth_protocol::{ReadAt, Site};

use super::args::ModelArgs;
use super::progress::{self, Bar};
use super::record::ModelRecord;
use super::session::Session;

/// The same texts read at one checkpoint after another.
pub struct Checkpoints<'a> {
    names: &'a [String],
    /// How each is opened, but for its name.
    args: &'a ModelArgs,
    prompts: &'a [Named],
    site: Site,
    at: ReadAt,
    /// The models opened so far, in order.
    models: Vec<ModelRecord>,
    /// Why a model could not be opened, in full.
    broken: Option<anyhow::Error>,
    /// The checkpoint read last, which need not be opened again.
    last: Option<(usize, Array2<f64>)>,
}

impl<'a> Checkpoints<'a> {
    /// Checkpoints by name, none of them opened yet.
    pub fn new(
        names: &'a [String],
        args: &'a ModelArgs,
        prompts: &'a [Named],
        (site, at): (Site, ReadAt),
    ) -> Self {
        Self { names, args, prompts, site, at, models: vec![], broken: None, last: None }
    }

    /// The activations of one checkpoint, `[texts, hidden]`.
    pub fn load(&mut self, i: usize) -> Result<Array2<f64>, AnalysisError> {
        if progress::interrupted() {
            return Err(RunError::Interrupted.into());
        }
        if let Some((_, x)) = self.last.as_ref().filter(|(last, _)| *last == i) {
            return Ok(x.clone());
        }
        self.last = None;
        let name = &self.names[i];
        let session = match Session::open(&ModelArgs { model: name.clone(), ..self.args.clone() }) {
            Ok(session) => session,
            Err(error) => {
                let what = format!("checkpoint `{name}` can't be opened");
                self.broken = Some(error.context(what.clone()));
                return Err(AnalysisError::Input(what));
            }
        };
        let bar = Bar::new(name, 0, "tokens", self.args.common.quiet);
        let x = activations(&session.reader(), self.prompts, (self.site, self.at), &bar)?;
        if self.models.len() == i {
            self.models.push(session.record());
        }
        self.last = Some((i, x.clone()));
        Ok(x)
    }

    /// What was found with the checkpoints, and the models they were; an error in opening one is given whole.
    pub fn finish<T>(self, found: Result<T, AnalysisError>) -> anyhow::Result<(T, Vec<ModelRecord>)> {
        match (self.broken, found) {
            (Some(error), _) => Err(error),
            (None, found) => Ok((found?, self.models)),
        }
    }
}

/// The activations of texts at one site, `[texts, hidden]`.
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
