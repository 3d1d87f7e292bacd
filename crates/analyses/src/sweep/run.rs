//! The run: every site read and steered, then the two held beside each other.

use ndarray::{Array1, ArrayView2, Axis};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::{CheckedEstimator, Pipeline, Samples, SplitBy, WordSets};
use truenorth_stats::math::{Seeds, numbered};
use truenorth_stats::split::Folds;

use super::reading::{self, PairRows};
use super::respond::{self, Arms, Asker};
use super::{
    Budget, Halves, Params, SteeringVerdict, SweepData, Swept, SweptEstimator, SweptSite, compare, damage,
    estimators, flips, judge, over_sites,
};
use crate::steer;
use truenorth_reading::extract::{self, LabelledTexts};
use truenorth_reading::{
    ActivationMemory, AnalysisContext, AnalysisError, NamedPrompt, Reader, Reading, stat,
};

/// What is asked, once it is known to make sense.
pub(super) struct SweepPlan<'a> {
    /// The texts; of the prompts those that are generated from.
    pub data: SweepData<'a>,
    pub params: &'a Params,
    pub sites: Vec<Site>,
    /// The doses in ascending order with 0 among them.
    pub alphas: Vec<f64>,
    pub sampling: Sampling,
}

pub(super) fn sweep(
    data: &SweepData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Swept, AnalysisError> {
    let first = params.steered_prompts.unwrap_or(data.prompts.len()).min(data.prompts.len());
    let plan = SweepPlan {
        data: SweepData { prompts: &data.prompts[..first], ..*data },
        params,
        sites: params.flat_sites(),
        alphas: params.doses()?,
        sampling: params.sampling(asked),
    };
    check(&plan)?;
    let memory = ActivationMemory::default();
    plan.run(&asked.reader.remembering(&memory), &asked.seeds.child("sweep"), asked.watch)
}

/// What is known of the texts before a direction is fitted, the same for every site and estimator.
pub(super) struct SweepTexts {
    ids: Vec<String>,
    axes: Vec<String>,
    lengths: Vec<f64>,
    words: Option<WordSets>,
    question: LabelledTexts,
    /// The pairs that are steered, and the cluster of each.
    steered: Vec<usize>,
    pub clusters: Vec<usize>,
    pub cluster_name: &'static str,
    folds: Folds,
    flipped: Vec<Vec<bool>>,
    flipped_steered: Vec<Vec<bool>>,
    /// Of each site.
    readings: Vec<Reading>,
}

impl SweepTexts {
    /// The rows of a site, `[2 pairs, hidden]`.
    fn rows<'a>(&'a self, x: ArrayView2<'a, f64>, data: &'a SweepData<'_>) -> PairRows<'a> {
        let (chosen, rejected) = x.split_at(Axis(0), self.ids.len());
        PairRows {
            chosen,
            rejected,
            ids: &self.ids,
            axes: &self.axes,
            clusters: &data.pairs.cluster,
            lengths: &self.lengths,
            words: self.words.as_ref(),
            question: &self.question,
        }
    }

    pub fn samples(&self, at: usize, data: &SweepData<'_>) -> Result<Samples, AnalysisError> {
        let x = reading::stacked(&self.readings[at].values);
        let all: Vec<usize> = (0..self.ids.len()).collect();
        Ok(self.rows(x.view(), data).samples(&all)?)
    }
}

/// A site under an estimator.
pub(super) struct SweptFit {
    pub swept: SweptSite,
    halves: Halves,
    pub pipeline: Pipeline,
    pub direction: Array1<f64>,
}

impl SweepPlan<'_> {
    fn run(&self, reader: &Reader<'_>, seeds: &Seeds, watch: &dyn Watch) -> Result<Swept, AnalysisError> {
        let Self { data, params, sites, alphas, .. } = self;
        let question = LabelledTexts::pairs(data.pairs, data.template);
        let tokens = respond::tokens(reader, &question.prompts)?;
        let rows = &data.pairs.rows;
        let ids: Vec<String> = rows.iter().map(|p| p.id.clone()).collect();
        let axes: Vec<String> = rows.iter().map(|p| p.axis.clone()).collect();
        let steered = evenly(rows.len(), params.steered_pairs);
        let units = reading::units(&data.pairs.cluster, &axes, data.held_out.by);
        let folds = reading::folds(&units, data.held_out.folds, seeds)?;
        let flipped = flips::draw(&units, params.null_draws, &seeds.child("label flips"));
        let budget = Budget::new(
            (params.null_draws, params.random_directions),
            alphas.iter().filter(|a| **a != 0.0).count(),
            2 * steered.len(),
            sites.len() * data.estimators.len(),
        );
        watch.budget(&budget.sentence());
        watch.say("reading pairs at all sites");
        let readings = reader.read(&question.prompts, sites, data.at, watch)?;
        self.ahead(reader, watch)?;
        let texts = SweepTexts {
            lengths: tokens.iter().map(|t| t.len() as f64).collect(),
            words: WordSets::of(&extract::texts(&question.prompts)),
            clusters: numbered(steered.iter().map(|p| units[*p])),
            cluster_name: match data.held_out.by {
                SplitBy::Pair if data.pairs.copies.clusters < ids.len() => "clusters of pairs",
                SplitBy::Pair => "pairs",
                SplitBy::Axis => "axes",
            },
            folds,
            flipped_steered: flipped.iter().map(|d| steered.iter().map(|p| d[*p]).collect()).collect(),
            flipped,
            ids,
            axes,
            steered,
            readings,
            question,
        };
        let asked = Asker::new(reader, self, (&texts.steered, &tokens), watch)?;
        let mut found = Vec::with_capacity(sites.len() * data.estimators.len());
        for (name, estimator) in data.estimators {
            // All with the same seeds: the splits and draws of one are those of the others.
            for (at, site) in sites.iter().enumerate() {
                let among = if data.estimators.len() > 1 { format!(", {name}") } else { String::new() };
                watch.say(&format!("sweeping {site}{among}"));
                found.push(self.one(reader, (at, estimator), &texts, &asked, seeds, watch)?);
            }
        }
        judged(&mut found);
        let beside = estimators::beside(&found, self, &texts, seeds)?;
        let mut each = Vec::with_capacity(data.estimators.len());
        for ((name, _), found) in data.estimators.iter().zip(found.chunks(sites.len())) {
            let halves: Vec<Halves> = found.iter().map(|f| f.halves.clone()).collect();
            each.push(SweptEstimator {
                estimator: name.clone(),
                parting: compare(&halves, &texts.clusters, seeds)?,
                sites: found.iter().map(|f| f.swept.clone()).collect(),
            });
        }
        let first = each.remove(0);
        Ok(Swept {
            pairs: rows.len(),
            copies: data.pairs.copies.clone(),
            steered_pairs: texts.steered.len(),
            neutral: data.neutral.len(),
            prompts: data.prompts.len(),
            alphas: alphas.clone(),
            alpha_unit: "mean residual norm of the site over the neutral texts".into(),
            positions: params.push.to_string(),
            random_directions: params.random_directions,
            damage_directions: params.damage_directions.min(params.random_directions),
            null_draws: params.null_draws,
            budget,
            estimator: first.estimator,
            sites: first.sites,
            parting: first.parting,
            others: each,
            estimators: beside,
            not_shown: self.not_shown(),
        })
    }

    /// Reads and steers one site with directions of one estimator.
    fn one(
        &self,
        reader: &Reader<'_>,
        (at, estimator): (usize, &CheckedEstimator),
        texts: &SweepTexts,
        asked: &Asker<'_>,
        seeds: &Seeds,
        watch: &dyn Watch,
    ) -> Result<SweptFit, AnalysisError> {
        let Self { data, params, sites, alphas, .. } = self;
        let (site, n) = (sites[at], texts.ids.len());
        let x = reading::stacked(&texts.readings[at].values);
        let pair_rows = texts.rows(x.view(), data);
        let project = (data.project_out, data.project_method);
        let nuisances = extract::nuisances(reader, project, data.sentiment, site, data.at, watch)?;
        let pipeline = Pipeline { estimator: estimator.clone(), nuisances };
        let (how, controls) = (data.held_out, params.random_directions);
        let read = reading::read(site, &pair_rows, &pipeline, &texts.folds, how, controls, seeds)?;
        let norm = steer::mean_norm(reader, site, data.neutral, watch)?;
        let site_seeds = seeds.child(&format!("steering {site}"));
        let of_flips =
            flips::directions(&pair_rows, &texts.flipped, &pipeline, &texts.folds, how.by, &site_seeds)?;
        let arms = Arms {
            whole: narrow(read.direction.view()),
            without: read.without.iter().map(|d| narrow(d.view())).collect(),
            controls: read.controls.outer_iter().map(narrow).collect(),
            flips: of_flips.iter().map(|f| f.iter().map(|d| narrow(d.view())).collect()).collect(),
        };
        let answer = asked.ask((site, norm), &arms, &texts.flipped, texts.folds.of_rows(), watch)?;
        let damage = answer.damage(alphas, &site_seeds)?;
        let working_range = damage::working_range(&damage, params.bounds());
        let clusters = (&texts.clusters[..], texts.cluster_name);
        let responses = answer.responses(alphas, clusters, &texts.flipped_steered, data.keywords);
        let steering = responses.iter().map(|r| r.steering(&site_seeds)).collect::<Result<Vec<_>, _>>()?;
        let (Some(primary), Some(first)) = (steering.first(), responses.first()) else {
            return Err(AnalysisError::Answer { name: "log_odds".into(), prompts: n });
        };
        let within = first.within(working_range.low, working_range.high);
        let steering_within = match within.alphas.len() {
            0..3 => None,
            _ => Some(within.steering(&site_seeds.child("within"))?),
        };
        let reads = read.reading.reads();
        let halves = Halves {
            site: site.to_string(),
            auroc: read.reading.held_out.auroc.value,
            margin: read.reading.margin(),
            scores: sides(&texts.steered, n).map(|i| read.reading.held_out.scores[i]).collect(),
            reads,
            slope: primary.slope.value,
            slopes: primary.unit_slopes.clone(),
            steers: SteeringVerdict::Untested,
        };
        let fold_cosine = reading::stability(&read).map_err(|e| stat::of("folds' directions", &e))?;
        let swept = SweptSite {
            site,
            layer: site.layer(),
            residual_norm: norm,
            fold_cosine,
            reading: read.reading,
            steering_verdict: judge(primary, None),
            steering,
            p_over_sites: None,
            steering_within,
            within_verdict: None,
            damage,
            working_range,
            reads,
            steers: false,
        };
        Ok(SweptFit { swept, halves, pipeline, direction: read.direction })
    }

    /// Reads what each site needs of the same texts in one pass of the model.
    fn ahead(&self, reader: &Reader<'_>, watch: &dyn Watch) -> Result<(), AnalysisError> {
        let data = &self.data;
        let at = |at: ReadAt| self.sites.iter().map(|site| (*site, at)).collect::<Vec<_>>();
        reader.ahead(data.neutral, &at(ReadAt::Last), watch)?;
        if let Some(rows) = data.sentiment {
            let prompts: Vec<NamedPrompt> =
                rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect();
            reader.ahead(&prompts, &at(data.at), watch)?;
        }
        Ok(())
    }

    fn not_shown(&self) -> Vec<String> {
        let mut out = vec![
            "That the model uses the direction by itself: a push along it is not what the model would do \
             unpushed."
                .to_owned(),
            "A change in log-odds is of the given responses; it does not say what the model writes."
                .to_owned(),
            "Word lists count wording; a reply in other words is missed.".to_owned(),
            format!(
                "No p of steering can be below 1/{} with {} label flips, nor below 1/{} with {} random directions.",
                self.params.null_draws + 1,
                self.params.null_draws,
                self.params.random_directions + 1,
                self.params.random_directions
            ),
            "The bounds of damage are a convention; the working range moves with them.".to_owned(),
            "Given text is pushed at all of its tokens, whatever the positions of generation.".to_owned(),
            "`reads` is the interval of the AUROC at each site by itself; its p after Holm stands beside it.".to_owned(),
            "Measures other than the log-odds of whole responses are described, each at each site by itself, and \
             not corrected for their number."
                .to_owned(),
        ];
        if self.data.prompts.is_empty() {
            out.push(
                "Nothing was generated, so nothing is said of what the steered model writes.".to_owned(),
            );
        } else {
            out.push(
                "The projection of generations is on the direction of all pairs; its prompts are not among the \
                 pairs unless the caller put them there."
                    .to_owned(),
            );
        }
        out
    }
}

