//! From texts to samples and nuisances: what a direction is estimated from.

use ndarray::Array2;
use rand::Rng as _;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::categories::{dealt, positive_label};
use super::chains::chains;
use super::{AnalysisError, Chain, LeftOutTexts, NamedPrompt, Reader};
use truenorth_data::{ClassRow, Copies, Distinct, NearCopies, Pair, SentimentRow, Template, copies_between};
use truenorth_protocol::run::Watch;
use truenorth_stats::estimate::{
    CheckedEstimator, EstimateError, Estimator, HeldOutParams, Nuisances, Pipeline, ProjectMethod, Samples,
    WordSets,
};
use truenorth_stats::math::Seeds;

/// Labelled texts, in the order of the samples' rows.
#[derive(Clone, Debug)]
pub struct LabelledTexts {
    /// The texts with their names, a row each.
    pub prompts: Vec<NamedPrompt>,
    /// `pairs` or `classes`.
    pub operation: &'static str,
    /// SHA-256 of the file they came from.
    pub data_sha256: String,
    /// What the positive end of the direction means.
    pub positive_end: String,
    /// Copies and near copies that were found among the texts.
    pub copies: Copies,
    /// What was left out since another question's direction was fitted on it; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
    /// Responses of pairs without their prompts, none where a text is nothing else.
    pub responses: Vec<NamedPrompt>,
    /// Characters of the response of each row of pairs, of the text of each row of classes.
    characters: Vec<f64>,
    labels: TextLabels,
}

#[derive(Clone, Debug)]
enum TextLabels {
    Pairs { ids: Vec<String>, axes: Vec<String>, clusters: Vec<usize> },
    Classes { positive: Vec<bool>, groups: Vec<usize>, axes: Vec<String> },
}

impl TextLabels {
    fn both(&self) -> bool {
        match self {
            Self::Pairs { ids, .. } => !ids.is_empty(),
            Self::Classes { positive, .. } => positive.contains(&true) && positive.contains(&false),
        }
    }
}

/// Plain texts; token ids are none.
pub fn texts(prompts: &[NamedPrompt]) -> Vec<&str> {
    prompts
        .iter()
        .map(|n| match &n.prompt {
            Prompt::Text(t) => t.as_str(),
            Prompt::Tokens(_) => "",
        })
        .collect()
}

