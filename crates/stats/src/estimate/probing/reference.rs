//! What layers are chosen by: how far an AUROC is above its null.

use super::select::Selection;
use crate::estimate::NullTest;

/// Relabellings behind it.
pub(super) const DRAWS: usize = 99;

/// The null of every layer's AUROC, among held-out rows and within the training folds of each outer fold; empty where
/// there is none, and layers go by their AUROC.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerNulls {
    held_out: Vec<Option<NullTest>>,
    inside: Vec<Vec<Option<NullTest>>>,
}

impl LayerNulls {
    pub fn of(relabelled: &[Selection]) -> Self {
        let null = |of: &dyn Fn(&Selection) -> f64| {
            // What is seen makes the p, which is not asked for.
            NullTest::greater(relabelled.iter().map(of).collect(), 0.0).ok()
        };
        let Some(first) = relabelled.first() else { return Self::default() };
        Self {
            held_out: (0..first.layers.len()).map(|layer| null(&|s| s.layers[layer])).collect(),
            inside: (0..first.layers.len())
                .map(|layer| {
                    let folds = first.inner_layers[layer].len();
                    (0..folds).map(|fold| null(&|s| s.inner_layers[layer][fold])).collect()
                })
                .collect(),
        }
    }

    /// The margin of a held-out AUROC; the AUROC itself where there is no null.
    pub fn held_out(&self, layer: usize, auroc: f64) -> f64 {
        margin(self.held_out.get(layer), auroc)
    }

    /// The margin of an AUROC within the training folds of an outer fold.
    pub fn inside(&self, layer: usize, fold: usize, auroc: f64) -> f64 {
        margin(self.inside.get(layer).and_then(|folds| folds.get(fold)), auroc)
    }
}

fn margin(null: Option<&Option<NullTest>>, auroc: f64) -> f64 {
    null.and_then(Option::as_ref).and_then(|null| null.margin(auroc)).unwrap_or(auroc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_layers_at_one_the_narrower_null_wins() {
        // Of 40 relabellings the first layer reaches 0.3 to 0.7, the second 0.4 to 0.6.
        let relabelled: Vec<Selection> = (0..40)
            .map(|i| {
                let at = f64::from(i) / 39.0 - 0.5;
                let layers = vec![0.5 + 0.4 * at, 0.5 + 0.2 * at];
                let mut selection = Selection::default();
                selection.inner_layers = layers.iter().map(|v| vec![*v; 3]).collect();
                selection.layers = layers;
                selection
            })
            .collect();
        let reference = LayerNulls::of(&relabelled);
        assert!(reference.held_out(1, 1.0) > 1.5 * reference.held_out(0, 1.0));
        assert!(reference.inside(1, 2, 1.0) > reference.inside(0, 2, 1.0));
        // Four standard deviations on either side of the middle of a uniform law reach beyond it.
        assert!((reference.held_out(0, 0.5)).abs() < 1e-9);
        assert_eq!(LayerNulls::default().held_out(0, 0.7), 0.7);
    }
}
