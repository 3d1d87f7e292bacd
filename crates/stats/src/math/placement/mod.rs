//! One interval for every AUROC and every share of clusters, with a width also where all is right.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::MathError;
use super::dense::{dense, dense_count};
use super::error::finite;
use super::interval::{Interval, check_level};

/// How many clusters with a mistake weigh as much as the assumption that clusters are independent texts.
const PRIOR: f64 = 2.0;

/// A statistic of clusters with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusteredStatistic {
    /// The AUROC or share, in [0, 1].
    pub value: f64,
    /// Its confidence interval, as [`Placement`] says.
    pub interval: Interval,
    /// Clusters it rests on.
    pub clusters: usize,
    /// Variance over that of as many independent texts of each class.
    pub design: f64,
}

/// What is known about a chance from clusters of rows: an AUROC, or the share of rows that are right.
///
/// The variance is that of the clusters' parts (structural components: `DeLong` and others 1988; summed by cluster:
/// Obuchowski 1997). At 1 and near it these parts hardly vary, so that a standard error gives no
/// width at all. The interval is therefore Newcombe's (2006, part 2, method 5; for shares Wilson's,
/// which is of the same make): all chances `t` with `(value - t)² ≤ z² · D · V(t)`, where `V` is the variance of as
/// many independent texts as there are clusters, and `D` how many times that the clusters' own variance is,
/// drawn towards 1 the more, the fewer clusters have a mistake to estimate it from.
///
/// Coverage of 95 % intervals, 10 to 104 pairs (correlation of the two texts 0, 0.5 and 0.9) and 4 to 21 axes of 8
/// pairs at a true AUROC of 0.5 to 0.99: 92 to 99 %, by `fixtures/make/auroc_intervals.py
/// --coverage`; the plain standard error of the parts has 36 to 97 %, least at 10 pairs and an AUROC of 0.99.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    value: f64,
    /// How each cluster moves the value, `[clusters]`; the sum is 0.
    parts: Vec<f64>,
    /// Clusters with a mistake.
    mistaken: f64,
    /// Clusters with positive and with negative rows; for a share the same number twice.
    classes: [usize; 2],
    kind: StatisticKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatisticKind {
    Auroc,
    Share,
}

impl Placement {
    /// An AUROC: where every row of one class lies among those of the other.
    ///
    /// # Errors
    /// When lengths differ, a score is not finite, a class is missing, or there are fewer than two clusters.
    pub fn auroc(scores: &[f64], positive: &[bool], clusters: &[usize]) -> Result<Self, MathError> {
        for (what, found) in [("labels", positive.len()), ("clusters", clusters.len())] {
            if found != scores.len() {
                return Err(MathError::Length { what, expected: scores.len(), found });
            }
        }
        finite("scores", scores)?;
        let ups = positive.iter().filter(|p| **p).count();
        let downs = positive.len() - ups;
        for (what, found) in [("positive rows", ups), ("negative rows", downs)] {
            if found == 0 {
                return Err(MathError::TooFew { what, least: 1, found });
            }
        }
        let placed = placed(scores, positive, [downs as f64, ups as f64]);
        let value =
            placed.iter().zip(positive).filter(|(_, p)| **p).map(|(v, _)| v).sum::<f64>() / ups as f64;
        let size = |positive: bool| if positive { ups as f64 } else { downs as f64 };
        let wrong = |v: f64| if value > 0.5 { v < 1.0 } else { v > 0.0 };
        let clusters = dense(clusters);
        let count = dense_count(&clusters);
        let mut parts = vec![0.0; count];
        let mut mistaken = vec![false; count];
        let mut of_class = [vec![false; count], vec![false; count]];
        for ((&v, &p), &c) in placed.iter().zip(positive).zip(&clusters) {
            parts[c] += (v - value) / size(p);
            mistaken[c] |= wrong(v);
            of_class[usize::from(!p)][c] = true;
        }
        let tally = |of: &[bool]| of.iter().filter(|w| **w).count();
        Self {
            value,
            parts,
            mistaken: tally(&mistaken) as f64,
            classes: [tally(&of_class[0]), tally(&of_class[1])],
            kind: StatisticKind::Auroc,
        }
        .checked()
    }

