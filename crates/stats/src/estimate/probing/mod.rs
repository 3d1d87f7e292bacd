//! Probing at every layer at once, with the null of the whole procedure.
//!
//! [`ProbeSettings`] takes rows that arrive a layer at a time ([`Layers`]), holds out whole groups, chooses
//! the layer (and a penalty) inside the training folds, and repeats all of it on permuted labels.
//! Where activations are wider than there are rows everything an estimator of this module needs
//! is in the `n × n` matrix of scalar products: a layer is read once, and what does not depend on
//! labels (centring, inverses) is done once for all permutations of a fold.

mod design;
mod discriminant;
mod error;
mod gram;
mod logistic;
mod mean_difference;
mod probe;
mod reference;
mod relabel;
mod result;
mod rounds;
mod select;
mod source;
mod text;

pub use error::{ProbeError, SourceError};
pub use probe::{ProbeEstimator, ProbeSettings, TestSet, TrainSet};
pub use relabel::Exchange;
pub use result::{LayerProbe, NestedProbe, ProbingResult, TestProbe, auroc_difference};
pub use source::Layers;
pub use text::{BagOfWords, Lengths};

pub(super) use relabel::Relabel;

/// `1/n₊` and `-1/n₋` for each relabelling, `[relabellings, n]`.
pub(super) fn label_contrasts(labels: &[Vec<bool>]) -> ndarray::Array2<f64> {
    let labels = rounds::LabelRows::new(labels.to_vec(), false);
    let rows: Vec<usize> = (0..labels.row(0).len()).collect();
    labels.contrasts(&rows)
}

/// Linear discriminants for contrasts `[relabellings, n]`, as combinations of the centred rows whose
/// scalar products are `gram`.
pub(super) fn dual_discriminants(
    gram: &ndarray::Array2<f64>,
    width: usize,
    contrasts: &ndarray::Array2<f64>,
    shrinkage: Option<f64>,
) -> Result<ndarray::Array2<f64>, ProbeError> {
    Ok(discriminant::dual(gram, width, contrasts, shrinkage)?.coefficients)
}

#[cfg(test)]
mod tests;