impl LabelledTexts {
    /// Contrastive pairs: all chosen texts, then all rejected ones.
    #[must_use]
    pub fn pairs(pairs: &Distinct<Pair>, template: &Template) -> Self {
        let rows = &pairs.rows;
        let side = |name: &'static str, of: fn(&Pair) -> &str| {
            rows.iter()
                .map(move |p| {
                    let text =
                        NamedPrompt::text(format!("{}/{name}", p.id), template.apply(&p.prompt, of(p)));
                    text.in_turns(p.conversation(of(p)))
                })
                .collect::<Vec<_>>()
        };
        let mut prompts = side("chosen", |p| &p.chosen);
        prompts.extend(side("rejected", |p| &p.rejected));
        let alone = |p: &Pair| {
            let response = |name, text: &str| NamedPrompt::text(format!("{}/{name}", p.id), text);
            [response("chosen", &p.chosen), response("rejected", &p.rejected)]
        };
        let sides = rows.iter().map(|p| &p.chosen).chain(rows.iter().map(|p| &p.rejected));
        Self {
            characters: sides.map(|text| characters(text)).collect(),
            prompts,
            responses: rows.iter().flat_map(alone).collect(),
            operation: "pairs",
            data_sha256: pairs.sha256.clone(),
            positive_end: "the chosen response over the rejected one".into(),
            copies: pairs.copies.clone(),
            apart: None,
            labels: TextLabels::Pairs {
                ids: rows.iter().map(|p| p.id.clone()).collect(),
                axes: rows.iter().map(|p| p.axis.clone()).collect(),
                clusters: pairs.cluster.clone(),
            },
        }
    }

    /// Two classes; `positive` names the label at the positive end, or none where the labels say it
    /// themselves (`1`, `true` or `positive`).
    ///
    /// # Errors
    /// When there are not two labels, or none of them is the positive one.
    pub fn classes(rows: &Distinct<ClassRow>, positive: Option<&str>) -> Result<Self, AnalysisError> {
        let label = positive_label(rows, positive)?;
        let own = || rows.rows.iter().map(|r| r.category.clone().unwrap_or_default()).collect();
        Ok(Self {
            prompts: rows.rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect(),
            operation: "classes",
            data_sha256: rows.sha256.clone(),
            positive_end: format!("texts labelled {label:?}"),
            characters: rows.rows.iter().map(|r| characters(&r.text)).collect(),
            copies: rows.copies.clone(),
            apart: None,
            responses: vec![],
            labels: TextLabels::Classes {
                positive: rows.rows.iter().map(|r| r.label == label).collect(),
                groups: rows.cluster.clone(),
                axes: dealt(rows).unwrap_or_else(own),
            },
        })
    }

    /// Texts labelled for sentiment.
    ///
    /// # Errors
    /// When one sentiment is missing.
    pub fn sentiment(rows: &Distinct<SentimentRow>) -> Result<Self, AnalysisError> {
        let positive: Vec<bool> = rows.rows.iter().map(|r| r.positive).collect();
        if positive.iter().all(|p| *p) || !positive.contains(&true) {
            return Err(AnalysisError::Input(format!(
                "all {} texts are labelled {}; expected both sentiments",
                positive.len(),
                if positive.contains(&true) { "positive" } else { "negative" }
            )));
        }
        Ok(Self {
            prompts: rows.rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect(),
            operation: "classes",
            data_sha256: rows.sha256.clone(),
            positive_end: "texts of positive sentiment".into(),
            characters: rows.rows.iter().map(|r| characters(&r.text)).collect(),
            copies: rows.copies.clone(),
            apart: None,
            responses: vec![],
            labels: TextLabels::Classes {
                axes: vec![String::new(); positive.len()],
                groups: rows.cluster.clone(),
                positive,
            },
        })
    }

    /// The rows that are no copies of texts that another direction was fitted on; of pairs both go where one
    /// is. Near copies stay: the labels of the two questions mean different things.
    ///
    /// # Errors
    /// When nothing, or one class, is left.
    pub fn apart_from(mut self, fitted: &Self, set: &str, near: NearCopies) -> Result<Self, AnalysisError> {
        let (found, keep) = self.shared_with(fitted, set, near);
        self.retain(&keep);
        if found.copies > 0 && !self.labels.both() {
            return Err(AnalysisError::Input(format!(
                "{}; what is left has not both sides: give the set texts of its own",
                found.sentences().first().expect("copies that were found are said")
            )));
        }
        self.apart = Some(found);
        Ok(self)
    }

    /// What the rows have in common with the texts of another question, and which of them are no copies.
    #[must_use]
    pub fn shared_with(&self, fitted: &Self, set: &str, near: NearCopies) -> (LeftOutTexts, Vec<bool>) {
        let rows = self.examples();
        let mut found = LeftOutTexts { set: set.to_owned(), rows, ..LeftOutTexts::default() };
        let mut keep = vec![true; rows];
        let mut noted = vec![false; rows];
        let shared = copies_between(&texts(&fitted.prompts), &texts(&self.prompts), near);
        // Copies first, so that a row with both is one that goes.
        for (exact, shared) in [true, false].into_iter().flat_map(|e| shared.iter().map(move |s| (e, s))) {
            let row = shared.text % rows;
            if noted[row] || shared.copy_of.is_some() != exact {
                continue;
            }
            noted[row] = true;
            let (id, of) =
                (self.row_id(row), &fitted.prompts[shared.copy_of.unwrap_or(shared.cluster[0])].id);
            if exact {
                keep[row] = false;
                found.leave_out(false, &id, of);
            } else {
                found.keep_near(&id, of);
            }
        }
        (found, keep)
    }

    fn row_id(&self, row: usize) -> String {
        match &self.labels {
            TextLabels::Pairs { ids, .. } => ids[row].clone(),
            TextLabels::Classes { .. } => self.prompts[row].id.clone(),
        }
    }

    fn retain(&mut self, keep: &[bool]) {
        fn only<T>(all: &mut Vec<T>, keep: &[bool]) {
            let mut keep = keep.iter().cycle();
            all.retain(|_| *keep.next().expect("every row is kept or left out"));
        }
        // Of pairs there are two prompts a row, all chosen ones before all rejected ones.
        only(&mut self.prompts, keep);
        only(&mut self.characters, keep);
        match &mut self.labels {
            TextLabels::Pairs { ids, axes, clusters } => {
                only(ids, keep);
                only(axes, keep);
                only(clusters, keep);
            }
            TextLabels::Classes { positive, groups, axes } => {
                only(positive, keep);
                only(groups, keep);
                only(axes, keep);
            }
        }
    }

    /// Whether these are pairs.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        matches!(self.labels, TextLabels::Pairs { .. })
    }

    /// Pairs, or texts of both classes.
    #[must_use]
    pub fn examples(&self) -> usize {
        match &self.labels {
            TextLabels::Pairs { ids, .. } => ids.len(),
            TextLabels::Classes { positive, .. } => positive.len(),
        }
    }

    /// How many of what there is, for messages.
    #[must_use]
    pub fn extent(&self) -> String {
        match &self.labels {
            TextLabels::Pairs { ids, .. } => format!("{} pairs", ids.len()),
            TextLabels::Classes { positive, .. } => {
                let up = positive.iter().filter(|p| **p).count();
                format!("{up} {}, {} with the other label", self.positive_end, positive.len() - up)
            }
        }
    }

    /// Different axes, or categories.
    #[must_use]
    pub fn axes(&self) -> usize {
        let (TextLabels::Pairs { axes, .. } | TextLabels::Classes { axes, .. }) = &self.labels;
        axes.iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// The category of all texts of two classes, where it is one that has a name: there is none to hold out.
    #[must_use]
    pub fn only_category(&self) -> Option<&str> {
        match &self.labels {
            TextLabels::Classes { axes, .. } if self.axes() == 1 => {
                axes.first().map(String::as_str).filter(|name| !name.is_empty())
            }
            _ => None,
        }
    }

    /// Axes or categories that rows in common make one where one is held out.
    #[must_use]
    pub fn chains(&self) -> Vec<Chain> {
        let (TextLabels::Pairs { axes, clusters, .. } | TextLabels::Classes { axes, groups: clusters, .. }) =
            &self.labels;
        let ids: Vec<String> = (0..self.examples()).map(|i| self.row_id(i)).collect();
        let mut names: Vec<String> = axes.clone();
        let mut seen = std::collections::HashSet::new();
        names.retain(|a| seen.insert(a.clone()));
        let axis: Vec<usize> = axes.iter().filter_map(|a| names.iter().position(|n| n == a)).collect();
        chains(&ids, clusters, &axis, &names)
    }

    /// Reads the texts at a site, with their lengths beside: of what the model reads, in tokens where the tokenizer is at
    /// hand, else in characters; and in characters of the responses, or of texts that are nothing else.
    ///
    /// # Errors
    /// When the reading fails or the labels make no samples.
    pub fn samples(
        &self,
        reader: &Reader<'_>,
        site: Site,
        at: ReadAt,
        watch: &dyn Watch,
    ) -> Result<Samples, AnalysisError> {
        let encoded = reader.encode(&self.prompts)?;
        let tokens = encoded.iter().all(|p| matches!(p, Prompt::Tokens(_)));
        let lengths: Vec<f64> = encoded.iter().map(length).collect();
        let x = matrix(reader, &self.prompts, site, at, watch)?;
        let samples = self.labelled(&x)?.with_words(WordSets::of(&texts(&self.prompts)))?;
        Ok(self.with_lengths(samples, &lengths, tokens)?)
    }

    /// Adds both lengths of every text to samples of all of them: those that the model reads, as they were counted, and the
    /// characters of what tells the two sides apart. Which of them gives the labels away is not known beforehand.
    ///
    /// # Errors
    /// When there is not one length a row.
    pub fn with_lengths(
        &self,
        samples: Samples,
        lengths: &[f64],
        tokens: bool,
    ) -> Result<Samples, EstimateError> {
        let unit = if tokens { "tokens" } else { "characters" };
        // A template may leave the prompt out.
        let own_alone =
            texts(&self.prompts).iter().zip(&self.characters).all(|(text, count)| characters(text) == *count);
        let [whole, own] = match (self.is_paired(), own_alone) {
            (true, false) => ["prompt and response", "characters of the response"],
            (true, true) => ["the response", "characters of the response"],
            (false, _) => ["the text", "characters of the text"],
        };
        let samples = samples.with_lengths_of(lengths, &format!("{unit} of {whole}"))?;
        // Said once where it is the same count.
        if lengths == self.characters {
            return Ok(samples);
        }
        samples.with_second_lengths(&self.characters, own)
    }

    /// Samples of these labels and groups whose rows are noise, `[texts, 8]`: whether there are groups enough for
    /// what is asked is known from them before a model reads anything.
    ///
    /// # Errors
    /// When the labels make no samples.
    pub fn stand_in(&self) -> Result<Samples, AnalysisError> {
        let mut rng = Seeds::new(0).stream("stand-in");
        let x = Array2::from_shape_simple_fn((self.prompts.len(), 8), || rng.random_range(-1.0..1.0));
        self.labelled(&x)
    }

    /// Refuses what the groups of the texts are too few for, which no reading changes; `seeds` are those of the
    /// work itself, which folds are drawn by, and `estimator` the one that is fitted.
    ///
    /// # Errors
    /// As [`Pipeline::held_out`].
    pub fn check_held_out(
        &self,
        estimator: &CheckedEstimator,
        params: &HeldOutParams,
        seeds: &Seeds,
    ) -> Result<(), AnalysisError> {
        let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
        // One way to split tells; others that leave a fold without a class are left out.
        let params = HeldOutParams { repeats: 1, ..params.clone() };
        let samples = self.stand_in()?;
        pipeline.held_out(&samples, &params, seeds)?;
        let (TextLabels::Pairs { axes, .. } | TextLabels::Classes { axes, .. }) = &self.labels;
        let mut names: Vec<&str> = axes.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        Ok(estimator.check_choice(&samples, params.by, params.folds, &names)?)
    }

    fn labelled(&self, x: &Array2<f64>) -> Result<Samples, AnalysisError> {
        Ok(match &self.labels {
            TextLabels::Pairs { ids, axes, clusters } => {
                let (chosen, rejected) = x.view().split_at(ndarray::Axis(0), ids.len());
                Samples::from_pairs(chosen, rejected, ids, axes)?.with_clusters(clusters)?
            }
            TextLabels::Classes { positive, groups, axes } => {
                let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
                Samples::from_classes(x.view(), positive, &groups, axes)?
            }
        })
    }
}

