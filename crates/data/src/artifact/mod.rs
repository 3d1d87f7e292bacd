//! The artifact: a direction with all that is needed to use it rightly.

mod error;
mod exchange;
mod file;
mod foreign;
mod gguf;
mod import;
mod layered;
mod metadata;
mod npy;
mod nuisance;
mod pick;
mod says;
mod several;
mod stands;

use ndarray::{Array1, ArrayView1};
use truenorth_protocol::Site;

pub use error::DirectionError;
pub use import::{DirectionFormat, ImportAs};
pub use metadata::{DirectionMetadata, HeldOutRecord, LAYER_CONVENTION};
pub use nuisance::NuisanceTexts;
pub use several::{Directions, SharedVector};

use truenorth_stats::math::norm;

/// How far the norm of a stored direction may be from 1.
const NORM_TOLERANCE: f64 = 1e-3;

/// A unit direction at a site of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    vector: Array1<f32>,
    metadata: DirectionMetadata,
}

impl Direction {
    /// A direction from a vector of any length but zero, `[hidden]`, which is divided by its norm.
    ///
    /// # Errors
    /// When the vector is empty, zero or not finite, or the metadata lack something.
    pub fn new(vector: ArrayView1<'_, f64>, metadata: DirectionMetadata) -> Result<Self, DirectionError> {
        check_finite(vector.iter().copied())?;
        let length = norm(vector);
        if length == 0.0 {
            return Err(DirectionError::Zero);
        }
        metadata.check()?;
        Ok(Self { vector: vector.mapv(|v| (v / length) as f32), metadata })
    }

    /// A direction as stored, whose norm must be 1 within 1e-3.
    fn stored(vector: Vec<f32>, metadata: DirectionMetadata) -> Result<Self, DirectionError> {
        check_finite(vector.iter().map(|v| f64::from(*v)))?;
        let vector = Array1::from(vector);
        let norm = norm(vector.mapv(f64::from).view());
        if norm == 0.0 {
            return Err(DirectionError::Zero);
        }
        if (norm - 1.0).abs() > NORM_TOLERANCE {
            return Err(DirectionError::Norm { norm });
        }
        metadata.check()?;
        Ok(Self { vector, metadata })
    }

    /// The direction, `[hidden]`, of norm 1.
    #[must_use]
    pub fn vector(&self) -> ArrayView1<'_, f32> {
        self.vector.view()
    }

    /// The vector in 64 bits with its norm exactly 1 to rounding.
    #[must_use]
    pub fn to_f64(&self) -> Array1<f64> {
        let wide = self.vector.mapv(f64::from);
        let norm = norm(wide.view());
        wide / norm
    }

    /// What the file says of it.
    #[must_use]
    pub fn metadata(&self) -> &DirectionMetadata {
        &self.metadata
    }

    /// Width of the residual stream it belongs to.
    #[must_use]
    pub fn width(&self) -> usize {
        self.vector.len()
    }

    /// Checks that the direction fits a model's width.
    ///
    /// # Errors
    /// Names both widths.
    pub fn check_width(&self, width: usize) -> Result<(), DirectionError> {
        if self.width() == width {
            Ok(())
        } else {
            Err(DirectionError::Width { direction: self.width(), model: width })
        }
    }

    /// Checks that the direction was found at this site.
    ///
    /// # Errors
    /// Names both sites.
    pub fn check_site(&self, site: Site) -> Result<(), DirectionError> {
        if self.metadata.site == site {
            Ok(())
        } else {
            Err(DirectionError::Site { direction: self.metadata.site, asked: site })
        }
    }

    /// Checks that the direction was found on this model; one of an unknown model passes. Weights whose hashes are
    /// known are told apart by these, whatever they are called.
    ///
    /// # Errors
    /// Names both models, or the weights of the one.
    pub fn check_model(&self, model: &str, revision: &str) -> Result<(), DirectionError> {
        let hash = |revision: &str| revision.starts_with("sha256:");
        let weights = self.metadata.revision.as_deref().filter(|own| hash(own) && hash(revision));
        match (&self.metadata.model, weights) {
            (_, Some(own)) if own == revision => Ok(()),
            (Some(own), _) if own != model => {
                Err(DirectionError::Model { direction: own.clone(), asked: model.to_owned() })
            }
            (Some(_), Some(own)) => Err(DirectionError::Weights {
                model: model.to_owned(),
                direction: own.to_owned(),
                asked: revision.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// All three checks, width first: a direction of another width can't be used at all.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check_for(
        &self,
        (model, revision): (&str, &str),
        width: usize,
        site: Site,
    ) -> Result<(), DirectionError> {
        self.check_width(width)?;
        self.check_model(model, revision)?;
        self.check_site(site)
    }
}

fn check_finite(values: impl ExactSizeIterator<Item = f64>) -> Result<(), DirectionError> {
    if values.len() == 0 {
        return Err(DirectionError::Shape { found: vec![0] });
    }
    match values.enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(DirectionError::NotFinite { index, value }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod packages_tests;
#[cfg(test)]
mod tests;
