//! Two answers to the same graph: floats within a tolerance, everything else equal.

use truenorth_protocol::value::Value;
use truenorth_protocol::{Answer, DType, Tensor};

/// Largest relative difference that counts as the same in f32.
pub const SAME: f32 = 1e-4;
/// The same for values narrowed to bf16: a rounding the other way is one unit in the last place.
const NARROW: f32 = 1.0 / 128.0;

/// The largest relative difference of f32 values, or what is wrong.
pub fn difference(got: &Answer, want: &Answer) -> Result<f32, String> {
    let names = |a: &Answer| a.values.keys().cloned().collect::<Vec<_>>();
    if names(got) != names(want) {
        return Err(format!("names {:?}, not {:?}", names(got), names(want)));
    }
    let mut worst = 0.0_f32;
    for (name, want) in &want.values {
        let far = value(&got.values[name], want).map_err(|e| format!("{name}: {e}"))?;
        worst = worst.max(far);
    }
    Ok(worst)
}

fn value(got: &Value, want: &Value) -> Result<f32, String> {
    match (got, want) {
        (Value::Text(g), Value::Text(w)) if g == w => Ok(0.0),
        (Value::Tensor { tensor: g, rows: gr }, Value::Tensor { tensor: w, rows: wr }) if gr == wr => {
            tensor(g, w)
        }
        _ => Err(format!("{got:?} is not {want:?}")),
    }
}

fn tensor(got: &Tensor, want: &Tensor) -> Result<f32, String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        let form = |t: &Tensor| format!("{} {:?}", t.dtype(), t.shape());
        return Err(format!("{}, not {}", form(got), form(want)));
    }
    if got.dtype() == DType::I64 {
        let (g, w) = (got.to_i64().unwrap(), want.to_i64().unwrap());
        return if g == w { Ok(0.0) } else { Err(format!("{g:?}, not {w:?}")) };
    }
    let far = relative(&got.to_f32().unwrap(), &want.to_f32().unwrap());
    match got.dtype() {
        DType::F32 | DType::F64 if far < SAME => Ok(far),
        DType::F16 | DType::Bf16 if far < NARROW => Ok(0.0),
        other => Err(format!("{other}: off by {far:e}")),
    }
}

/// Largest difference, relative to the largest value of the reference; infinite where one side is
/// not a number and the other is.
pub fn relative(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().filter(|v| v.is_finite()).fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    got.iter().zip(want).fold(0.0, |worst, (a, b)| {
        let far = if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() / size };
        if far.is_nan() { f32::INFINITY } else { worst.max(far) }
    })
}
