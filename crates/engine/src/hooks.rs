//! Reading and writing a site while a model runs.

use candle_core::{DType, Device, Tensor};
use truenorth_protocol::Site;

use super::error::{EngineError, backend};
use super::layout::{ActivationRow, ActivationRows};
use super::split::{gather, select_rows};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The pass goes on.
    Continue,
    /// Nothing after this site is needed.
    Stop,
}

/// What is called at sites.
///
/// A site is visited once a pass, in the order of [`Site::order`]. Sites that are not wanted cost
/// nothing.
pub trait Hooks: Send {
    /// Whether [`Hooks::at`] is to be called at this site.
    fn wants(&self, site: Site) -> bool;

    /// Reads or edits the site.
    ///
    /// An edit of `attn_out` or `mlp_out` changes what is added to the residual stream, one of
    /// `embed` or a `resid_*` changes the stream, one of `final_norm` what the logits are made of.
    ///
    /// # Errors
    /// Whatever ends the pass.
    fn at(&mut self, site: Site, x: &mut SiteActivation<'_>) -> Result<Flow, EngineError>;
}

/// Hooks that look at no site.
pub struct NoHooks;

impl Hooks for NoHooks {
    fn wants(&self, _: Site) -> bool {
        false
    }

    fn at(&mut self, _: Site, _: &mut SiteActivation<'_>) -> Result<Flow, EngineError> {
        Ok(Flow::Continue)
    }
}

/// The value of a site: `[rows, width]` in f32.
pub struct SiteActivation<'a> {
    pub(super) site: Site,
    pub(super) value: SiteValue,
    pub(super) rows: &'a ActivationRows,
}

/// `[rows, width]` in f32, wherever it was computed.
#[derive(Clone, Debug)]
pub(super) enum SiteValue {
    Host { values: Vec<f32>, width: usize },
    Device(Tensor),
}

impl SiteValue {
    fn dims(&self) -> Vec<usize> {
        match self {
            Self::Host { values, width } => vec![values.len() / (*width).max(1), *width],
            Self::Device(tensor) => tensor.dims().to_vec(),
        }
    }

    pub(super) fn into_tensor(self, device: &Device) -> candle_core::Result<Tensor> {
        match self {
            Self::Host { values, width } => {
                let rows = values.len() / width.max(1);
                Tensor::from_vec(values, (rows, width), &Device::Cpu)?.to_device(device)
            }
            Self::Device(tensor) => Ok(tensor),
        }
    }
}

impl SiteActivation<'_> {
    /// What the rows are. In the last block and after it, these may be fewer than the batch's.
    #[must_use]
    pub fn rows(&self) -> &ActivationRows {
        self.rows
    }

    /// Width of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.value.dims().last().copied().unwrap_or(0)
    }

    /// Puts another value in its place.
    ///
    /// # Errors
    /// Another shape, or a type other than f32.
    pub fn replace(&mut self, tensor: Tensor) -> Result<(), EngineError> {
        if tensor.dims() != self.value.dims() || tensor.dtype() != DType::F32 {
            return Err(EngineError::Edit {
                site: self.site,
                found: format!("{:?} {:?}", tensor.dims(), tensor.dtype()),
                expected: format!("{:?} F32", self.value.dims()),
            });
        }
        self.value = SiteValue::Device(tensor);
        Ok(())
    }

    /// All rows, one after the other.
    ///
    /// # Errors
    /// The device can't be read.
    pub fn to_vec(&self) -> Result<Vec<f32>, EngineError> {
        match &self.value {
            SiteValue::Host { values, .. } => Ok(values.clone()),
            SiteValue::Device(tensor) => {
                tensor.flatten_all().and_then(|t| t.to_vec1()).map_err(self.failed("a copy"))
            }
        }
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
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if rows.len() == self.rows.len() && rows.iter().enumerate().all(|(i, r)| i == *r) {
            return self.to_vec();
        }
        match &self.value {
            SiteValue::Host { values, width } => Ok(gather(values, rows, *width)),
            SiteValue::Device(tensor) => select_rows(tensor, rows)
                .and_then(|t| t.flatten_all()?.to_vec1())
                .map_err(self.failed("a copy")),
        }
    }

    /// Edits rows in place: `edit` is given what each row is and its values, and says whether it
    /// changed them.
    ///
    /// # Errors
    /// The device can't be read or written.
    pub fn edit(
        &mut self,
        mut edit: impl FnMut(ActivationRow, &mut [f32]) -> bool,
    ) -> Result<(), EngineError> {
        let width = self.width().max(1);
        if let SiteValue::Host { values, .. } = &mut self.value {
            for (row, values) in self.rows.all().iter().zip(values.chunks_mut(width)) {
                edit(*row, values);
            }
            return Ok(());
        }
        let mut values = self.to_vec()?;
        let mut changed = false;
        for (row, values) in self.rows.all().iter().zip(values.chunks_mut(width)) {
            changed |= edit(*row, values);
        }
        if let (true, SiteValue::Device(tensor)) = (changed, &self.value) {
            let edited = SiteValue::Host { values, width }.into_tensor(tensor.device());
            self.value = SiteValue::Device(edited.map_err(self.failed("an edit"))?);
        }
        Ok(())
    }

    fn failed(&self, what: &str) -> impl FnOnce(candle_core::Error) -> EngineError {
        backend(format!("{what} of `{}`", self.site))
    }
}
