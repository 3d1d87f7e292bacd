//! A direction: found, kept, added, scored with, audited.

use std::path::Path;

use truenorth_data::artifact::{Direction as Artifact, DirectionMetadata, HeldOutRecord};
use truenorth_data::{NearCopies, Template};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::Unwatched;
use truenorth_protocol::{ReadAt, Site, WriteAt};
use truenorth_stats::estimate::{HeldOutParams, Nuisances, Pipeline, ProjectMethod, SplitBy};

use super::texts::named;
use super::{Model, Pairs};
use crate::analyses::audit::{self, Audit, AuditData, Audited, Confound};
use crate::analyses::board::{ScanData, ScanParams, ScoredSequence, Sequence, scan};
use crate::analyses::steer::{self, Dose, Push, Schedule, Steered, mean_norm};
use crate::analyses::{DirectionRecipe, default_permutations};
use crate::direction::{ExtractionContext, artifact, estimator};
use crate::error::{Error, ErrorContext as _};
use crate::host::Local;
use crate::inputs::{NamedFile, TextFiles};

/// A unit direction at a site of a model, with what is known of it: sign, estimator, data, held-out separation.
///
/// ```
/// use truenorth::{Direction, Options};
///
/// let model = Options::new().without_store().open("fixtures/gguf/llama/model.gguf")?;
/// let pairs: Vec<_> = (0..12).map(|i| (format!("the cup {i}"), format!("yes {i}"), format!("no {i}"))).collect();
/// let direction = Direction::extract(&model, pairs)?;
/// let found = &direction.held_out()[0];
/// println!("AUROC {:.3} on {} clusters of pairs", found.auroc.value, found.units);
///
/// let scored = direction.score(&model, ["the hat", "a tin"], ["be kind", "be brief", "be quick"])?;
/// assert_eq!(scored.len(), 3);
/// # Ok::<(), truenorth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Direction(Artifact);

/// How a direction is found, where the defaults do not do.
#[derive(Clone, Debug)]
pub struct Extract {
    site: Option<String>,
    positions: ReadAt,
    estimator: String,
    length: bool,
    permutations: Option<usize>,
}

impl Default for Extract {
    fn default() -> Self {
        Self::new()
    }
}

impl Extract {
    /// Logistic regression at the last token of the site at two thirds of the depth, nothing projected out.
    #[must_use]
    pub fn new() -> Self {
        let estimator = "logistic".to_owned();
        Self { site: None, positions: ReadAt::Last, estimator, length: false, permutations: None }
    }

    /// The site, such as `resid_post.20`.
    #[must_use]
    pub fn site(self, site: impl Into<String>) -> Self {
        Self { site: Some(site.into()), ..self }
    }

    /// At which token texts are read.
    #[must_use]
    pub fn positions(self, at: ReadAt) -> Self {
        Self { positions: at, ..self }
    }

    /// `logistic`, `mean-diff`, `lda` or `pca`.
    #[must_use]
    pub fn estimator(self, name: impl Into<String>) -> Self {
        Self { estimator: name.into(), ..self }
    }

    /// Projects the length of texts out.
    #[must_use]
    pub fn without_length(self) -> Self {
        Self { length: true, ..self }
    }

    /// Label flips of the null, each through the whole pipeline; 0 leaves the null out.
    #[must_use]
    pub fn permutations(self, count: usize) -> Self {
        Self { permutations: Some(count), ..self }
    }

