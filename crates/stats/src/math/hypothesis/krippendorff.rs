//! Agreement of any number of raters, who need not have rated the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::MathError;

/// How far two ratings lie apart, by their level of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// 1 where they differ at all, else 0.
    Nominal,
    /// By how many ratings lie between.
    Ordinal,
    /// By their difference.
    Interval,
}

/// Krippendorff's α (2011) of ratings `[unit][rater]`, of which any may be missing: one less the disagreement that was
/// seen over that of the same ratings dealt to any unit. Units with fewer than two ratings count for nothing.
///
/// # Errors
/// When a rating is not finite, fewer than two ratings can be held beside each other, or all are the same, so that
/// there is nothing to agree on.
pub fn krippendorff_alpha(units: &[Vec<Option<f64>>], distance: Distance) -> Result<f64, MathError> {
    // Ratings by value, each unit's with the weight 1 / (ratings of the unit - 1).
    let kept: Vec<Vec<f64>> = units
        .iter()
        .map(|u| u.iter().flatten().copied().collect())
        .filter(|u: &Vec<f64>| u.len() > 1)
        .collect();
    if let Some(bad) = kept.iter().flatten().find(|v| !v.is_finite()) {
        return Err(MathError::OutOfRange { what: "rating", value: *bad, expected: "a finite number" });
    }
    let total = kept.iter().map(Vec::len).sum::<usize>();
    if total < 2 {
        return Err(MathError::TooFew { what: "ratings of one unit", least: 2, found: total });
    }
    let mut values: Vec<f64> = kept.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for v in values {
        match counts.last_mut().filter(|(last, _)| *last == v) {
            Some((_, n)) => *n += 1.0,
            None => counts.push((v, 1.0)),
        }
    }
    let place: BTreeMap<u64, usize> = counts.iter().enumerate().map(|(i, (v, _))| (v.to_bits(), i)).collect();
    // -0 and 0 are one value, which the first of them stands for.
    let at = |v: f64| place.get(&v.to_bits()).or_else(|| place.get(&(-v).to_bits())).copied().unwrap_or(0);
    let before: Vec<f64> = counts
        .iter()
        .scan(0.0, |sum, (_, n)| {
            *sum += n;
            Some(*sum - n)
        })
        .collect();
    let apart = |i: usize, j: usize| -> f64 {
        let (i, j) = (i.min(j), i.max(j));
        match distance {
            _ if i == j => 0.0,
            Distance::Nominal => 1.0,
            Distance::Ordinal => {
                let between = before[j] + counts[j].1 - before[i];
                (between - f64::midpoint(counts[i].1, counts[j].1)).powi(2)
            }
            Distance::Interval => (counts[i].0 - counts[j].0).powi(2),
        }
    };
    let mut seen = 0.0;
    for unit in &kept {
        let places: Vec<usize> = unit.iter().map(|v| at(*v)).collect();
        let mut sum = 0.0;
        for (k, a) in places.iter().enumerate() {
            sum += places[k + 1..].iter().map(|b| 2.0 * apart(*a, *b)).sum::<f64>();
        }
        seen += sum / (unit.len() as f64 - 1.0);
    }
    let n = total as f64;
    let mut dealt = 0.0;
    for i in 0..counts.len() {
        for j in i + 1..counts.len() {
            dealt += 2.0 * counts[i].1 * counts[j].1 * apart(i, j);
        }
    }
    if dealt == 0.0 {
        return Err(MathError::Constant { what: "rating of every unit", value: counts[0].0 });
    }
    Ok(1.0 - (seen / n) / (dealt / (n * (n - 1.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", C: four raters, twelve units.
    #[test]
    fn alpha_is_that_of_the_paper() {
        let raters = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ];
        let units: Vec<Vec<Option<f64>>> = (0..12)
            .map(|u| raters.iter().map(|r| Some(r[u]).filter(|v| *v > 0).map(f64::from)).collect())
            .collect();
        let of = |distance| (1000.0 * krippendorff_alpha(&units, distance).unwrap()).round();
        assert_eq!([Distance::Nominal, Distance::Ordinal, Distance::Interval].map(of), [743.0, 815.0, 849.0]);
        let same = vec![vec![Some(2.0), Some(2.0)]; 3];
        assert!(krippendorff_alpha(&same, Distance::Nominal).is_err());
        assert!(krippendorff_alpha(&[vec![Some(1.0), None]], Distance::Nominal).is_err());
        assert!(krippendorff_alpha(&[vec![Some(f64::NAN), Some(1.0)]], Distance::Nominal).is_err());
    }
}
