//! Where a model's weights come from: files, or a seed.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{DType, Device, Error, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sha2::{Digest, Sha256};

use super::error::{EngineError, backend};
use super::head;
use super::load::{LoadOptions, Source, Weight, WeightStorage};

/// What a vector of weights is, and so what it is before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vector {
    /// The factor of a norm, stored as it is used.
    Factor,
    /// The factor of a norm, stored less one.
    FactorLessOne,
    Bias,
}

/// A supply of weights by name, kept as long as the model: a block is read when it is first run.
pub(super) trait Weights: Debug + Send + Sync {
    /// What a weight will be held as, known without reading it; the shape as in [`Weights::matrix`] or a vector's.
    fn held(&self, name: &str, shape: &[usize], transposed: bool) -> Result<WeightStorage, EngineError>;

    /// A matrix used as `[out, in]`; `transposed` where the hub's files keep `[in, out]`.
    fn matrix(&self, name: &str, shape: [usize; 2], transposed: bool) -> Result<Weight, EngineError>;

    /// A vector in f32, as it is used.
    fn vector(&self, name: &str, len: usize, kind: Vector) -> Result<Tensor, EngineError>;

    /// Refuses what is there and has no use.
    fn finish(
        &self,
        used: &dyn Fn(&str) -> bool,
        family: &str,
        tied_head: Option<&str>,
    ) -> Result<(), EngineError>;
}

/// Weights of files.
#[derive(Debug)]
pub(super) struct FileWeights {
    pub(super) source: Arc<Source>,
    pub(super) options: LoadOptions,
    pub(super) device: Device,
}

impl Weights for FileWeights {
    fn held(&self, name: &str, shape: &[usize], transposed: bool) -> Result<WeightStorage, EngineError> {
        let stored: Vec<usize> =
            if transposed { shape.iter().rev().copied().collect() } else { shape.to_vec() };
        Ok(self.source.held(name, &stored, &self.options, transposed)?)
    }

    fn matrix(&self, name: &str, shape: [usize; 2], transposed: bool) -> Result<Weight, EngineError> {
        let [out, width] = shape;
        Ok(if transposed {
            self.source.weight_transposed(name, &[width, out], &self.options, &self.device)?
        } else {
            self.source.weight(name, &shape, &self.options, &self.device)?
        })
    }

    fn vector(&self, name: &str, len: usize, kind: Vector) -> Result<Tensor, EngineError> {
        // Norms and biases are small; f32 keeps what they add exact.
        let t = self.source.tensor(name, &[len], DType::F32, &self.device)?;
        match kind {
            Vector::FactorLessOne => (t + 1.0).map_err(backend(format!("the norm `{name}`"))),
            Vector::Factor | Vector::Bias => Ok(t),
        }
    }

    fn finish(
        &self,
        used: &dyn Fn(&str) -> bool,
        family: &str,
        tied_head: Option<&str>,
    ) -> Result<(), EngineError> {
        /// What models that also see keep beside their text half.
        const SEEING: [&str; 4] = [
            "vision_tower.",
            "multi_modal_projector.",
            "model.vision_tower.",
            "model.multi_modal_projector.",
        ];
        let extra = self.source.names().find(|name| {
            !used(name)
                && tied_head != Some(*name)
                && !head::is_other(name)
                && !SEEING.iter().any(|start| name.starts_with(start))
        });
        match extra {
            None => Ok(()),
            Some(name) => Err(EngineError::UnusedTensor { name: name.to_owned(), family: family.to_owned() }),
        }
    }
}

/// Untrained weights: matrices and embeddings normal with mean 0, norms one, biases zero.
///
/// Each tensor is drawn from a ChaCha stream keyed by the seed and its name, in f32 and row-major
/// as it is used, so that neither the order of loading nor the compute type changes the draw.
#[derive(Debug)]
pub(super) struct Untrained {
    pub(super) seed: u64,
    pub(super) std: f64,
    pub(super) dtype: DType,
    pub(super) device: Device,
}

impl Weights for Untrained {
    fn held(&self, _: &str, _: &[usize], _: bool) -> Result<WeightStorage, EngineError> {
        Ok(WeightStorage::Plain(self.dtype))
    }

    fn matrix(&self, name: &str, shape: [usize; 2], _: bool) -> Result<Weight, EngineError> {
        let mut key = Sha256::new();
        key.update(self.seed.to_le_bytes());
        key.update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(key.finalize().into());
        #[allow(clippy::cast_possible_truncation)]
        let normal = Normal::new(0.0_f32, self.std as f32).map_err(|_| EngineError::Sampling {
            what: "the standard deviation of untrained weights",
            found: self.std,
            expected: "a finite number",
        })?;
        let failed = || backend(format!("untrained weights `{name}`"));
        let mut values: Vec<f32> = Vec::new();
        let count = shape[0].checked_mul(shape[1]).filter(|n| values.try_reserve_exact(*n).is_ok());
        let Some(count) = count else {
            let [rows, width] = shape;
            return Err(failed()(Error::Msg(format!(
                "there is no memory for {rows} rows of {width} numbers"
            ))));
        };
        values.extend((0..count).map(|_| normal.sample(&mut rng)));
        Tensor::from_vec(values, (shape[0], shape[1]), &Device::Cpu)
            .and_then(|t| t.to_dtype(self.dtype)?.to_device(&self.device))
            .map(Weight::Plain)
            .map_err(failed())
    }

    fn vector(&self, name: &str, len: usize, kind: Vector) -> Result<Tensor, EngineError> {
        match kind {
            Vector::Factor | Vector::FactorLessOne => Tensor::ones(len, DType::F32, &self.device),
            Vector::Bias => Tensor::zeros(len, DType::F32, &self.device),
        }
        .map_err(backend(format!("untrained weights `{name}`")))
    }

    fn finish(&self, _: &dyn Fn(&str) -> bool, _: &str, _: Option<&str>) -> Result<(), EngineError> {
        Ok(())
    }
}
