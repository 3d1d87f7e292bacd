//! Steering: the same prompts generated at several doses of one or several directions.

mod dose;
mod graph;
mod log_probs;
mod params;
mod range;
mod size;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::{Binary, Builder, Sampling, Unary};
use truenorth_protocol::{Prompt, ReadAt, Site, Value, WriteAt};

pub use dose::{Dose, LargestStep, Push, Schedule, When, usual_doses};
pub use log_probs::{Likelihood, log_probs};
pub use params::{ByWhat, Clamp, How, Unit, WhenThreshold};
pub use range::neutral_ranges;
pub use size::{COMPARABLE, EditSize, TokenMeans, unlike};

use dose::AFTER_FIRST;
use graph::{edit, generating, group};
use size::{MeasuredDoses, Meter};
use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, EncodedPrompt, NamedPrompt, Reader};

/// What the model wrote to one prompt at one dose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steered {
    /// Name of the prompt.
    pub id: String,
    /// The dose, in [`Steered::alpha_unit`].
    pub alpha: f64,
    /// `norm`, `absolute` or `raw`.
    pub alpha_unit: String,
    /// What α was multiplied by: the mean residual norm of the site for the unit `norm`, the norm that the vector had in
    /// its file for `raw`. None for absolute units, and where it is not the same at all sites.
    pub alpha_norm: Option<f64>,
    /// Whether the directions were ablated.
    pub ablate: bool,
    /// Where; several with commas, in the order of a pass.
    pub site: String,
    /// How much of the dose each direction got at each site, and how its projection was clamped; left out of one
    /// direction at one site that gets all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushes: Vec<Pushed>,
    /// How α changed with the generated tokens; left out where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What had to hold for a token or a prompt to be touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Held>,
    /// The tokens that were steered, such as `all`.
    pub positions: String,
    /// Ids of the generated tokens.
    pub tokens: Vec<i64>,
    /// The text of the generated tokens, special tokens left out; of a model without tokenizer their ids, as `#5 #9`.
    pub text: String,
    /// Mean log-probability of the generated tokens under the steered model.
    pub logprob_mean: f64,
    /// The prompt; none where it was given as tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Whether the model ended its text or was cut off.
    #[serde(default)]
    pub stopped: Stopped,
    /// What the dose breaks; none where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

/// A direction at a site, as a generation remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pushed {
    /// The site of the push.
    pub site: String,
    /// Factor of the dose at this site.
    pub coefficient: f64,
    /// What α was multiplied by there; none for units of the residual stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f64>,
    /// The least and the greatest projection that were left, in units of the residual stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<[f64; 2]>,
    /// Whether the clamp left out the first token of each prompt, as the neutral range does; left out where it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spares_first: bool,
}

/// A condition, as a generation remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The site at which the projection was taken.
    pub site: String,
    /// The threshold, in units of the residual stream.
    pub above: f64,
    /// Whose projection decided: `token`, or how the prompt was read.
    pub by: String,
}

/// What ended a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// As many tokens as were asked for.
    #[default]
    Length,
    /// The model wrote its end-of-text token.
    EndOfText,
}

/// How far a dose moves the model's predictions and its residuals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// Mean `KL(unsteered ‖ steered)` of the token after each prompt, in nats.
    pub kl: f64,
    /// Prompts behind the mean.
    pub prompts: usize,
    /// The tokens of the prompts that were pushed: those of the generation, or of an edit that touches generated ones alone
    /// all after the first.
    pub positions: String,
    /// Where α changes with the tokens, the step with the largest factor, of which all here is; left out where α stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_step: Option<LargestStep>,
    /// Whether the edit leaves the prompts as they are, which are then not damaged: all here is of the same edit of the
    /// prompts' tokens, in place of generated ones. Left out where it is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stand_in: bool,
    /// How large the edit is at each site at which it moves anything, on the same prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub size: Vec<EditSize>,
}

/// A divergence above which a dose is called damaging, in nats: the default bound of the sweep.
pub const DAMAGING: f64 = 1.0;

