//! Trends over ordered doses.

use ndarray::ArrayView2;

use super::super::MathError;
use super::super::error::finite;
use super::super::rank::ranks;
use super::{Alternative, Method, TestResult, discrete_p, next_permutation, normal_p, over_ties};

/// Up to this many doses, and values in all, Page's law is counted out.
const EXACT: (usize, usize) = (8, 400);

/// The test of Jonckheere (1954) and Terpstra (1952) that values do not grow with the dose, where
/// each value is of a subject of its own; the statistic is the number of pairs of different
/// doses in which the larger dose has the larger value, ties half.
///
/// `dose` orders the groups by its size; normal approximation, with the correction for ties of
/// both lists (Hollander, Wolfe and Chicken 2014, section 6.2).
///
/// # Errors
/// When lengths differ, a number is not finite, there are fewer than three values, or either list
/// is constant.
pub fn jonckheere_terpstra(
    dose: &[f64],
    value: &[f64],
    alternative: Alternative,
) -> Result<TestResult, MathError> {
    if dose.len() != value.len() {
        return Err(MathError::Length { what: "values", expected: dose.len(), found: value.len() });
    }
    finite("doses", dose)?;
    finite("values", value)?;
    if dose.len() < 3 {
        return Err(MathError::TooFew { what: "values", least: 3, found: dose.len() });
    }
    for (what, list) in [("dose", dose), ("value", value)] {
        if list.iter().all(|v| *v == list[0]) {
            return Err(MathError::Constant { what, value: list[0] });
        }
    }
    let mut statistic = 0.0;
    for (i, (da, va)) in dose.iter().zip(value).enumerate() {
        for (db, vb) in dose.iter().zip(value).skip(i + 1) {
            if da != db {
                let (low, high) = if da < db { (va, vb) } else { (vb, va) };
                statistic += if high > low {
                    1.0
                } else if high == low {
                    0.5
                } else {
                    0.0
                };
            }
        }
    }
    let n = dose.len() as f64;
    let five = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let three = |t: f64| t * (t - 1.0) * (t - 2.0);
    let two = |t: f64| t * (t - 1.0);
    let variance = (five(n) - over_ties(dose, five) - over_ties(value, five)) / 72.0
        + over_ties(dose, three) * over_ties(value, three) / (36.0 * three(n))
        + over_ties(dose, two) * over_ties(value, two) / (8.0 * two(n));
    let mean = (n * n - over_ties(dose, |t| t * t)) / 4.0;
    let p = normal_p((statistic - mean) / variance.sqrt(), alternative);
    Ok(TestResult { statistic, p, n: dose.len(), method: Method::Asymptotic, alternative })
}

/// Page's test (1963) that values do not grow with the dose, where every subject is seen at every
/// dose: rows are subjects, columns doses in ascending order. The statistic is
/// `L = Σ column · (sum of its ranks within rows)`, and `n` the number of subjects.
///
/// Exact where no row has ties, there are at most 8 doses and at most 400 values; else normal.
/// The two-sided p is twice the smaller tail.
///
/// # Errors
/// With fewer than two subjects or three doses, a value that is not finite, or when every row is
/// constant.
pub fn page_trend(values: ArrayView2<'_, f64>, alternative: Alternative) -> Result<TestResult, MathError> {
    let (subjects, doses) = values.dim();
    for (what, least, found) in [("subjects", 2, subjects), ("doses", 3, doses)] {
        if found < least {
            return Err(MathError::TooFew { what, least, found });
        }
    }
    finite("values", values)?;
    let (mut statistic, mut tied, mut varies) = (0.0, false, false);
    for row in values.outer_iter() {
        let row = row.to_vec();
        tied |= over_ties(&row, |t| t - 1.0) > 0.0;
        varies |= row.iter().any(|v| *v != row[0]);
        statistic += ranks(&row)?.iter().enumerate().map(|(j, r)| (j + 1) as f64 * r).sum::<f64>();
    }
    if !varies {
        return Err(MathError::Constant { what: "every subject", value: values[[0, 0]] });
    }
    let (m, k) = (subjects as f64, doses as f64);
    let exact = !tied && doses <= EXACT.0 && values.len() <= EXACT.1;
    let p = if exact {
        discrete_p(&page_law(subjects, doses), statistic.round() as usize, alternative)
    } else {
        let mean = m * k * (k + 1.0).powi(2) / 4.0;
        let variance = m * k.powi(2) * (k + 1.0) * (k * k - 1.0) / 144.0;
        normal_p((statistic - mean) / variance.sqrt(), alternative)
    };
    let method = if exact { Method::Exact } else { Method::Asymptotic };
    Ok(TestResult { statistic, p, n: subjects, method, alternative })
}

/// The chance of each L: one row's from all orders, then a sum of independent rows.
fn page_law(subjects: usize, doses: usize) -> Vec<f64> {
    let most: usize = (1..=doses).map(|j| j * j).sum();
    let mut row = vec![0.0; most + 1];
    let mut order: Vec<usize> = (1..=doses).collect();
    let mut orders = 0.0;
    loop {
        row[order.iter().enumerate().map(|(j, r)| (j + 1) * r).sum::<usize>()] += 1.0;
        orders += 1.0;
        if !next_permutation(&mut order) {
            break;
        }
    }
    let mut law = vec![1.0];
    for _ in 0..subjects {
        let mut next = vec![0.0; law.len() + most];
        for (sum, p) in law.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            for (add, count) in row.iter().enumerate().filter(|(_, c)| **c > 0.0) {
                next[sum + add] += p * count / orders;
            }
        }
        law = next;
    }
    law
}
