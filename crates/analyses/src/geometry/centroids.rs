//! Where the classes lie at each checkpoint: their centroids beside the general direction, their spread, and one plane
//! of all of them.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::Serialize;

use super::fit::{CategoryContrast, FittedContrast};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Number, jackknife};
use truenorth_stats::math;
use truenorth_stats::math::MathError;

/// A number with its interval, made as [`CentroidMap::method`] says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CentroidNumber {
    /// The value at the centroid.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
}

impl CentroidNumber {
    pub(super) fn of(number: &Number) -> Self {
        let (low, high) = (number.interval.map(|i| i.low), number.interval.map(|i| i.high));
        Self { value: number.value, low, high }
    }
}

/// A class of a category at one checkpoint. Lengths are in the model's own units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassAt {
    /// Of the centroid on the checkpoint's own general direction.
    pub projection: CentroidNumber,
    /// Of the centroid from the line along that direction through the origin.
    pub distance: CentroidNumber,
    /// The projection, counted from the midpoint of the two general centroids.
    pub centred_projection: CentroidNumber,
    /// The distance from the line along that direction through that midpoint.
    pub centred_distance: CentroidNumber,
    /// Length of the centroid.
    pub norm: CentroidNumber,
    /// Mean squared distance of the texts from the centroid.
    pub variance: CentroidNumber,
    /// Mean distance of the texts from the centroid.
    pub spread: CentroidNumber,
    /// The centroid in the plane of the two largest principal components of all centroids.
    pub plane: [f64; 2],
}

/// One class of a category over the checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCourse {
    /// The category that the texts are of.
    pub category: String,
    /// Whether these are its positive texts.
    pub positive: bool,
    /// Texts of the class.
    pub n: usize,
    /// What was measured at each checkpoint, in training order.
    pub at: Vec<ClassAt>,
}

/// The centroids of every class at every checkpoint, in one plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CentroidMap {
    /// A category and class each.
    pub classes: Vec<ClassCourse>,
    /// The share of the variance of all centroids that each axis of the plane shows; 0 where they do not differ.
    pub plane_shares: [f64; 2],
    /// How the intervals are made, in words.
    pub method: String,
}

/// What is measured of a class at one checkpoint, before the plane is known.
pub(super) struct MeasuredClass {
    centroid: Array1<f64>,
    at: ClassAt,
}

/// Centroids are added a checkpoint at a time.
pub(super) struct Centroids {
    /// `[contrast][class][checkpoint]`.
    all: Vec<[Vec<MeasuredClass>; 2]>,
}

/// What a class of rows is, without each fold.
struct ClassStatistics {
    centroid: Array1<f64>,
    variance: f64,
    spread: f64,
}

impl ClassStatistics {
    fn of(x: &Array2<f64>, rows: &[usize]) -> Self {
        let own = x.select(Axis(0), rows);
        let centroid = own.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
        let n = rows.len().max(1) as f64;
        let squares: Vec<f64> =
            own.outer_iter().map(|r| r.iter().zip(&centroid).map(|(a, b)| (a - b).powi(2)).sum()).collect();
        let spread = squares.iter().map(|s| s.sqrt()).sum::<f64>() / n;
        Self { centroid, variance: squares.iter().sum::<f64>() / n, spread }
    }
}

/// The projection on a unit direction, and the distance from the line along it; rounding gives none below 0.
fn beside(of: ArrayView1<'_, f64>, direction: ArrayView1<'_, f64>) -> [f64; 2] {
    let along = of.dot(&direction);
    [along, (of.dot(&of) - along * along).max(0.0).sqrt()]
}

impl Centroids {
    pub fn new(shown: usize) -> Self {
        Self { all: (0..shown).map(|_| [vec![], vec![]]).collect() }
    }

    /// Adds a checkpoint; `kept` is what was fitted at it, the general contrast first.
    pub fn add(
        &mut self,
        x: &Array2<f64>,
        contrasts: &[CategoryContrast],
        kept: &[&FittedContrast],
    ) -> Result<(), AnalysisError> {
        let Some(general) = kept.first() else { return Ok(()) };
        // The general centroids without each fold, for the midpoint.
        let middles: Vec<Array1<f64>> = contrasts
            .iter()
            .take(1)
            .flat_map(|c| c.classes())
            .map(|[down, up]| {
                (ClassStatistics::of(x, &down).centroid + ClassStatistics::of(x, &up).centroid) / 2.0
            })
            .collect();
        let directions: Vec<&Array1<f64>> =
            std::iter::once(&general.direction).chain(&general.without).collect();
        for (contrast, out) in contrasts.iter().zip(&mut self.all) {
            let classes = contrast.classes();
            for (class, out) in out.iter_mut().enumerate() {
                let folds: Vec<ClassStatistics> =
                    classes.iter().map(|of| ClassStatistics::of(x, &of[class])).collect();
                out.push(measured(&folds, &directions, &middles).map_err(|e| stat::of(&contrast.name, &e))?);
            }
        }
        Ok(())
    }

