//! Judges and people: how they rate whatever the texts, and whether their word counts.

use std::collections::BTreeMap;

use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Test};

use super::found::{OrderAgreement, RaterFound, RaterStanding};
use super::params::Params;
use super::rating::{ATTENTION, PLANTED, PreferredText, RaterKind, Rating};
use super::weigh::ExperimentMeasurements;

/// The least share of attention checks that a person must get right.
const ATTENTIVE: f64 = 0.75;

/// Every rater, in the order of the ratings; judges first.
pub(super) fn raters(
    sheet: &ExperimentMeasurements,
    params: &Params,
) -> Result<Vec<RaterFound>, AnalysisError> {
    let mut names: Vec<(&str, RaterKind)> = Vec::new();
    for r in &sheet.ratings {
        match names.iter().find(|(name, _)| *name == r.rater) {
            None => names.push((&r.rater, r.kind)),
            Some((_, kind)) if *kind != r.kind => {
                return Err(AnalysisError::Input(format!(
                    "`{}` is rated as a person and as a judge",
                    r.rater
                )));
            }
            Some(_) => {}
        }
    }
    names.sort_by_key(|(_, kind)| kind.is_person());
    names.into_iter().map(|(name, kind)| rater(sheet, (name, kind), params)).collect()
}

/// What a rating chooses: what it says, or which way its strength goes.
pub(super) fn choice(r: &Rating) -> Option<PreferredText> {
    r.choice.or_else(|| {
        r.strength.map(|s| match s {
            s if s > 0.0 => PreferredText::Arm,
            s if s < 0.0 => PreferredText::Base,
            _ => PreferredText::Tie,
        })
    })
}

fn rater(
    sheet: &ExperimentMeasurements,
    (name, kind): (&str, RaterKind),
    params: &Params,
) -> Result<RaterFound, AnalysisError> {
    let own: Vec<&Rating> = sheet.ratings.iter().filter(|r| r.rater == name).collect();
    let (known, rows): (Vec<&Rating>, Vec<&Rating>) =
        own.iter().partition(|r| [PLANTED, ATTENTION].contains(&r.arm.as_str()));
    let decided: Vec<bool> = rows
        .iter()
        .filter_map(|r| {
            Some((choice(r)?, r.first?)).filter(|(c, _)| *c != PreferredText::Tie).map(|(c, f)| c == f)
        })
        .collect();
    let first = match decided.len() {
        0 => None,
        n => Some(stat::share_against(
            decided.iter().filter(|f| **f).count(),
            n,
            0.5,
            (Test::RatedSide, "either text equally often, exact binomial"),
        )?),
    };
    let mut both = OrderAgreement::default();
    for (_, sides) in by_pair(&rows) {
        if let [Some(a), Some(b)] = sides {
            if a == b && a != PreferredText::Tie {
                both.agree += 1;
            } else if a != b {
                both.contradict += 1;
            }
        }
    }
    // A pair counts once: right where no order says otherwise and one says the better text.
    let pairs = by_pair(&known);
    let right = pairs
        .values()
        .filter(|sides| {
            let said: Vec<PreferredText> = sides.iter().flatten().copied().collect();
            !said.is_empty() && said.iter().all(|s| *s == PreferredText::Arm)
        })
        .count();
    let planted = match pairs.len() {
        0 => None,
        n => Some(stat::share_against(
            right,
            n,
            0.5,
            (Test::JudgePlanted, "the answers of a coin, exact binomial"),
        )?),
    };
    let standing = standing(kind, planted.as_ref(), params);
    Ok(RaterFound {
        rater: name.to_owned(),
        kind,
        rated: rows.len(),
        ties: rows.iter().filter(|r| choice(r) == Some(PreferredText::Tie)).count(),
        first,
        both,
        planted,
        standing,
    })
}

fn standing(kind: RaterKind, planted: Option<&stat::Number>, params: &Params) -> RaterStanding {
    let refused = |why: String| RaterStanding::Refused(why);
    match (kind, planted) {
        (RaterKind::Person, None) => RaterStanding::Counts,
        (RaterKind::Person, Some(n)) if n.value >= ATTENTIVE => RaterStanding::Counts,
        (RaterKind::Person, Some(n)) => {
            refused(format!("it got {:.0} of {} attention checks right", n.value * n.n as f64, n.n))
        }
        (RaterKind::Judge, None) => {
            refused("it was shown no planted pairs, so that nothing is known of it".into())
        }
        (RaterKind::Judge, Some(n)) => {
            let right = format!("it got {:.0} of {} planted pairs right", n.value * n.n as f64, n.n);
            let p = n.null.as_ref().map_or(1.0, |null| null.p);
            if n.value <= 0.5 || p > 0.05 {
                refused(format!("{right}, which a coin does too"))
            } else if n.value < params.least_right {
                refused(format!("{right}, fewer than {:.0} %", 100.0 * params.least_right))
            } else {
                RaterStanding::Counts
            }
        }
    }
}

/// What was chosen of each pair of texts, in each order.
fn by_pair<'a>(rows: &[&'a Rating]) -> BTreeMap<(&'a str, &'a str), [Option<PreferredText>; 2]> {
    let mut pairs: BTreeMap<(&str, &str), [Option<PreferredText>; 2]> = BTreeMap::new();
    for r in rows {
        let Some(side) = choice(r) else { continue };
        let sides = pairs.entry((&r.arm, &r.prompt)).or_default();
        let order = usize::from(r.first == Some(PreferredText::Base));
        sides[order] = Some(side);
    }
    pairs
}
