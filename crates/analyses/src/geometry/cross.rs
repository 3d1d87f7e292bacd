//! Directions of one checkpoint pushed into another model: λ times the difference of the class means as it is, not made
//! a unit, beside random directions of the same size drawn like the checkpoint's activations.

use ndarray::Array1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{Site, WriteAt};
use truenorth_stats::math::{self, MathError, Seeds};

use super::GENERAL;
use crate::steer::{self, Dose, Steered};
use crate::sweep::{Lexicon, distinct_2};
use truenorth_reading::stat::{self, LEVEL, Number, Test, drawn_null, share};
use truenorth_reading::{AnalysisError, Named, Reader, as_text};

/// Random directions of which none reaching as far has p = 0.05; with fewer no p is printed.
const ENOUGH: usize = 19;
/// Different pairs of neighbouring tokens, as a share of all, below which a text counts as incoherent.
const REPEATS: f64 = 0.5;

/// Into which model directions are pushed, how far, and what is written then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct CrossParams {
    /// Pushes every checkpoint's directions into this model and counts refusals and incoherent texts in what it writes.
    #[cfg_attr(
        feature = "cli",
        arg(long = "steer-into", value_name = "M[@REV]", requires = "classes", required = false)
    )]
    pub model: String,
    /// How far, in multiples of the difference of the checkpoint's class means.
    #[serde(rename = "lambda", alias = "lambdas", default = "lambdas")]
    #[schemars(extend("x-alias" = "lambdas"))]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "lambda",
            value_name = "L,..",
            value_delimiter = ',',
            allow_hyphen_values = true,
            default_values_t = lambdas(),
            requires = "model"
        )
    )]
    pub lambdas: Vec<f64>,
    /// Tokens written a text at most.
    #[serde(default = "tokens")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = tokens(), requires = "model"))]
    pub max_new_tokens: u32,
    /// Random directions of the same size beside each, drawn like the checkpoint's activations; 19 allow p = 0.05.
    #[serde(default = "directions")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = directions(), requires = "model"))]
    pub random_directions: usize,
    /// Categories whose directions are pushed; several with commas.
    #[serde(default = "general")]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "steer-category",
            value_name = "C,..",
            value_delimiter = ',',
            default_values_t = general(),
            requires = "model"
        )
    )]
    pub categories: Vec<String>,
    /// At which tokens.
    #[serde(default = "all", with = "as_text")]
    #[schemars(with = "String")]
    #[cfg_attr(feature = "cli", arg(
            long,
            value_name = "P",
            allow_hyphen_values = true,
            default_value_t = all(),
            requires = "model"
        ))]
    pub push: WriteAt,
}

fn lambdas() -> Vec<f64> {
    vec![-2.0, -1.0, 0.0, 1.0, 2.0]
}

fn tokens() -> u32 {
    32
}

fn directions() -> usize {
    ENOUGH
}

fn general() -> Vec<String> {
    vec![GENERAL.to_owned()]
}

fn all() -> WriteAt {
    WriteAt::All
}

impl CrossParams {
    /// Into a model, as far and as often as the source of this study went.
    #[must_use]
    pub fn into(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            lambdas: lambdas(),
            max_new_tokens: tokens(),
            random_directions: directions(),
            categories: general(),
            push: all(),
        }
    }

    /// Refuses choices that nothing could be written with.
    ///
    /// # Errors
    /// When a λ is not finite, none differs from 0, or no token may be written.
    pub fn check(&self) -> Result<(), AnalysisError> {
        if let Some(bad) = self.lambdas.iter().find(|l| !l.is_finite()) {
            return Err(AnalysisError::Input(format!("λ {bad} (--lambda); expected numbers such as -2,0,2")));
        }
        if self.lambdas.iter().all(|l| *l == 0.0) {
            return Err(AnalysisError::Input(
                "no λ but 0 (--lambda); expected numbers such as -2,0,2".into(),
            ));
        }
        if self.max_new_tokens == 0 {
            return Err(AnalysisError::Input(
                "0 tokens to write (--max-new-tokens); expected at least 1".into(),
            ));
        }
        Ok(())
    }

    /// The λ in order, each once, with 0.
    fn doses(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.lambdas.iter().chain(&[0.0]).map(|l| l + 0.0).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    }
}

