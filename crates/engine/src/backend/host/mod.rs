//! Panels and slices in host memory: what CPUs with AVX2 or AVX-512 compute with.

mod groups;
mod linear;
mod stream;

use std::collections::BTreeSet;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

pub(crate) use stream::HostStream;

use super::Backend;
use super::shapes::Matrix;
use crate::kernel::panel;
use crate::kernel::panel::Panels;
use crate::load::Weight;
use linear::{HostLinear, HostNorm, format, pack};

/// Whether this CPU has what panels are for.
pub(crate) fn usable() -> bool {
    let cpu = panel::cpu();
    cpu.avx2 || cpu.avx512
}

/// Weights as panels.
#[derive(Debug)]
pub(crate) struct HostBackend;

impl Backend for HostBackend {
    type Linear = HostLinear;
    type Norm = HostNorm;
    type Embedding = Arc<Panels>;

    fn linear(weight: Weight, bias: Option<Tensor>) -> Result<HostLinear> {
        let bias = bias.map(|b| numbers(&b)).transpose()?;
        Ok(HostLinear { panels: Arc::new(pack(weight)?), bias })
    }

    fn embedding(weight: Weight) -> Result<Arc<Panels>> {
        pack(weight).map(Arc::new)
    }

    fn tied(embedding: &Arc<Panels>) -> HostLinear {
        HostLinear { panels: embedding.clone(), bias: None }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn norm(weight: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<HostNorm> {
        let bias = bias.map(numbers).transpose()?;
        Ok(HostNorm { weight: numbers(weight)?, bias, eps: eps as f32 })
    }
}

fn numbers(t: &Tensor) -> Result<Vec<f32>> {
    t.to_dtype(DType::F32)?.to_vec1()
}

/// The names of the kernels that products by these matrices run by, for a record of how a result was made.
pub(crate) fn path(matrices: &[Matrix]) -> String {
    let names: BTreeSet<&str> =
        matrices.iter().map(|(held, width)| panel::path(format(*held, *width))).collect();
    names.into_iter().collect::<Vec<_>>().join("+")
}

/// The same of the matrices that have been packed.
#[cfg(test)]
pub(crate) fn path_of(net: &super::Net<HostBackend>) -> String {
    let of_block = |b: &super::TransformerBlock<HostBackend>| {
        let own = [&b.q, &b.k, &b.v, &b.out, &b.up, &b.down].into_iter().chain(&b.gate);
        own.map(|l| l.panels.format()).collect::<Vec<_>>()
    };
    let formats = net.loaded().flat_map(of_block).chain(net.head().into_iter().map(|h| h.panels.format()));
    let names: BTreeSet<&str> = formats.map(panel::path).collect();
    names.into_iter().collect::<Vec<_>>().join("+")
}
