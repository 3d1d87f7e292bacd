//! What so many clusters can find, before anything is read.

use super::found::PlannedPower;
use super::params::Params;
use super::texts::{TextTable, count};
use truenorth_reading::AnalysisError;
use truenorth_stats::estimate::EstimateError;
use truenorth_stats::math::{Placement, Power};

/// The rate of false alarms of every test here.
const ALPHA: f64 = 0.05;

/// A least p below this bounds nothing that anybody draws.
const NO_BOUND: f64 = 1e-6;

pub(super) fn power(sheet: &TextTable, params: &Params) -> Result<Vec<PlannedPower>, AnalysisError> {
    let n = sheet.copies.clusters;
    let of = if sheet.is_paired() { "pairs" } else { "groups" };
    let of_class = |positive: bool| {
        let rows = (0..sheet.texts.len()).filter(|i| sheet.positive[*i] == positive);
        count(&rows.map(|i| sheet.cluster[i]).collect::<Vec<_>>())
    };
    let mut out = Vec::new();
    if n >= 2 {
        let auroc =
            Placement::planned_auroc(n, [of_class(true), of_class(false)]).map_err(EstimateError::from)?;
        let folds = params.dealt_to() as f64;
        // Directions of several folds share rows (Nadeau and Bengio 2003), as in every held-out interval.
        let fitted = Power::of(&auroc, ALPHA).stretched(1.0 + folds / (folds - 1.0));
        out.push(planned(of, "AUROC", n, Power::of(&auroc, ALPHA), params.claim));
        out.push(planned(of, "AUROC, fitted in folds", n, fitted, params.claim));
        if sheet.is_paired() {
            let share = Placement::planned_share(n).map_err(EstimateError::from)?;
            out.push(planned(of, "pairs in order", n, Power::of(&share, ALPHA), params.claim));
        }
    }
    if sheet.is_paired() {
        // Labels are flipped in whole units, and with all of them flipped the direction turns round with them.
        for (of, n) in [(of, n), (sheet.axes_word(), count(&sheet.whole_axes()))] {
            let least_p = 2.0_f64.powf(1.0 - n as f64).min(1.0);
            if least_p > NO_BOUND {
                out.push(PlannedPower {
                    of: of.into(),
                    n,
                    least_p: Some(least_p),
                    ..PlannedPower::nothing()
                });
            }
        }
    }
    Ok(out)
}

fn planned(of: &str, measure: &str, n: usize, power: Power<'_>, claim: f64) -> PlannedPower {
    PlannedPower {
        of: of.into(),
        measure: Some(measure.into()),
        n,
        least: power.least_told(),
        power: Some(power.told_from_half(claim)),
        needed: power.needed_to_tell(claim),
        needed_to_rule_out: power.needed_within(claim - 0.5),
        least_p: None,
    }
}

impl PlannedPower {
    fn nothing() -> Self {
        Self {
            of: String::new(),
            measure: None,
            n: 0,
            least: None,
            power: None,
            needed: None,
            needed_to_rule_out: None,
            least_p: None,
        }
    }
}