/// A model that is opened once there is something to push into it.
pub trait Target {
    /// Opens it, and closes it after.
    ///
    /// # Errors
    /// When it can't be opened, or what is asked fails.
    fn with(
        &self,
        ask: &mut dyn FnMut(&Reader<'_>, &dyn Watch) -> Result<(), AnalysisError>,
    ) -> Result<(), AnalysisError>;
}

/// What directions are pushed into.
#[derive(Clone, Copy)]
pub struct CrossSteer<'a> {
    /// The model.
    pub target: &'a dyn Target,
    /// What it goes on from.
    pub prompts: &'a [Named],
    /// Where directions are added: where they were found.
    pub site: Site,
    /// How far.
    pub params: &'a CrossParams,
}

/// A direction to be pushed, and random ones beside it.
pub(super) struct Push {
    pub checkpoint: String,
    pub category: String,
    /// The positive class's mean less the negative one's.
    pub difference: Array1<f64>,
    /// Unit directions drawn like the activations.
    pub random: Vec<Array1<f64>>,
}

/// What the model wrote at one λ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossPoint {
    /// Multiples of the checkpoint's own difference of class means.
    pub lambda: f64,
    /// The size of the push in mean residual norms of the model that is pushed.
    pub norms: f64,
    /// The share of texts whose opening holds a refusing phrase, beside the random directions at this λ.
    pub refusal: Number,
    /// The share of texts that are empty or repeat themselves, beside the random directions at this λ.
    pub incoherence: Number,
}

/// A checkpoint's direction in the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossCourse {
    /// The checkpoint that the direction is of.
    pub checkpoint: String,
    /// Its category.
    pub category: String,
    /// The length of the difference of class means, in the checkpoint's own units.
    pub size: f64,
    /// By λ.
    pub points: Vec<CrossPoint>,
    /// How much the share of refusals grows with λ: the mean slope of the prompts, beside those of the random directions.
    pub slope: Number,
}

/// A text of the pushed model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossSample {
    /// The checkpoint that the direction is of.
    pub checkpoint: String,
    /// Its category.
    pub category: String,
    /// How far it was pushed.
    pub lambda: f64,
    /// The prompt's name.
    pub id: String,
    /// What was written.
    pub text: String,
    /// Whether it refuses, by its words.
    pub refused: bool,
    /// Whether it is empty or repeats itself.
    pub incoherent: bool,
}

/// Directions of every checkpoint in one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossSteering {
    /// The model.
    pub model: String,
    /// Where it was pushed.
    pub site: String,
    /// Prompts.
    pub prompts: usize,
    /// Its mean residual norm at the last token of the prompts.
    pub residual_norm: f64,
    /// Random directions beside each.
    pub random_directions: usize,
    /// A checkpoint and category each.
    pub courses: Vec<CrossCourse>,
    /// What was written along the checkpoints' own directions.
    pub samples: Vec<CrossSample>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// What is counted of a prompt's texts, by λ.
struct Counted {
    refused: Vec<Vec<bool>>,
    incoherent: Vec<Vec<bool>>,
}

struct Bench<'a> {
    reader: &'a Reader<'a>,
    watch: &'a dyn Watch,
    steer: &'a CrossSteer<'a>,
    lambdas: Vec<f64>,
    words: Lexicon,
}

