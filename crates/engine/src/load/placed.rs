//! Tensors in the hub's layout out of the layout that a file has.

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};

use super::LoadError;
use super::decode::{self, Element, Encoding, RowConversion, StoredTensor};
use super::index::{StoredLayout, TensorEntry};

/// The kind of block of a quantized matrix, and its shape as it is multiplied by; `None` where it is none.
pub(super) fn blocks(stored: &StoredTensor<'_>, entry: &TensorEntry) -> Option<(GgmlDType, (usize, usize))> {
    let (Encoding::Blocks(kind), &[first, second]) = (stored.encoding, entry.shape.as_slice()) else {
        return None;
    };
    match entry.layout {
        StoredLayout::Transposed => Some((kind, (second, first))),
        StoredLayout::PlusOne => None,
        StoredLayout::AsStored | StoredLayout::Interleaved { .. } | StoredLayout::Stacked { .. } => {
            Some((kind, (first, second)))
        }
    }
}

/// The bytes of a tensor with its rows in the hub's order.
pub(super) fn ordered_rows(stored: &StoredTensor, entry: &TensorEntry) -> Result<Vec<u8>, LoadError> {
    let bytes = stored.file.bytes(stored.start..stored.start + stored.len, &stored.what())?;
    let (rows, _) = entry.rows();
    let Some(source_row) = entry.layout.source_row(rows) else { return Ok(bytes) };
    let width = bytes.len() / rows;
    let mut out = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        let from = source_row(row) * width;
        out.extend_from_slice(&bytes[from..from + width]);
    }
    Ok(out)
}

/// Decodes a tensor to the host, in the shape of the hub's file or, for `flip`, from a file that
/// holds the other orientation than the one asked for.
pub(super) fn place<T: Element>(
    stored: &StoredTensor,
    entry: &TensorEntry,
    flip: bool,
) -> Result<Tensor, LoadError> {
    let (rows, row) = entry.rows();
    let source_row = entry.layout.source_row(rows);
    let plan = RowConversion {
        row,
        source_row: source_row.as_ref().map(|f| f as &(dyn Fn(usize) -> usize + Sync)),
        offset: if entry.layout == StoredLayout::PlusOne { -1.0 } else { 0.0 },
    };
    let values = decode::decode::<T>(stored, &plan)?;
    let mut shape = entry.shape.clone();
    if entry.layout == StoredLayout::Transposed {
        shape.reverse();
    }
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|t| if flip { t.t()?.contiguous() } else { Ok(t) })
        .map_err(|e| backend(stored.name, e))
}

/// A failure of what holds tensors, of one of them.
pub(super) fn backend(name: &str, source: candle_core::Error) -> LoadError {
    LoadError::Backend { name: name.to_owned(), source }
}