/// Fills in what the rule says of every site, once the slopes of all of them, under all estimators, are known.
fn judged(found: &mut [SweptFit]) {
    let slopes: Vec<(f64, &[f64])> = found
        .iter()
        .map(|f| f.swept.steering.first().map_or((0.0, &[][..]), |p| (p.slope.value, &p.flip_slopes)))
        .collect();
    let p = over_sites(&slopes);
    for (SweptFit { swept: site, halves, .. }, p) in found.iter_mut().zip(p) {
        let Some(primary) = site.steering.first() else { continue };
        site.p_over_sites = p;
        site.steering_verdict = judge(primary, p);
        site.steers = site.steering_verdict.verdict.steers();
        halves.steers = site.steering_verdict.verdict;
        // The range is of this site's own doses, so what all sites together say holds there too.
        site.within_verdict = site.steering_within.as_ref().map(|within| {
            let own = within.slope.null.as_ref().map(|n| n.p);
            judge(within, own.zip(p).map(|(own, p)| own.max(p)))
        });
    }
}

/// `count` of `n`, evenly spaced; all where `count` is none or no less.
fn evenly(n: usize, count: Option<usize>) -> Vec<usize> {
    let count = count.unwrap_or(n).min(n);
    (0..count).map(|i| i * n / count).collect()
}

