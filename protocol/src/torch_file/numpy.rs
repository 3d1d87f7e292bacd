//! Arrays of NumPy in pickles, as tensors.

use super::reader::{indices, room};
use super::{TorchDType, TorchFileError, TorchTensor, TorchValue};
use crate::pickle::{Call, PickleValue};

/// Which globals an array of numbers names.
pub(super) fn allowed(module: &str, name: &str) -> bool {
    match module {
        "numpy" => matches!(name, "ndarray" | "dtype"),
        "numpy.core.multiarray" | "numpy._core.multiarray" => matches!(name, "_reconstruct" | "scalar"),
        "numpy.core.numeric" | "numpy._core.numeric" => name == "_frombuffer",
        // How text became bytes in the protocols before bytes.
        "_codecs" => name == "encode",
        _ => false,
    }
}

/// What a call of one of these makes.
pub(super) fn value(call: Call) -> Result<TorchValue, TorchFileError> {
    let wrong = TorchFileError::Tensor("a NumPy array of an unknown form");
    match call.global.name.as_str() {
        // `_reconstruct(ndarray, (0,), b'b')` with state `(version, shape, dtype, fortran, bytes)`.
        "_reconstruct" => match call.state {
            Some(PickleValue::Tuple(state)) => match <[PickleValue; 5]>::try_from(state) {
                Ok([_, shape, dtype, fortran, data]) => {
                    array(&dtype, &indices(&shape)?, fortran == PickleValue::Bool(true), bytes(data)?)
                }
                Err(_) => Err(wrong),
            },
            _ => Err(wrong),
        },
        // `_frombuffer(bytes, dtype, shape, order)`.
        "_frombuffer" => match <[PickleValue; 4]>::try_from(call.args) {
            Ok([data, dtype, shape, PickleValue::Str(order)]) => {
                array(&dtype, &indices(&shape)?, order == "F", bytes(data)?)
            }
            _ => Err(wrong),
        },
        // `scalar(dtype, bytes)`.
        "scalar" => match <[PickleValue; 2]>::try_from(call.args) {
            Ok([dtype, data]) => array(&dtype, &[], false, bytes(data)?),
            Err(_) => Err(wrong),
        },
        _ => Err(TorchFileError::Value("a class of NumPy outside of an array")),
    }
}

/// Bytes as they are, or `encode(text, 'latin1')`.
fn bytes(value: PickleValue) -> Result<Vec<u8>, TorchFileError> {
    match value {
        PickleValue::Bytes(bytes) => Ok(bytes),
        PickleValue::Call(call) if call.global.name == "encode" => match call.args.as_slice() {
            [PickleValue::Str(text), PickleValue::Str(as_what)] if as_what == "latin1" => {
                let mut out = room(text.chars().count())?;
                for c in text.chars() {
                    out.push(
                        u8::try_from(u32::from(c))
                            .map_err(|_| TorchFileError::Tensor("a NumPy array whose bytes are no bytes"))?,
                    );
                }
                Ok(out)
            }
            _ => Err(TorchFileError::Tensor("a NumPy array whose bytes are no bytes")),
        },
        _ => Err(TorchFileError::Value("a NumPy array of Python objects")),
    }
}

/// Type and whether the most significant byte comes first: `dtype('f4', False, True)` with state `(3, '<', …)`.
fn dtype(value: &PickleValue) -> Result<(TorchDType, bool), TorchFileError> {
    let wrong = TorchFileError::Value("a NumPy array of an element type that is not read");
    let PickleValue::Call(call) = value else { return Err(wrong) };
    let Some(PickleValue::Str(name)) = call.args.first() else { return Err(wrong) };
    let order = match &call.state {
        Some(PickleValue::Tuple(state)) => match state.get(1) {
            Some(PickleValue::Str(order)) => order.as_str(),
            _ => "|",
        },
        _ => "|",
    };
    let kind = match name.trim_start_matches(['<', '>', '|', '=']) {
        "f8" => TorchDType::F64,
        "f4" => TorchDType::F32,
        "f2" => TorchDType::F16,
        "i8" => TorchDType::I64,
        "i4" => TorchDType::I32,
        "i2" => TorchDType::I16,
        "i1" => TorchDType::I8,
        "u1" => TorchDType::U8,
        "b1" => TorchDType::Bool,
        _ => return Err(wrong),
    };
    Ok((kind, order == ">"))
}

fn array(
    of: &PickleValue,
    shape: &[usize],
    fortran: bool,
    mut data: Vec<u8>,
) -> Result<TorchValue, TorchFileError> {
    let (dtype, big) = dtype(of)?;
    let size = dtype.size();
    let bytes = shape.iter().try_fold(size, |n, s| n.checked_mul(*s));
    if bytes != Some(data.len()) {
        return Err(TorchFileError::Tensor("a NumPy array whose shape does not fit its bytes"));
    }
    if big {
        data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if fortran && shape.len() > 1 {
        data = row_major(&data, shape, size)?;
    }
    Ok(TorchValue::Tensor(TorchTensor { dtype, shape: shape.to_vec(), data }))
}

/// Elements of which the first axis runs fastest, with the last one running fastest.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Result<Vec<u8>, TorchFileError> {
    let mut out = room(data.len())?;
    let mut at = vec![0_usize; shape.len()];
    for _ in 0..data.len() / size {
        let element = at.iter().zip(shape).rev().fold(0, |sum, (i, n)| sum * n + i);
        out.extend_from_slice(&data[element * size..(element + 1) * size]);
        for (i, n) in at.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}