impl Bench<'_> {
    /// Texts at every λ but 0 along a direction of some size.
    fn write(&self, direction: &Array1<f64>, lambdas: &[f64]) -> Result<Vec<Steered>, AnalysisError> {
        let size = math::norm(direction.view());
        let unit = if size > 0.0 { direction / size } else { direction.clone() };
        #[allow(clippy::cast_possible_truncation)]
        let push = steer::Push {
            direction: unit.iter().map(|v| *v as f32).collect(),
            site: self.steer.site,
            coefficient: 1.0,
            norm: Some(size),
            clamp: None,
        };
        let dose = Dose {
            pushes: vec![push],
            positions: self.steer.params.push,
            alphas: lambdas.to_vec(),
            unit: "raw",
            ablate: false,
            schedule: steer::Schedule::default(),
            when: None,
        };
        let mut sampling = Sampling::greedy(self.steer.params.max_new_tokens);
        sampling.stop = self.reader.runner().stop_tokens();
        steer::steer(self.reader, self.steer.prompts, &dose, &sampling, self.watch)
    }

    /// Texts by λ, those at 0 among them.
    fn all(&self, direction: &Array1<f64>, plain: &[Steered]) -> Result<Vec<Vec<Steered>>, AnalysisError> {
        let pushed: Vec<f64> = self.lambdas.iter().copied().filter(|l| *l != 0.0).collect();
        // Rows come prompt by prompt.
        let rows = self.write(direction, &pushed)?;
        let mut each =
            (0..pushed.len()).map(|k| rows.iter().skip(k).step_by(pushed.len()).cloned().collect::<Vec<_>>());
        let of = |lambda: &f64| if *lambda == 0.0 { Some(plain.to_vec()) } else { each.next() };
        Ok(self.lambdas.iter().filter_map(of).collect())
    }

    fn count(&self, texts: &[Vec<Steered>]) -> Counted {
        let of = |f: &dyn Fn(&Steered) -> bool| texts.iter().map(|row| row.iter().map(f).collect()).collect();
        Counted { refused: of(&|s| self.words.found_in(&s.text)), incoherent: of(&incoherent) }
    }

    /// The slope of each prompt's outcome on λ by least squares.
    fn slopes(&self, outcome: &[Vec<bool>]) -> Vec<f64> {
        let n = self.lambdas.len() as f64;
        let mean = self.lambdas.iter().sum::<f64>() / n;
        let squares: f64 = self.lambdas.iter().map(|l| (l - mean).powi(2)).sum();
        let on = |b: bool| f64::from(u8::from(b));
        // Taken from the first λ, so that what never changes has slope 0 and not a rounding.
        let one = |p: usize| {
            let sum: f64 = self
                .lambdas
                .iter()
                .zip(outcome)
                .map(|(l, o)| (l - mean) * (on(o[p]) - on(outcome[0][p])))
                .sum();
            sum / squares
        };
        (0..self.steer.prompts.len()).map(one).collect()
    }
}

fn incoherent(text: &Steered) -> bool {
    let tokens: Vec<u32> = text.tokens.iter().filter_map(|t| u32::try_from(*t).ok()).collect();
    text.text.trim().is_empty() || distinct_2(&tokens).is_some_and(|d| d < REPEATS)
}

fn rate(of: &[bool]) -> f64 {
    of.iter().filter(|r| **r).count() as f64 / of.len().max(1) as f64
}

/// A share beside those of the random directions; at λ 0 and with too few of them nothing is tested.
fn against(
    own: &[bool],
    plain: &[bool],
    random: &[f64],
    lambda: f64,
    what: &str,
) -> Result<Number, MathError> {
    let number = share(own.iter().filter(|r| **r).count(), own.len())?;
    if random.len() < ENOUGH || lambda == 0.0 {
        return Ok(number);
    }
    let value = number.value;
    Ok(number.against(drawn_null((Test::SteeringControls, what), value, rate(plain), random)?))
}

const NULL: &str = "random directions of the same size, drawn like the checkpoint's activations";

/// Pushes every direction into the model.
pub(super) fn into(
    pushes: &[Push],
    steer: &CrossSteer<'_>,
    seeds: &Seeds,
) -> Result<CrossSteering, AnalysisError> {
    let mut out = None;
    steer.target.with(&mut |reader, watch| {
        let bench = Bench { reader, watch, steer, lambdas: steer.params.doses(), words: Lexicon::refusal() };
        out = Some(run(&bench, pushes, seeds)?);
        Ok(())
    })?;
    out.ok_or_else(|| AnalysisError::Input(format!("`{}` was not asked", steer.params.model)))
}

