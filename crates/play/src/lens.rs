//! The tokens that a direction promotes and suppresses: the logit lens of the direction.
//!
//! The residual stream at the end of the last block is set to the direction alone, and goes through the final norm and
//! the output matrix of the model. So is its opposite; half the difference of the logits is what is told, which leaves out
//! what biases give to any direction. With RMSNorm it is `W_U (γ ∘ d̂) √H`, with LayerNorm `d` is centred first; a soft-cap
//! is in it. A norm as large as that of no token keeps the norm's epsilon out. The norm takes the length away, so logits
//! of different directions compare, and say nothing of a dose.

use serde::Serialize;
use truenorth_protocol::graph::{Builder, Edit, Steps};
use truenorth_protocol::run::{Runner, Watch};
use truenorth_protocol::{ReadAt, Site, Tensor, WriteAt};
use truenorth_reading::AnalysisError;

use crate::spelled::pieces;

/// The root mean square of what the stream is set to.
const SIZE: f64 = 10.0;
/// Directions that are asked about at once: each brings two rows of logits.
const AT_ONCE: usize = 8;

/// What a direction promotes and suppresses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lens {
    /// Name of the direction, as it was offered.
    pub name: String,
    /// The site of the vector.
    pub site: String,
    /// The tokens with the largest logits, the largest first.
    pub promoted: Vec<Lifted>,
    /// Those with the smallest, the smallest first.
    pub suppressed: Vec<Lifted>,
}

/// A token and its logit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lifted {
    /// Token id in the model's vocabulary.
    pub id: u32,
    /// Its text, with what can't be seen made visible.
    pub shown: String,
    /// The logit that the direction gives it.
    pub logit: f64,
}

/// The lens of each of these directions, `most` tokens of either end.
///
/// # Errors
/// When the run fails or its answer does not fit.
pub fn lenses(
    runner: &dyn Runner,
    directions: &[(String, Site, &[f32])],
    most: usize,
    watch: &dyn Watch,
) -> Result<Vec<Lens>, AnalysisError> {
    let mut all = Vec::with_capacity(directions.len());
    for some in directions.chunks(AT_ONCE) {
        for ((name, site, _), logits) in some.iter().zip(logits(runner, some, watch)?) {
            let mut order: Vec<usize> = (0..logits.len()).collect();
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
            let end = |ids: Vec<usize>| -> Result<Vec<Lifted>, AnalysisError> {
                let each: Vec<u32> = ids.iter().filter_map(|i| u32::try_from(*i).ok()).collect();
                let lifted = |(id, logit): (u32, f64)| {
                    let alone = pieces(runner, &[id])?.pop();
                    // Tokens stand in a row, where a line break has its sign alone.
                    let shown = alone.map(|p| p.shown.replace('\n', "")).unwrap_or_default();
                    Ok(Lifted { id, shown, logit })
                };
                each.into_iter().zip(ids.iter().map(|i| logits[*i])).map(lifted).collect()
            };
            let promoted = end(order.iter().take(most).copied().collect())?;
            let suppressed = end(order.iter().rev().take(most).copied().collect())?;
            all.push(Lens { name: name.clone(), site: site.to_string(), promoted, suppressed });
        }
    }
    Ok(all)
}

/// A row of logits a direction.
fn logits(
    runner: &dyn Runner,
    directions: &[(String, Site, &[f32])],
    watch: &dyn Watch,
) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let info = runner.info();
    let (hidden, vocab) = (info.hidden as usize, info.vocab as usize);
    let mut rows: Vec<f32> = Vec::with_capacity(2 * directions.len() * hidden);
    for (_, _, vector) in directions {
        let norm = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        #[allow(clippy::cast_precision_loss)]
        let scale = SIZE * (hidden as f64).sqrt() / norm.max(f64::MIN_POSITIVE);
        for sign in [scale, -scale] {
            #[allow(clippy::cast_possible_truncation)]
            rows.extend(vector.iter().map(|v| (f64::from(*v) * sign) as f32));
        }
    }
    let wide = |what: &str| AnalysisError::Input(format!("{what} is not as wide as {}", info.name));
    let value = Tensor::from_f32(vec![2 * directions.len(), hidden], &rows)
        .map_err(|_| wide("one of the directions"))?;
    let mut b = Builder::new();
    // Which token it is makes no difference to what comes after the edit.
    let group = b.tokens(vec![vec![0]; 2 * directions.len()]);
    let value = b.constant(value);
    let last = Site::ResidPost(info.layers.saturating_sub(1));
    b.write(group, last, WriteAt::All, Steps::ALL, Edit::Set { value });
    let read = b.read(group, Site::Logits, ReadAt::Last);
    b.save("logits", read);
    let answer = runner.ask(b.finish(), watch)?;
    let lost = || AnalysisError::Answer { name: "logits".into(), prompts: 2 * directions.len() };
    let found = answer.tensor("logits").and_then(|t| t.to_f32().ok()).ok_or_else(lost)?;
    if found.len() != 2 * directions.len() * vocab || vocab == 0 {
        return Err(lost());
    }
    if found.iter().any(|v| v.is_nan()) {
        return Err(AnalysisError::NotFinite { name: "logits".into(), id: None });
    }
    let half = |both: &[f32]| {
        let (up, down) = both.split_at(vocab);
        up.iter().zip(down).map(|(a, b)| (f64::from(*a) - f64::from(*b)) / 2.0).collect()
    };
    Ok(found.chunks_exact(2 * vocab).map(half).collect())
}
