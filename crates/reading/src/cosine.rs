//! A cosine of two directions beside what it would be if the labels meant nothing.

use std::ops::Deref;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::stat::{Null, Number, Test, permutation_p};
use truenorth_report::{Cell, Column, Table};
use truenorth_stats::math::{self, MathError};

/// A cosine. Its `null` is that of exchanged labels: both directions fitted anew to the same ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    /// The cosine with its interval and the null of exchanged labels.
    #[serde(flatten)]
    pub number: Number,
    /// Two directions drawn like the activations; none where these are not at hand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched: Option<Null>,
    /// Two uniformly random directions of this width, by the normal law: 95 % of their cosines lie within. Described
    /// only, as activations are far from uniform.
    pub uniform_95: f64,
    /// Why there is no p value; none where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_p: Option<String>,
}

impl Deref for Cosine {
    type Target = Number;

    fn deref(&self) -> &Number {
        &self.number
    }
}

/// Directions that know nothing of the labels, at unit norm or zero, `[draws, width]` each.
pub struct Unrelated {
    /// Fitted to exchanged labels.
    pub permuted: Array2<f64>,
    /// Drawn like the activations.
    pub matched: Array2<f64>,
}

/// Cosines of directions that know nothing of the labels.
#[derive(Clone, Debug)]
pub struct CosineNulls {
    permuted: Vec<f64>,
    matched: Vec<f64>,
}

/// Why a direction without its texts is held against no draws.
pub const NO_TEXTS: &str =
    "a direction without its texts has no labels to exchange and no activations to be drawn like";

impl CosineNulls {
    /// Of two directions: fitted to the same exchanged labels, and drawn independently of each other.
    #[must_use]
    pub fn of(a: &Unrelated, b: &Unrelated) -> Self {
        let permuted = a.permuted.outer_iter().zip(b.permuted.outer_iter());
        let n = a.matched.nrows().min(b.matched.nrows());
        let matched = (0..n).map(|i| (a.matched.row(i), b.matched.row((i + 1) % n)));
        // Labels that leave no difference give a direction of zeros, which points nowhere.
        let cosine =
            |(a, b): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| math::cosine(a, b).ok();
        Self {
            permuted: permuted.filter_map(cosine).collect(),
            matched: matched.filter_map(cosine).collect(),
        }
    }
}

impl Cosine {
    /// Holds a cosine of directions of this width against what was drawn, or says why nothing was.
    ///
    /// # Errors
    /// When a cosine is not finite.
    pub fn new(number: Number, width: usize, drawn: Result<&CosineNulls, &str>) -> Result<Self, MathError> {
        let uniform_95 = 1.96 / (width as f64).sqrt();
        let bare = |number, why: &str| Self { number, matched: None, uniform_95, no_p: Some(why.to_owned()) };
        let drawn = match drawn {
            Ok(drawn) if !drawn.permuted.is_empty() && !drawn.matched.is_empty() => drawn,
            Ok(_) => return Ok(bare(number, "no exchange of labels left a direction")),
            Err(why) => return Ok(bare(number, why)),
        };
        let value = number.value;
        let null = |test, what: &str, draws: &[f64]| equal_tails((test, what), value, draws);
        Ok(Self {
            matched: Some(null(
                Test::CosineMatched,
                "two directions drawn like the activations, two-sided",
                &drawn.matched,
            )?),
            number: number.against(null(
                Test::CosinePermuted,
                "both directions fitted to the same exchanged labels, two-sided",
                &drawn.permuted,
            )?),
            uniform_95,
            no_p: None,
        })
    }

    /// Whether the cosine is above what exchanged labels give; none without these. Directions drawn like the activations
    /// are shown beside it, and no verdict rests on them.
    #[must_use]
    pub fn above_null(&self) -> Option<bool> {
        let null = self.number.null.as_ref()?;
        Some(null.p <= 0.05 && self.number.value > null.expected)
    }

    /// What a small p of a statement that does not hold means: the cosine lies below its null. Empty elsewhere.
    #[must_use]
    pub fn below_null(&self) -> &'static str {
        match &self.number.null {
            Some(null) if null.p <= 0.05 && self.number.value < null.expected => {
                " The cosine is below what the null gives, not above."
            }
            _ => "",
        }
    }
}

/// Twice the smaller tail of the draws, as cosines of directions that share their noise lie far from 0 and askew.
fn equal_tails((test, what): (Test, &str), value: f64, draws: &[f64]) -> Result<Null, MathError> {
    let above = draws.iter().filter(|d| math::reaches(**d, value)).count();
    let below = draws.iter().filter(|d| math::reaches(-**d, -value)).count();
    Ok(Null {
        test,
        what: what.to_owned(),
        expected: math::mean(draws)?,
        range: Some([math::quantile(draws, 0.025)?, math::quantile(draws, 0.975)?]),
        p: (2.0 * permutation_p(above.min(below), draws.len())).min(1.0),
        draws: Some(draws.len()),
    })
}

/// A table of cosines with both nulls, a row two directions.
pub fn cosine_table<'a>(
    id: &str,
    what: &str,
    not_shown: &str,
    rows: impl Iterator<Item = (String, &'a Cosine)>,
) -> Table {
    let mut table = Table::new(
        id,
        format!(
            "{what} Exchanged labels: both directions fitted anew to the same ones, central 95 % and two-sided p. Like the \
             activations: two directions drawn with their covariance. Uniform: 95 % of two uniformly random directions \
             lie within, by the normal law; described only."
        ),
        not_shown,
        [
            "directions",
            "cosine",
            "exchanged labels",
            "p, exchanged labels",
            "like the activations",
            "p, like the activations",
            "uniform, within",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for (name, c) in rows {
        let why = || Cell::empty(c.no_p.clone().unwrap_or_default());
        let range = |n: Option<&Null>| {
            n.and_then(|n| n.range).map_or_else(why, |[low, high]| Cell::interval(low, high, 2))
        };
        let p = |n: Option<&Null>| n.map_or_else(why, |n| Cell::p(n.test, n.p, n.draws.map(|d| d as u64)));
        table.push(vec![
            name.into(),
            c.interval
                .map_or_else(|| Cell::number(c.value, 2), |i| Cell::estimate(c.value, i.low, i.high, 2)),
            range(c.null.as_ref()),
            p(c.null.as_ref()),
            range(c.matched.as_ref()),
            p(c.matched.as_ref()),
            Cell::number(c.uniform_95, 2),
        ]);
    }
    table
}
