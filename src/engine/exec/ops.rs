//! The pure operations of a graph, in f32 with sums in f64.
//!
//! The graph's check has fixed all shapes, so an operation here cannot fail.

use rayon::prelude::*;
use truenorth_protocol::graph::{Binary, NodeId, Op, Reduce, Unary};

use super::value::{Data, Val};
use crate::math::log_sum_exp;

/// The value of a pure node whose inputs are there, or none for a node that is not pure.
pub(super) fn eval<'a>(op: &Op, input: &impl Fn(NodeId) -> Option<&'a Val>) -> Option<Val> {
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
        Op::TopKValues { a, k } => top_k(input(*a)?, *k as usize).0,
        Op::TopKIndices { a, k } => top_k(input(*a)?, *k as usize).1,
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

fn binary(f: Binary, a: &Val, b: &Val) -> Val {
    let g = match f {
        Binary::Add => |x: f32, y: f32| x + y,
        Binary::Sub => |x, y| x - y,
        Binary::Mul => |x, y| x * y,
        Binary::Div => |x, y| x / y,
    };
    let data = a.floats().iter().zip(b.floats().iter().cycle()).map(|(x, y)| g(*x, *y)).collect();
    Val::f32(a.shape.clone(), data).with_rows(a.rows.clone())
}

fn unary(f: Unary, a: &Val) -> Val {
    let data = match f {
        Unary::Neg => a.floats().iter().map(|v| -v).collect(),
        Unary::Exp => a.floats().iter().map(|v| v.exp()).collect(),
        Unary::Log => a.floats().iter().map(|v| v.ln()).collect(),
        Unary::Unit => rows(a)
            .flat_map(|row| {
                let norm = dot(row, row).sqrt();
                row.iter().map(move |v| narrow(f64::from(*v) / norm))
            })
            .collect(),
        Unary::Softmax => {
            let mut data = a.floats().to_vec();
            data.par_chunks_mut(a.width().max(1)).for_each(|row| {
                let total = log_sum_exp(row);
                row.iter_mut().for_each(|v| *v = narrow((f64::from(*v) - total).exp()));
            });
            data
        }
    };
    Val::f32(a.shape.clone(), data).with_rows(a.rows.clone())
}

fn paired(a: &Val, b: &Val, f: fn(&[f32], &[f32]) -> f64) -> Val {
    let b_rows: Vec<&[f32]> = rows(b).collect();
    let data = rows(a).zip(b_rows.iter().cycle()).map(|(x, y)| narrow(f(x, y))).collect();
    Val::f32(without_last(a), data).with_rows(a.rows.clone())
}

fn over_last(a: &Val, f: fn(&[f32]) -> f64) -> Val {
    Val::f32(without_last(a), rows(a).map(|r| narrow(f(r))).collect()).with_rows(a.rows.clone())
}

fn reduce(f: Reduce, a: &Val, axis: usize) -> Val {
    let (outer, size, inner) = around(&a.shape, axis);
    let scale = match f {
        Reduce::Sum => 1.0,
        #[allow(clippy::cast_precision_loss)]
        Reduce::Mean => 1.0 / size.max(1) as f64,
    };
    let v = a.floats();
    let data = (0..outer * inner)
        .map(|i| {
            let (o, n) = (i / inner, i % inner);
            let sum: f64 = (0..size).map(|k| f64::from(v[(o * size + k) * inner + n])).sum();
            narrow(sum * scale)
        })
        .collect();
    let mut shape = a.shape.clone();
    shape.remove(axis);
    let rows = if axis == 0 { None } else { a.rows.clone() };
    Val::f32(shape, data).with_rows(rows)
}

/// The sizes before, at and after an axis.
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

fn slice(a: &Val, axis: usize, range: std::ops::Range<usize>) -> Val {
    let (outer, size, inner) = around(&a.shape, axis);
    let mut shape = a.shape.clone();
    shape[axis] = range.len();
    let pick = |i: usize| i * size * inner + range.start * inner..i * size * inner + range.end * inner;
    let data = match &a.data {
        Data::Float(t, v) => Data::Float(*t, (0..outer).flat_map(|o| v[pick(o)].to_vec()).collect()),
        Data::Int(v) => Data::Int((0..outer).flat_map(|o| v[pick(o)].to_vec()).collect()),
        Data::Text(t) => Data::Text(t.clone()),
    };
    Val { shape, data, rows: a.rows.clone() }
}

fn stack(all: &[&Val]) -> Val {
    let mut shape = vec![all.len()];
    shape.extend_from_slice(&all[0].shape);
    let data = match &all[0].data {
        Data::Float(t, _) => Data::Float(*t, all.iter().flat_map(|v| v.floats().to_vec()).collect()),
        Data::Int(_) => Data::Int(
            all.iter()
                .flat_map(|v| match &v.data {
                    Data::Int(i) => i.clone(),
                    Data::Float(..) | Data::Text(_) => vec![],
                })
                .collect(),
        ),
        Data::Text(t) => Data::Text(t.clone()),
    };
    Val { shape, data, rows: None }
}

fn log_prob(logits: &Val, tokens: &[u32]) -> Val {
    let data = par_rows(logits)
        .flat_map_iter(|row| {
            let total = log_sum_exp(row);
            tokens.iter().map(move |t| narrow(f64::from(row[*t as usize]) - total))
        })
        .collect();
    let mut shape = without_last(logits);
    shape.push(tokens.len());
    Val::f32(shape, data).with_rows(logits.rows.clone())
}

/// Each prompt token's log-probability given those before it; `prompts` are the tokens of each.
pub(super) fn prompt_log_prob(logits: &Val, prompts: &[Vec<u32>]) -> Val {
    // The row of a token predicts the one after it; that of a prompt's last token none in the prompt.
    let next: Vec<Option<u32>> =
        prompts.iter().flat_map(|p| p.iter().skip(1).copied().map(Some).chain([None])).collect();
    let predicted: Vec<f32> = par_rows(logits)
        .zip(&next)
        .map(|(row, next)| next.map_or(0.0, |t| narrow(f64::from(row[t as usize]) - log_sum_exp(row))))
        .collect();
    let mut data = Vec::with_capacity(predicted.len());
    let mut rest = &predicted[..];
    for tokens in prompts {
        let (here, others) = rest.split_at(tokens.len());
        data.push(0.0);
        data.extend_from_slice(&here[..tokens.len() - 1]);
        rest = others;
    }
    Val::f32(vec![data.len()], data).with_rows(logits.rows.clone())
}

fn top_k(a: &Val, k: usize) -> (Val, Val) {
    let mut shape = without_last(a);
    shape.push(k);
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for row in rows(a) {
        let mut order: Vec<usize> = (0..row.len()).collect();
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
    (v, Val::int(shape, indices).with_rows(a.rows.clone()))
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
        assert_eq!(binary(Binary::Mul, &a, &b), m(&[2, 2], &[10.0, 200.0, 30.0, 400.0]));
        assert_eq!(paired(&a, &b, dot), m(&[2], &[210.0, 430.0]));
    }

    #[test]
    fn reductions_take_the_axis_they_are_given() {
        let a = m(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(reduce(Reduce::Sum, &a, 0), m(&[3], &[5.0, 7.0, 9.0]));
        assert_eq!(reduce(Reduce::Mean, &a, 1), m(&[2], &[2.0, 5.0]));
        assert_eq!(slice(&a, 1, 1..3), m(&[2, 2], &[2.0, 3.0, 5.0, 6.0]));
        assert_eq!(slice(&a, 0, 1..2), m(&[1, 3], &[4.0, 5.0, 6.0]));
    }

    #[test]
    fn softmax_and_log_prob_agree_and_survive_large_logits() {
        let a = m(&[1, 3], &[1000.0, 1001.0, 999.0]);
        let p = unary(Unary::Softmax, &a);
        assert!((p.floats().iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let l = log_prob(&a, &[2, 0]);
        assert!((l.floats()[0] - p.floats()[2].ln()).abs() < 1e-5);
        assert!((l.floats()[1] - p.floats()[0].ln()).abs() < 1e-5);
    }

    #[test]
    fn top_k_falls_and_breaks_ties_by_index() {
        let (v, i) = top_k(&m(&[1, 4], &[2.0, 5.0, 5.0, 1.0]), 3);
        assert_eq!(v, m(&[1, 3], &[5.0, 5.0, 2.0]));
        assert_eq!(i, Val::int(vec![1, 3], vec![1, 2, 0]));
    }

    #[test]
    fn each_prompt_token_is_predicted_by_the_row_before_it() {
        let ln3 = 3.0_f32.ln();
        let logits = m(&[3, 2], &[0.0, ln3, 0.0, 0.0, ln3, 0.0]);
        let got = prompt_log_prob(&logits, &[vec![0, 1], vec![1]]);
        let want = [0.0, 0.75_f32.ln(), 0.0];
        assert!(got.floats().iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{got:?}");
    }
}
