//! What the text alone gives away: baselines to hold a probe against, as layers of their own.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::ProbeError;
use crate::words::words;

/// Words of some training texts. Its features are one layer, to be probed with the same folds as
/// the activations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BagOfWords {
    words: BTreeMap<String, usize>,
}

/// The length of texts as a layer of one column.
#[derive(Clone, Copy, Debug)]
pub struct Lengths;

impl BagOfWords {
    /// The words of the training texts. Labels are not looked at, so held-out rows may take part.
    ///
    /// # Errors
    /// When there is no word in any text.
    pub fn new<S: AsRef<str>>(texts: &[S]) -> Result<Self, ProbeError> {
        let mut found = BTreeMap::new();
        for word in texts.iter().flat_map(|t| words(t.as_ref())) {
            found.insert(word, 0);
        }
        for (at, column) in found.values_mut().enumerate() {
            *column = at;
        }
        if found.is_empty() {
            return Err(ProbeError::Count {
                set: "train".into(),
                what: "words or more",
                expected: 1,
                found: 0,
            });
        }
        Ok(Self { words: found })
    }

    /// Different words, the width of a row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none, which [`BagOfWords::new`] refuses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// `ln(1 + count)` of each known word, rows of unit norm, as a single layer `[texts, words]`. A
    /// text without a known word is a row of zeros.
    #[must_use]
    pub fn layers<S: AsRef<str>>(&self, texts: &[S]) -> Vec<Array2<f32>> {
        let mut x = Array2::<f32>::zeros((texts.len(), self.words.len()));
        for (mut row, text) in x.outer_iter_mut().zip(texts) {
            for column in words(text.as_ref()).filter_map(|w| self.words.get(&w).copied()) {
                row[column] += 1.0;
            }
            row.mapv_inplace(f32::ln_1p);
            let norm = row.dot(&row).sqrt();
            if norm > 0.0 {
                row /= norm;
            }
        }
        vec![x]
    }
}

impl Lengths {
    /// The logarithm of each length (tokens or characters), as a single layer `[texts, 1]`.
    ///
    /// # Errors
    /// When a length is not a positive number.
    pub fn layers(lengths: &[f64]) -> Result<Vec<Array2<f32>>, ProbeError> {
        if let Some(&value) = lengths.iter().find(|l| !(l.is_finite() && **l > 0.0)) {
            return Err(ProbeError::Parameter { what: "length", value, expected: "a positive number" });
        }
        Ok(vec![Array2::from_shape_fn((lengths.len(), 1), |(i, _)| lengths[i].ln() as f32)])
    }
}
