//! What a terminal shows of a sweep.

use super::{EstimatorRow, SteeringVerdict, Swept};
use truenorth_reading::Listing;
use truenorth_reading::beside::SeparationBeside;
use truenorth_reading::sentence::capital;
use truenorth_reading::stat::{Number, p_cell};

/// A row a site, and where reading and steering part.
pub(super) fn table(swept: &Swept) -> Listing {
    let mut out = Listing::new(&[
        "site",
        "AUROC",
        "95 %",
        "slope",
        "95 %",
        "flips",
        "p flips",
        "p matched",
        "wrong way",
        "range of α",
        "reads",
        "steers",
    ]);
    for s in &swept.sites {
        let Some(primary) = s.steering.first() else { continue };
        let auroc = &s.reading.held_out.auroc;
        let yes = |b: bool| if b { "yes" } else { "no" }.to_owned();
        let p = |p: Option<f64>, n: usize| p.map_or_else(|| "-".into(), |p| p_cell(p, Some(n)));
        let null = primary.slope.null.as_ref().and_then(|n| n.range);
        out.rows.push(vec![
            s.site.to_string(),
            format!("{:.3}", auroc.value),
            format!("{:.3} to {:.3}", auroc.interval.low, auroc.interval.high),
            format!("{:.2}", primary.slope.value),
            primary.slope.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high)),
            null.map_or_else(|| "-".into(), |[l, h]| format!("{l:.2} to {h:.2}")),
            p(s.p_over_sites, primary.flip_slopes.len()),
            p(primary.against_controls.as_ref().map(|n| n.p), primary.control_slopes.len()),
            primary.wrong_way.as_ref().map_or_else(|| "-".into(), |w| format!("{:.0} %", 100.0 * w.value)),
            format!("{} to {}", s.working_range.low, s.working_range.high),
            yes(s.reads),
            match s.steering_verdict.verdict {
                SteeringVerdict::Steers => "yes".into(),
                SteeringVerdict::NotShown => "no".into(),
                SteeringVerdict::Untested => "untested".into(),
            },
        ]);
    }
    for s in &swept.sites {
        let beside = SeparationBeside(&s.reading.held_out);
        out.says.push(format!("{}: {}.", s.site, beside.says()));
        out.says.extend(beside.erased().into_iter().map(|said| format!("{}: {said}", s.site)));
    }
    out.says.push(swept.parting.statement.clone());
    let beside = swept.estimators.iter();
    out.says.extend(beside.flat_map(|b| b.rows.iter().map(row).chain([capital(&b.statement)])));
    out
}

/// An estimator at a site, in words.
fn row(of: &EstimatorRow) -> String {
    let told = |n: &Number, digits: usize| {
        let ends =
            n.interval.map_or_else(String::new, |i| format!(" [{:.digits$}, {:.digits$}]", i.low, i.high));
        format!("{:.digits$}{ends}", n.value)
    };
    let less = |n: Option<&Number>, digits| {
        n.map_or_else(String::new, |n| format!(", {} beside the first estimator", told(n, digits)))
    };
    format!(
        "{}, {}: AUROC {}{}; slope {}{}; steers: {}.",
        of.site,
        of.estimator,
        told(&of.auroc, 3),
        less(of.auroc_less.as_ref(), 3),
        told(&of.slope, 2),
        less(of.slope_less.as_ref(), 2),
        of.steers.because
    )
}