    /// Finds the direction, with its held-out separation by pair and, where pairs have two axes or more, by axis.
    ///
    /// # Errors
    /// When the pairs can't be read, there are too few for five folds, the model has no such site, or a reading fails.
    pub fn run<P>(&self, model: &Model, pairs: P) -> Result<Direction, Error>
    where
        P: TryInto<Pairs>,
        P::Error: Into<Error>,
    {
        let question = pairs.try_into().map_err(Into::into)?.question();
        let (reader, seeds) = (model.reader(), model.seeds());
        let site = self.site.as_deref().map_or_else(|| Ok(model.usual_site()), Model::site)?;
        let estimator = estimator(&self.estimator)?;
        let permutations = self.permutations.unwrap_or_else(|| default_permutations(estimator.params()));
        let by = |params: HeldOutParams| HeldOutParams { permutations, ..params };
        // Too few pairs are known before anything is read.
        question.check_held_out(&estimator, &by(HeldOutParams::by_pair()), seeds)?;
        let nuisances = Nuisances::none().by(ProjectMethod::default());
        let nuisances = if self.length { nuisances.with_length() } else { nuisances };
        let samples = question.samples(&reader, site, self.positions, &Unwatched)?;
        let pipeline = Pipeline { estimator, nuisances };
        let extraction = pipeline.extract(&samples, SplitBy::Pair, seeds)?;
        let mut held_out = vec![pipeline.held_out(&samples, &by(HeldOutParams::by_pair()), seeds)?];
        if samples.unit_count(SplitBy::Axis) >= 2 {
            held_out.push(pipeline.held_out(&samples, &by(HeldOutParams::by_axis()), seeds)?);
        }
        let norm = mean_norm(&reader, site, &question.prompts, &Unwatched)?;
        let record = model.session().record();
        let made = ExtractionContext {
            question: &question,
            info: model.info(),
            site,
            positions: self.positions,
            left_out: record.left_out,
            template: Some(Template::default().to_string()),
            speech: record.speech,
            sentiment: None,
            residual_norm: (norm, "the texts it was estimated from"),
            held_out: &held_out.iter().collect::<Vec<_>>(),
            fallen: None,
        };
        Ok(Direction(artifact(&extraction, &pipeline.estimator, &made)?))
    }
}

impl Direction {
    /// Finds the direction of contrastive pairs as [`Extract::new`] says. Pairs are a [`Pairs`], the path of a file, or
    /// a list of `(prompt, chosen, rejected)`.
    ///
    /// # Errors
    /// As [`Extract::run`].
    pub fn extract<P>(model: &Model, pairs: P) -> Result<Self, Error>
    where
        P: TryInto<Pairs>,
        P::Error: Into<Error>,
    {
        Extract::new().run(model, pairs)
    }

