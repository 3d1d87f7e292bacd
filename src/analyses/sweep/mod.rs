//! A range of sites: how well the direction found there reads, beside how far it steers.
//!
//! At every site a direction is estimated and its held-out separation measured. Then `α·d` is added
//! there in both signs and several doses, α in mean residual norms of the site over neutral prompts,
//! and beside it random directions of the same norm at the same doses. No outcome needs a judge:
//!
//! - `log_odds`: log-probability of the chosen response less that of the rejected one, after the same
//!   prompt; `log_odds_per_token` is the same with each response's mean over its tokens, which a longer
//!   response can't win by its length. Every pair is pushed along a direction fitted without its fold,
//!   so that no pair is scored by a direction that has seen it.
//! - `projection`: the generations are read by the unsteered model, and projected on `d`.
//! - `refusal` and the caller's word lists: the share of generations that hold one of the phrases.
//!
//! Beside them stands the damage: perplexity of neutral text, divergence of the next token from the
//! unsteered model, and repetition.

mod compare;
mod damage;
pub mod page;
mod reading;
mod respond;
mod rows;
mod trend;
mod words;

#[cfg(test)]
mod tests;

use serde::Serialize;
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{ReadAt, Site, WriteAt};

pub use compare::{Halves, Parting, compare};
pub use damage::{Bounds, DamagePoint, WorkingRange};
pub use reading::ReadingPoint;
pub use trend::{Point, Responses, Steering};
pub use words::{Lexicon, REFUSAL, distinct_2};

use super::extract::{self, ProjectOut, Question};
use super::{AnalysisError, Memory, Named, Reader, steer};
use reading::PairRows;
use respond::Asker;
use truenorth_data::{Copies, Distinct, Pair, SentimentRow, Template};
use truenorth_protocol::run::Watch;
use truenorth_stats::estimate::{CheckedEstimator, HeldOutParams, Pipeline, SplitBy};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// What the model is asked with.
#[derive(Clone, Copy)]
pub struct SweepData<'a> {
    /// The contrast.
    pub pairs: &'a Distinct<Pair>,
    /// How prompt and response become one text.
    pub template: &'a Template,
    /// Neutral texts: the unit of α, perplexity and divergence are measured on them.
    pub neutral: &'a [Named],
    /// Prompts to generate from; none leaves the measures of generations out.
    pub prompts: &'a [Named],
    /// Texts labelled for sentiment, where it is projected out.
    pub sentiment: Option<&'a [SentimentRow]>,
}

/// How it is asked.
#[derive(Clone, Debug)]
pub struct SweepParams {
    /// The sites, in the order of the curves.
    pub sites: Vec<Site>,
    /// Where texts are read.
    pub at: ReadAt,
    /// The estimator of every site's direction.
    pub estimator: CheckedEstimator,
    /// What is projected out of it.
    pub project_out: Vec<ProjectOut>,
    /// Held-out separation; its split is also that of the folds whose pairs are steered.
    pub held_out: HeldOutParams,
    /// Folds of the pairs for steering.
    pub folds: usize,
    /// How many pairs are steered, taken evenly through the file, so that each axis gives its share where
    /// the file has them in turn; none steers all. Every pair is read whatever this says.
    pub steered_pairs: Option<usize>,
    /// Doses in mean residual norms, of both signs; 0 is added where it is missing.
    pub alphas: Vec<f64>,
    /// Which tokens are pushed while generating. Given text is pushed at all of its tokens.
    pub positions: WriteAt,
    /// Random directions at the same doses.
    pub random_directions: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Word lists counted in generations beside refusals, each with the way it should move: 1, -1 or 0.
    pub keywords: Vec<(Lexicon, i8)>,
    /// The damage that a dose may do.
    pub bounds: Bounds,
    /// Shuffles behind each trend test.
    pub permutations: usize,
}

