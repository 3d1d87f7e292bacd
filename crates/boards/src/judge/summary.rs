//! A judgement by groups, and beside other judges.

use std::collections::HashSet;

use super::{Agreed, GroupVerdicts, JudgeVerdict, Judgement, Verdicts, agreement};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, of};
use truenorth_stats::math::Seeds;

/// What a judgement is cut into and held against.
#[derive(Debug)]
pub(super) struct JudgementBreakdown {
    pub groups: Vec<GroupVerdicts>,
    /// Of every two judges.
    pub agreement: Vec<Agreed>,
}

/// Groups a judgement and holds it against other judges. `groups` are those of the judgement's rows.
///
/// # Errors
/// When groups are not one a row, two judges have one name, or two share fewer than two things.
pub(super) fn summarise(
    judgement: &Judgement,
    groups: Option<&[String]>,
    others: &[Verdicts],
    permutations: usize,
    seeds: &Seeds,
) -> Result<JudgementBreakdown, AnalysisError> {
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
            let verdicts: Vec<JudgeVerdict> = judgement
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
    Ok(JudgementBreakdown { groups: found, agreement })
}

fn group(name: &str, verdicts: &[JudgeVerdict]) -> Result<GroupVerdicts, AnalysisError> {
    let count = |v: JudgeVerdict| verdicts.iter().filter(|x| **x == v).count();
    let (first, second) = (count(JudgeVerdict::First), count(JudgeVerdict::Second));
    let named = |e| of(name, &e);
    Ok(GroupVerdicts {
        group: name.to_owned(),
        at: name.parse().ok().filter(|v: &f64| v.is_finite()),
        first: match first + second {
            0 => None,
            n => Some(stat::share(first, n).map_err(named)?),
        },
        abstained: stat::share(count(JudgeVerdict::Abstain), verdicts.len()).map_err(named)?,
    })
}
