//! What comes along with a contrast, and how far each of it gets alone; and whether what was projected out is gone.

use serde::{Deserialize, Serialize};

use super::clue::{ClueValues, held_out_values};
use super::estimated::Estimate;
use super::held_out::DealtFolds;
use super::pipeline::{Pipeline, Reduced, fit_projected};
use super::{EstimateError, HeldOutParams, ProjectMethod, Samples, SplitBy};
use crate::math::{ClusteredStatistic, Interval, Placement, Seeds};
use crate::split::group_folds;

/// One thing alone, on the same splits as the direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    /// `length`, `second-length`, `sentiment` or `words`.
    pub name: String,
    /// What a length counts, such as `tokens of prompt and response`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of: Option<String>,
    /// Held-out AUROC of the same contrast. Which end is up is learnt in the training folds, as the direction's.
    pub auroc: Estimate,
    /// The direction's AUROC less this one, paired by unit.
    pub less: ClusteredStatistic,
}

/// Whether the direction still tells a thing apart that was projected out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erased {
    /// `length` or `sentiment`.
    pub name: String,
    /// What the length counts that was projected out, such as `tokens of prompt and response`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of: Option<String>,
    /// The method that projected it out.
    pub method: ProjectMethod,
    /// On rows that neither the projection nor the direction was fitted on: the chance that a row longer than the
    /// median scores above a shorter one, or a text of positive sentiment above one of negative.
    pub auroc: f64,
    /// Its confidence interval over held-out units.
    pub interval: Interval,
    /// Whether that interval holds 1/2. Only then may it be said to be projected out.
    pub gone: bool,
}

impl Erased {
    fn new(name: &str, method: ProjectMethod, found: ClusteredStatistic) -> Self {
        let ClusteredStatistic { value, interval, .. } = found;
        let gone = interval.contains(0.5);
        Self { name: name.to_owned(), of: None, method, auroc: value, interval, gone }
    }
}

/// Names of things, and why they are not known.
type Reasons = Vec<(String, String)>;

/// What it is held beside: the ways to split with the direction's scores on each.
pub(super) struct Splits<'a> {
    pub pipeline: &'a Pipeline,
    pub reduced: &'a Reduced,
    pub params: &'a HeldOutParams,
    pub each: &'a [DealtFolds],
    pub seeds: &'a Seeds,
}

