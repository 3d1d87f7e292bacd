//! An arm against base: paired, clustered, corrected over the arms.

use truenorth_boards::rate::signed_rank_p;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Null, Number, Test, of};
use truenorth_stats::math::{self, Seeds};

use super::flags::Flags;
use super::found::{Effect, OutcomeFound, ScopeEffect, ScopeFound};
use super::outcome::{Outcome, Units};
use super::placebo;
use super::scope::Scope;
use super::weigh::ExperimentMeasurements;

/// Rows, and the flags that scopes choose by.
type ScopedRows<'a> = (&'a [(String, Scope)], &'a [Vec<Option<Flags>>]);

/// Every arm of an outcome, on all rows and on the scopes.
pub(super) fn weigh(
    outcome: &Outcome,
    sheet: &ExperimentMeasurements,
    (scopes, flags): ScopedRows<'_>,
    seeds: &Seeds,
) -> Result<OutcomeFound, AnalysisError> {
    let shown: Vec<usize> = (1..sheet.arms.len()).filter(|a| sheet.arms[*a].withdrawn.is_none()).collect();
    let units = &outcome.units;
    let mut effects = Vec::new();
    for arm in &shown {
        let name = &sheet.arms[*arm].name;
        let seeds = seeds.child(name);
        let Some(mut effect) = against(name, &outcome.differences[arm - 1], units, &seeds)? else { continue };
        if let Some(fixed) = &outcome.fixed {
            effect.fixed = difference(&fixed[arm - 1], units, &seeds.child("fixed"))?.map(|(n, _)| n);
        }
        effects.push(effect);
    }
    let holm = corrected(&effects.iter().map(|e| &e.difference).collect::<Vec<_>>())?;
    effects.iter_mut().zip(holm).for_each(|(e, p)| e.holm = p);
    let test = (Test::ArmPlacebo, "as large edits along directions drawn like the activations");
    placebo::among(&mut effects, sheet, &outcome.placebos, test, |e, p| e.placebo = Some(p));
    let test = (Test::ArmFlips, "as large edits along directions of shuffled labels");
    placebo::among(&mut effects, sheet, &outcome.flips, test, |e, p| e.flips = Some(p));
    let mut in_scopes = Vec::new();
    for (name, scope) in scopes.iter().filter(|_| outcome.of_prompts()) {
        let seeds = seeds.child(&format!("scope {name}"));
        let mut arms = Vec::new();
        for arm in &shown {
            let all = &outcome.differences[arm - 1];
            let keep = |(p, d): (usize, &Option<f64>)| d.filter(|_| scope.keeps(sheet, flags, *arm, p));
            let kept: Vec<Option<f64>> = all.iter().enumerate().map(keep).collect();
            let of = all.iter().flatten().count();
            let name = &sheet.arms[*arm].name;
            arms.push(ScopeEffect {
                arm: name.clone(),
                of,
                dropped: of - kept.iter().flatten().count(),
                difference: difference(&kept, units, &seeds.child(name))?.map(|(n, _)| n),
                holm: None,
            });
        }
        let there: Vec<&Number> = arms.iter().filter_map(|a| a.difference.as_ref()).collect();
        let mut holm = corrected(&there)?.into_iter();
        for arm in arms.iter_mut().filter(|a| a.difference.is_some()) {
            arm.holm = holm.next().flatten();
        }
        in_scopes.push(ScopeFound { scope: name.clone(), arms });
    }
    Ok(OutcomeFound {
        name: outcome.name.clone(),
        kind: outcome.kind.clone(),
        unit: outcome.unit.clone(),
        over: units.what,
        effects,
        scopes: in_scopes,
    })
}

/// p values after Holm, of those that have one.
fn corrected(numbers: &[&Number]) -> Result<Vec<Option<f64>>, AnalysisError> {
    let p: Vec<Option<f64>> = numbers.iter().map(|n| n.null.as_ref().map(|n| n.p)).collect();
    let there: Vec<f64> = p.iter().flatten().copied().collect();
    let mut adjusted = math::holm_adjusted(&there).map_err(|e| of("Holm", &e))?.into_iter();
    Ok(p.into_iter().map(|p| p.and_then(|_| adjusted.next())).collect())
}

/// The mean difference with its interval and its signed-rank null, and the means of clusters; none where nothing is left.
fn difference(
    values: &[Option<f64>],
    units: &Units,
    seeds: &Seeds,
) -> Result<Option<(Number, Vec<f64>)>, AnalysisError> {
    let (there, clusters): (Vec<f64>, Vec<usize>) =
        values.iter().zip(&units.clusters).filter_map(|(v, c)| Some(((*v)?, *c))).unzip();
    if there.is_empty() {
        return Ok(None);
    }
    let clusters = math::dense(&clusters);
    let count = math::dense_count(&clusters);
    let what =
        if count == there.len() { units.what.to_owned() } else { format!("clusters of {}", units.what) };
    let named = |e| of("difference", &e);
    let mut number =
        stat::mean_in_clusters(&there, &clusters, &what, &mut seeds.stream("mean")).map_err(named)?;
    let mut sums = vec![(0.0, 0.0); count];
    for (v, c) in there.iter().zip(&clusters) {
        sums[*c] = (sums[*c].0 + v, sums[*c].1 + 1.0);
    }
    let means: Vec<f64> = sums.iter().map(|(s, n)| s / n).collect();
    if let Some(p) = signed_rank_p(&means).map_err(named)? {
        number = number.against(Null {
            test: Test::ArmShift,
            what: format!(
                "signs turned by {}, Wilcoxon's signed ranks, exact",
                units.what.trim_end_matches('s')
            ),
            expected: 0.0,
            range: None,
            p,
            draws: None,
        });
    }
    Ok(Some((number, means)))
}

fn against(
    arm: &str,
    values: &[Option<f64>],
    units: &Units,
    seeds: &Seeds,
) -> Result<Option<Effect>, AnalysisError> {
    let Some((difference, means)) = difference(values, units, seeds)? else { return Ok(None) };
    let moved = means.iter().filter(|m| **m != 0.0).count();
    let above = means.iter().filter(|m| **m > 0.0).count();
    let what = "above base as often as below, exact binomial (sign test)";
    Ok(Some(Effect {
        arm: arm.to_owned(),
        difference,
        median: math::quantile(&means, 0.5).map_err(|e| of(arm, &e))?,
        holm: None,
        above: match moved {
            0 => None,
            n => Some(stat::share_against(above, n, 0.5, (Test::ArmSign, what))?),
        },
        fixed: None,
        placebo: None,
        flips: None,
    }))
}
