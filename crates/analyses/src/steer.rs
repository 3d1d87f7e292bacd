//! Steering: the same prompts generated at several doses of a direction.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use truenorth_protocol::graph::{AlphaUnit, Binary, Builder, Edit, GroupId, Op, Sampling, Steps, Unary};
use truenorth_protocol::{Prompt, ReadAt, Site, Tensor, Value, WriteAt};

use super::{AnalysisError, Encoded, Named, Reader};
use truenorth_protocol::run::Watch;
use truenorth_stats::math;

/// What is done to the model.
#[derive(Clone, Debug)]
pub struct Dose {
    /// The direction, `[width of the site]`.
    pub direction: Vec<f32>,
    /// Where it is added or ablated.
    pub site: Site,
    /// At which tokens.
    pub positions: WriteAt,
    /// The doses.
    pub alphas: Vec<f64>,
    /// The mean residual norm that α is a multiple of; none for absolute units.
    pub norm: Option<f64>,
    /// Whether the direction is ablated before anything is added.
    pub ablate: bool,
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steered {
    /// The prompt's name.
    pub id: String,
    /// The dose.
    pub alpha: f64,
    /// `norm` or `absolute`.
    pub alpha_unit: String,
    /// The mean residual norm that α was multiplied by, for the unit `norm`.
    pub alpha_norm: Option<f64>,
    /// Whether the direction was ablated.
    pub ablate: bool,
    /// Where.
    pub site: String,
    /// At which tokens.
    pub positions: String,
    /// The generated tokens.
    pub tokens: Vec<i64>,
    /// Their text.
    pub text: String,
    /// Mean log-probability of the generated tokens under the steered model.
    pub logprob_mean: f64,
    /// The prompt; none where it was given as tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Why the generation ended.
    #[serde(default)]
    pub stopped: Stopped,
    /// What the dose breaks; none where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// As many tokens as were asked for.
    #[default]
    Length,
    /// The model wrote its end-of-text token.
    EndOfText,
}

/// What a dose breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// Mean `KL(unsteered ‖ steered)` of the token after each prompt, in nats.
    pub kl: f64,
    /// Prompts behind the mean.
    pub prompts: usize,
    /// The tokens that were pushed: those of the generation, or all where only generated ones are.
    pub positions: String,
}

/// A divergence above which a dose is called damaging, in nats: the default bound of the sweep.
pub const DAMAGING: f64 = 1.0;