/// What each dose breaks, in the order of the doses, measured on the prompts themselves. Where α changes with the tokens, it is
/// that of its largest step.
///
/// # Errors
/// When a prompt is refused, or the run or the store fails.
pub fn damage(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    dose: &Dose,
    watch: &dyn Watch,
) -> Result<Vec<Damage>, AnalysisError> {
    let encoded = reader.encode_turns(prompts, true)?;
    let step = dose.schedule.largest(dose.positions);
    let largest_step = (!dose.schedule.is_constant()).then_some(step);
    // Generated tokens are no part of a prompt; what a push does to them is told by the prompt's. None of them is the first.
    let stand_in = dose.spares_prompt();
    let second = |e: &EncodedPrompt| matches!(&e.prompt, Prompt::Tokens(tokens) if tokens.len() > 1);
    let positions = match stand_in {
        true if encoded.iter().all(second) => AFTER_FIRST,
        true => WriteAt::All,
        false => dose.positions,
    };
    let schedule = Schedule { factors: vec![step.factor], decay: 1.0 };
    let mut dose = Dose { positions, schedule, ..dose.clone() };
    if stand_in {
        dose.pushes.iter_mut().for_each(|p| p.spares_first = false);
    }
    check_spared(prompts, &encoded, &dose)?;
    let doses = dose.alphas.len();
    let at_once = (reader.runner().batch().sequences / (1 + doses)).max(1);
    let chunks: Vec<&[EncodedPrompt]> = encoded.chunks(at_once).collect();
    let graphs = chunks.iter().map(|chunk| divergence_graph(chunk, &dose)).collect();
    let answers = reader.ask_each(graphs, watch)?;
    let mut totals = vec![0.0; doses];
    let mut measured = MeasuredDoses::new(&dose);
    for (chunk, answer) in chunks.iter().zip(answers) {
        let n = chunk.len();
        measured.add(&answer, n)?;
        let whole = |name: &str, len: usize| -> Result<Vec<f32>, AnalysisError> {
            let found = answer.tensor(name).and_then(|t| t.to_f32().ok()).filter(|v| v.len() == len);
            let found = found.ok_or_else(|| AnalysisError::Answer { name: name.into(), prompts: n })?;
            match found.iter().position(|v| !v.is_finite()) {
                Some(_) => Err(AnalysisError::NotFinite { name: name.to_owned(), id: None }),
                None => Ok(found),
            }
        };
        // logsumexp of each row, from its first logit and that one's log-probability.
        let sums = |which: &str, len: usize| -> Result<Vec<f64>, AnalysisError> {
            let logit = whole(&format!("{which}.logit"), len)?;
            let log_prob = whole(&format!("{which}.log_prob"), len)?;
            Ok(logit.iter().zip(log_prob).map(|(l, p)| f64::from(*l) - f64::from(p)).collect())
        };
        let (plain, steered) = (sums("plain", n)?, sums("steered", n * doses)?);
        for (k, total) in totals.iter_mut().enumerate() {
            for (p, dot) in whole(&format!("dot.{k}"), n)?.into_iter().enumerate() {
                // Rounding can take a divergence of nothing below 0.
                *total += (f64::from(dot) - (plain[p] - steered[k * n + p])).max(0.0);
            }
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let mean = |total: f64| total / encoded.len().max(1) as f64;
    let damage = |(total, size)| Damage {
        kl: mean(total),
        prompts: encoded.len(),
        positions: positions.to_string(),
        largest_step,
        stand_in,
        size,
    };
    Ok(totals.into_iter().zip(measured.sizes()).map(damage).collect())
}

/// Refuses prompts that have no token but the first where a clamp leaves that out.
fn check_spared(
    prompts: &[NamedPrompt],
    encoded: &[EncodedPrompt],
    dose: &Dose,
) -> Result<(), AnalysisError> {
    let alone = |e: &EncodedPrompt| matches!(&e.prompt, Prompt::Tokens(tokens) if tokens.len() < 2);
    let spares = dose.pushes.iter().any(|p| p.spares(dose.positions));
    match encoded.iter().position(alone).filter(|_| spares) {
        None => Ok(()),
        Some(i) => Err(AnalysisError::Asked {
            what: format!(
                "prompt `{}` has one token, and a clamp to the neutral range leaves out first tokens",
                prompts[i].id
            ),
            remedy:
                "give prompts of two tokens or more, or name the tokens to edit, as in --positions prompt \
                     (`positions` in a study)"
                    .into(),
        }),
    }
}

/// With logits `l` and `m`, `KL = softmax(l)·(l - m) - (logsumexp(l) - logsumexp(m))`; the dot product is
/// taken where the model runs, so that no logits travel.
fn divergence_graph(prompts: &[EncodedPrompt], dose: &Dose) -> truenorth_protocol::Graph {
    let mut b = Builder::new();
    let plain = b.group(prompts.iter().map(|e| e.prompt.clone()).collect());
    let rows: Vec<&EncodedPrompt> = dose.alphas.iter().flat_map(|_| prompts).collect();
    let steered = group(&mut b, &rows, dose);
    let alphas: Vec<f64> = dose.alphas.iter().flat_map(|a| std::iter::repeat_n(*a, prompts.len())).collect();
    let mut meter = Meter::new(steered, dose);
    edit(&mut b, steered, dose, &alphas, 1, &mut |b, site, around| meter.around(b, site, around));
    let logits = |b: &mut Builder, group, name: &str| {
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        let first = b.slice(logits, 1, 0..1);
        b.save(format!("{name}.logit"), first);
        let first = b.log_prob(logits, &[0]);
        b.save(format!("{name}.log_prob"), first);
        logits
    };
    let plain = logits(&mut b, plain, "plain");
    let steered = logits(&mut b, steered, "steered");
    let chances = b.unary(Unary::Softmax, plain);
    for k in 0..dose.alphas.len() {
        #[allow(clippy::cast_possible_truncation, reason = "rows of a batch are few")]
        let block = (k * prompts.len()) as u32..((k + 1) * prompts.len()) as u32;
        let pushed = b.slice(steered, 0, block);
        let difference = b.binary(Binary::Sub, plain, pushed);
        let dot = b.dot(difference, chances);
        b.save(format!("dot.{k}"), dot);
    }
    b.finish()
}

/// Generates from every prompt at every dose: rows prompt by prompt, doses in the order given.
///
/// # Errors
/// When a prompt is refused, or the run or the store fails.
pub fn steer(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    dose: &Dose,
    sampling: &Sampling,
    watch: &dyn Watch,
) -> Result<Vec<Steered>, AnalysisError> {
    let encoded = reader.encode_turns(prompts, true)?;
    reader.fits(prompts, &encoded, dose.positions.as_read(), sampling.max_new_tokens)?;
    check_spared(prompts, &encoded, dose)?;
    let rows: Vec<(usize, f64)> =
        (0..prompts.len()).flat_map(|p| dose.alphas.iter().map(move |a| (p, *a))).collect();
    // Rows that run as one batch and are kept together.
    let chunks: Vec<&[(usize, f64)]> = rows.chunks(reader.runner().batch().sequences).collect();
    let decodes = reader.runner().decodes();
    let mut first = 0;
    let graphs = chunks
        .iter()
        .map(|chunk| {
            let group: Vec<&EncodedPrompt> = chunk.iter().map(|(p, _)| &encoded[*p]).collect();
            let sampling = sampling.from_row(first);
            first += chunk.len();
            let alphas: Vec<f64> = chunk.iter().map(|(_, a)| *a).collect();
            generating(&group, dose, &alphas, sampling, decodes)
        })
        .collect();
    let answers = reader.ask_each(graphs, watch)?;
    let record = Record::of(dose);
    let mut out = Vec::with_capacity(rows.len());
    for (chunk, answer) in chunks.into_iter().zip(answers) {
        let lost = |name: &str| AnalysisError::Answer { name: name.into(), prompts: chunk.len() };
        let tokens = answer.tensor("tokens").and_then(|t| t.to_i64().ok()).ok_or_else(|| lost("tokens"))?;
        let logprobs =
            answer.tensor("logprobs").and_then(|t| t.to_f32().ok()).ok_or_else(|| lost("logprobs"))?;
        let text = match decodes {
            true => answer.values.get("text").and_then(Value::text).ok_or_else(|| lost("text"))?.to_vec(),
            false => vec![String::new(); chunk.len()],
        };
        let steps = sampling.max_new_tokens as usize;
        if tokens.len() != chunk.len() * steps || logprobs.len() != tokens.len() || text.len() != chunk.len()
        {
            return Err(lost("tokens"));
        }
        for (i, (p, alpha)) in chunk.iter().enumerate() {
            let range = i * steps..(i + 1) * steps;
            let kept: Vec<i64> = tokens[range.clone()].iter().copied().take_while(|t| *t >= 0).collect();
            let sum: f64 = logprobs[range].iter().take(kept.len()).map(|v| f64::from(*v)).sum();
            #[allow(clippy::cast_precision_loss)]
            let logprob_mean = sum / kept.len().max(1) as f64;
            out.push(Steered {
                id: prompts[*p].id.clone(),
                alpha: *alpha,
                alpha_unit: dose.unit.into(),
                alpha_norm: record.norm,
                ablate: dose.ablate,
                site: record.site.clone(),
                pushes: record.pushes.clone(),
                schedule: record.schedule.clone(),
                when: record.when.clone(),
                positions: dose.positions.to_string(),
                stopped: match kept.last().and_then(|t| u32::try_from(*t).ok()) {
                    Some(last) if sampling.stop.contains(&last) => Stopped::EndOfText,
                    _ => Stopped::Length,
                },
                text: match decodes {
                    true => text[i].clone(),
                    false => kept.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(" "),
                },
                tokens: kept,
                logprob_mean,
                prompt: match &prompts[*p].prompt {
                    Prompt::Text(text) => Some(text.clone()),
                    Prompt::Tokens(_) => None,
                },
                damage: None,
            });
        }
    }
    Ok(out)
}

/// What of a dose is the same in all rows.
struct Record {
    norm: Option<f64>,
    site: String,
    pushes: Vec<Pushed>,
    schedule: Option<Schedule>,
    when: Option<Held>,
}

impl Record {
    fn of(dose: &Dose) -> Self {
        let pushed = |p: &Push| Pushed {
            site: p.site.to_string(),
            coefficient: p.coefficient,
            norm: p.norm,
            clamp: p.clamp,
            spares_first: p.spares(dose.positions),
        };
        let plain = matches!(&dose.pushes[..], [p] if p.coefficient == 1.0 && p.clamp.is_none());
        let norms: Vec<Option<f64>> = dose.pushes.iter().map(|p| p.norm).collect();
        let sites: Vec<String> = dose.sites().iter().map(Site::to_string).collect();
        Self {
            norm: norms.first().copied().flatten().filter(|_| norms.windows(2).all(|w| w[0] == w[1])),
            site: sites.join(","),
            pushes: if plain { vec![] } else { dose.pushes.iter().map(pushed).collect() },
            schedule: (!dose.schedule.is_constant()).then(|| dose.schedule.clone()),
            when: dose.when.as_ref().map(|w| Held {
                site: w.site.to_string(),
                above: w.above,
                by: ByWhat::from(w.of).to_string(),
            }),
        }
    }
}

/// The mean norm of a site at the last token of prompts: the unit `norm` of α. Prompts read at an attention sink are
/// left out, as [`Reader::mean_norm`] says.
///
/// # Errors
/// When the reading fails or there are no prompts.
pub fn mean_norm(
    reader: &Reader<'_>,
    site: Site,
    prompts: &[NamedPrompt],
    watch: &dyn Watch,
) -> Result<f64, AnalysisError> {
    reader.mean_norm(site, prompts, watch)
}