fn run(bench: &Bench<'_>, pushes: &[Push], seeds: &Seeds) -> Result<CrossSteering, AnalysisError> {
    let (steer, width) = (bench.steer, bench.reader.runner().info().hidden as usize);
    let model = &steer.params.model;
    let named = |e: MathError| stat::of(&format!("steering {model}"), &e);
    let residual_norm = steer::mean_norm(bench.reader, steer.site, steer.prompts, bench.watch)?;
    let Some(first) = pushes.first() else {
        return Err(AnalysisError::Input("no direction to push".into()));
    };
    if first.difference.len() != width {
        return Err(AnalysisError::Input(format!(
            "`{model}` (--steer-into) is {width} wide, the directions of `{}` {}; expected a model of the checkpoints' width",
            first.checkpoint,
            first.difference.len()
        )));
    }
    let plain = bench.write(&first.difference, &[0.0])?;
    let (mut courses, mut samples) = (vec![], vec![]);
    for push in pushes {
        let size = math::norm(push.difference.view());
        let texts = bench.all(&push.difference, &plain)?;
        let own = bench.count(&texts);
        let random: Vec<Counted> = push
            .random
            .iter()
            .map(|unit| Ok(bench.count(&bench.all(&(unit * size), &plain)?)))
            .collect::<Result<_, AnalysisError>>()?;
        let zero = bench.lambdas.iter().position(|l| *l == 0.0).expect("the doses hold 0");
        let points = bench.lambdas.iter().enumerate().map(|(k, lambda)| {
            let of = |what: &dyn Fn(&Counted) -> &Vec<Vec<bool>>| {
                let drawn: Vec<f64> = random.iter().map(|r| rate(&what(r)[k])).collect();
                against(&what(&own)[k], &what(&own)[zero], &drawn, *lambda, NULL)
            };
            Ok(CrossPoint {
                lambda: *lambda,
                norms: lambda.abs() * size / residual_norm,
                refusal: of(&|c| &c.refused)?,
                incoherence: of(&|c| &c.incoherent)?,
            })
        });
        let points = points.collect::<Result<_, MathError>>().map_err(named)?;
        let seeds = seeds.child(&format!("{} {}", push.checkpoint, push.category));
        let slopes = bench.slopes(&own.refused);
        let mut slope = stat::mean_over(&slopes, "prompts", &mut seeds.stream("slope")).map_err(named)?;
        if random.len() >= ENOUGH {
            let drawn: Vec<f64> = random
                .iter()
                .map(|r| math::mean(&bench.slopes(&r.refused)))
                .collect::<Result<_, _>>()
                .map_err(named)?;
            let null = drawn_null((Test::SteeringControls, NULL), slope.value, 0.0, &drawn).map_err(named)?;
            slope = slope.against(null);
        }
        for ((lambda, row), k) in bench.lambdas.iter().zip(texts).zip(0..) {
            samples.extend(row.into_iter().enumerate().map(|(p, s)| CrossSample {
                checkpoint: push.checkpoint.clone(),
                category: push.category.clone(),
                lambda: *lambda,
                id: s.id,
                text: s.text,
                refused: own.refused[k as usize][p],
                incoherent: own.incoherent[k as usize][p],
            }));
        }
        courses.push(CrossCourse {
            checkpoint: push.checkpoint.clone(),
            category: push.category.clone(),
            size,
            points,
            slope,
        });
    }
    Ok(CrossSteering {
        model: model.clone(),
        site: steer.site.to_string(),
        prompts: steer.prompts.len(),
        residual_norm,
        random_directions: pushes.iter().map(|p| p.random.len()).min().unwrap_or(0),
        courses,
        samples,
        not_shown: not_shown(steer.params),
    })
}

fn not_shown(params: &CrossParams) -> Vec<String> {
    let mut out = vec![
        "Whether a text refuses or makes sense is counted by its words: a refusing phrase in its opening; no text, or \
         fewer than half of its pairs of tokens different. A judge may find otherwise."
            .to_owned(),
        "That a direction of one checkpoint is the same feature in the model it is pushed into: it moves it, or does \
         not."
            .to_owned(),
        format!("p of each λ and checkpoint stands alone, at {:.0} % and unadjusted for their number.", 100.0 * (1.0 - LEVEL)),
    ];
    if params.random_directions < ENOUGH {
        out.push(format!(
            "Any p: {} random directions were pushed (--random-directions); it takes {ENOUGH}.",
            params.random_directions
        ));
    }
    out
}
