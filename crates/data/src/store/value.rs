//! A cached matrix and its bytes.

use sha2::{Digest, Sha256};

use super::StoreError;

/// Activations of one prompt at one site: `rows` positions by `width` hidden units, f32,
/// row-major. Stored bit for bit.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    rows: usize,
    width: usize,
    values: Vec<f32>,
}

impl Activation {
    /// A matrix `[rows, width]`.
    ///
    /// # Errors
    /// When `values` does not hold `rows × width` numbers.
    pub fn new(rows: usize, width: usize, values: Vec<f32>) -> Result<Self, StoreError> {
        if rows.checked_mul(width) != Some(values.len()) {
            return Err(StoreError::Shape { rows, width, values: values.len() });
        }
        Ok(Activation { rows, width, values })
    }

    /// Number of positions.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of hidden units.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The numbers, row after row, `rows × width`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One position's vector, `[width]`; `None` past the last row.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        let start = row.checked_mul(self.width)?;
        (row < self.rows).then(|| self.values.get(start..start + self.width)).flatten()
    }

    /// The numbers, row after row, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// The matrix in `bytes`; `None` when they do not hold `rows × width` numbers.
    pub(super) fn from_bytes(rows: i64, width: i64, bytes: &[u8]) -> Option<Self> {
        let (rows, width) = (usize::try_from(rows).ok()?, usize::try_from(width).ok()?);
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || rows.checked_mul(width)? != numbers.len() {
            return None;
        }
        let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        Some(Activation { rows, width, values })
    }
}

/// The checksum kept beside a payload. It covers the key and the shape as well, so that a payload
/// that ended up under another entry does not verify either.
pub(super) fn checksum(key: &[u8], rows: i64, width: i64, payload: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(key);
    hasher.update(rows.to_le_bytes());
    hasher.update(width.to_le_bytes());
    hasher.update(payload);
    hasher.finalize().into()
}