    /// A share: the mean of wins (0, 1/2 or 1), one a row.
    ///
    /// # Errors
    /// When lengths differ, a win is not finite, or there are fewer than two clusters.
    pub fn share(wins: &[f64], clusters: &[usize]) -> Result<Self, MathError> {
        if clusters.len() != wins.len() {
            return Err(MathError::Length { what: "clusters", expected: wins.len(), found: clusters.len() });
        }
        finite("wins", wins)?;
        let clusters = dense(clusters);
        let count = dense_count(&clusters);
        let n = wins.len() as f64;
        let value = wins.iter().sum::<f64>() / n.max(1.0);
        let mut parts = vec![0.0; count];
        let mut mistaken = vec![false; count];
        for (&win, &c) in wins.iter().zip(&clusters) {
            parts[c] += (win - value) / n;
            mistaken[c] |= if value > 0.5 { win < 1.0 } else { win > 0.0 };
        }
        let mistaken = mistaken.iter().filter(|m| **m).count() as f64;
        Self { value, parts, mistaken, classes: [count; 2], kind: StatisticKind::Share }.checked()
    }

    /// The mean of the same statistic over several ways to split: value and parts are means. None where there are
    /// none or they are not of the same clusters.
    #[must_use]
    pub fn mean(of: &[Self]) -> Option<Self> {
        let first = of.first()?;
        if of.iter().any(|p| p.parts.len() != first.parts.len() || p.kind != first.kind) {
            return None;
        }
        let n = of.len() as f64;
        let parts = (0..first.parts.len()).map(|c| of.iter().map(|p| p.parts[c]).sum::<f64>() / n).collect();
        let mean = |f: fn(&Self) -> f64| of.iter().map(f).sum::<f64>() / n;
        Some(Self { value: mean(|p| p.value), mistaken: mean(|p| p.mistaken), parts, ..first.clone() })
    }

    /// The mean of statistics of the same clusters, with the variance of one of them. Parts of scores that are turned by the
    /// texts they are fitted on cancel in the mean, though the mean of no signal is no more certain than each.
    pub fn typical(of: &[Self]) -> Option<Self> {
        let mut mean = Self::mean(of)?;
        let (own, each) =
            (mean.variance(), of.iter().map(Self::variance).sum::<f64>() / of.len().max(1) as f64);
        if own > 0.0 && each > own {
            let scale = (each / own).sqrt();
            mean.parts.iter_mut().for_each(|part| *part *= scale);
        }
        Some(mean)
    }

    /// An AUROC that is not measured yet, of clusters with positive and with negative rows; they are taken for
    /// independent texts.
    ///
    /// # Errors
    /// With fewer than two clusters, or a class without any.
    pub fn planned_auroc(clusters: usize, classes: [usize; 2]) -> Result<Self, MathError> {
        for (what, found) in [("positive clusters", classes[0]), ("negative clusters", classes[1])] {
            if found == 0 {
                return Err(MathError::TooFew { what, least: 1, found });
            }
        }
        Self { value: 0.5, parts: vec![0.0; clusters], mistaken: 0.0, classes, kind: StatisticKind::Auroc }
            .checked()
    }

    /// A share that is not measured yet, of so many clusters.
    ///
    /// # Errors
    /// With fewer than two clusters.
    pub fn planned_share(clusters: usize) -> Result<Self, MathError> {
        let parts = vec![0.0; clusters];
        Self { value: 0.5, parts, mistaken: 0.0, classes: [clusters; 2], kind: StatisticKind::Share }
            .checked()
    }

    fn checked(self) -> Result<Self, MathError> {
        if self.parts.len() < 2 {
            return Err(MathError::TooFew { what: "clusters", least: 2, found: self.parts.len() });
        }
        Ok(self)
    }

    /// The AUROC or share, in [0, 1].
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Clusters that the value rests on.
    #[must_use]
    pub fn clusters(&self) -> usize {
        self.parts.len()
    }

