//! The same texts read in two ways, held out alike: by how much one separates more.

use super::clue::wins;
use super::estimated::Estimate;
use super::held_out::common;
use super::pipeline::Pipeline;
use super::{EstimateError, HeldOutParams, Samples};
use crate::math::{ClusteredStatistic, Placement, Seeds};

/// A statistic of both ways, and the second less the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Of the first way and of the second, each as held-out separation has it.
    pub each: [Estimate; 2],
    /// The second less the first, paired by unit.
    pub less: ClusteredStatistic,
}

/// Held-out separation of two ways to read the same texts, on the same splits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SideBySide {
    /// The held-out AUROC of each way, and their difference.
    pub auroc: Paired,
    /// The share of held-out pairs in order; pairs only.
    pub in_order: Option<Paired>,
    /// Units held out.
    pub units: usize,
}

/// Splits both ways alike and holds one against the other. `seeds` are those of [`Pipeline::held_out`], whose numbers
/// come out for each.
///
/// # Errors
/// When the rows are not those of the same texts, or as [`Pipeline::held_out`].
pub fn side_by_side(
    ways: [(&Pipeline, &Samples); 2],
    params: &HeldOutParams,
    seeds: &Seeds,
) -> Result<SideBySide, EstimateError> {
    let [(_, first), (_, second)] = ways;
    for (what, same) in [
        ("rows of the second way", first.positive() == second.positive()),
        ("units of the second way", first.units(params.by) == second.units(params.by)),
    ] {
        if !same {
            return Err(EstimateError::Count { what, expected: first.rows(), found: second.rows() });
        }
    }
    let seeds = common(seeds);
    let clusters = first.units(params.by);
    let mut placed = Vec::new();
    let mut folds = 2;
    for (pipeline, samples) in ways {
        let reduced = pipeline.reduce(samples)?;
        let splits = pipeline.dealt(&reduced, params, &seeds)?;
        folds = splits[0].0.count();
        let auroc =
            splits.iter().map(|(_, scores, _)| Placement::auroc(scores, samples.positive(), clusters));
        let auroc = auroc.collect::<Result<Vec<_>, _>>()?;
        let in_order = if samples.is_paired() {
            let pairs = samples.pairs()?;
            let of: Vec<usize> = pairs.iter().map(|(p, _)| clusters[*p]).collect();
            let share = splits.iter().map(|(_, scores, _)| Placement::share(&wins(&pairs, scores), &of));
            share.collect::<Result<Vec<_>, _>>()?
        } else {
            vec![]
        };
        placed.push((auroc, in_order));
    }
    let second = placed.pop().expect("there are two ways");
    let first = placed.pop().expect("there are two ways");
    let paired = |a: &[Placement], b: &[Placement]| -> Result<Option<Paired>, EstimateError> {
        let (Some(of_a), Some(of_b)) = (Placement::mean(a), Placement::mean(b)) else { return Ok(None) };
        // Directions of several folds share rows, as in the intervals of each.
        let widen = 1.0 + folds as f64 / (folds as f64 - 1.0);
        Ok(Some(Paired {
            each: [Estimate::new(a, folds, params.level)?, Estimate::new(b, folds, params.level)?],
            less: of_b.less(&of_a, params.level, widen)?,
        }))
    };
    Ok(SideBySide {
        auroc: paired(&first.0, &second.0)?.expect("the first way to deal is always there"),
        in_order: paired(&first.1, &second.1)?,
        units: ways[0].1.unit_count(params.by),
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::estimate::{Estimator, Nuisances};

    /// Pairs whose chosen rows lie `gap` along the first axis of noise; the noise is the same for one seed.
    fn samples(pairs: usize, gap: f64) -> Samples {
        let mut rng = Seeds::new(5).stream("noise");
        let mut x: Array2<f64> =
            Array2::from_shape_simple_fn((2 * pairs, 6), || StandardNormal.sample(&mut rng));
        (0..pairs).for_each(|i| x[[i, 0]] += gap);
        let (chosen, rejected) = x.view().split_at(ndarray::Axis(0), pairs);
        let ids: Vec<String> = (0..pairs).map(|i| i.to_string()).collect();
        let axes: Vec<String> = (0..pairs).map(|i| (i % 6).to_string()).collect();
        Samples::from_pairs(chosen, rejected, &ids, &axes).unwrap()
    }

    #[test]
    fn each_way_has_its_own_separation_and_a_planted_difference_is_found() {
        let pipeline =
            Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
        let (raw, chat) = (samples(60, 0.4), samples(60, 1.8));
        for params in [HeldOutParams::by_pair(), HeldOutParams::by_axis()] {
            let params = HeldOutParams { permutations: 0, ..params };
            let seeds = Seeds::new(3);
            let found = side_by_side([(&pipeline, &raw), (&pipeline, &chat)], &params, &seeds).unwrap();
            for (samples, each) in [(&raw, found.auroc.each[0]), (&chat, found.auroc.each[1])] {
                let alone = pipeline.held_out(samples, &params, &seeds).unwrap();
                assert_eq!(alone.auroc, each);
            }
            let less = found.auroc.less;
            assert!((less.value - (found.auroc.each[1].value - found.auroc.each[0].value)).abs() < 1e-12);
            assert!(less.interval.low > 0.0 && less.value > 0.15, "{less:?}");
            assert!(found.in_order.unwrap().less.value > 0.1);
            // A way beside itself is no other.
            let same = side_by_side([(&pipeline, &raw), (&pipeline, &raw)], &params, &seeds).unwrap();
            assert!(same.auroc.less.value == 0.0 && same.auroc.less.interval.contains(0.0));
        }
        let fewer = samples(40, 0.4);
        let params = HeldOutParams::by_pair();
        let e = side_by_side([(&pipeline, &raw), (&pipeline, &fewer)], &params, &Seeds::new(3)).unwrap_err();
        assert!(matches!(e, EstimateError::Count { .. }), "{e}");
    }
}
