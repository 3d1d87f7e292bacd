//! Outcomes that judges and people rate, and the baseline that their scores are held against.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{Number, Test, drawn_null, of};
use truenorth_stats::math::{self, Seeds};

use super::found::{Drift, RaterFound};
use super::outcome::{Outcome, OutcomeKind};
use super::params::Params;
use super::raters::choice;
use super::rating::{RaterKind, Rating};
use super::weigh::{ExperimentMeasurements, placed};

/// What people are called where they count as one rater.
pub(super) const PEOPLE: &str = "people";

/// Outcomes of every judge, and of people together; and how ratings of base drift.
pub(super) fn rated(
    sheet: &ExperimentMeasurements,
    params: &Params,
    raters: &[RaterFound],
    seeds: &Seeds,
) -> Result<(Vec<Outcome>, Vec<Drift>), AnalysisError> {
    let placed = placed(sheet);
    // Together people say what those of them say who count.
    let counts = |name: &str| raters.iter().any(|r| r.rater == name && r.standing.counts());
    let voice = |r: &Rating| match r.kind {
        RaterKind::Judge => Some(r.rater.clone()),
        RaterKind::Person if counts(&r.rater) => Some(PEOPLE.to_owned()),
        RaterKind::Person => None,
    };
    let mut voices: Vec<(String, bool)> = Vec::new();
    for r in raters {
        let name = if r.kind.is_person() { PEOPLE.to_owned() } else { r.rater.clone() };
        if !voices.iter().any(|(v, _)| *v == name) && (r.standing.counts() || !r.kind.is_person()) {
            voices.push((name, r.kind.is_person()));
        }
    }
    let (mut outcomes, mut drifts) = (Vec::new(), Vec::new());
    for (name, people) in &voices {
        let own: Vec<(usize, usize, &Rating)> =
            placed.iter().filter(|(_, _, r)| voice(r).as_ref() == Some(name)).copied().collect();
        outcomes.extend(choices(sheet, (name, *people), &own));
        let mut rubrics: Vec<&str> = Vec::new();
        for (_, _, r) in own.iter().filter(|(_, _, r)| r.arm_score.is_some()) {
            let rubric = r.rubric.as_deref().unwrap_or("score");
            if !rubrics.contains(&rubric) {
                rubrics.push(rubric);
            }
        }
        for rubric in rubrics {
            let own: Vec<(usize, usize, &Rating)> = own
                .iter()
                .filter(|(_, _, r)| r.arm_score.is_some() && r.rubric.as_deref().unwrap_or("score") == rubric)
                .copied()
                .collect();
            let (outcome, drift) = scores(sheet, (name, *people, rubric), &own, (params, seeds))?;
            outcomes.push(outcome);
            drifts.extend(drift);
        }
    }
    Ok((outcomes, drifts))
}

/// A cell an arm and a prompt, the mean of what was said.
fn means(
    sheet: &ExperimentMeasurements,
    of: impl Iterator<Item = (usize, usize, f64)>,
) -> Vec<Vec<Option<f64>>> {
    let mut sums = vec![vec![(0.0, 0.0); sheet.prompts.len()]; sheet.arms.len()];
    for (arm, prompt, value) in of {
        let cell = &mut sums[arm][prompt];
        *cell = (cell.0 + value, cell.1 + 1.0);
    }
    let cell = |(sum, n): &(f64, f64)| (*n > 0.0).then(|| sum / n);
    sums[1..].iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn choices(
    sheet: &ExperimentMeasurements,
    (name, people): (&str, bool),
    own: &[(usize, usize, &Rating)],
) -> Option<Outcome> {
    // Strengths are taken where all rows have one.
    let strong = own.iter().filter(|(_, _, r)| choice(r).is_some()).all(|(_, _, r)| r.strength.is_some());
    let value = |r: &Rating| match strong {
        true => r.strength,
        false => choice(r).map(|c| c.sign()),
    };
    let rows: Vec<(usize, usize, f64)> =
        own.iter().filter_map(|(a, p, r)| Some((*a, *p, value(r)?))).collect();
    if rows.is_empty() {
        return None;
    }
    let edits = sheet.arms.len() - 1;
    let mut outcome = Outcome {
        name: format!("choice of {name}"),
        kind: OutcomeKind::Choice { rater: name.to_owned(), people },
        unit: if strong { "nats for the arm's text" } else { "-1 base's text, 1 the arm's" }.into(),
        units: sheet.units(),
        differences: means(sheet, rows.into_iter()),
        fixed: None,
        placebos: vec![vec![]; edits],
        flips: vec![vec![]; edits],
    };
    for (_, blind, preference) in sheet.blind.iter().filter(|(judge, ..)| judge == name) {
        let stands = if blind.flip { &mut outcome.flips } else { &mut outcome.placebos };
        let draws = &mut stands[blind.arm - 1];
        while draws.len() <= blind.draw {
            draws.push(vec![None; sheet.prompts.len()]);
        }
        draws[blind.draw][blind.prompt] = Some(*preference);
    }
    Some(outcome)
}

fn scores(
    sheet: &ExperimentMeasurements,
    (name, people, rubric): (&str, bool, &str),
    own: &[(usize, usize, &Rating)],
    (params, seeds): (&Params, &Seeds),
) -> Result<(Outcome, Option<Drift>), AnalysisError> {
    let arm = means(sheet, own.iter().filter_map(|(a, p, r)| Some((*a, *p, r.arm_score?))));
    let base = means(sheet, own.iter().filter_map(|(a, p, r)| Some((*a, *p, r.base_score?))));
    let prompts = sheet.prompts.len();
    let fixed: Vec<Option<f64>> = (0..prompts)
        .map(|p| {
            let beside: Vec<f64> = base.iter().filter_map(|row| row[p]).collect();
            math::mean(&beside).ok()
        })
        .collect();
    let less = |of: &dyn Fn(usize, usize) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
        (0..arm.len()).map(|a| (0..prompts).map(|p| Some(arm[a][p]? - of(a, p)?)).collect()).collect()
    };
    let outcome = Outcome {
        name: format!("{rubric}, {name}"),
        kind: OutcomeKind::Score { rater: name.to_owned(), people, rubric: rubric.to_owned() },
        unit: "points".into(),
        units: sheet.units(),
        differences: less(&|a, p| base[a][p]),
        fixed: Some(less(&|_, p| fixed[p])),
        placebos: vec![vec![]; arm.len()],
        flips: vec![vec![]; arm.len()],
    };
    let drift = drift(sheet, (name, rubric), &base, (params, seeds))?;
    Ok((outcome, drift))
}