impl SweepParams {
    /// Sites and an estimator; else doses of ±0.05, ±0.1 and ±0.2, three random directions, five folds
    /// of pairs, 32 greedy tokens.
    #[must_use]
    pub fn new(sites: Vec<Site>, estimator: CheckedEstimator) -> Self {
        Self {
            sites,
            at: ReadAt::Last,
            estimator,
            project_out: vec![],
            held_out: HeldOutParams::by_pair(),
            folds: 5,
            steered_pairs: None,
            alphas: vec![-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2],
            positions: WriteAt::All,
            random_directions: 3,
            sampling: Sampling::greedy(32),
            keywords: vec![],
            bounds: Bounds::default(),
            permutations: 2000,
        }
    }

    /// The doses in ascending order with 0 among them.
    fn doses(&self) -> Result<Vec<f64>, AnalysisError> {
        let mut alphas = self.alphas.clone();
        if let Some(bad) = alphas.iter().find(|a| !a.is_finite()) {
            return Err(AnalysisError::Input(format!("dose {bad} is no finite number")));
        }
        alphas.push(0.0);
        alphas.sort_by(f64::total_cmp);
        // -0 and 0 are one dose.
        alphas.iter_mut().for_each(|a| *a += 0.0);
        alphas.dedup();
        let sides = [alphas.iter().any(|a| *a < 0.0), alphas.iter().any(|a| *a > 0.0)];
        if sides != [true, true] {
            return Err(AnalysisError::Input(format!(
                "doses {:?} (--alpha) have one sign; a steering curve needs doses on both sides of 0",
                self.alphas
            )));
        }
        Ok(alphas)
    }
}

/// One site of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct SweptSite {
    /// The site.
    pub site: Site,
    /// Its block.
    pub layer: Option<u32>,
    /// The mean residual norm that α multiplies.
    pub residual_norm: f64,
    /// How it reads.
    pub reading: ReadingPoint,
    /// Mean cosine of the folds' directions with the one of all pairs.
    pub fold_cosine: f64,
    /// How it steers; the first measure is the primary one, `log_odds`.
    pub steering: Vec<Steering>,
    /// The primary measure over the doses of the working range alone; none with fewer than three.
    pub steering_within: Option<Steering>,
    /// What each dose breaks.
    pub damage: Vec<DamagePoint>,
    /// The doses that break little.
    pub working_range: WorkingRange,
    /// Whether the interval of the AUROC lies above one half.
    pub reads: bool,
    /// Whether the interval of the primary slope lies above 0 and no random direction has a steeper one.
    pub steers: bool,
}

/// A sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// Pairs read.
    pub pairs: usize,
    /// The copies among them.
    pub copies: Copies,
    /// Pairs steered.
    pub steered_pairs: usize,
    /// Neutral texts.
    pub neutral: usize,
    /// Prompts generated from.
    pub prompts: usize,
    /// The doses.
    pub alphas: Vec<f64>,
    /// What α is measured in.
    pub alpha_unit: String,
    /// Which tokens are pushed while generating.
    pub positions: String,
    /// Random directions at each site.
    pub random_directions: usize,
    /// A row a site, in the order asked for.
    pub sites: Vec<SweptSite>,
    /// Where reading and steering part.
    pub parting: Parting,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Sweeps sites.
