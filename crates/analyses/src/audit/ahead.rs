//! Whether there are groups enough for an audit, asked before a model reads anything; and all texts read at several sites
//! at once.

use truenorth_stats::estimate::audit::{self as numbers, AuditError, AuditParams, ConfoundSet};
use truenorth_stats::estimate::{Estimator, HeldOutParams, Nuisances, Pipeline, Samples};
use truenorth_stats::math::Seeds;

use super::{AuditData, Params};
use truenorth_protocol::Site;
use truenorth_reading::{AnalysisContext, AnalysisError, NamedPrompt};

/// Audits noise of the same labels and groups: what is refused then no reading would change.
pub(super) fn check(data: &AuditData<'_>, params: &Params, seeds: &Seeds) -> Result<(), AnalysisError> {
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let train = data.train.stand_in()?;
    let samples: Vec<Samples> =
        data.confounds.iter().map(|c| c.question.stand_in()).collect::<Result<_, _>>()?;
    let set = |(c, samples)| ConfoundSet { name: c, samples, projected_out: false };
    let names = data.confounds.iter().map(|c| c.name.as_str());
    let sets: Vec<ConfoundSet<'_>> = names.zip(&samples).map(set).collect();
    let few = AuditParams { random_directions: 19, permutations: 0, resamples: 200, ..params.numbers() };
    numbers::audit(&pipeline, &train, None, &sets, &few, seeds)?;
    let held_out = HeldOutParams { repeats: 1, ..data.recipe.held_out.clone() };
    let of = |source| AuditError::Set { set: "train".into(), source };
    pipeline.held_out(&train, &held_out, seeds).map_err(of)?;
    Ok(())
}

/// Reads every text of an audit at all of these sites in one pass, for the audits of each.
///
/// # Errors
/// When a reading fails or is interrupted.
pub(super) fn read(
    data: &AuditData<'_>,
    sites: &[Site],
    asked: &AnalysisContext<'_>,
) -> Result<(), AnalysisError> {
    let places: Vec<_> = sites.iter().map(|site| (*site, data.recipe.at)).collect();
    let sets = data.confounds.iter().chain(data.flips).map(|c| (c.name.as_str(), &c.question.prompts));
    for (name, prompts) in std::iter::once(("the training texts", &data.train.prompts)).chain(sets) {
        asked.watch.say(&format!("reading {name}"));
        asked.reader.ahead(prompts, &places, asked.watch)?;
    }
    let rows = data.sentiment.unwrap_or_default();
    let prompts: Vec<NamedPrompt> = rows.iter().map(|r| NamedPrompt::row(&r.id, &r.text, &r.turns)).collect();
    if prompts.is_empty() { Ok(()) } else { asked.reader.ahead(&prompts, &places, asked.watch) }
}