/// The chosen rows of some pairs of `n`, then their rejected rows.
pub(super) fn sides(pairs: &[usize], n: usize) -> impl Iterator<Item = usize> {
    pairs.iter().copied().chain(pairs.iter().map(move |p| n + p))
}

fn check(plan: &SweepPlan<'_>) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let SweepPlan { data, params, sites, .. } = plan;
    params.bounds().check()?;
    if data.estimators.is_empty() {
        return refuse("no estimators; a sweep needs at least one".into());
    }
    let mut seen = std::collections::BTreeSet::new();
    if let Some((name, _)) = data.estimators.iter().find(|(name, _)| !seen.insert(name)) {
        return refuse(format!("estimator `{name}` is named twice"));
    }
    if sites.is_empty() {
        return refuse("no sites; a sweep needs at least one".into());
    }
    if let Some(site) = sites.iter().find(|s| **s == Site::Logits) {
        return refuse(format!(
            "`{site}` is no site of the residual stream; sweep sites such as resid_post.4"
        ));
    }
    if data.at.by_token() {
        return refuse(
            "positions `all` give a row a token; a sweep reads last, mean, mean+sink or an index".into(),
        );
    }
    if data.neutral.is_empty() {
        return refuse("no neutral texts; the unit of α and the damage are measured on them".into());
    }
    if params.steered_pairs.is_some_and(|n| n < 2) {
        return refuse(format!(
            "{} steered pairs (--steered-pairs); an interval needs at least two",
            params.steered_pairs.unwrap_or_default()
        ));
    }
    if data.prompts.len() == 1 {
        return refuse(
            "one prompt to generate from (--prompts); an interval needs at least two, or none at all".into(),
        );
    }
    if let Some((lexicon, way)) = data.keywords.iter().find(|(_, way)| !(-1..=1).contains(way)) {
        return refuse(format!("`{}` is expected to move by {way}; give 1, -1 or 0", lexicon.name));
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation)]
pub(super) fn narrow(d: ndarray::ArrayView1<'_, f64>) -> Vec<f32> {
    d.iter().map(|v| *v as f32).collect()
}
