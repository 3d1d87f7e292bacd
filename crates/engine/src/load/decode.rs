//! From the bytes of a file to numbers: casts and dequantization, in parallel, checked finite.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::GgmlDType;
use candle_core::{CpuStorage, DType, WithDType};
use half::{bf16, f16};
use rayon::prelude::*;

use super::disk::DiskFile;
use super::{LoadError, iq4};
use crate::gguf::GgufElement;
use truenorth_files::available;

/// How the elements of a stored tensor are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Cast to f32, the widest that is computed in.
    F64,
    F32,
    F16,
    Bf16,
    /// ggml blocks of [`GgmlDType::block_size`] elements.
    Blocks(GgmlDType),
    /// Blocks of codes into a table, which candle does not have.
    Iq4Nl,
    Iq4Xs,
}

impl Encoding {
    /// Elements that are only readable together.
    pub(super) fn block(self) -> usize {
        match self {
            Self::F64 | Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Blocks(kind) => kind.block_size(),
            Self::Iq4Nl => GgufElement::Iq4Nl.block().0,
            Self::Iq4Xs => GgufElement::Iq4Xs.block().0,
        }
    }

    /// Bytes of one block.
    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Blocks(kind) => kind.type_size(),
            Self::Iq4Nl => GgufElement::Iq4Nl.block().1,
            Self::Iq4Xs => GgufElement::Iq4Xs.block().1,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::F64 => "F64".into(),
            Self::F32 => "F32".into(),
            Self::F16 => "F16".into(),
            Self::Bf16 => "BF16".into(),
            Self::Iq4Nl => "IQ4_NL".into(),
            Self::Iq4Xs => "IQ4_XS".into(),
            Self::Blocks(kind) => {
                let name = format!("{kind:?}");
                // candle writes `Q4K`, the format's own name is `Q4_K`.
                match name.strip_suffix('K') {
                    Some(start) => format!("{start}_K"),
                    None => name,
                }
            }
        }
    }
}

/// An element type that weights can be computed in.
pub(super) trait Element: WithDType + Send + Sync {
    fn cast(value: f32) -> Self;
    fn wide(self) -> f32;
    fn finite(self) -> bool;
}

