//! How far what a path computes is from f32 on candle's operations.

use serde::Serialize;
use truenorth_engine::Engine;
use truenorth_protocol::graph::{Builder, Sampling};
use truenorth_protocol::run::{Runner, Unwatched};
use truenorth_protocol::{Answer, Graph, Prompt, ReadAt, Site, Value};
use truenorth_stats::math::{cosine, quantile};

use crate::BenchError;
use crate::work::TEXTS;

/// Texts that are continued, and tokens of each.
const CONTINUED: usize = 8;
const STEPS: u32 = 64;

/// The error of a path on short texts.
#[derive(Serialize)]
pub struct Fidelity {
    /// The path that is the reference.
    pub reference: String,
    /// Tokens compared at each site.
    pub tokens: usize,
    /// The error at each site, a row each.
    pub sites: Vec<SiteFidelity>,
    /// Tokens generated greedily from each of some texts.
    pub steps: u32,
    /// For each text, how many came before the first that differs.
    pub equal_tokens: Vec<usize>,
}

/// The error of the residual stream at a site, over all tokens.
#[derive(Serialize)]
pub struct SiteFidelity {
    /// The site, as it is written.
    pub site: String,
    /// Least cosine of the two residuals, over all tokens.
    pub least_cosine: f64,
    /// Over the last tokens of the texts alone, which is what most analyses read.
    pub least_cosine_last: f64,
    /// `‖x - y‖ / ‖y‖`, its median.
    pub median_error: f64,
    /// `‖x - y‖ / ‖y‖`, its largest over all tokens.
    pub largest_error: f64,
}

/// Compares two engines of one model, after a block and after the last.
pub fn fidelity(ours: &Engine, reference: &Engine, layer: u32) -> Result<Fidelity, BenchError> {
    let last = ours.info().layers.saturating_sub(1);
    let mut layers = vec![layer, last];
    layers.dedup();
    let ask = |engine: &Engine| -> Result<Answer, BenchError> { Ok(engine.ask(graph(&layers), &Unwatched)?) };
    let (found, expected) = (ask(ours)?, ask(reference)?);
    let width = ours.info().hidden as usize;
    let mut tokens = 0;
    let mut sites = Vec::new();
    for layer in &layers {
        let name = layer.to_string();
        let rows = |a: &Answer| -> Result<Vec<f64>, BenchError> {
            let tensor = a.tensor(&name).ok_or_else(|| BenchError::Answer("residual stream"))?;
            Ok(tensor.to_f32()?.into_iter().map(f64::from).collect())
        };
        let (x, y) = (rows(&found)?, rows(&expected)?);
        tokens = x.len() / width.max(1);
        let ends = last_rows(&found, &name);
        let (mut least, mut least_last) = (f64::INFINITY, f64::INFINITY);
        let mut errors = Vec::with_capacity(tokens);
        for (row, (x, y)) in x.chunks(width).zip(y.chunks(width)).enumerate() {
            let (x, y) = (ndarray::ArrayView1::from(x), ndarray::ArrayView1::from(y));
            let cosine = cosine(x, y)?;
            least = least.min(cosine);
            if ends.contains(&row) {
                least_last = least_last.min(cosine);
            }
            let apart = &x - &y;
            errors.push((apart.dot(&apart) / y.dot(&y)).sqrt());
        }
        sites.push(SiteFidelity {
            site: Site::ResidPost(*layer).to_string(),
            least_cosine: least,
            least_cosine_last: least_last,
            median_error: quantile(&errors, 0.5).unwrap_or(f64::NAN),
            largest_error: errors.iter().copied().fold(0.0, f64::max),
        });
    }
    let generated = |a: &Answer| -> Result<Vec<i64>, BenchError> {
        let tensor = a.tensor("tokens").ok_or_else(|| BenchError::Answer("tokens"))?;
        Ok(tensor.to_i64()?)
    };
    let (x, y) = (generated(&found)?, generated(&expected)?);
    let equal = |(x, y): (&[i64], &[i64])| x.iter().zip(y).take_while(|(a, b)| a == b).count();
    let equal_tokens = x.chunks(STEPS as usize).zip(y.chunks(STEPS as usize)).map(equal).collect();
    let reference = reference.info().path.clone();
    Ok(Fidelity { reference, tokens, sites, steps: STEPS, equal_tokens })
}

/// The row of each text's last token.
fn last_rows(answer: &Answer, name: &str) -> Vec<usize> {
    let Some(Value::Tensor { rows: Some(rows), .. }) = answer.values.get(name) else { return vec![] };
    rows.iter()
        .scan(0, |end, n| {
            *end += *n as usize;
            Some(*end - 1)
        })
        .collect()
}

fn graph(layers: &[u32]) -> Graph {
    let mut b = Builder::new();
    let g = b.texts(TEXTS);
    for layer in layers {
        let read = b.read(g, Site::ResidPost(*layer), ReadAt::All);
        b.save(layer.to_string(), read);
    }
    let some = TEXTS.iter().take(CONTINUED).map(|t| Prompt::Text((*t).to_owned())).collect();
    let g = b.group(some);
    let generate = b.generate(g, Sampling::greedy(STEPS));
    b.save("tokens", generate);
    b.finish()
}
