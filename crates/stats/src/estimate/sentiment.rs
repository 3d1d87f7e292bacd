//! Sentiment as its own texts show it.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::EstimateError;
use super::eraser::Eraser;
use super::method::ProjectMethod;
use crate::math::{MathError, RowSpace, unit};

/// Texts of known sentiment, and what goes with it.
#[derive(Clone, Debug)]
pub(super) struct Sentiment {
    /// `[n, columns]`.
    pub x: Array2<f64>,
    pub positive: Vec<bool>,
    /// Unit vector of the mean difference.
    pub direction: Array1<f64>,
    /// Whether it is projected out, or only looked at.
    pub erased: bool,
    pub width: usize,
    /// By LEACE, where that was asked for.
    pub leace: Option<Eraser>,
}

impl Sentiment {
    pub fn new(
        x: ArrayView2<'_, f64>,
        positive: &[bool],
        (erased, width, method): (bool, usize, ProjectMethod),
    ) -> Result<Self, EstimateError> {
        let pick = |wanted: bool| {
            let rows: Vec<usize> = (0..x.nrows()).filter(|r| positive[*r] == wanted).collect();
            (rows.len(), x.select(Axis(0), &rows).mean_axis(Axis(0)))
        };
        let direction = match (pick(true), pick(false)) {
            ((_, Some(p)), (_, Some(n))) => unit((p - n).view())?,
            ((positive, _), (negative, _)) => return Err(EstimateError::OneClass { positive, negative }),
        };
        let leace = if method == ProjectMethod::Leace && erased {
            let z: Array1<f64> = positive.iter().map(|p| f64::from(u8::from(*p))).collect();
            let centre = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
            let centred = &x - &centre;
            // Where there are fewer texts than columns everything happens in their span.
            let space = RowSpace::of(centred.view())?;
            let inside = Eraser::leace(space.coordinates(centred.view())?.view(), &z, width)?;
            inside
                .map(|e| {
                    let (left, right) = (space.lift(e.left.view())?, space.lift(e.right.view())?);
                    Ok::<_, MathError>(Eraser { left, right })
                })
                .transpose()?
        } else {
            None
        };
        Ok(Self { x: x.to_owned(), positive: positive.to_vec(), direction, erased, width, leace })
    }

    pub fn map(&self, f: impl Fn(&Array1<f64>) -> Result<Array1<f64>, MathError>) -> Result<Self, MathError> {
        let rows = self.x.outer_iter().map(|r| f(&r.to_owned())).collect::<Result<Vec<_>, _>>()?;
        let columns = rows.first().map_or(0, Array1::len);
        let leace = match &self.leace {
            Some(e) => Some(Eraser { left: f(&e.left)?, right: f(&e.right)? }),
            None => None,
        };
        Ok(Self {
            x: Array2::from_shape_fn((rows.len(), columns), |(i, j)| rows[i][j]),
            positive: self.positive.clone(),
            direction: f(&self.direction)?,
            leace,
            ..*self
        })
    }
}
