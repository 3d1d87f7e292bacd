//! Reading and writing a site while a model runs.

use candle_core::{DType, Device, Tensor};
use truenorth_protocol::Site;

use super::error::{EngineError, backend};
use super::layout::{Row, Rows};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Nothing after this site is needed.
    Stop,
}

/// What is called at sites.
///
/// A site is visited once a pass, in the order of [`Site::order`]. Sites that are not wanted cost
/// nothing.
pub trait Hooks {
    /// Whether [`Hooks::at`] is to be called at this site.
    fn wants(&self, site: Site) -> bool;

    /// Reads or edits the site.
    ///
    /// An edit of `attn_out` or `mlp_out` changes what is added to the residual stream, one of
    /// `embed` or a `resid_*` changes the stream, one of `final_norm` what the logits are made of.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn at(&mut self, site: Site, x: &mut Activation<'_>) -> Result<Flow, EngineError>;
}

/// No hooks.
pub struct NoHooks;

impl Hooks for NoHooks {
    fn wants(&self, _: Site) -> bool {
        false
    }

    fn at(&mut self, _: Site, _: &mut Activation<'_>) -> Result<Flow, EngineError> {
        Ok(Flow::Continue)
    }
}

/// The value of a site: `[rows, width]` in f32.
pub struct Activation<'a> {
    pub(super) site: Site,
    pub(super) tensor: Tensor,
    pub(super) rows: &'a Rows,
}

impl Activation<'_> {
    /// The value, on the model's device.
    #[must_use]
    pub fn get(&self) -> &Tensor {
        &self.tensor
    }

    /// What the rows are. In the last block and after it, these may be fewer than the batch's.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        self.rows
    }

    /// Width of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.tensor.dims().last().copied().unwrap_or(0)
    }

    /// Puts another value in its place.
    ///
    /// # Errors
    /// Another shape, or a type other than f32.
    pub fn replace(&mut self, tensor: Tensor) -> Result<(), EngineError> {
        if tensor.dims() != self.tensor.dims() || tensor.dtype() != DType::F32 {
            return Err(EngineError::Edit {
                site: self.site,
                found: format!("{:?} {:?}", tensor.dims(), tensor.dtype()),
                expected: format!("{:?} F32", self.tensor.dims()),
            });
        }
        self.tensor = tensor;
        Ok(())
    }

    /// All rows, one after the other.
    ///
    /// # Errors
    /// The device can't be read.
    pub fn to_vec(&self) -> Result<Vec<f32>, EngineError> {
        self.host().map_err(backend(format!("a copy of `{}`", self.site)))
    }

    /// These rows, one after the other, checked to be finite.
    ///
    /// # Errors
    /// A row that is not here, a value that is NaN or infinite, or an unreadable device.
    pub fn read(&self, rows: &[usize]) -> Result<Vec<f32>, EngineError> {
        let values = self.pick(rows)?;
        let width = self.width().max(1);
        for (row, values) in rows.iter().zip(values.chunks(width)) {
            if let (Some(value), Some(at)) =
                (values.iter().find(|v| !v.is_finite()), self.rows.all().get(*row))
            {
                return Err(EngineError::NotFinite {
                    site: self.site,
                    seq: at.seq,
                    position: at.position,
                    value: *value,
                });
            }
        }
        Ok(values)
    }

    fn pick(&self, rows: &[usize]) -> Result<Vec<f32>, EngineError> {
        if let Some(row) = rows.iter().find(|r| **r >= self.rows.len()) {
            return Err(EngineError::UnknownRow { row: *row, rows: self.rows.len() });
        }
        let all: Vec<usize> = (0..self.rows.len()).collect();
        if rows == all {
            return self.to_vec();
        }
        #[allow(clippy::cast_possible_truncation)]
        let index: Vec<u32> = rows.iter().map(|r| *r as u32).collect();
        let pick = || {
            let index = Tensor::from_vec(index, rows.len(), self.tensor.device())?;
            self.tensor.index_select(&index, 0)?.flatten_all()?.to_vec1::<f32>()
        };
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        pick().map_err(backend(format!("a copy of `{}`", self.site)))
    }

    /// Edits rows in place: `edit` is given what each row is and its values, and says whether it
    /// changed them.
    ///
    /// # Errors
    /// The device can't be read or written.
    pub fn edit(&mut self, mut edit: impl FnMut(Row, &mut [f32]) -> bool) -> Result<(), EngineError> {
        let mut values = self.to_vec()?;
        let width = self.width().max(1);
        let mut changed = false;
        for (row, values) in self.rows.all().iter().zip(values.chunks_mut(width)) {
            changed |= edit(*row, values);
        }
        if changed {
            self.tensor = Tensor::from_vec(values, self.tensor.dims(), &Device::Cpu)
                .and_then(|t| t.to_device(self.tensor.device()))
                .map_err(backend(format!("an edit of `{}`", self.site)))?;
        }
        Ok(())
    }

    fn host(&self) -> candle_core::Result<Vec<f32>> {
        self.tensor.flatten_all()?.to_vec1::<f32>()
    }
}
