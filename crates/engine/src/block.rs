//! A block of the transformer: its weights, by whatever backend holds them.

use super::backend::Backend;
use super::config::Config;
use super::error::{EngineError, backend};
use super::family::{NormKind, QkNorm, Qkv};
use super::load::Weight;
use super::weights::{Vector, Weights};

/// Attention and MLP with the norms around them.
#[derive(Debug)]
pub(super) struct TransformerBlock<B: Backend> {
    pub(super) attn_norm: Option<B::Norm>,
    pub(super) attn_post: Option<B::Norm>,
    pub(super) mlp_norm: Option<B::Norm>,
    pub(super) mlp_post: Option<B::Norm>,
    pub(super) q: B::Linear,
    pub(super) k: B::Linear,
    pub(super) v: B::Linear,
    pub(super) out: B::Linear,
    pub(super) q_norm: Option<B::Norm>,
    pub(super) k_norm: Option<B::Norm>,
    pub(super) gate: Option<B::Linear>,
    pub(super) up: B::Linear,
    pub(super) down: B::Linear,
}

impl<B: Backend> TransformerBlock<B> {
    pub(super) fn load(config: &Config, weights: &dyn Weights, layer: usize) -> Result<Self, EngineError> {
        let names = &config.family.names;
        let at = |leaf: &str| format!("{}.{layer}.{leaf}", names.blocks);
        let norm = |leaf: Option<&str>| {
            leaf.map(|leaf| load_norm::<B>(config, weights, &at(leaf), config.hidden)).transpose()
        };
        let linear = |leaf: &str, shape, bias| load_linear::<B>(config, weights, &at(leaf), shape, bias);
        let (hidden, mid) = (config.hidden, config.intermediate);
        let (q_width, kv_width) = (config.heads * config.head_dim, config.kv_width());
        let [q, k, v] = match config.family.qkv {
            Qkv::Separate => {
                let [q, k, v] = names.qkv;
                [
                    linear(q, [q_width, hidden], config.qkv_bias)?,
                    linear(k, [kv_width, hidden], config.qkv_bias)?,
                    linear(v, [kv_width, hidden], config.qkv_bias)?,
                ]
            }
            Qkv::Joined | Qkv::PerHead => joined::<B>(config, weights, &at(names.qkv[0]))?,
        };
        let qk_norm = |leaf: &str, full| {
            let width = match config.family.qk_norm {
                QkNorm::None => return Ok(None),
                QkNorm::Head => config.head_dim,
                QkNorm::Full => full,
            };
            load_norm::<B>(config, weights, &at(leaf), width).map(Some)
        };
        Ok(Self {
            attn_norm: norm(names.attn_norm)?,
            attn_post: norm(names.attn_post)?,
            mlp_norm: norm(names.mlp_norm)?,
            mlp_post: norm(names.mlp_post)?,
            q,
            k,
            v,
            out: linear(names.out, [hidden, q_width], config.out_bias)?,
            q_norm: qk_norm(names.qk_norm[0], q_width)?,
            k_norm: qk_norm(names.qk_norm[1], kv_width)?,
            gate: names.gate.map(|leaf| linear(leaf, [mid, hidden], config.mlp_bias)).transpose()?,
            up: linear(names.up, [mid, hidden], config.mlp_bias)?,
            down: linear(names.down, [hidden, mid], config.mlp_bias)?,
        })
    }
}

/// A norm by the family's kind.
pub(super) fn load_norm<B: Backend>(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
    width: usize,
) -> Result<B::Norm, EngineError> {
    let kind = match config.family.norm {
        NormKind::RmsPlusOne => Vector::FactorLessOne,
        NormKind::Rms | NormKind::Layer => Vector::Factor,
    };
    let bias = match config.family.norm {
        NormKind::Layer => Some(weights.vector(&format!("{name}.bias"), width, Vector::Bias)?),
        NormKind::Rms | NormKind::RmsPlusOne => None,
    };
    let weight = weights.vector(&format!("{name}.weight"), width, kind)?;
    B::norm(&weight, bias.as_ref(), config.norm_eps).map_err(backend(format!("the norm `{name}`")))
}

fn load_linear<B: Backend>(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
    shape: [usize; 2],
    bias: bool,
) -> Result<B::Linear, EngineError> {
    let weight = weights.matrix(&format!("{name}.weight"), shape, config.family.transposed)?;
    let bias = bias.then(|| weights.vector(&format!("{name}.bias"), shape[0], Vector::Bias)).transpose()?;
    B::linear(weight, bias).map_err(backend(format!("the weights `{name}`")))
}

/// Queries, keys and values out of one matrix. They are separate layers so that queries can be
/// computed for fewer rows than keys.
fn joined<B: Backend>(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
) -> Result<[B::Linear; 3], EngineError> {
    let (width, dim) = (config.heads * config.head_dim, config.head_dim);
    let row = |which: usize, i: usize| match config.family.qkv {
        Qkv::PerHead => (i / dim * 3 + which) * dim + i % dim,
        Qkv::Joined | Qkv::Separate => which * width + i,
    };
    let rows: Vec<Vec<usize>> = (0..3).map(|which| (0..width).map(|i| row(which, i)).collect()).collect();
    let shape = [3 * width, config.hidden];
    let weight = weights.matrix(&format!("{name}.weight"), shape, config.family.transposed)?;
    let split = |w: &Weight| B::split(w, &rows).map_err(backend(format!("the parts of `{name}`")));
    let mut matrices = split(&weight)?.into_iter();
    let mut biases = match config.qkv_bias {
        true => split(&Weight::Plain(weights.vector(&format!("{name}.bias"), 3 * width, Vector::Bias)?))?,
        false => Vec::new(),
    }
    .into_iter()
    .map(|w| match w {
        Weight::Plain(t) => Some(t),
        Weight::Quantized(_) => None,
    });
    let mut next = || match matrices.next() {
        Some(m) => B::linear(m, biases.next().flatten()),
        None => Err(candle_core::Error::Msg("three matrices were expected".into())),
    };
    let mut next = || next().map_err(backend(format!("the parts of `{name}`")));
    Ok([next()?, next()?, next()?])
}