    pub fn finish(self, contrasts: &[CategoryContrast]) -> Result<CentroidMap, AnalysisError> {
        let named = |e: MathError| stat::of("the centroids", &e);
        let every: Vec<&Array1<f64>> = self.all.iter().flatten().flatten().map(|m| &m.centroid).collect();
        let (plane, plane_shares) = plane(&every).map_err(named)?;
        let mut plane = plane.into_iter();
        let mut classes = vec![];
        for (contrast, both) in contrasts.iter().zip(self.all) {
            for (class, measured) in both.into_iter().enumerate() {
                let positive = class == 1;
                let at =
                    measured.into_iter().map(|m| ClassAt { plane: plane.next().unwrap_or_default(), ..m.at });
                classes.push(ClassCourse {
                    category: contrast.name.clone(),
                    positive,
                    n: contrast.positive.iter().filter(|p| **p == positive).count(),
                    at: at.collect(),
                });
            }
        }
        Ok(CentroidMap {
            classes,
            plane_shares,
            method: "delete-a-fold jackknife; the plane has no intervals".into(),
        })
    }
}

fn measured(
    folds: &[ClassStatistics],
    directions: &[&Array1<f64>],
    middles: &[Array1<f64>],
) -> Result<MeasuredClass, MathError> {
    let number = |of: &dyn Fn(usize) -> f64, least: f64| -> Result<CentroidNumber, MathError> {
        let values: Vec<f64> = (0..folds.len()).map(of).collect();
        math::mean(&values)?;
        let (value, rest) = values.split_first().expect("all texts come before the folds");
        Ok(CentroidNumber::of(&jackknife(*value, rest, [least, f64::INFINITY])))
    };
    let plain = |i: usize| beside(folds[i].centroid.view(), directions[i].view());
    let centred = |i: usize| beside((&folds[i].centroid - &middles[i]).view(), directions[i].view());
    let at = ClassAt {
        projection: number(&|i| plain(i)[0], f64::NEG_INFINITY)?,
        distance: number(&|i| plain(i)[1], 0.0)?,
        centred_projection: number(&|i| centred(i)[0], f64::NEG_INFINITY)?,
        centred_distance: number(&|i| centred(i)[1], 0.0)?,
        norm: number(&|i| math::norm(folds[i].centroid.view()), 0.0)?,
        variance: number(&|i| folds[i].variance, 0.0)?,
        spread: number(&|i| folds[i].spread, 0.0)?,
        plane: [0.0; 2],
    };
    Ok(MeasuredClass { centroid: folds[0].centroid.clone(), at })
}

/// Places in the plane of the two largest principal components, and the share of the variance that each shows. An axis
/// is turned so that its largest place is positive.
fn plane(all: &[&Array1<f64>]) -> Result<(Vec<[f64; 2]>, [f64; 2]), MathError> {
    let (n, Some(width)) = (all.len(), all.first().map(|c| c.len())) else { return Ok((vec![], [0.0; 2])) };
    let mut mean = Array1::<f64>::zeros(width);
    all.iter().for_each(|c| mean += *c);
    mean /= n as f64;
    let centred: Vec<Array1<f64>> = all.iter().map(|c| *c - &mean).collect();
    // As many numbers as centroids: their inner products tell the places.
    let gram = Array2::from_shape_fn((n, n), |(i, j)| centred[i].dot(&centred[j]));
    let total: f64 = gram.diag().sum();
    let scale: f64 = all.iter().map(|c| c.dot(*c)).sum();
    if total <= 1e-24 * scale || n < 2 {
        return Ok((vec![[0.0; 2]; n], [0.0; 2]));
    }
    let (values, vectors) = math::symmetric_eigen(gram.view())?;
    let mut places = vec![[0.0; 2]; n];
    let mut shares = [0.0; 2];
    for k in 0..2.min(n) {
        let size = values[k].max(0.0);
        shares[k] = size / total;
        let column = vectors.column(k);
        let far = column.iter().copied().fold(0.0_f64, |a, b| if b.abs() > a.abs() + 1e-9 { b } else { a });
        for (place, v) in places.iter_mut().zip(column) {
            place[k] = v * size.sqrt() * far.signum();
        }
    }
    Ok((places, shares))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_plane_holds_all_distances_of_centroids_that_lie_in_one() {
        let all =
            [array![1.0, 2.0, 5.0], array![4.0, 2.0, 5.0], array![1.0, 6.0, 5.0], array![4.0, 6.0, 5.0]];
        let (places, shares) = plane(&all.iter().collect::<Vec<_>>()).unwrap();
        assert!((shares[0] - 0.64).abs() < 1e-9 && (shares[1] - 0.36).abs() < 1e-9, "{shares:?}");
        for i in 0..4 {
            for j in 0..4 {
                let seen = (places[i][0] - places[j][0]).hypot(places[i][1] - places[j][1]);
                assert!((seen - math::norm((&all[i] - &all[j]).view())).abs() < 1e-9);
            }
        }
        let same = [array![1.0, 1.0], array![1.0, 1.0]];
        assert_eq!(plane(&same.iter().collect::<Vec<_>>()).unwrap(), (vec![[0.0; 2]; 2], [0.0; 2]));
    }

    #[test]
    fn a_centroid_at_the_origin_lies_on_the_line() {
        let d = array![0.6, 0.8];
        assert_eq!(beside(array![0.0, 0.0].view(), d.view()), [0.0, 0.0]);
        let [along, far] = beside(array![3.0, 4.0].view(), d.view());
        assert!((along - 5.0).abs() < 1e-12 && far < 1e-6);
        assert!((beside(array![-0.8, 0.6].view(), d.view())[1] - 1.0).abs() < 1e-12);
    }
}
