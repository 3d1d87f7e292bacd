//! A model's weights by name and shape alone: what a file must hold is known before anything of it is read.
//!
//! The loader of the blocks runs over a backend that holds nothing and weights that are not read, so that what is
//! checked and what is loaded are one list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Tensor};

use super::Backend;
use crate::block::{TransformerBlock, load_norm};
use crate::config::{Config, Head};
use crate::error::{EngineError, backend};
use crate::family::Positions;
use crate::load::{Weight, WeightStorage};
use crate::weights::{Vector, Weights};

/// How a matrix will be held, and its width.
pub(crate) type Matrix = (WeightStorage, usize);

/// Looks for every weight of a model, and returns the matrices that rows are multiplied by.
///
/// # Errors
/// A weight that is missing, misshapen or of a type that is not read, or one that the configuration has no use for.
pub(crate) fn check(config: &Config, weights: &dyn Weights) -> std::result::Result<Vec<Matrix>, EngineError> {
    let names = &config.family.names;
    let seen = RequestedWeights { of: weights, names: Mutex::default() };
    let outside =
        |name: &str, rows| seen.matrix(&format!("{name}.weight"), [rows, config.hidden], false).map(drop);
    outside(names.embed, config.vocab)?;
    if matches!(config.family.positions, Positions::Learned) {
        outside(names.positions, config.context)?;
    }
    for layer in 0..config.layers() {
        TransformerBlock::<Nothing>::load(config, &seen, layer)?;
    }
    load_norm::<Nothing>(config, &seen, names.norm, config.hidden)?;
    if config.head == Head::Own {
        outside(names.head, config.vocab)?;
    }
    let RequestedNames { mut matrices, vectors } =
        seen.names.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tied_head = format!("{}.weight", names.head);
    let used = |name: &str| matrices.contains_key(name) || vectors.contains(name);
    weights.finish(&used, config.family.name, (config.head == Head::Tied).then_some(tied_head.as_str()))?;
    // Rows of an embedding are looked up, and multiplied by where it is the output matrix too.
    matrices.remove(&format!("{}.weight", names.positions));
    if config.head != Head::Tied {
        matrices.remove(&format!("{}.weight", names.embed));
    }
    Ok(matrices.into_values().collect())
}

/// Weights that are looked for and not read.
#[derive(Debug)]
struct RequestedWeights<'a> {
    of: &'a dyn Weights,
    names: Mutex<RequestedNames>,
}

#[derive(Debug, Default)]
struct RequestedNames {
    matrices: BTreeMap<String, Matrix>,
    vectors: BTreeSet<String>,
}

impl Weights for RequestedWeights<'_> {
    fn held(
        &self,
        name: &str,
        shape: &[usize],
        transposed: bool,
    ) -> std::result::Result<WeightStorage, EngineError> {
        self.of.held(name, shape, transposed)
    }

    fn matrix(
        &self,
        name: &str,
        shape: [usize; 2],
        transposed: bool,
    ) -> std::result::Result<Weight, EngineError> {
        let held = self.of.held(name, &shape, transposed)?;
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.matrices.insert(name.to_owned(), (held, shape[1]));
        nothing(name).map(Weight::Plain)
    }

    fn vector(&self, name: &str, len: usize, _: Vector) -> std::result::Result<Tensor, EngineError> {
        self.of.held(name, &[len], false)?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).vectors.insert(name.to_owned());
        nothing(name)
    }

    fn finish(
        &self,
        _: &dyn Fn(&str) -> bool,
        _: &str,
        _: Option<&str>,
    ) -> std::result::Result<(), EngineError> {
        Ok(())
    }
}

fn nothing(name: &str) -> std::result::Result<Tensor, EngineError> {
    Tensor::zeros(0, DType::F32, &Device::Cpu).map_err(backend(format!("the weights `{name}`")))
}

/// Holds no weights.
#[derive(Debug)]
struct Nothing;

impl Backend for Nothing {
    type Linear = ();
    type Norm = ();
    type Embedding = ();

    fn linear(_: Weight, _: Option<Tensor>) -> Result<()> {
        Ok(())
    }

    fn embedding(_: Weight) -> Result<()> {
        Ok(())
    }

    fn tied((): &()) {}

    fn norm(_: &Tensor, _: Option<&Tensor>, _: f64) -> Result<()> {
        Ok(())
    }

    fn split(weight: &Weight, parts: &[Vec<usize>]) -> Result<Vec<Weight>> {
        Ok(vec![weight.clone(); parts.len()])
    }
}
