//! The pure operations of a graph, in f32 with sums in f64.
//!
//! The graph's check has fixed all shapes, so an operation here fails for want of memory alone.

use rayon::prelude::*;
use truenorth_protocol::graph::{Binary, NodeId, Op, Reduce, Unary};

use super::super::error::EngineError;
use super::value::{Val, ValueElements, room};
use truenorth_stats::math::log_sum_exp;

/// A value, or no memory for it.
type ValResult = Result<Val, EngineError>;

/// The value of a pure node whose inputs are there, or none for a node that is not pure.
///
/// # Errors
/// No memory for it.
pub(super) fn eval<'a>(op: &Op, input: &impl Fn(NodeId) -> Option<&'a Val>) -> Option<ValResult> {
    Some(match op {
        Op::Binary { f, a, b } => binary(*f, input(*a)?, input(*b)?),
        Op::Unary { f, a } => unary(*f, input(*a)?),
        Op::Dot { a, b } => paired(input(*a)?, input(*b)?, dot),
        Op::Cosine { a, b } => paired(input(*a)?, input(*b)?, cosine),
        Op::Norm { a } => over_last(input(*a)?, |row| dot(row, row).sqrt()),
        Op::Reduce { f, a, axis } => reduce(*f, input(*a)?, *axis as usize),
        Op::Slice { a, axis, start, end } => {
            slice(input(*a)?, *axis as usize, *start as usize..*end as usize)
        }
        Op::Stack(all) => stack(&all.iter().map(|id| input(*id)).collect::<Option<Vec<_>>>()?),
        Op::Cast { a, dtype } => input(*a)?.cast(*dtype),
        Op::LogProb { logits, tokens } => log_prob(input(*logits)?, tokens),
        Op::TopKValues { a, k } => top_k(input(*a)?, *k as usize).map(|(values, _)| values),
        Op::TopKIndices { a, k } => top_k(input(*a)?, *k as usize).map(|(_, indices)| indices),
        _ => return None,
    })
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Cosine; 0 where either side has norm 0, which has no angle.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

#[allow(clippy::cast_possible_truncation)]
fn narrow(v: f64) -> f32 {
    v as f32
}

/// Values in memory that was asked for; `count` is how many there are.
fn filled<T>(count: usize, values: impl Iterator<Item = T>) -> Result<Vec<T>, EngineError> {
    let mut all = room(count)?;
    all.extend(values);
    Ok(all)
}

fn rows(v: &Val) -> impl Iterator<Item = &[f32]> {
    v.floats().chunks_exact(v.width().max(1))
}

/// Rows as wide as a vocabulary are worth a thread.
fn par_rows(v: &Val) -> impl IndexedParallelIterator<Item = &[f32]> {
    v.floats().par_chunks_exact(v.width().max(1))
}

fn without_last(v: &Val) -> Vec<usize> {
    v.shape[..v.shape.len().saturating_sub(1)].to_vec()
}

fn binary(f: Binary, a: &Val, b: &Val) -> ValResult {
    let g = match f {
        Binary::Add => |x: f32, y: f32| x + y,
        Binary::Sub => |x, y| x - y,
        Binary::Mul => |x, y| x * y,
        Binary::Div => |x, y| x / y,
    };
    let values = a.floats().iter().zip(b.floats().iter().cycle()).map(|(x, y)| g(*x, *y));
    Ok(Val::f32(a.shape.clone(), filled(a.floats().len(), values)?).with_rows(a.rows.clone()))
}

fn unary(f: Unary, a: &Val) -> ValResult {
    let count = a.floats().len();
    let data = match f {
        Unary::Neg => filled(count, a.floats().iter().map(|v| -v))?,
        Unary::Exp => filled(count, a.floats().iter().map(|v| v.exp()))?,
        Unary::Log => filled(count, a.floats().iter().map(|v| v.ln()))?,
        Unary::Unit => {
            let unit = |row| {
                let norm = dot(row, row).sqrt();
                row.iter().map(move |v: &f32| narrow(f64::from(*v) / norm))
            };
            filled(count, rows(a).flat_map(unit))?
        }
        Unary::Softmax => {
            let mut data = filled(count, a.floats().iter().copied())?;
            data.par_chunks_mut(a.width().max(1)).for_each(|row| {
                let total = log_sum_exp(row);
                row.iter_mut().for_each(|v| *v = narrow((f64::from(*v) - total).exp()));
            });
            data
        }
    };
    Ok(Val::f32(a.shape.clone(), data).with_rows(a.rows.clone()))
}

fn paired(a: &Val, b: &Val, f: fn(&[f32], &[f32]) -> f64) -> ValResult {
    let b_rows = filled(rows(b).count(), rows(b))?;
    let values = rows(a).zip(b_rows.iter().cycle()).map(|(x, y)| narrow(f(x, y)));
    Ok(Val::f32(without_last(a), filled(rows(a).count(), values)?).with_rows(a.rows.clone()))
}

fn over_last(a: &Val, f: fn(&[f32]) -> f64) -> ValResult {
    let data = filled(rows(a).count(), rows(a).map(|r| narrow(f(r))))?;
    Ok(Val::f32(without_last(a), data).with_rows(a.rows.clone()))
}

fn reduce(f: Reduce, a: &Val, axis: usize) -> ValResult {
    let (outer, size, inner) = around(&a.shape, axis);
    let scale = match f {
        Reduce::Sum => 1.0,
        #[allow(clippy::cast_precision_loss)]
        Reduce::Mean => 1.0 / size.max(1) as f64,
    };
    let v = a.floats();
    let values = (0..outer * inner).map(|i| {
        let (o, n) = (i / inner, i % inner);
        let sum: f64 = (0..size).map(|k| f64::from(v[(o * size + k) * inner + n])).sum();
        narrow(sum * scale)
    });
    let data = filled(outer * inner, values)?;
    let mut shape = a.shape.clone();
    shape.remove(axis);
    let rows = if axis == 0 { None } else { a.rows.clone() };
    Ok(Val::f32(shape, data).with_rows(rows))
}

/// The sizes before, at and after an axis.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

fn slice(a: &Val, axis: usize, range: std::ops::Range<usize>) -> ValResult {
    let (outer, size, inner) = around(&a.shape, axis);
    let mut shape = a.shape.clone();
    shape[axis] = range.len();
    let pick = |i: usize| i * size * inner + range.start * inner..i * size * inner + range.end * inner;
    let count = outer * range.len() * inner;
    let data = match &a.data {
        ValueElements::Float(t, v) => {
            ValueElements::Float(*t, filled(count, (0..outer).flat_map(|o| v[pick(o)].iter().copied()))?)
        }
        ValueElements::Int(v) => {
            ValueElements::Int(filled(count, (0..outer).flat_map(|o| v[pick(o)].iter().copied()))?)
        }
        ValueElements::Text(t) => ValueElements::Text(t.clone()),
    };
    Ok(Val { shape, data, rows: a.rows.clone() })
}

fn stack(all: &[&Val]) -> ValResult {
    let mut shape = vec![all.len()];
    shape.extend_from_slice(&all[0].shape);
    let data = match &all[0].data {
        ValueElements::Float(t, _) => {
            let count = all.iter().map(|v| v.floats().len()).sum();
            ValueElements::Float(*t, filled(count, all.iter().flat_map(|v| v.floats().iter().copied()))?)
        }
        ValueElements::Int(_) => {
            let count = all.iter().map(|v| ints(v).len()).sum();
            ValueElements::Int(filled(count, all.iter().flat_map(|v| ints(v).iter().copied()))?)
        }
        ValueElements::Text(t) => ValueElements::Text(t.clone()),
    };
    Ok(Val { shape, data, rows: None })
}

fn ints(v: &Val) -> &[i64] {
    match &v.data {
        ValueElements::Int(i) => i,
        ValueElements::Float(..) | ValueElements::Text(_) => &[],
    }
}

fn log_prob(logits: &Val, tokens: &[u32]) -> ValResult {
    let count = rows(logits).count() * tokens.len();
    let mut data = filled(count, std::iter::repeat_n(0.0, count))?;
    data.par_chunks_mut(tokens.len().max(1)).zip(par_rows(logits)).for_each(|(out, row)| {
        let total = log_sum_exp(row);
        out.iter_mut().zip(tokens).for_each(|(o, t)| *o = narrow(f64::from(row[*t as usize]) - total));
    });
    let mut shape = without_last(logits);
    shape.push(tokens.len());
    Ok(Val::f32(shape, data).with_rows(logits.rows.clone()))
}

/// Each prompt token's log-probability given those before it; `prompts` are the tokens of each.
///
/// # Errors
/// No memory for them.
pub(super) fn prompt_log_prob(logits: &Val, prompts: &[Vec<u32>]) -> ValResult {
    let count = prompts.iter().map(Vec::len).sum();
    // The row of a token predicts the one after it; that of a prompt's last token none in the prompt.
    let next = prompts.iter().flat_map(|p| p.iter().skip(1).copied().map(Some).chain([None]));
    let next: Vec<Option<u32>> = filled(count, next)?;
    let mut predicted: Vec<f32> = room(count)?;
    par_rows(logits)
        .zip(&next)
        .map(|(row, next)| next.map_or(0.0, |t| narrow(f64::from(row[t as usize]) - log_sum_exp(row))))
        .collect_into_vec(&mut predicted);
    let mut data = room(count)?;
    let mut rest = &predicted[..];
    for tokens in prompts {
        let (here, others) = rest.split_at(tokens.len());
        data.push(0.0);
        data.extend_from_slice(&here[..tokens.len() - 1]);
        rest = others;
    }
    Ok(Val::f32(vec![data.len()], data).with_rows(logits.rows.clone()))
}

fn top_k(a: &Val, k: usize) -> Result<(Val, Val), EngineError> {
    let mut shape = without_last(a);
    shape.push(k);
    let count = rows(a).count() * k;
    let (mut values, mut indices) = (room(count)?, room(count)?);
    for row in rows(a) {
        let mut order: Vec<usize> = filled(row.len(), 0..row.len())?;
        // Equal values keep the order of their indices, so that the answer is one and the same.
        let falling = |i: &usize, j: &usize| row[*j].total_cmp(&row[*i]).then(i.cmp(j));
        if k < order.len() {
            order.select_nth_unstable_by(k - 1, falling);
            order.truncate(k);
        }
        order.sort_unstable_by(falling);
        values.extend(order.iter().map(|i| row[*i]));
        #[allow(clippy::cast_possible_wrap)]
        indices.extend(order.iter().map(|i| *i as i64));
    }
    let v = Val::f32(shape.clone(), values).with_rows(a.rows.clone());
    Ok((v, Val::int(shape, indices).with_rows(a.rows.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(shape: &[usize], data: &[f32]) -> Val {
        Val::f32(shape.to_vec(), data.to_vec())
    }

    #[test]
    fn a_row_stands_beside_every_row() {
        let a = m(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let b = m(&[2], &[10.0, 100.0]);
        assert_eq!(binary(Binary::Mul, &a, &b).unwrap(), m(&[2, 2], &[10.0, 200.0, 30.0, 400.0]));
        assert_eq!(paired(&a, &b, dot).unwrap(), m(&[2], &[210.0, 430.0]));
    }

    #[test]
    fn reductions_take_the_axis_they_are_given() {
        let a = m(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(reduce(Reduce::Sum, &a, 0).unwrap(), m(&[3], &[5.0, 7.0, 9.0]));
        assert_eq!(reduce(Reduce::Mean, &a, 1).unwrap(), m(&[2], &[2.0, 5.0]));
        assert_eq!(slice(&a, 1, 1..3).unwrap(), m(&[2, 2], &[2.0, 3.0, 5.0, 6.0]));
        assert_eq!(slice(&a, 0, 1..2).unwrap(), m(&[1, 3], &[4.0, 5.0, 6.0]));
    }

    #[test]
    fn softmax_and_log_prob_agree_and_survive_large_logits() {
        let a = m(&[1, 3], &[1000.0, 1001.0, 999.0]);
        let p = unary(Unary::Softmax, &a).unwrap();
        assert!((p.floats().iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let l = log_prob(&a, &[2, 0]).unwrap();
        assert!((l.floats()[0] - p.floats()[2].ln()).abs() < 1e-5);
        assert!((l.floats()[1] - p.floats()[0].ln()).abs() < 1e-5);
    }

    #[test]
    fn top_k_falls_and_breaks_ties_by_index() {
        let (v, i) = top_k(&m(&[1, 4], &[2.0, 5.0, 5.0, 1.0]), 3).unwrap();
        assert_eq!(v, m(&[1, 3], &[5.0, 5.0, 2.0]));
        assert_eq!(i, Val::int(vec![1, 3], vec![1, 2, 0]));
    }

    #[test]
    fn each_prompt_token_is_predicted_by_the_row_before_it() {
        let ln3 = 3.0_f32.ln();
        let logits = m(&[3, 2], &[0.0, ln3, 0.0, 0.0, ln3, 0.0]);
        let got = prompt_log_prob(&logits, &[vec![0, 1], vec![1]]).unwrap();
        let want = [0.0, 0.75_f32.ln(), 0.0];
        assert!(got.floats().iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{got:?}");
    }
}
