//! Whether judges and people say the same of each arm.

use std::collections::BTreeMap;

use truenorth_boards::judge::{self, Agreed, JudgeVerdict, Verdicts};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{Number, bootstrap_over, resampled};
use truenorth_stats::math::{self, Distance, Seeds, krippendorff_alpha};

use super::found::AgreedByArm;
use super::params::Params;
use super::raters::choice;
use super::rating::{PreferredText, Rating};
use super::weigh::{ExperimentMeasurements, placed};

/// Agreement on all arms together, then on each; none with fewer than two raters.
pub(super) fn by_arm(
    sheet: &ExperimentMeasurements,
    params: &Params,
    seeds: &Seeds,
) -> Result<Vec<AgreedByArm>, AnalysisError> {
    let placed = placed(sheet);
    let mut raters: Vec<&str> = Vec::new();
    for (_, _, r) in &placed {
        if !raters.contains(&r.rater.as_str()) {
            raters.push(&r.rater);
        }
    }
    if raters.len() < 2 {
        return Ok(vec![]);
    }
    let seeds = seeds.child("agreement");
    let mut out = Vec::new();
    let arms = sheet.arms[1..].iter().enumerate().filter(|(_, a)| a.withdrawn.is_none());
    let each = std::iter::once((None, "all arms".to_owned()))
        .chain(arms.map(|(i, a)| (Some(i + 1), a.name.clone())));
    for (arm, name) in each {
        let own: Vec<(usize, usize, &Rating)> = placed
            .iter()
            .filter(|(a, _, _)| arm.map_or(sheet.arms[*a].withdrawn.is_none(), |arm| arm == *a))
            .copied()
            .collect();
        let seeds = seeds.child(&name);
        out.push(AgreedByArm {
            pairs: pairs(sheet, &raters, &own, (params, &seeds))?,
            choices: choices(sheet, &raters, &own, &seeds),
            scores: scores(sheet, &raters, &own, &seeds),
            arm: name,
        });
    }
    Ok(out)
}

/// What a rater chose of every pair: the side of both orders, a tie where they contradict each other.
fn sides(own: &[(usize, usize, &Rating)], rater: &str) -> BTreeMap<(usize, usize), PreferredText> {
    let mut out: BTreeMap<(usize, usize), PreferredText> = BTreeMap::new();
    for (arm, prompt, r) in own.iter().filter(|(_, _, r)| r.rater == rater) {
        let Some(side) = choice(r) else { continue };
        let entry = out.entry((*arm, *prompt)).or_insert(side);
        if *entry != side {
            *entry = PreferredText::Tie;
        }
    }
    out
}

fn pairs(
    sheet: &ExperimentMeasurements,
    raters: &[&str],
    own: &[(usize, usize, &Rating)],
    (params, seeds): (&Params, &Seeds),
) -> Result<Vec<Agreed>, AnalysisError> {
    let verdict = |side: PreferredText| match side {
        PreferredText::Arm => JudgeVerdict::First,
        PreferredText::Base => JudgeVerdict::Second,
        PreferredText::Tie => JudgeVerdict::Abstain,
    };
    let of = |rater: &&str| {
        let named = |((a, p), s): ((usize, usize), PreferredText)| {
            (format!("{}/{}", sheet.arms[a].name, sheet.prompts[p].id), verdict(s))
        };
        Verdicts { judge: (*rater).to_owned(), verdicts: sides(own, rater).into_iter().map(named).collect() }
    };
    let all: Vec<Verdicts> = raters.iter().map(of).collect();
    let mut out = Vec::new();
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            if a.verdicts.keys().filter(|k| b.verdicts.contains_key(*k)).count() > 1 {
                out.extend(judge::agreement(&[a.clone(), b.clone()], params.permutations, seeds)?);
            }
        }
    }
    Ok(out)
}

fn choices(
    sheet: &ExperimentMeasurements,
    raters: &[&str],
    own: &[(usize, usize, &Rating)],
    seeds: &Seeds,
) -> Option<Number> {
    let mut units: BTreeMap<(usize, usize), Vec<Option<f64>>> = BTreeMap::new();
    for (k, rater) in raters.iter().enumerate() {
        for (at, side) in sides(own, rater) {
            units.entry(at).or_insert_with(|| vec![None; raters.len()])[k] = Some(side.sign());
        }
    }
    alpha(sheet, units, Distance::Nominal, &seeds.child("choices"))
}

fn scores(
    sheet: &ExperimentMeasurements,
    raters: &[&str],
    own: &[(usize, usize, &Rating)],
    seeds: &Seeds,
) -> Vec<(String, Number)> {
    let mut rubrics: Vec<&str> = Vec::new();
    let of = |r: &'_ Rating| r.arm_score.is_some();
    for (_, _, r) in own.iter().filter(|(_, _, r)| of(r)) {
        let rubric = r.rubric.as_deref().unwrap_or("score");
        if !rubrics.contains(&rubric) {
            rubrics.push(rubric);
        }
    }
    let one = |rubric: &&str| {
        let mut units: BTreeMap<(usize, usize), Vec<Option<f64>>> = BTreeMap::new();
        for (arm, prompt, r) in
            own.iter().filter(|(_, _, r)| r.rubric.as_deref().unwrap_or("score") == *rubric)
        {
            let at = raters.iter().position(|n| *n == r.rater)?;
            units.entry((*arm, *prompt)).or_insert_with(|| vec![None; raters.len()])[at] = r.arm_score;
        }
        Some(((*rubric).to_owned(), alpha(sheet, units, Distance::Interval, &seeds.child(rubric))?))
    };
    rubrics.iter().filter_map(one).collect()
}

/// α with the percentile interval over clusters of prompts; none where nothing can be held beside each other.
fn alpha(
    sheet: &ExperimentMeasurements,
    units: BTreeMap<(usize, usize), Vec<Option<f64>>>,
    distance: Distance,
    seeds: &Seeds,
) -> Option<Number> {
    let (at, rows): (Vec<usize>, Vec<Vec<Option<f64>>>) =
        units.into_iter().map(|((_, p), row)| (sheet.prompts[p].cluster, row)).unzip();
    let value = krippendorff_alpha(&rows, distance).ok()?;
    let clusters = math::dense(&at);
    let n = rows.iter().filter(|r| r.iter().flatten().count() > 1).count();
    let interval = resampled(math::dense_count(&clusters), &mut seeds.stream("α"), |drawn| {
        let again: Vec<Vec<Option<f64>>> = rows
            .iter()
            .zip(&clusters)
            .flat_map(|(row, c)| std::iter::repeat_n(row.clone(), drawn[*c] as usize))
            .collect();
        krippendorff_alpha(&again, distance).ok()
    });
    Some(match interval {
        Ok(interval) => {
            Number { value, n, interval: Some(interval), method: bootstrap_over("prompts"), null: None }
        }
        Err(_) => Number::bare(value, n, "none: one prompt has no spread"),
    })
}
