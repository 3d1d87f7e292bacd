//! A judgement by groups, and beside other judges.

use std::collections::HashSet;

use serde::Serialize;

use super::super::AnalysisError;
use super::super::stat::{self, Measured, of};
use super::{Agreed, Judgement, Verdict, Verdicts, agreement};
use truenorth_stats::math::Seeds;

/// The verdicts of a group, such as of a dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupVerdicts {
    /// The group.
    pub group: String,
    /// Its number, where the group is one, such as a dose.
    pub at: Option<f64>,
    /// Share for the first text, or of yes, among the verdicts given; none where all are abstentions.
    pub first: Option<Measured>,
    /// Share of abstentions.
    pub abstained: Measured,
}

/// All that a judge said, by groups and beside others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgeSummary {
    /// What the judge said.
    pub judgement: Judgement,
    /// By group; empty where nothing is grouped.
    pub groups: Vec<GroupVerdicts>,
    /// Agreement of every two judges; empty where there is one.
    pub agreement: Vec<Agreed>,
}

/// Groups a judgement and holds it against other judges. `groups` are those of the judgement's rows.
///
/// # Errors
/// When groups are not one a row, two judges have one name, or two share fewer than two things.
pub fn summarise(
    judgement: Judgement,
    groups: Option<&[String]>,
    others: &[Verdicts],
    permutations: usize,
    seeds: &Seeds,
) -> Result<JudgeSummary, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let mut found = Vec::new();
    if let Some(groups) = groups {
        if groups.len() != judgement.rows.len() {
            return refuse(format!("{} groups for {} things judged", groups.len(), judgement.rows.len()));
        }
        let mut names: Vec<&String> = groups.iter().collect();
        names.sort();
        names.dedup();
        for name in names {
            // Copies count once in each group too; the first of them may be of another.
            let mut seen = HashSet::new();
            let verdicts: Vec<Verdict> = judgement
                .rows
                .iter()
                .zip(groups)
                .filter(|(r, g)| *g == name && seen.insert(r.counted_with.as_ref().unwrap_or(&r.id)))
                .map(|(r, _)| r.verdict)
                .collect();
            found.push(group(name, &verdicts)?);
        }
        found.sort_by(|a, b| a.at.unwrap_or(f64::NAN).total_cmp(&b.at.unwrap_or(f64::NAN)));
    }
    let mut judges = vec![judgement.verdicts()];
    for other in others {
        if judges.iter().any(|j| j.judge == other.judge) {
            return refuse(format!(
                "two judges are called `{}`; agreement is told by their names",
                other.judge
            ));
        }
        judges.push(other.clone());
    }
    let agreement = match judges.len() {
        1 => vec![],
        _ => agreement(&judges, permutations, &seeds.child("judges"))?,
    };
    Ok(JudgeSummary { judgement, groups: found, agreement })
}

fn group(name: &str, verdicts: &[Verdict]) -> Result<GroupVerdicts, AnalysisError> {
    let count = |v: Verdict| verdicts.iter().filter(|x| **x == v).count();
    let (first, second) = (count(Verdict::First), count(Verdict::Second));
    let named = |e| of(name, &e);
    Ok(GroupVerdicts {
        group: name.to_owned(),
        at: name.parse().ok().filter(|v: &f64| v.is_finite()),
        first: match first + second {
            0 => None,
            n => Some(stat::share(first, n).map_err(named)?),
        },
        abstained: stat::share(count(Verdict::Abstain), verdicts.len()).map_err(named)?,
    })
}
