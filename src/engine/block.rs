//! A block of the transformer: its weights, and the steps a pass takes through it.

use candle_core::{Result, Tensor};

use super::config::{Act, Config};
use super::error::{EngineError, backend};
use super::family::{NormKind, QkNorm, Qkv};
use super::kernel::{self, Norm};
use super::linear::{Linear, split_rows};
use super::load::Weight;
use super::rope::Angles;
use super::weights::{Vector, Weights};

/// Attention and MLP with the norms around them.
#[derive(Debug)]
pub(super) struct Block {
    attn_norm: Option<Norm>,
    attn_post: Option<Norm>,
    mlp_norm: Option<Norm>,
    mlp_post: Option<Norm>,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    q_norm: Option<Norm>,
    k_norm: Option<Norm>,
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    act: Act,
    head_dim: usize,
}

impl Block {
    pub(super) fn load(
        config: &Config,
        weights: &dyn Weights,
        layer: usize,
    ) -> std::result::Result<Self, EngineError> {
        let names = &config.family.names;
        let at = |leaf: &str| format!("{}.{layer}.{leaf}", names.blocks);
        let norm = |leaf: Option<&str>| {
            leaf.map(|leaf| load_norm(config, weights, &at(leaf), config.hidden)).transpose()
        };
        let linear = |leaf: &str, shape, bias| load_linear(config, weights, &at(leaf), shape, bias);
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
            Qkv::Joined | Qkv::PerHead => joined(config, weights, &at(names.qkv[0]))?,
        };
        let qk_norm = |leaf: &str, full| {
            let width = match config.family.qk_norm {
                QkNorm::None => return Ok(None),
                QkNorm::Head => config.head_dim,
                QkNorm::Full => full,
            };
            load_norm(config, weights, &at(leaf), width).map(Some)
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
            act: config.act,
            head_dim: config.head_dim,
        })
    }

    /// What attention reads: `[rows, hidden]`.
    pub(super) fn attn_input(&self, x: &Tensor) -> Result<Tensor> {
        normed(self.attn_norm.as_ref(), x)
    }

    /// Keys, normed and rotated, and values: `[rows, kv_heads · head_dim]` each.
    pub(super) fn keys_values(&self, x: &Tensor, angles: Option<&Angles>) -> Result<(Tensor, Tensor)> {
        let k = normed(self.k_norm.as_ref(), &self.k.forward(x)?)?;
        Ok((self.rotate(k, angles)?, self.v.forward(x)?))
    }

    /// Queries, normed and rotated: `[rows, heads · head_dim]`.
    pub(super) fn queries(&self, x: &Tensor, angles: Option<&Angles>) -> Result<Tensor> {
        let q = normed(self.q_norm.as_ref(), &self.q.forward(x)?)?;
        self.rotate(q, angles)
    }

    fn rotate(&self, x: Tensor, angles: Option<&Angles>) -> Result<Tensor> {
        match angles {
            Some(angles) => kernel::rope(&x, angles, self.head_dim),
            None => Ok(x),
        }
    }

    /// What attention adds to the stream, from the values it gathered.
    pub(super) fn attn_output(&self, gathered: &Tensor) -> Result<Tensor> {
        normed(self.attn_post.as_ref(), &self.out.forward(gathered)?)
    }

    /// What the MLP adds to the stream.
    pub(super) fn mlp(&self, x: &Tensor) -> Result<Tensor> {
        let x = normed(self.mlp_norm.as_ref(), x)?;
        let up = self.up.forward(&x)?;
        let mid = match &self.gate {
            Some(gate) => kernel::act(self.act, &gate.forward(&x)?, Some(&up))?,
            None => kernel::act(self.act, &up, None)?,
        };
        normed(self.mlp_post.as_ref(), &self.down.forward(&mid)?)
    }
}

fn normed(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(x),
        None => Ok(x.clone()),
    }
}

/// A norm by the family's kind.
pub(super) fn load_norm(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
    width: usize,
) -> std::result::Result<Norm, EngineError> {
    let kind = match config.family.norm {
        NormKind::RmsPlusOne => Vector::FactorLessOne,
        NormKind::Rms | NormKind::Layer => Vector::Factor,
    };
    let bias = match config.family.norm {
        NormKind::Layer => Some(weights.vector(&format!("{name}.bias"), width, Vector::Bias)?),
        NormKind::Rms | NormKind::RmsPlusOne => None,
    };
    Ok(Norm { weight: weights.vector(&format!("{name}.weight"), width, kind)?, bias, eps: config.norm_eps })
}

fn load_linear(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
    shape: [usize; 2],
    bias: bool,
) -> std::result::Result<Linear, EngineError> {
    let weight = weights.matrix(&format!("{name}.weight"), shape, config.family.transposed)?;
    let bias = bias.then(|| weights.vector(&format!("{name}.bias"), shape[0], Vector::Bias)).transpose()?;
    Ok(Linear::new(weight, bias))
}

/// Queries, keys and values out of one matrix. They are separate layers so that queries can be
/// computed for fewer rows than keys.
fn joined(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
) -> std::result::Result<[Linear; 3], EngineError> {
    let (width, dim) = (config.heads * config.head_dim, config.head_dim);
    let row = |which: usize, i: usize| match config.family.qkv {
        Qkv::PerHead => (i / dim * 3 + which) * dim + i % dim,
        Qkv::Joined | Qkv::Separate => which * width + i,
    };
    let rows: Vec<Vec<usize>> = (0..3).map(|which| (0..width).map(|i| row(which, i)).collect()).collect();
    let shape = [3 * width, config.hidden];
    let weight = weights.matrix(&format!("{name}.weight"), shape, config.family.transposed)?;
    let split = |w: &Weight| split_rows(w, &rows).map_err(backend(format!("the parts of `{name}`")));
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
    let mut next = || matrices.next().map(|m| Linear::new(m, biases.next().flatten()));
    match (next(), next(), next()) {
        (Some(q), Some(k), Some(v)) => Ok([q, k, v]),
        _ => Err(backend(format!("the parts of `{name}`"))(candle_core::Error::Msg("three expected".into()))),
    }
}
