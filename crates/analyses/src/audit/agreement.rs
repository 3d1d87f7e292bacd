//! Does the direction depend on how it was estimated?

use ndarray::{Array1, ArrayView1};
use serde::Serialize;

use truenorth_protocol::run::{RunError, Watch};
use truenorth_reading::stat::Number;
use truenorth_reading::{AnalysisError, Cosine, CosineNulls, DirectionRecipe, Unrelated};
use truenorth_stats::estimate::{
    EstimateError, Estimator, HeldOut, HeldOutParams, Pipeline, Samples, SplitBy,
};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// Held-out separation of an estimator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EstimatorHeldOut {
    /// Name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// Without the scores of the rows.
    #[serde(flatten)]
    pub found: HeldOut,
}

impl EstimatorHeldOut {
    pub(super) fn new(estimator: &str, found: HeldOut) -> Self {
        Self { estimator: estimator.to_owned(), found: found.without_rows() }
    }
}

/// The estimators beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EstimatorAgreement {
    /// The estimators, then `audited`: the direction that is audited.
    pub names: Vec<String>,
    /// Cosines in the order of `names`, each against the same estimators on exchanged labels and against directions
    /// drawn like the activations: estimators share the noise of their texts, and agree on any labels.
    pub cosines: Vec<Vec<Cosine>>,
    /// Held-out separation of each estimator.
    pub held_out: Vec<EstimatorHeldOut>,
    /// Name and reason of the estimators that found nothing here.
    pub absent: Vec<(String, String)>,
}

/// Label permutations of the estimators whose refits are quick.
const PERMUTATIONS: usize = 99;

pub(super) fn agreement(
    pipeline: &Pipeline,
    train: &Samples,
    (audited, given): (ArrayView1<'_, f64>, bool),
    recipe: &DirectionRecipe,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<EstimatorAgreement, AnalysisError> {
    let mut names = Vec::new();
    let mut directions: Vec<Array1<f64>> = Vec::new();
    let (mut held_out, mut absent) = (Vec::new(), Vec::new());
    let draws = recipe.held_out.permutations.min(PERMUTATIONS);
    let mut nulls: Vec<Unrelated> = Vec::new();
    for name in comparable(train) {
        watch.say(&format!("comparing with {name}"));
        if watch.interrupted() {
            return Err(RunError::Interrupted.into());
        }
        let permutations = draws;
        let estimator: Estimator = name.parse().expect("the list names estimators there are");
        let own = Pipeline { estimator: estimator.check()?, nuisances: pipeline.nuisances.clone() };
        let folds = HeldOutParams { permutations, ..recipe.held_out.clone() };
        let both = own
            .extract(train, SplitBy::Pair, seeds)
            .and_then(|e| Ok((e.fit.direction, own.held_out(train, &folds, seeds)?)));
        match both {
            Ok((direction, found)) => {
                names.push((*name).to_owned());
                directions.push(direction);
                nulls.push(unrelated(&own, train, draws, seeds)?);
                held_out.push(EstimatorHeldOut::new(name, found));
            }
            Err(e) => absent.push(((*name).to_owned(), e.to_string())),
        }
    }
    names.push("audited".into());
    directions.push(audited.to_owned());
    let mut own = unrelated(pipeline, train, draws, seeds)?;
    if given {
        // A direction that came as it is stays what it is under any labels.
        own.permuted.outer_iter_mut().for_each(|mut row| row.assign(&audited));
    }
    nulls.push(own);
    let groups = train.unit_count(SplitBy::Pair);
    let one = |a: usize, b: usize| {
        let value = math::cosine(directions[a].view(), directions[b].view())?;
        let number = Number::bare(value, groups, "none: one direction from all texts");
        let drawn = CosineNulls::of(&nulls[a], &nulls[b]);
        let drawn = if draws == 0 {
            Err("no label permutations were asked for (--permutations)")
        } else {
            Ok(&drawn)
        };
        Cosine::new(number, audited.len(), drawn)
    };
    let cosines = (0..directions.len())
        .map(|a| (0..directions.len()).map(|b| one(a, b)).collect::<Result<Vec<_>, math::MathError>>())
        .collect::<Result<_, _>>()
        .map_err(EstimateError::from)?;
    Ok(EstimatorAgreement { names, cosines, held_out, absent })
}

/// Estimators that can be compared on some samples.
fn comparable(train: &Samples) -> &'static [&'static str] {
    if train.is_paired() {
        &["mean-diff", "logistic", "lda", "pca"]
    } else {
        &["mean-diff", "logistic", "lda"]
    }
}

fn unrelated(
    pipeline: &Pipeline,
    train: &Samples,
    draws: usize,
    seeds: &Seeds,
) -> Result<Unrelated, EstimateError> {
    // The same seeds for every estimator, so that all are fitted to the same exchanged labels.
    let seeds = seeds.child("agreement");
    Ok(Unrelated {
        permuted: pipeline.relabelled_directions(train, SplitBy::Pair, draws, &seeds)?,
        matched: pipeline.matched_directions(train, draws, &seeds)?,
    })
}