impl Splits<'_> {
    fn samples(&self) -> &Samples {
        &self.reduced.samples
    }

    fn widen(&self) -> f64 {
        let folds = self.each.first().map_or(2, |(folds, ..)| folds.count()) as f64;
        1.0 + folds / (folds - 1.0)
    }

    fn placed(&self, scores: &[f64], labels: &[bool]) -> Result<Placement, EstimateError> {
        Ok(Placement::auroc(scores, labels, self.samples().units(self.params.by))?)
    }

    /// Length, sentiment and words alone, as far as they are at hand; and why the others are not.
    pub fn alone(&self) -> Result<(Vec<Alone>, Reasons), EstimateError> {
        let samples = self.samples();
        let mut direction = Vec::with_capacity(self.each.len());
        for (_, scores, _) in self.each {
            direction.push(self.placed(scores, &samples.positive)?);
        }
        let direction = Placement::mean(&direction).expect("there is a split");
        let mut found = Vec::new();
        let mut missing = Vec::new();
        let mut add = |name: &str, counts: &str, of: Option<&ClueValues<'_>>, why: &str| {
            let Some(of) = of else {
                missing.push((name.to_owned(), why.to_owned()));
                return Ok(());
            };
            let mut placed = Vec::with_capacity(self.each.len());
            for (folds, ..) in self.each {
                placed.push(self.placed(&held_out_values(folds, &samples.positive, of)?, &samples.positive)?);
            }
            let auroc = Estimate::new(&placed, self.each[0].0.count(), self.params.level)?;
            let placed = Placement::mean(&placed).expect("there is a split");
            let less = direction.less(&placed, self.params.level, self.widen())?;
            let counts = (!counts.is_empty()).then(|| counts.to_owned());
            found.push(Alone { name: name.to_owned(), of: counts, auroc, less });
            Ok::<_, EstimateError>(())
        };
        let lengths = samples.log_length.as_ref().map(|l| l.to_vec());
        let length = |_: &[usize]| lengths.clone().unwrap_or_default();
        let why = "the lengths of the texts are not known";
        add("length", &samples.length_of, lengths.as_ref().map(|_| &length as _), why)?;
        let others = samples.log_second.as_ref().map(|(log, _)| log.to_vec());
        let other = |_: &[usize]| others.clone().unwrap_or_default();
        // One length is all that some texts have.
        if let Some((_, of)) = &samples.log_second {
            add("second-length", of, others.as_ref().map(|_| &other as _), "")?;
        }
        let moods = self.reduced.nuisances.sentiments().map(|s| samples.x.dot(&s.direction).to_vec());
        let mood = |_: &[usize]| moods.clone().unwrap_or_default();
        add(
            "sentiment",
            "",
            moods.as_ref().map(|_| &mood as _),
            "no texts labelled for sentiment are given",
        )?;
        let words = samples.words.as_ref();
        let word = |train: &[usize]| words.map_or_else(Vec::new, |w| w.log_odds(train, &samples.positive));
        add("words", "", words.map(|_| &word as _), "the texts are not at hand")?;
        Ok((found, missing))
    }

    /// Whether what was projected out still goes with the held-out scores.
    pub fn erased(&self) -> Result<Vec<Erased>, EstimateError> {
        let nuisances = &self.reduced.nuisances;
        let [length, sentiment] = nuisances.erases();
        let mut out = Vec::new();
        if length && let Some(longer) = self.longer() {
            let mut placed = Vec::with_capacity(self.each.len());
            for (_, scores, _) in self.each {
                placed.push(self.placed(scores, &longer)?);
            }
            let placed = Placement::mean(&placed).expect("there is a split");
            let found = placed.estimate(self.params.level, self.widen())?;
            let of = Some(self.samples().length_of.clone()).filter(|of| !of.is_empty());
            out.push(Erased { of, ..Erased::new("length", nuisances.method(), found) });
        }
        if sentiment && let Some(found) = self.sentiment()? {
            out.push(Erased::new("sentiment", nuisances.method(), found));
        }
        Ok(out)
    }

    /// The rows above the median length; none where all are alike.
    fn longer(&self) -> Option<Vec<bool>> {
        let lengths = self.samples().log_length.as_ref()?.to_vec();
        let middle = crate::math::quantile(&lengths, 0.5).ok()?;
        let above = |by: &dyn Fn(f64) -> bool| lengths.iter().map(|l| by(*l)).collect::<Vec<bool>>();
        [above(&|l| l > middle), above(&|l| l >= middle)]
            .into_iter()
            .find(|longer| longer.contains(&true) && longer.contains(&false))
    }

    /// The direction of all rows on texts of known sentiment that had no part in projecting it out.
    fn sentiment(&self) -> Result<Option<ClusteredStatistic>, EstimateError> {
        let Some(moods) = self.reduced.nuisances.sentiments() else { return Ok(None) };
        let n = moods.positive.len();
        let each: Vec<usize> = (0..n).collect();
        let seeds = self.seeds.child("sentiment held out");
        let Ok(folds) = group_folds(&each, n.min(5), &mut seeds.stream("folds")) else { return Ok(None) };
        let mut scores = vec![0.0; n];
        for fold in 0..folds.count() {
            let nuisances = match self.reduced.nuisances.with_some_sentiment(&folds.train(fold)) {
                Ok(nuisances) => nuisances,
                // So few texts that a fold leaves one sentiment.
                Err(EstimateError::OneClass { .. }) => return Ok(None),
                Err(e) => return Err(e),
            };
            let (estimator, samples) = (&self.pipeline.estimator, self.samples());
            let (_, fit) = fit_projected(estimator, &nuisances, samples, SplitBy::Pair, self.seeds)?;
            let spread = samples.x.dot(&fit.direction).std(0.0);
            for row in folds.test(fold) {
                scores[row] = moods.x.row(row).dot(&fit.direction) / if spread > 0.0 { spread } else { 1.0 };
            }
        }
        Ok(Some(Placement::auroc(&scores, &moods.positive, &each)?.estimate(self.params.level, 1.0)?))
    }
}
