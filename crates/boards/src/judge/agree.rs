//! Whether two judges say the same.

use std::collections::BTreeMap;

use ndarray::Array2;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::JudgeVerdict;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Number, Test, drawn_null, of};
use truenorth_stats::math;
use truenorth_stats::math::{Kappa, Seeds};

/// What a judge, a person or a model, said of each thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    /// Name of the judge.
    pub judge: String,
    /// Verdicts by name.
    pub verdicts: BTreeMap<String, JudgeVerdict>,
}

/// Agreement of two judges on what both judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreed {
    /// Name of one judge.
    pub first: String,
    /// Name of the other.
    pub second: String,
    /// Things that both judged, abstentions included.
    pub n: usize,
    /// Things that the first alone judged, left out.
    pub only_first: usize,
    /// Things that the second alone judged, left out.
    pub only_second: usize,
    /// Share on which they say the same.
    pub same: Number,
    /// Cohen's κ (1960) over all three verdicts; its null deals one judge's verdicts anew. None where
    /// both always say the same one thing, which leaves nothing to agree on.
    pub kappa: Option<Number>,
    /// The same where neither abstains; none with fewer than two such things.
    pub decided: Option<Number>,
    /// How often each pair of verdicts occurs: first, second, abstain by first, second, abstain.
    pub table: [[usize; 3]; 3],
}

/// Compares every two judges.
///
/// # Errors
/// With fewer than two judges, or two that share fewer than two things.
pub fn agreement(
    judges: &[Verdicts],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Vec<Agreed>, AnalysisError> {
    if judges.len() < 2 {
        return Err(AnalysisError::Input(format!("{} judges; agreement needs two", judges.len())));
    }
    let mut out = Vec::new();
    for (i, a) in judges.iter().enumerate() {
        for b in &judges[i + 1..] {
            // Judges are models, files and people; what they are called changes no number.
            out.push(two(a, b, permutations, seeds)?);
        }
    }
    Ok(out)
}

/// p values of κ after Holm over the pairs that have one, in the order of the pairs.
#[must_use]
pub fn after_holm(agreed: &[Agreed]) -> Vec<Option<f64>> {
    let own = |a: &Agreed| a.kappa.as_ref()?.null.as_ref().map(|n| n.p);
    let p: Vec<f64> = agreed.iter().filter_map(own).collect();
    let mut adjusted = math::holm_adjusted(&p).unwrap_or_default().into_iter();
    agreed.iter().map(|a| own(a).and_then(|_| adjusted.next())).collect()
}

fn two(a: &Verdicts, b: &Verdicts, permutations: usize, seeds: &Seeds) -> Result<Agreed, AnalysisError> {
    let pairs: Vec<(JudgeVerdict, JudgeVerdict)> =
        a.verdicts.iter().filter_map(|(id, v)| Some((*v, *b.verdicts.get(id)?))).collect();
    if pairs.len() < 2 {
        return Err(AnalysisError::Input(format!(
            "`{}` and `{}` judged {} things in common; agreement needs at least two",
            a.judge,
            b.judge,
            pairs.len()
        )));
    }
    let mut table = [[0; 3]; 3];
    for (x, y) in &pairs {
        table[*x as usize][*y as usize] += 1;
    }
    let same = pairs.iter().filter(|(x, y)| x == y).count();
    let decided: Vec<(JudgeVerdict, JudgeVerdict)> = pairs
        .iter()
        .copied()
        .filter(|(x, y)| *x != JudgeVerdict::Abstain && *y != JudgeVerdict::Abstain)
        .collect();
    Ok(Agreed {
        first: a.judge.clone(),
        second: b.judge.clone(),
        n: pairs.len(),
        only_first: a.verdicts.len() - pairs.len(),
        only_second: b.verdicts.len() - pairs.len(),
        same: stat::share(same, pairs.len()).map_err(|e| of("agreement", &e))?,
        kappa: measured(&pairs, permutations, &seeds.child("all"))?,
        decided: measured(&decided, permutations, &seeds.child("decided"))?,
        table,
    })
}

fn measured(
    pairs: &[(JudgeVerdict, JudgeVerdict)],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Option<Number>, AnalysisError> {
    let (Some(found), true) = (cohen(pairs), pairs.len() > 1) else { return Ok(None) };
    let named = |e| of("κ", &e);
    let (first, mut second): (Vec<JudgeVerdict>, Vec<JudgeVerdict>) = pairs.iter().copied().unzip();
    let mut rng = seeds.stream("κ null");
    let mut draws = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        second.shuffle(&mut rng);
        let dealt: Vec<(JudgeVerdict, JudgeVerdict)> =
            first.iter().copied().zip(second.iter().copied()).collect();
        draws.extend(kappa(&dealt));
    }
    let value = found.value;
    let found = Number {
        value,
        n: pairs.len(),
        interval: Some(found.score),
        method: "score interval of the share that agrees (Wilson), chance as it is; wide where one verdict is rare".into(),
        null: None,
    };
    if draws.is_empty() {
        return Ok(Some(found));
    }
    let null = drawn_null((Test::JudgeAgreement, "one judge's verdicts dealt anew"), value, 0.0, &draws)
        .map_err(named)?;
    Ok(Some(found.against(null)))
}

/// Cohen's κ: agreement beyond that of two judges with the same habits who do not look, as a share of
/// what is left beyond it. None without pairs, or where both always say the same one thing.
#[must_use]
pub fn kappa(pairs: &[(JudgeVerdict, JudgeVerdict)]) -> Option<f64> {
    Some(cohen(pairs)?.value)
}

fn cohen(pairs: &[(JudgeVerdict, JudgeVerdict)]) -> Option<Kappa> {
    let mut table = Array2::zeros((3, 3));
    for (a, b) in pairs {
        table[[*a as usize, *b as usize]] += 1.0;
    }
    math::cohen_kappa(table.view(), stat::LEVEL).ok()
}