    /// Reads a direction that was saved, here or by the command line.
    ///
    /// # Errors
    /// When the file can't be read, is damaged, or lacks site or sign.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Ok(Self(Artifact::load(path).request(format!("can't read the direction {}", path.display()))?))
    }

    /// Writes it, whole or not at all: a safetensors file with a tensor `direction`, `[hidden]`, and all that is known of it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        self.0.save(path).context(format!("can't write {}", path.display()))
    }

    /// The vector: `[hidden]`, of norm 1.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        self.0.vector().to_slice().unwrap_or_default()
    }

    /// The site at which it was found.
    #[must_use]
    pub fn site(&self) -> Site {
        self.0.metadata().site
    }

    /// How well it separates texts that it was not fitted on: by pair, then by axis where that was possible. Empty for one
    /// that was imported.
    #[must_use]
    pub fn held_out(&self) -> &[HeldOutRecord] {
        &self.0.metadata().held_out
    }

    /// What its file says of it.
    #[must_use]
    pub fn metadata(&self) -> &DirectionMetadata {
        self.0.metadata()
    }

    /// Generates from every prompt with the direction added at every token: 48 tokens, greedily, at each dose α. A dose is a
    /// share of the mean norm of the residual stream at the site; 0 is the model as it is. Rows come prompt by prompt,
    /// doses in the order given.
    ///
    /// # Errors
    /// When the direction is of another model or width, a prompt has no token, or the run fails.
    pub fn steer<T: AsRef<str>>(
        &self,
        model: &Model,
        prompts: impl IntoIterator<Item = T>,
        doses: &[f64],
    ) -> Result<Vec<Steered>, Error> {
        self.suits(model)?;
        let norm = self.0.metadata().residual_norm.request(
            "the direction's file does not say the mean norm of the residual stream at its site, of which doses are shares",
        )?;
        let dose = Dose {
            pushes: vec![Push {
                direction: self.vector().to_vec(),
                site: self.site(),
                coefficient: 1.0,
                norm: Some(norm),
                clamp: None,
                spares_first: false,
            }],
            positions: WriteAt::All,
            alphas: doses.to_vec(),
            unit: "norm",
            ablate: false,
            schedule: Schedule::default(),
            when: None,
        };
        let stop = model.session().runner().stop_tokens();
        let sampling = Sampling { stop, ..Sampling::greedy(TOKENS) };
        Ok(steer::steer(&model.reader(), &named(prompts), &dose, &sampling, &Unwatched)?)
    }

    /// How far each sequence, put before neutral probes, moves them along the direction, and whether a random direction
    /// would do the same (`z`, `p_random`). Rows come in the order of the sequences.
    ///
    /// # Errors
    /// When the direction is of another model or width, texts are empty, or a reading fails.
    pub fn score<P: AsRef<str>, S: AsRef<str>>(
        &self,
        model: &Model,
        probes: impl IntoIterator<Item = P>,
        sequences: impl IntoIterator<Item = S>,
    ) -> Result<Vec<ScoredSequence>, Error> {
        self.suits(model)?;
        let sequence = |(i, text): (usize, S)| Sequence {
            id: (i + 1).to_string(),
            text: text.as_ref().to_owned(),
            counted_with: None,
            turns: vec![],
            pair: None,
            labels: std::collections::BTreeMap::default(),
        };
        let sequences: Vec<Sequence> = sequences.into_iter().enumerate().map(sequence).collect();
        let probes = named(probes);
        let direction = self.0.to_f64();
        let data = ScanData { probes: &probes, sequences: &sequences, direction: direction.view() };
        let params = ScanParams { draws: 0, ..ScanParams::new(self.site()) };
        Ok(scan(&model.reader(), &data, &params, model.seeds(), &Unwatched)?.board)
    }

    /// Whether the direction is about what it says: held against sets of texts that differ in one thing, each as
    /// `NAME=FILE`, such as `length=length.jsonl`.
    ///
    /// # Errors
    /// When a file can't be read, a set has too few groups or one class, or a reading fails; the set is named.
    pub fn audit<P>(&self, model: &Model, pairs: P, sets: &[&str]) -> Result<Audited, Error>
    where
        P: TryInto<Pairs>,
        P::Error: Into<Error>,
    {
        self.suits(model)?;
        let train = pairs.try_into().map_err(Into::into)?.question();
        let desk = Local::new("");
        let texts = TextFiles { desk: &desk, near: NearCopies::default() };
        let (mut confounds, mut flips) = (vec![], vec![]);
        for set in sets {
            let file: NamedFile = set.parse().map_err(|e: String| Error::request(e))?;
            let mut question = texts.question(&file, &Template::default())?;
            if audit::ranked(&file.name) {
                // Those that the direction was fitted on would be ranked right.
                question = question.apart_from(&train, &file.name, NearCopies::default())?;
            }
            let set = Confound { name: file.name, question, circular: None };
            if audit::ranked(&set.name) { flips.push(set) } else { confounds.push(set) }
        }
        let metadata = self.0.metadata();
        let chosen = match metadata.estimator.clone() {
            Some(own) => own.check()?,
            None => estimator("logistic")?,
        };
        let recipe = DirectionRecipe::new(self.site(), ReadAt::Last, chosen);
        let direction = self.0.to_f64();
        let data = AuditData {
            train: &train,
            direction: Some(direction.view()),
            confounds: &confounds,
            flips: &flips,
            sentiment: None,
            recipe: &recipe,
        };
        model.ask::<Audit>(&data, &audit::Params::default())
    }

    /// Refuses a model that the direction does not fit.
    fn suits(&self, model: &Model) -> Result<(), Error> {
        let info = model.info();
        let fits = self.0.check_for((&info.name, &info.revision), info.hidden as usize, self.site());
        fits.request("the direction can't be used with this model")
    }
}

/// Tokens that are generated.
const TOKENS: u32 = 48;