    /// The variance of the clusters' parts; 0 where they do not vary.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let n = self.parts.len() as f64;
        n / (n - 1.0) * self.parts.iter().map(|p| p * p).sum::<f64>()
    }

    /// The variance of as many independent texts as there are clusters, if the chance were `t` (for an AUROC
    /// by Hanley and McNeil 1982 with the sizes evened out, as Newcombe does).
    fn independent(&self, t: f64) -> f64 {
        let [up, down] = self.classes.map(|c| c as f64);
        match self.kind {
            StatisticKind::Share => t * (1.0 - t) / up,
            StatisticKind::Auroc => {
                let half = f64::midpoint(up, down) - 1.0;
                t * (1.0 - t) * (1.0 + half * ((1.0 - t) / (2.0 - t) + t / (1.0 + t))) / (up * down)
            }
        }
    }

    /// How many times the variance of independent texts the clusters' own is.
    #[must_use]
    pub fn design(&self) -> f64 {
        let (own, independent) = (self.variance(), self.independent(self.value));
        if own <= 0.0 || independent <= 0.0 {
            return 1.0;
        }
        (own / independent).powf(self.mistaken / (self.mistaken + PRIOR))
    }

    /// The standard error that the statistic would have if the chance were `t`.
    #[must_use]
    pub fn error_at(&self, t: f64) -> f64 {
        (self.design() * self.independent(t)).sqrt()
    }

    /// The interval; the variance counts `widen` times, for what the clusters do not show (as the rows that
    /// directions of several folds share).
    ///
    /// # Errors
    /// With a level outside (0, 1).
    pub fn interval(&self, level: f64, widen: f64) -> Result<Interval, MathError> {
        check_level(level)?;
        let z = Normal::standard().inverse_cdf(0.5 + level / 2.0);
        let reach = z * z * self.design() * widen;
        let within = |t: f64| (self.value - t).powi(2) <= reach * self.independent(t);
        let end = |mut outside: f64| {
            if outside == self.value {
                return outside;
            }
            let mut inside = self.value;
            // At 0 and 1 the value itself has no variance, but everything beside it is within.
            for _ in 0..60 {
                let middle = f64::midpoint(inside, outside);
                if within(middle) { inside = middle } else { outside = middle }
            }
            f64::midpoint(inside, outside)
        };
        Ok(Interval { low: end(0.0), high: end(1.0), level })
    }

    /// The statistic with its interval.
    ///
    /// # Errors
    /// As [`Placement::interval`].
    pub fn estimate(&self, level: f64, widen: f64) -> Result<ClusteredStatistic, MathError> {
        Ok(ClusteredStatistic {
            value: self.value,
            interval: self.interval(level, widen)?,
            clusters: self.parts.len(),
            design: self.design(),
        })
    }

    /// This less another statistic of the same clusters, with an interval made of the two (Zou and Donner 2008:
    /// the squares of the arms added, less what the clusters' parts have in common). It keeps a width where
    /// both are 1.
    ///
    /// # Errors
    /// When the clusters differ, or as [`Placement::interval`].
    pub fn less(&self, other: &Self, level: f64, widen: f64) -> Result<ClusteredStatistic, MathError> {
        if self.parts.len() != other.parts.len() {
            return Err(MathError::Length {
                what: "clusters",
                expected: self.parts.len(),
                found: other.parts.len(),
            });
        }
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let squares = product(&self.parts, &self.parts) * product(&other.parts, &other.parts);
        let shared = if squares > 0.0 { product(&self.parts, &other.parts) / squares.sqrt() } else { 0.0 };
        let (a, b) = (self.interval(level, widen)?, other.interval(level, widen)?);
        let value = self.value - other.value;
        let arm = |x: f64, y: f64| (x * x + y * y - 2.0 * shared * x * y).max(0.0).sqrt();
        let low = value - arm(self.value - a.low, b.high - other.value);
        let high = value + arm(a.high - self.value, other.value - b.low);
        Ok(ClusteredStatistic {
            value,
            interval: Interval { low: low.max(-1.0), high: high.min(1.0), level },
            clusters: self.parts.len(),
            design: self.design(),
        })
    }
}

/// For every row the share of the other class on the right side of it, ties half; `others` are the sizes of the other
/// class for positive and for negative rows.
fn placed(scores: &[f64], positive: &[bool], others: [f64; 2]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut out = vec![0.0; scores.len()];
    // Positive and negative rows below.
    let (mut ups, mut downs) = (0.0, 0.0);
    for tie in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let up = tie.iter().filter(|i| positive[**i]).count() as f64;
        let down = tie.len() as f64 - up;
        for &i in tie {
            out[i] = if positive[i] {
                (downs + down / 2.0) / others[0]
            } else {
                1.0 - (ups + up / 2.0) / others[1]
            };
        }
        ups += up;
        downs += down;
    }
    out
}

#[cfg(test)]
mod tests;