/// What each dose breaks, in the order of the doses, measured on the prompts themselves.
///
/// # Errors
/// When a prompt is refused, or the run or the store fails.
pub fn damage(
    reader: &Reader<'_>,
    prompts: &[Named],
    dose: &Dose,
    watch: &dyn Watch,
) -> Result<Vec<Damage>, AnalysisError> {
    let encoded = reader.encode_turns(prompts, true)?;
    // Generated tokens are no part of a prompt; what a push does to them is told by the prompt's.
    let positions = if dose.positions == WriteAt::Generated { WriteAt::All } else { dose.positions };
    let dose = Dose { positions, ..dose.clone() };
    let doses = dose.alphas.len();
    let at_once = (reader.runner().batch().sequences / (1 + doses)).max(1);
    let chunks: Vec<&[Encoded]> = encoded.chunks(at_once).collect();
    let graphs = chunks.iter().map(|chunk| divergence_graph(chunk, &dose)).collect();
    let answers = reader.ask_each(graphs, watch)?;
    let mut totals = vec![0.0; doses];
    for (chunk, answer) in chunks.iter().zip(answers) {
        let n = chunk.len();
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
    Ok(totals
        .into_iter()
        .map(|t| Damage { kl: mean(t), prompts: encoded.len(), positions: positions.to_string() })
        .collect())
}

/// With logits `l` and `m`, `KL = softmax(l)·(l - m) - (logsumexp(l) - logsumexp(m))`; the dot product is
/// taken where the model runs, so that no logits travel.
fn divergence_graph(prompts: &[Encoded], dose: &Dose) -> truenorth_protocol::Graph {
    let mut b = Builder::new();
    let plain = b.group(prompts.iter().map(|e| e.prompt.clone()).collect());
    let rows: Vec<&Encoded> = dose.alphas.iter().flat_map(|_| prompts).collect();
    let steered = group(&mut b, &rows, dose);
    let alphas = dose.alphas.iter().flat_map(|a| std::iter::repeat_n(*a, prompts.len())).collect();
    edit(&mut b, steered, dose, alphas);
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
    prompts: &[Named],
    dose: &Dose,
    sampling: &Sampling,
    watch: &dyn Watch,
) -> Result<Vec<Steered>, AnalysisError> {
    let encoded = reader.encode_turns(prompts, true)?;
    reader.fits(prompts, &encoded, dose.positions.as_read(), sampling.max_new_tokens)?;
    let rows: Vec<(usize, f64)> =
        (0..prompts.len()).flat_map(|p| dose.alphas.iter().map(move |a| (p, *a))).collect();
    // Rows that run as one batch and are kept together.
    let chunks: Vec<&[(usize, f64)]> = rows.chunks(reader.runner().batch().sequences).collect();
    let mut first = 0;
    let graphs = chunks
        .iter()
        .map(|chunk| {
            let group: Vec<&Encoded> = chunk.iter().map(|(p, _)| &encoded[*p]).collect();
            let sampling = sampling.from_row(first);
            first += chunk.len();
            graph(&group, dose, chunk.iter().map(|(_, a)| *a).collect(), sampling)
        })
        .collect();
    let answers = reader.ask_each(graphs, watch)?;
    let mut out = Vec::with_capacity(rows.len());
    for (chunk, answer) in chunks.into_iter().zip(answers) {
        let lost = |name: &str| AnalysisError::Answer { name: name.into(), prompts: chunk.len() };
        let tokens = answer.tensor("tokens").and_then(|t| t.to_i64().ok()).ok_or_else(|| lost("tokens"))?;
        let logprobs =
            answer.tensor("logprobs").and_then(|t| t.to_f32().ok()).ok_or_else(|| lost("logprobs"))?;
        let text = answer.values.get("text").and_then(Value::text).ok_or_else(|| lost("text"))?;
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
                alpha_unit: if dose.norm.is_some() { "norm" } else { "absolute" }.into(),
                alpha_norm: dose.norm,
                ablate: dose.ablate,
                site: dose.site.to_string(),
                positions: dose.positions.to_string(),
                stopped: match kept.last().and_then(|t| u32::try_from(*t).ok()) {
                    Some(last) if sampling.stop.contains(&last) => Stopped::EndOfText,
                    _ => Stopped::Length,
                },
                tokens: kept,
                text: text[i].clone(),
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

fn graph(
    prompts: &[&Encoded],
    dose: &Dose,
    alphas: Vec<f64>,
    sampling: Sampling,
) -> truenorth_protocol::Graph {
    let mut b = Builder::new();
    let group = group(&mut b, prompts, dose);
    edit(&mut b, group, dose, alphas);
    let generate = b.generate(group, sampling);
    b.save("tokens", generate);
    let logprobs = b.node(Op::GeneratedLogProb { generate });
    b.save("logprobs", logprobs);
    let text = b.node(Op::Decode { generate });
    b.save("text", text);
    b.finish()
}

/// A group of prompts, with their turns where these are steered.
fn group(b: &mut Builder, prompts: &[&Encoded], dose: &Dose) -> GroupId {
    let group = b.group(prompts.iter().map(|e| e.prompt.clone()).collect());
    if dose.positions.part().is_some() {
        b.turns(group, prompts.iter().map(|e| e.turns.clone()).collect());
    }
    group
}

/// Ablates and adds, one dose a row.
fn edit(b: &mut Builder, group: GroupId, dose: &Dose, alphas: Vec<f64>) {
    let direction = b.constant(Tensor::vector(&dose.direction));
    if dose.ablate {
        b.write(group, dose.site, dose.positions, Steps::ALL, Edit::Ablate { direction });
    }
    if alphas.iter().any(|a| *a != 0.0) {
        let unit = match dose.norm {
            #[allow(clippy::cast_possible_truncation)]
            Some(norm) => AlphaUnit::Norm(b.constant(Tensor::scalar(norm as f32))),
            None => AlphaUnit::Absolute,
        };
        let edit = Edit::Add { direction, alpha: alphas, unit };
        b.write(group, dose.site, dose.positions, Steps::ALL, edit);
    }
}

/// The mean norm of a site at the last token of prompts: the unit `norm` of α.
///
/// # Errors
/// When the reading fails or there are no prompts.
pub fn mean_norm(
    reader: &Reader<'_>,
    site: Site,
    prompts: &[Named],
    watch: &dyn Watch,
) -> Result<f64, AnalysisError> {
    let readings = reader.read(prompts, &[site], ReadAt::Last, watch)?;
    let norm = |row: ArrayView1<'_, f32>| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let norms: Vec<f64> = readings.iter().flat_map(|r| r.values.outer_iter().map(norm)).collect();
    math::mean(&norms)
        .map_err(|e| AnalysisError::Input(format!("the unit `norm` needs neutral prompts: {e}")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::fixture::{Tiny, named};
    use super::*;
    use truenorth_data::store::Store;
    use truenorth_protocol::run::{Batch, Runner as _, Unwatched};

    #[test]
    fn what_is_sampled_does_not_depend_on_how_rows_are_cut_and_no_row_repeats_another() {
        let prompts = named(&["the old hat"; 70]);
        let sampling = Sampling { temperature: 1.0, seed: 11, ..Sampling::greedy(8) };
        let ask = |sequences: usize, store: Option<&Store>| {
            let tiny = Tiny::with_batch(Batch { sequences, ..Batch::LOCAL });
            let dose = Dose {
                direction: vec![1.0; tiny.info().hidden as usize],
                site: Site::ResidPost(0),
                positions: WriteAt::All,
                alphas: vec![0.0],
                norm: None,
                ablate: false,
            };
            steer(&Reader::new(&tiny, store), &prompts, &dose, &sampling, &Unwatched).unwrap()
        };
        let whole = ask(512, None);
        let distinct: HashSet<&[i64]> = whole.iter().map(|r| &r.tokens[..]).collect();
        assert_eq!(distinct.len(), 70, "rows repeat each other's draws");
        let store = Store::in_memory().unwrap();
        for sequences in [32, 7, 1] {
            assert_eq!(ask(sequences, Some(&store)), whole, "cut at {sequences}");
        }
        // What one cut left in the cache serves the others rightly.
        for sequences in [512, 32, 7] {
            assert_eq!(ask(sequences, Some(&store)), whole, "cut at {sequences}, with what is kept");
        }
    }
}
