//! Estimators beside each other: which reads and which steers, on the same texts, folds and flips.

use serde::Serialize;
use truenorth_protocol::Site;
use truenorth_stats::estimate::{SplitBy, side_by_side};
use truenorth_stats::math::{Seeds, cosine};

use super::run::{SweepPlan, SweepTexts, SweptFit};
use super::{ReasonedVerdict, SteeringVerdict};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Number};

/// How one estimator's direction reads and steers at one site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EstimatorRow {
    /// The site that it was fitted at.
    pub site: Site,
    /// Name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// Cosine of its direction with that of the first estimator, both fitted to all pairs.
    pub cosine: f64,
    /// AUROC on held-out pairs.
    pub auroc: Number,
    /// That less the first estimator's, on the same splits; none for the first.
    pub auroc_less: Option<Number>,
    /// Slope of the log-odds on α.
    pub slope: Number,
    /// That less the first estimator's, pair by pair; none for the first.
    pub slope_less: Option<Number>,
    /// What the rule says of the slope, p being over all sites and estimators.
    pub steers: ReasonedVerdict,
}

/// Estimators beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimators {
    /// A row a site and estimator, by site.
    pub rows: Vec<EstimatorRow>,
    /// What the rows say, in words.
    pub statement: String,
}

/// `found` is a row an estimator and site, by estimator.
pub(super) fn beside(
    found: &[SweptFit],
    plan: &SweepPlan<'_>,
    texts: &SweepTexts,
    seeds: &Seeds,
) -> Result<Option<Estimators>, AnalysisError> {
    let (names, sites) = (plan.data.estimators, plan.sites.len());
    if names.len() < 2 {
        return Ok(None);
    }
    let of = match plan.data.held_out.by {
        SplitBy::Pair => "pairs",
        SplitBy::Axis => "axes",
    };
    let mut rows = Vec::with_capacity(found.len());
    for at in 0..sites {
        let first = &found[at];
        let samples = texts.samples(at, &plan.data)?;
        for (i, (name, _)) in names.iter().enumerate() {
            let one = &found[i * sites + at];
            let here = seeds.child(&format!("{name} beside {}, {}", names[0].0, one.swept.site));
            let (primary, base) = match (one.swept.steering.first(), first.swept.steering.first()) {
                (Some(primary), Some(base)) => (primary, base),
                _ => continue,
            };
            let less = |i: usize| -> Result<Option<(Number, Number)>, AnalysisError> {
                if i == 0 {
                    return Ok(None);
                }
                let sides = [(&first.pipeline, &samples), (&one.pipeline, &samples)];
                // The seeds of each one's own separation, and so its very splits.
                let own = seeds.child(&one.swept.site.to_string());
                let read = side_by_side(sides, plan.data.held_out, &own)?;
                let auroc = stat::less(&read.auroc.less, of);
                let each: Vec<f64> =
                    primary.unit_slopes.iter().zip(&base.unit_slopes).map(|(a, b)| a - b).collect();
                let mut rng = here.stream("slopes");
                let slope = stat::mean_in_clusters(&each, &texts.clusters, texts.cluster_name, &mut rng)
                    .map_err(|e| stat::of("difference of slopes", &e))?;
                Ok(Some((auroc, slope)))
            };
            let (auroc_less, slope_less) = less(i)?.unzip();
            let held_out = &one.swept.reading.held_out;
            rows.push(EstimatorRow {
                site: one.swept.site,
                estimator: name.clone(),
                cosine: cosine(first.direction.view(), one.direction.view())
                    .map_err(|e| stat::of("estimators' directions", &e))?,
                auroc: held_out.auroc.number(of, None),
                auroc_less,
                slope: primary.slope.clone(),
                slope_less,
                steers: one.swept.steering_verdict.clone(),
            });
        }
    }
    Ok(Some(Estimators { statement: statement(&rows), rows }))
}

/// Which reads best and which steers most, and whether the first estimator is told from it there.
fn statement(rows: &[EstimatorRow]) -> String {
    let best = |of: fn(&EstimatorRow) -> f64| rows.iter().max_by(|a, b| of(a).total_cmp(&of(b)));
    let (Some(reads), Some(steers)) = (best(|r| r.auroc.value), best(|r| r.slope.value)) else {
        return "no estimator was swept".into();
    };
    let told = |less: Option<&Number>| match less.and_then(|l| l.interval) {
        None => String::new(),
        Some(i) if i.low > 0.0 => ", more than the first estimator".into(),
        Some(_) => ", not told from the first estimator".into(),
    };
    let shown = match steers.steers.verdict {
        SteeringVerdict::Steers => "",
        SteeringVerdict::NotShown | SteeringVerdict::Untested => ", though it is not shown to steer",
    };
    let read = if reads.auroc.above(0.5) { "" } else { ", though it is not shown to read" };
    format!(
        "{} reads best (AUROC {:.3} at {}{}{read}); {} has the steepest slope ({:.2} at {}{}{shown}).",
        reads.estimator,
        reads.auroc.value,
        reads.site,
        told(reads.auroc_less.as_ref()),
        steers.estimator,
        steers.slope.value,
        steers.site,
        told(steers.slope_less.as_ref()),
    )
}