///
/// # Errors
/// When the doses have one sign, a site can't be written, there are too few pairs or neutral texts, the
/// tokenizer is not at hand, or the work fails. All that the model has answered by then is kept.
pub fn sweep(
    reader: &Reader<'_>,
    data: &SweepData<'_>,
    params: &SweepParams,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Sweep, AnalysisError> {
    let alphas = params.doses()?;
    check(data, params)?;
    let memory = Memory::default();
    let reader = &reader.remembering(&memory);
    let question = Question::pairs(data.pairs, data.template);
    let texts = respond::tokens(reader, &question.prompts)?;
    let lengths: Vec<f64> = texts.iter().map(|t| t.len() as f64).collect();
    let rows = &data.pairs.rows;
    let ids: Vec<String> = rows.iter().map(|p| p.id.clone()).collect();
    let axes: Vec<String> = rows.iter().map(|p| p.axis.clone()).collect();
    let steered = evenly(rows.len(), params.steered_pairs);
    let units = reading::units(&data.pairs.cluster, &axes, params.held_out.by);
    let clusters = reading::numbered(&steered.iter().map(|p| units[*p]).collect::<Vec<_>>());
    let cluster_name = match params.held_out.by {
        SplitBy::Pair if data.pairs.copies.clusters < ids.len() => "clusters of pairs",
        SplitBy::Pair => "pairs",
        SplitBy::Axis => "axes",
    };
    let seeds = seeds.child("sweep");
    let folds = reading::folds(&units, params.folds, &seeds)?;
    watch.say("reading pairs at all sites");
    let readings = reader.read(&question.prompts, &params.sites, params.at, watch)?;
    ahead(reader, data, params, watch)?;
    let asked = Asker::new(reader, data, params, &alphas, (&steered, &texts), watch)?;
    let mut sites = Vec::with_capacity(params.sites.len());
    let mut halves = Vec::with_capacity(params.sites.len());
    for (site, reading) in params.sites.iter().zip(readings) {
        watch.say(&format!("sweeping {site}"));
        let x = reading::stacked(&reading.values);
        let (chosen, rejected) = x.view().split_at(ndarray::Axis(0), rows.len());
        let pair_rows = PairRows {
            chosen,
            rejected,
            ids: &ids,
            axes: &axes,
            clusters: &data.pairs.cluster,
            lengths: &lengths,
        };
        let nuisances =
            extract::nuisances(reader, &params.project_out, data.sentiment, *site, params.at, watch)?;
        let pipeline = Pipeline { estimator: params.estimator.clone(), nuisances };
        let read = reading::read(*site, &pair_rows, &pipeline, &folds, &params.held_out, &seeds)?;
        let norm = steer::mean_norm(reader, *site, data.neutral, watch)?;
        let site_seeds = seeds.child(&format!("steering {site}"));
        let answer = asked.ask(*site, norm, &read, folds.of_rows(), &site_seeds, watch)?;
        let damage = answer.damage(&alphas, &site_seeds)?;
        let working_range = damage::working_range(&damage, params.bounds);
        let responses = answer.responses(&alphas, (&clusters, cluster_name), &params.keywords);
        let steering = responses
            .iter()
            .map(|r| r.steering(params.permutations, &site_seeds))
            .collect::<Result<Vec<_>, _>>()?;
        let (Some(primary), Some(first)) = (steering.first(), responses.first()) else {
            return Err(AnalysisError::Answer { name: "log_odds".into(), prompts: rows.len() });
        };
        let within = first.within(working_range.low, working_range.high);
        let steering_within = match within.alphas.len() {
            0..3 => None,
            _ => Some(within.steering(params.permutations, &site_seeds.child("within"))?),
        };
        let (reads, steers) = (read.reading.reads(), primary.steers());
        halves.push(Halves {
            site: site.to_string(),
            auroc: read.reading.held_out.auroc.value,
            scores: sides(&steered, rows.len()).map(|i| read.reading.held_out.scores[i]).collect(),
            reads,
            slope: primary.slope.value,
            slopes: primary.unit_slopes.clone(),
            steers,
        });
        sites.push(SweptSite {
            site: *site,
            layer: site.layer(),
            residual_norm: norm,
            fold_cosine: reading::stability(&read).map_err(|e| super::stat::of("folds' directions", &e))?,
            reading: read.reading,
            steering,
            steering_within,
            damage,
            working_range,
            reads,
            steers,
        });
    }
    let parting = compare(&halves, &clusters, &seeds)?;
    Ok(Sweep {
        pairs: rows.len(),
        copies: data.pairs.copies.clone(),
        steered_pairs: steered.len(),
        neutral: data.neutral.len(),
        prompts: data.prompts.len(),
        alphas,
        alpha_unit: "mean residual norm of the site over the neutral texts".into(),
        positions: params.positions.to_string(),
        random_directions: params.random_directions,
        sites,
        parting,
        not_shown: not_shown(data, params),
    })
}

/// `count` of `n`, evenly spaced; all where `count` is none or no less.
fn evenly(n: usize, count: Option<usize>) -> Vec<usize> {
    let count = count.unwrap_or(n).min(n);
    (0..count).map(|i| i * n / count).collect()
}

/// The chosen rows of some pairs of `n`, then their rejected rows.
fn sides(pairs: &[usize], n: usize) -> impl Iterator<Item = usize> {
    pairs.iter().copied().chain(pairs.iter().map(move |p| n + p))
}

/// Reads what each site needs of the same texts in one pass of the model.
fn ahead(
    reader: &Reader<'_>,
    data: &SweepData<'_>,
    params: &SweepParams,
    watch: &dyn Watch,
) -> Result<(), AnalysisError> {
    let at = |at: ReadAt| params.sites.iter().map(|site| (*site, at)).collect::<Vec<_>>();
    reader.ahead(data.neutral, &at(ReadAt::Last), watch)?;
    if params.project_out.contains(&ProjectOut::Sentiment)
        && let Some(rows) = data.sentiment
    {
        let prompts: Vec<Named> = rows.iter().map(|r| Named::text(&r.id, &r.text)).collect();
        reader.ahead(&prompts, &at(params.at), watch)?;
    }
    Ok(())
}

fn check(data: &SweepData<'_>, params: &SweepParams) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    params.bounds.check()?;
    if params.sites.is_empty() {
        return refuse("no sites; a sweep needs at least one".into());
    }
    if let Some(site) = params.sites.iter().find(|s| **s == Site::Logits) {
        return refuse(format!(
            "`{site}` is no site of the residual stream; sweep sites such as resid_post.4"
        ));
    }
    if params.at == ReadAt::All {
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
    if let Some((lexicon, way)) = params.keywords.iter().find(|(_, way)| !(-1..=1).contains(way)) {
        return refuse(format!("`{}` is expected to move by {way}; give 1, -1 or 0", lexicon.name));
    }
    Ok(())
}

fn not_shown(data: &SweepData<'_>, params: &SweepParams) -> Vec<String> {
    let mut out = vec![
        "That the model uses the direction by itself: a push along it is not what the model would do \
         unpushed."
            .to_owned(),
        "A change in log-odds is of the given responses; it does not say what the model writes.".to_owned(),
        "Word lists count wording; a reply in other words is missed.".to_owned(),
        format!(
            "With {} random directions a site, no p against them can be below {:.2}.",
            params.random_directions,
            super::stat::permutation_p(0, params.random_directions)
        ),
        "The bounds of damage are a convention; the working range moves with them.".to_owned(),
        "Given text is pushed at all of its tokens, whatever the positions of generation.".to_owned(),
        "Sites are tested one by one: `reads` and `steers` are not corrected for their number.".to_owned(),
    ];
    if data.prompts.is_empty() {
        out.push("Nothing was generated, so nothing is said of what the steered model writes.".to_owned());
    } else {
        out.push(
            "The projection of generations is on the direction of all pairs; its prompts are not among the \
             pairs unless the caller put them there."
                .to_owned(),
        );
    }
    out
}

/// The unit directions of the controls.
fn random_directions(width: usize, count: usize, seeds: &Seeds) -> Result<Vec<Vec<f32>>, AnalysisError> {
    let mut rng = seeds.stream("random directions");
    (0..count)
        .map(|_| {
            let d =
                math::random_unit(width, &mut rng).map_err(|e| super::stat::of("random direction", &e))?;
            Ok(narrow(&d))
        })
        .collect()
}

#[allow(clippy::cast_possible_truncation)]
fn narrow(d: &ndarray::Array1<f64>) -> Vec<f32> {
    d.iter().map(|v| *v as f32).collect()
}
