//! The scalar products of a layer's rows, from which everything else follows.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::design::FoldFit;
use super::{Layers, ProbeError};
use crate::math::{Orthonormal, cross_gram, gram_matrix};

/// What is kept of a layer once its rows are gone.
#[derive(Clone, Debug)]
pub(in super::super) struct LayerGram {
    /// Width of the activations.
    pub width: usize,
    /// `[n, n]` between training rows, about their mean.
    pub train: Array2<f64>,
    /// `[m, n]` of the rows of all test sets with the training rows.
    pub cross: Array2<f64>,
    /// Columns with one value in all training rows.
    pub constant_columns: usize,
}

/// The scalar products among a model's rows, about the mean of those it fits on.
pub(super) struct Centred {
    /// `[t, t]` among the rows fitted on; rows and columns sum to 0.
    pub train: Array2<f64>,
    /// `[s, t]` of the rows scored with the rows fitted on; rows of the test sets come last.
    pub scored: Array2<f64>,
    /// Width of the activations.
    pub width: usize,
}

/// The rows of one layer, `[rows, width]`, refused where they are not as many or not finite.
pub(in super::super) fn rows_of(
    set: &str,
    layers: &dyn Layers,
    index: usize,
    rows: usize,
) -> Result<Array2<f64>, ProbeError> {
    let x = layers.layer(index).map_err(|source| ProbeError::Source {
        set: set.to_owned(),
        layer: index,
        source,
    })?;
    if x.nrows() != rows {
        return Err(ProbeError::Count {
            set: set.to_owned(),
            what: "rows",
            expected: rows,
            found: x.nrows(),
        });
    }
    if x.ncols() == 0 {
        return Err(ProbeError::Count {
            set: set.to_owned(),
            what: "columns or more",
            expected: 1,
            found: 0,
        });
    }
    if let Some(((row, column), &value)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(ProbeError::NotFinite { set: set.to_owned(), layer: index, row, column, value });
    }
    Ok(x.mapv(f64::from))
}

impl LayerGram {
    /// Reads a layer of the training rows and of each test set.
    pub fn read(
        train: (&dyn Layers, usize),
        tests: &[(&str, &dyn Layers, usize)],
        index: usize,
    ) -> Result<Self, ProbeError> {
        let x = rows_of("train", train.0, index, train.1)?;
        let width = x.ncols();
        let nuisances = train.0.nuisances(index).map_err(|source| ProbeError::Source {
            set: "train".into(),
            layer: index,
            source,
        })?;
        let out = Orthonormal::new(width, nuisances.iter().map(Array1::view))?;
        let centre = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(width));
        let prepare = |mut x: Array2<f64>| -> Result<Array2<f64>, ProbeError> {
            x -= &centre;
            Ok(if out.is_empty() { x } else { out.project_out_rows(x.view())? })
        };
        let size = centre.dot(&centre).sqrt() * (train.1 as f64).sqrt();
        let x = prepare(x)?;
        let constant_columns =
            x.columns().into_iter().filter(|c| c.iter().all(|v| Some(v) == c.first())).count();
        let products = gram_matrix(x.view())?;
        let spread = products.diag().sum().max(0.0).sqrt();
        // Rounding of the mean leaves a little even where all rows are equal.
        if spread == 0.0 || spread <= 1e-13 * size {
            return Err(ProbeError::Constant { set: "train".into(), layer: index, rows: train.1 });
        }
        let mut cross = Array2::zeros((0, train.1));
        for (name, layers, rows) in tests {
            let y = rows_of(name, *layers, index, *rows)?;
            if y.ncols() != width {
                return Err(ProbeError::Count {
                    set: (*name).to_owned(),
                    what: "columns",
                    expected: width,
                    found: y.ncols(),
                });
            }
            let part = cross_gram(prepare(y)?.view(), x.view())?;
            cross
                .append(Axis(0), part.view())
                .map_err(|e| crate::math::MathError::decomposition("stacking", e))?;
        }
        Ok(Self { width, train: products, cross, constant_columns })
    }

    /// The products a model needs; those with test rows only where it scores nothing else.
    pub fn centred(&self, model: &FoldFit) -> Centred {
        let all = pick(&self.train, &model.train);
        let fitted = all.select(Axis(0), &model.train);
        let scored = if model.scored.is_empty() {
            pick(&self.cross, &model.train)
        } else {
            all.select(Axis(0), &model.scored)
        };
        let mean = fitted.mean_axis(Axis(0)).expect("a model is fitted on some rows");
        let grand = mean.mean().expect("a model is fitted on some rows");
        let centre = |x: Array2<f64>, own: Array1<f64>| (x - &own.insert_axis(Axis(1))) - &(&mean - grand);
        let own_scored = row_means(scored.view());
        Centred { train: centre(fitted, mean.clone()), scored: centre(scored, own_scored), width: self.width }
    }
}

fn pick(x: &Array2<f64>, columns: &[usize]) -> Array2<f64> {
    x.select(Axis(1), columns)
}

fn row_means(x: ArrayView2<'_, f64>) -> Array1<f64> {
    x.mean_axis(Axis(1)).unwrap_or_else(|| Array1::zeros(x.nrows()))
}
