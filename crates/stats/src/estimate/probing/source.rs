//! Rows that arrive a layer at a time.

use ndarray::{Array1, Array2};

use super::SourceError;

/// The same rows read at several layers (or sites), of which one at a time is held in memory.
///
/// A layer may be asked for more than once and must then be the same.
pub trait Layers: Sync {
    /// Layers that can be asked for; their indices are below it.
    fn count(&self) -> usize;

    /// The rows at a layer, `[n, width]`; the width may differ between layers.
    ///
    /// # Errors
    /// When the layer can't be read.
    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError>;

    /// Directions to project out of every row at a layer, `[width]` each. Only those of the
    /// training rows are asked for; they hold for the test rows too.
    ///
    /// # Errors
    /// When they can't be had.
    fn nuisances(&self, index: usize) -> Result<Vec<Array1<f64>>, SourceError> {
        let _ = index;
        Ok(Vec::new())
    }
}

impl Layers for [Array2<f32>] {
    fn count(&self) -> usize {
        self.len()
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        self.get(index).cloned().ok_or_else(|| format!("there are {} layers", self.len()).into())
    }
}

impl Layers for Vec<Array2<f32>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        self.as_slice().layer(index)
    }
}