impl Element for f32 {
    fn wide(self) -> f32 {
        self
    }
    fn cast(value: f32) -> Self {
        value
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Element for f16 {
    fn wide(self) -> f32 {
        f16::to_f32(self)
    }
    fn cast(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Element for bf16 {
    fn wide(self) -> f32 {
        bf16::to_f32(self)
    }
    fn cast(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// A stretch of a file that holds one tensor; `start + len` is inside the file.
pub(super) struct StoredTensor<'a> {
    pub(super) name: &'a str,
    pub(super) file: &'a DiskFile,
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) encoding: Encoding,
    pub(super) elements: usize,
}

impl StoredTensor<'_> {
    pub(super) fn what(&self) -> String {
        format!("tensor `{}`", self.name)
    }
}

/// What is done on the way from the file's rows to the rows asked for.
pub(super) struct RowConversion<'a> {
    /// Elements of a row.
    pub(super) row: usize,
    /// For a row asked for, the row of the file; `None` where they agree.
    pub(super) source_row: Option<&'a (dyn Fn(usize) -> usize + Sync)>,
    /// Added to each element, in f32.
    pub(super) offset: f32,
}

/// Elements decoded by one task: large enough to amortise the hand-over, small enough for a cache.
const TASK: usize = 1 << 16;

/// Decodes a whole tensor into a new vector.
///
/// # Errors
/// [`LoadError::NotFinite`] with the first element that is not finite once cast.
pub(super) fn decode<T: Element>(stored: &StoredTensor, plan: &RowConversion) -> Result<Vec<T>, LoadError> {
    let bytes = stored.elements.saturating_mul(size_of::<T>());
    available(bytes).map_err(|e| stored.file.no_memory(e))?;
    let mut out = vec![T::cast(0.0); stored.elements];
    let row = plan.row.max(1);
    let task = match plan.source_row {
        Some(_) => row,
        None => {
            let block = stored.encoding.block();
            TASK.next_multiple_of(block)
        }
    };
    let bad = Mutex::new(None::<(usize, f32)>);
    out.par_chunks_mut(task).enumerate().try_for_each(|(at, out)| {
        let from = plan.source_row.map_or(at, |map| map(at)) * task;
        let found = decode_run(stored, from, plan.offset, out)?;
        let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
        *bad = [*bad, found].into_iter().flatten().min_by_key(|(index, _)| *index);
        Ok::<(), LoadError>(())
    })?;
    not_finite::<T>(stored, bad.into_inner().unwrap_or_else(PoisonError::into_inner))?;
    Ok(out)
}

/// Decodes a tensor only to see that all of it is finite.
pub(super) fn check_finite(stored: &StoredTensor) -> Result<(), LoadError> {
    let task = TASK.next_multiple_of(stored.encoding.block());
    let found = (0..stored.elements.div_ceil(task))
        .into_par_iter()
        .map(|i| {
            let mut scratch = vec![0f32; task.min(stored.elements - i * task)];
            decode_run(stored, i * task, 0.0, &mut scratch)
        })
        .collect::<Result<Vec<_>, _>>()?;
    not_finite::<f32>(stored, found.into_iter().flatten().min_by_key(|(index, _)| *index))
}

fn not_finite<T: Element>(stored: &StoredTensor, failed: Option<(usize, f32)>) -> Result<(), LoadError> {
    match failed {
        None => Ok(()),
        Some((index, value)) => Err(LoadError::NotFinite {
            name: stored.name.to_owned(),
            index,
            value,
            dtype: T::DTYPE.as_str().to_owned(),
        }),
    }
}

/// Decodes `out.len()` elements from element `from` of the file on; whole blocks. Returns the
/// first element that is not finite, with its value in the file.
fn decode_run<T: Element>(
    stored: &StoredTensor,
    from: usize,
    offset: f32,
    out: &mut [T],
) -> Result<Option<(usize, f32)>, LoadError> {
    let (block, block_bytes) = (stored.encoding.block(), stored.encoding.block_bytes());
    let start = stored.start + from / block * block_bytes;
    let len = out.len() / block * block_bytes;
    stored.file.read(start..start + len, &stored.what(), |bytes| match stored.encoding {
        #[allow(clippy::cast_possible_truncation)]
        Encoding::F64 => fill(out, offset, bytes.as_chunks().0, |v| f64::from_le_bytes(*v) as f32),
        Encoding::F32 => fill(out, offset, bytes.as_chunks().0, |v| f32::from_le_bytes(*v)),
        Encoding::F16 => fill(out, offset, bytes.as_chunks().0, |v| f16::from_le_bytes(*v).to_f32()),
        Encoding::Bf16 => fill(out, offset, bytes.as_chunks().0, |v| bf16::from_le_bytes(*v).to_f32()),
        Encoding::Iq4Nl => fill(out, offset, &iq4::nl(bytes), |v| *v),
        Encoding::Iq4Xs => fill(out, offset, &iq4::xs(bytes), |v| *v),
        Encoding::Blocks(kind) => {
            let values = match kind.from_data(Cow::Borrowed(bytes)).dequantize(out.len()) {
                Ok(CpuStorage::F32(values)) => values,
                other => unreachable!("{} whole blocks make f32, not {other:?}", stored.what()),
            };
            fill(out, offset, &values, |v| *v);
        }
    })?;
    // All are looked at before one is searched for: that loop is free of branches.
    if out.iter().fold(true, |all, v| all & v.finite()) {
        return Ok(None);
    }
    let Some((at, value)) = out.iter().enumerate().find(|(_, v)| !v.finite()) else { return Ok(None) };
    if T::DTYPE == DType::F32 {
        return Ok(Some((from + at, value.wide())));
    }
    // What the file holds may be finite and too large for the type.
    let mut wide = vec![0f32; out.len()];
    decode_run(stored, from, offset, &mut wide)?;
    Ok(Some((from + at, wide[at])))
}

/// Casts the numbers that `read` finds, with `offset` added in f32.
fn fill<T: Element, S>(out: &mut [T], offset: f32, stored: &[S], read: impl Fn(&S) -> f32) {
    let pairs = out.iter_mut().zip(stored);
    if offset == 0.0 {
        pairs.for_each(|(out, stored)| *out = T::cast(read(stored)));
    } else {
        pairs.for_each(|(out, stored)| *out = T::cast(read(stored) + offset));
    }
}

/// Whether weights can be computed in `dtype`.
pub(super) fn check_target(dtype: DType) -> Result<(), LoadError> {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => Ok(()),
        other => Err(LoadError::TargetType { found: other.as_str().to_owned() }),
    }
}