/// What can be projected out of activations, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectOut {
    /// Length of the whole text in tokens, or in characters where no tokenizer is at hand.
    Length,
    /// Sentiment, from texts labelled for it.
    Sentiment,
}

impl ProjectOut {
    /// `length` or `sentiment`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Sentiment => "sentiment",
        }
    }
}

impl std::str::FromStr for ProjectOut {
    type Err = AnalysisError;

    fn from_str(s: &str) -> Result<Self, AnalysisError> {
        match s {
            "length" => Ok(Self::Length),
            "sentiment" => Ok(Self::Sentiment),
            _ => Err(AnalysisError::Input(format!("can't project out `{s}`; expected length or sentiment"))),
        }
    }
}

/// The nuisances to project out at a site; sentiment that is not is held beside, where there are texts for it.
///
/// # Errors
/// When sentiment is asked for without texts, or the reading fails.
pub fn nuisances(
    reader: &Reader<'_>,
    (project_out, method): (&[ProjectOut], ProjectMethod),
    sentiment: Option<&[SentimentRow]>,
    site: Site,
    at: ReadAt,
    watch: &dyn Watch,
) -> Result<Nuisances, AnalysisError> {
    let mut nuisances = Nuisances::none().by(method);
    if project_out.contains(&ProjectOut::Length) {
        nuisances = nuisances.with_length();
    }
    let erased = project_out.contains(&ProjectOut::Sentiment);
    if erased && sentiment.is_none() {
        return Err(AnalysisError::Input(
            "projecting sentiment out needs texts labelled for it; name the file with --sentiment F".into(),
        ));
    }
    if let Some(rows) = sentiment {
        let prompts: Vec<NamedPrompt> =
            rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect();
        let positive: Vec<bool> = rows.iter().map(|r| r.positive).collect();
        let x = matrix(reader, &prompts, site, at, watch)?;
        nuisances = if erased {
            nuisances.with_sentiment(x.view(), &positive)?
        } else {
            nuisances.with_sentiment_beside(x.view(), &positive)?
        };
    }
    Ok(nuisances)
}

fn matrix(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    site: Site,
    at: ReadAt,
    watch: &dyn Watch,
) -> Result<Array2<f64>, AnalysisError> {
    if at.by_token() {
        return Err(AnalysisError::Input(format!(
            "positions `{at}` give a row a token, a direction needs a row a text; use last, mean, an index, or of a part \
                     its last-, first- or mean:, as in mean:response"
        )));
    }
    let readings = reader.read(prompts, &[site], at, watch)?;
    let first = readings.first().map(|r| r.values.mapv(f64::from));
    first.ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: prompts.len() })
}

/// Characters of a text; an empty one counts as one, for a logarithm.
fn characters(text: &str) -> f64 {
    text.chars().count().max(1) as f64
}

/// The length of a prompt that a nuisance of length is fitted to: tokens, or characters where it is not tokenized yet.
#[must_use]
pub fn length(prompt: &Prompt) -> f64 {
    match prompt {
        Prompt::Tokens(t) => t.len() as f64,
        Prompt::Text(t) => t.chars().count() as f64,
    }
}