/// Whether the same base texts are rated alike beside every arm; none where no two arms share a prompt.
fn drift(
    sheet: &ExperimentMeasurements,
    (name, rubric): (&str, &str),
    base: &[Vec<Option<f64>>],
    (params, seeds): (&Params, &Seeds),
) -> Result<Option<Drift>, AnalysisError> {
    // Prompts with base rated beside several arms: the arms and the ratings about their mean.
    let blocks: Vec<(Vec<usize>, Vec<f64>)> = (0..sheet.prompts.len())
        .filter_map(|p| {
            let (arms, values): (Vec<usize>, Vec<f64>) =
                base.iter().enumerate().filter_map(|(a, row)| Some((a, row[p]?))).unzip();
            let mean = math::mean(&values).ok().filter(|_| arms.len() > 1)?;
            Some((arms, values.iter().map(|v| v - mean).collect()))
        })
        .collect();
    if blocks.len() < 2 {
        return Ok(None);
    }
    let range = |values: &dyn Fn(usize, usize) -> f64| {
        let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (b, (arms, _)) in blocks.iter().enumerate() {
            for (k, arm) in arms.iter().enumerate() {
                let cell = sums.entry(*arm).or_default();
                *cell = (cell.0 + values(b, k), cell.1 + 1.0);
            }
        }
        let means = sums.values().map(|(s, n)| s / n);
        means.clone().fold(f64::MIN, f64::max) - means.fold(f64::MAX, f64::min)
    };
    let value = range(&|b, k| blocks[b].1[k]);
    let mut rng = seeds.child("drift").child(name).stream(rubric);
    let draws: Vec<f64> = (0..params.permutations)
        .map(|_| {
            let dealt: Vec<Vec<f64>> = blocks
                .iter()
                .map(|(_, values)| {
                    let mut values = values.clone();
                    values.shuffle(&mut rng);
                    values
                })
                .collect();
            range(&|b, k| dealt[b][k])
        })
        .collect();
    let mut number =
        Number::bare(value, blocks.len(), "none: a largest difference of several has no interval of its own");
    if !draws.is_empty() {
        let what = "ratings of base dealt among the arms of a prompt";
        number = number
            .against(drawn_null((Test::BaselineDrift, what), value, 0.0, &draws).map_err(|e| of(name, &e))?);
    }
    let rated = base.iter().filter(|row| row.iter().any(Option::is_some)).count();
    let whole: Vec<Vec<f64>> =
        blocks.iter().filter(|(arms, _)| arms.len() == rated).map(|(_, v)| v.clone()).collect();
    let by_arm = base
        .iter()
        .zip(&sheet.arms[1..])
        .filter_map(|(row, arm)| {
            let there: Vec<f64> = row.iter().flatten().copied().collect();
            Some((arm.name.clone(), math::mean(&there).ok()?, there.len()))
        })
        .collect();
    Ok(Some(Drift {
        rater: name.to_owned(),
        rubric: rubric.to_owned(),
        by_arm,
        range: number,
        friedman: math::friedman(&whole).ok(),
    }))
}
