//! Weights in panels, and norms.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{CpuStorage, DType, Device, Error, Result, Storage, Tensor};

use crate::config::Act;
use crate::kernel::panel::{
    Affine, BlockFormat, PanelFormat, Panels, Product, Then, gated, layer_norm, products, rms_norm,
};
use crate::load::{Weight, WeightStorage};

/// `x Wᵀ + b`
#[derive(Debug)]
pub(crate) struct HostLinear {
    pub(super) panels: Arc<Panels>,
    /// `[out]`
    pub(super) bias: Option<Vec<f32>>,
}

impl HostLinear {
    fn affine(&self) -> Affine<'_> {
        Affine { w: &self.panels, bias: self.bias.as_deref() }
    }

    /// Numbers of a row that is multiplied.
    pub(super) fn inputs(&self) -> usize {
        self.panels.inputs()
    }

    /// Numbers of a row of results.
    pub(super) fn outputs(&self) -> usize {
        self.panels.outputs()
    }

    fn job<'a>(&'a self, then: Then<'a>, y: &'a mut [f32]) -> Product<'a> {
        Product { of: self.affine(), then, y, accumulate: false }
    }

    /// Writes the product, or adds it to what is there.
    pub(super) fn forward(&self, x: &[f32], rows: usize, y: &mut [f32], accumulate: bool) -> Result<()> {
        products(x, rows, &mut [Product { accumulate, ..self.job(Then::Keep, y) }]).map_err(Error::wrap)
    }
}

/// A norm of stretches of a row.
#[derive(Debug)]
pub(crate) struct HostNorm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
    pub(super) eps: f32,
}

impl HostNorm {
    /// Norms each stretch of `x` into `out`, which becomes as long.
    pub(super) fn forward(&self, x: &[f32], out: &mut Vec<f32>) -> Result<()> {
        out.resize(x.len(), 0.0);
        match &self.bias {
            None => rms_norm(x, &self.weight, self.eps, out),
            Some(bias) => layer_norm(x, &self.weight, bias, self.eps, out),
        }
        .map_err(Error::wrap)
    }
}

/// Products of the same rows, `[rows, out]` each, together as far as their weights are of one kind.
pub(super) fn linears(x: &[f32], rows: usize, each: Vec<(&HostLinear, &mut [f32])>) -> Result<()> {
    let mut jobs: Vec<Product> = each.into_iter().map(|(l, y)| l.job(Then::Keep, y)).collect();
    let mut rest = &mut jobs[..];
    while let Some(first) = rest.first().map(|j| j.of.w) {
        let alike = rest.iter().take_while(|j| j.of.w.goes_with(first)).count().max(1);
        let (here, others) = rest.split_at_mut(alike);
        products(x, rows, here).map_err(Error::wrap)?;
        rest = others;
    }
    Ok(())
}

/// `act(gate(x)) · up(x)`, or `act(up(x))` where there is no gate, into `y`.
pub(super) fn activated(
    x: &[f32],
    rows: usize,
    act: Act,
    gate: Option<&HostLinear>,
    up: &HostLinear,
    y: &mut Vec<f32>,
) -> Result<()> {
    y.resize(rows * up.outputs(), 0.0);
    let then = match gate {
        None => Then::Act(act),
        Some(gate) if gate.panels.goes_with(&up.panels) => Then::Gate(act, gate.affine()),
        // Weights of two kinds, which one kernel does not read.
        Some(gate) => {
            let mut factor = vec![0.0; y.len()];
            linears(x, rows, vec![(gate, &mut *y), (up, &mut factor)])?;
            return gated(act, y, &factor).map_err(Error::wrap);
        }
    };
    products(x, rows, &mut [up.job(then, y)]).map_err(Error::wrap)
}

/// Packs a matrix in the type it has: f16 as f32, and blocks that there is no kernel for as f32.
pub(super) fn pack(weight: Weight) -> Result<Panels> {
    match weight {
        Weight::Plain(t) => plain(&t),
        Weight::Quantized(q) => match blocks(&q)? {
            Some(panels) => Ok(panels),
            None => plain(&q.dequantize(&Device::Cpu)?),
        },
    }
}

fn plain(t: &Tensor) -> Result<Panels> {
    let (outputs, inputs) = t.dims2()?;
    let t = if t.dtype() == DType::F16 { t.to_dtype(DType::F32)? } else { t.clone() }.contiguous()?;
    let (storage, layout) = t.storage_and_layout();
    let here = layout.contiguous_offsets().map(|(from, to)| from..to);
    let packed = match (&*storage, here) {
        (Storage::Cpu(CpuStorage::F32(w)), Some(here)) => {
            w.get(here).map(|w| Panels::f32(w, outputs, inputs))
        }
        (Storage::Cpu(CpuStorage::BF16(w)), Some(here)) => {
            w.get(here).map(|w| Panels::bf16(w, outputs, inputs))
        }
        _ => None,
    };
    packed.ok_or_else(|| Error::Msg(format!("no panels of {:?} on {:?}", t.dtype(), t.device())))
}

fn blocks(q: &QTensor) -> Result<Option<Panels>> {
    let (outputs, inputs) = q.shape().dims2()?;
    let Some(block) = block(q.dtype()) else { return Ok(None) };
    Ok(Panels::blocks(block, &q.data()?, outputs, inputs))
}

/// Blocks that there is a kernel for.
fn block(kind: GgmlDType) -> Option<BlockFormat> {
    Some(match kind {
        GgmlDType::Q8_0 => BlockFormat::Q8_0,
        GgmlDType::Q4_0 => BlockFormat::Q4_0,
        GgmlDType::Q4_1 => BlockFormat::Q4_1,
        GgmlDType::Q5_0 => BlockFormat::Q5_0,
        GgmlDType::Q5_1 => BlockFormat::Q5_1,
        GgmlDType::Q4K => BlockFormat::Q4K,
        GgmlDType::Q5K => BlockFormat::Q5K,
        GgmlDType::Q6K => BlockFormat::Q6K,
        _ => return None,
    })
}

/// What [`pack`] makes of a matrix this wide.
pub(super) fn format(held: WeightStorage, width: usize) -> PanelFormat {
    match held {
        WeightStorage::Plain(DType::BF16) => PanelFormat::Bf16,
        WeightStorage::Blocks(kind) if block(kind).is_some_and(|b| b.fits(width)) => PanelFormat::Int8,
        WeightStorage::Plain(_) | WeightStorage::Blocks(_) => PanelFormat::F32,
    }
}
