//! How much a judge is asked, and what is left out where it may be asked less.

use truenorth_reading::AnalysisError;

use super::{ExperimentData, planted};
use crate::arms::ArmKind;
use crate::params::{LEAST_PLACEBOS, Params};

pub(super) struct JudgeBudget {
    /// Placebos of each edit that are judged.
    pub placebos: usize,
    /// Why they are fewer than were asked for.
    pub fewer: Option<String>,
}

/// What the bound of the tightest judge leaves room for.
///
/// # Errors
/// Where it does not reach for the arms themselves.
pub(super) fn plan(data: &ExperimentData<'_>, params: &Params) -> Result<JudgeBudget, AnalysisError> {
    let all = JudgeBudget { placebos: params.placebos, fewer: None };
    let bound = data.judges.iter().filter_map(|j| j.left()).chain(params.judge_budget).min();
    let (Some(bound), false) = (bound, data.judges.is_empty()) else { return Ok(all) };
    let shown: Vec<_> = data.arms.iter().filter(|a| a.arm.withdrawn.is_none()).collect();
    let prompts = data.prompts.len();
    let edits = shown.iter().filter(|a| a.arm.kind == ArmKind::Edit && data.given.is_none()).count();
    let arms = 2 * planted::count(data)
        + 2 * shown.len().saturating_sub(1) * prompts
        + params.rubrics.len() * shown.len() * prompts
        + 2 * edits * params.flips * prompts;
    if bound < arms {
        return Err(AnalysisError::Asked {
            what: format!(
                "a judge may be asked {bound} times (--judge-budget), and the arms alone take {arms}, planted pairs counted"
            ),
            remedy: "allow more, or give fewer prompts, arms or rubrics".into(),
        });
    }
    let each = 2 * edits * prompts;
    let room = (bound - arms).checked_div(each).unwrap_or(params.placebos);
    if room >= params.placebos {
        return Ok(all);
    }
    Ok(JudgeBudget {
        placebos: room,
        fewer: Some(format!(
            "a judge may be asked {bound} times, which leaves room for {room} placebos of each edit{}",
            if room < LEAST_PLACEBOS { "" } else { ", fewer than were asked for" }
        )),
    })
}
