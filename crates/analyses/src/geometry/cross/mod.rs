//! Directions of one checkpoint pushed into another model: λ times the difference of the class means as it is, not made
//! a unit, beside random directions of the same size drawn like the checkpoint's activations.

mod found;
mod params;

pub use found::{CrossCourse, CrossPoint, CrossSample, CrossSteering};
pub use params::CrossParams;

use ndarray::Array1;
use truenorth_protocol::Site;
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::Watch;
use truenorth_stats::math::{self, MathError, Seeds};

use crate::steer::{self, Dose, Steered};
use crate::sweep::{Lexicon, distinct_2};
use truenorth_reading::stat::{self, Number, Test, drawn_null, share};
use truenorth_reading::{AnalysisError, NamedPrompt, Reader, Speech};

/// Random directions of which none reaching as far has p = 0.05; with fewer no p is printed.
const ENOUGH: usize = 19;
/// Different pairs of neighbouring tokens, as a share of all, below which a text counts as incoherent.
const REPEATS: f64 = 0.5;

/// A model that is opened once there is something to push into it.
pub trait DeferredModel {
    /// Opens it, and closes it after.
    ///
    /// # Errors
    /// When it can't be opened, or what is asked fails.
    fn with(
        &self,
        ask: &mut dyn FnMut(&Reader<'_>, &dyn Watch) -> Result<(), AnalysisError>,
    ) -> Result<(), AnalysisError>;
}

/// A model to push directions of all checkpoints into, and how.
#[derive(Clone, Copy)]
pub struct CrossSteer<'a> {
    /// The model that is pushed.
    pub target: &'a dyn DeferredModel,
    /// The prompts that are written on from.
    pub prompts: &'a [NamedPrompt],
    /// Where directions are added: where they were found.
    pub site: Site,
    /// The λ, the random directions and what is generated.
    pub params: &'a CrossParams,
}

/// A direction to be pushed, and random ones beside it.
pub(super) struct CrossPush {
    pub checkpoint: String,
    pub category: String,
    /// The positive class's mean less the negative one's.
    pub difference: Array1<f64>,
    /// Unit directions drawn like the activations.
    pub random: Vec<Array1<f64>>,
}

/// What is counted of a prompt's texts, by λ.
struct CountedTexts {
    refused: Vec<Vec<bool>>,
    incoherent: Vec<Vec<bool>>,
}

struct CrossRun<'a> {
    reader: &'a Reader<'a>,
    watch: &'a dyn Watch,
    steer: &'a CrossSteer<'a>,
    lambdas: Vec<f64>,
    words: Lexicon,
}

impl CrossRun<'_> {
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
            spares_first: false,
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

    fn count(&self, texts: &[Vec<Steered>]) -> CountedTexts {
        let of = |f: &dyn Fn(&Steered) -> bool| texts.iter().map(|row| row.iter().map(f).collect()).collect();
        CountedTexts { refused: of(&|s| self.words.found_in(&s.text)), incoherent: of(&incoherent) }
    }

    /// The slope of each prompt's outcome on λ.
    fn slopes(&self, outcome: &[Vec<bool>]) -> Result<Vec<f64>, MathError> {
        let on = |row: &Vec<bool>| row.iter().map(|b| f64::from(u8::from(*b))).collect::<Vec<f64>>();
        math::slopes(&self.lambdas, &outcome.iter().map(on).collect::<Vec<_>>())
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
    pushes: &[CrossPush],
    steer: &CrossSteer<'_>,
    seeds: &Seeds,
) -> Result<CrossSteering, AnalysisError> {
    let mut out = None;
    steer.target.with(&mut |reader, watch| {
        let (lambdas, words) = (steer.params.doses(), Lexicon::refusal());
        let Some(chat) = steer.params.chat.clone() else {
            let bench = CrossRun { reader, watch, steer, lambdas, words };
            out = Some(run(&bench, pushes, seeds)?);
            return Ok(());
        };
        let (spoken, note) = Speech { chat, ..Speech::default() }.open(reader.runner())?;
        note.iter().for_each(|note| watch.say(note));
        let reader = &reader.speaking(&spoken);
        let bench = CrossRun { reader, watch, steer, lambdas, words };
        out = Some(CrossSteering { speech: spoken.record(), ..run(&bench, pushes, seeds)? });
        Ok(())
    })?;
    out.ok_or_else(|| AnalysisError::Input(format!("`{}` was not asked", steer.params.model)))
}

fn run(bench: &CrossRun<'_>, pushes: &[CrossPush], seeds: &Seeds) -> Result<CrossSteering, AnalysisError> {
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
        let random: Vec<CountedTexts> = push
            .random
            .iter()
            .map(|unit| Ok(bench.count(&bench.all(&(unit * size), &plain)?)))
            .collect::<Result<_, AnalysisError>>()?;
        let zero = bench.lambdas.iter().position(|l| *l == 0.0).expect("the doses hold 0");
        let points = bench.lambdas.iter().enumerate().map(|(k, lambda)| {
            let of = |what: &dyn Fn(&CountedTexts) -> &Vec<Vec<bool>>| {
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
        let slopes = bench.slopes(&own.refused).map_err(named)?;
        let mut slope = stat::mean_over(&slopes, "prompts", &mut seeds.stream("slope")).map_err(named)?;
        if random.len() >= ENOUGH {
            let drawn: Vec<f64> = random
                .iter()
                .map(|r| math::mean(&bench.slopes(&r.refused)?))
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
        speech: None,
        prompts: steer.prompts.len(),
        residual_norm,
        random_directions: pushes.iter().map(|p| p.random.len()).min().unwrap_or(0),
        courses,
        samples,
        not_shown: found::not_shown(steer.params),
    })
}
