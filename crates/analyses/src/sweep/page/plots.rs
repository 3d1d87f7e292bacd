//! The curves of a sweep.

use super::NOT_SHOWN;
use crate::sweep::trend::ends;
use crate::sweep::{Steering, Swept, SweptSite, WorkingRange};
use truenorth_reading::sentence::capital;
use truenorth_report::{Axis, Curve, CurvePoint, Figure, Mark, Num, Series, Tick};
use truenorth_stats::math;

/// Random directions drawn one by one beside a response.
const SHOWN: usize = 5;

/// Where each site stands on the axis of sites, and that axis: blocks where all sites are of one kind,
/// else the places in the order of the sweep.
fn places(result: &Swept) -> (Axis, Vec<(f64, &SweptSite)>) {
    let kind = |s: &SweptSite| s.site.to_string().split('.').next().map(str::to_owned);
    let one = result.sites.windows(2).all(|w| kind(&w[0]) == kind(&w[1]));
    if let (true, Some(layers)) = (one, result.sites.iter().map(|s| s.layer).collect::<Option<Vec<_>>>()) {
        let name = result.sites.first().and_then(kind).unwrap_or_default();
        let mut placed: Vec<_> = layers.into_iter().map(f64::from).zip(&result.sites).collect();
        placed.sort_by(|a, b| a.0.total_cmp(&b.0));
        return (Axis::new(format!("block ({name})")), placed);
    }
    let mut axis = Axis::new("site");
    axis.ticks = result
        .sites
        .iter()
        .enumerate()
        .map(|(i, s)| Tick { at: Num::new(i as f64), label: s.site.to_string() })
        .collect();
    (axis, result.sites.iter().enumerate().map(|(i, s)| (i as f64, s)).collect())
}

fn best_mark(placed: &[(f64, &SweptSite)], name: &str, label: &str) -> Vec<Mark> {
    placed
        .iter()
        .find(|(_, s)| s.site.to_string() == name)
        .map(|(x, _)| Mark::at(*x, label))
        .into_iter()
        .collect()
}

/// Held-out AUROC over the sites.
pub(super) fn reading(result: &Swept) -> Figure {
    let (x, placed) = places(result);
    let points = placed.iter().map(|(x, s)| {
        let auroc = &s.reading.held_out.auroc;
        CurvePoint::new(*x, auroc.value).band(auroc.interval.low, auroc.interval.high)
    });
    let mut series = vec![Series::new("held-out pairs", points.collect())];
    let null: Vec<CurvePoint> = placed
        .iter()
        .filter_map(|(x, s)| s.reading.held_out.null.map(|n| CurvePoint::new(*x, n.mean).band(n.low, n.high)))
        .collect();
    let flips = placed.iter().find_map(|(_, s)| s.reading.held_out.null.map(|n| n.permutations));
    if !null.is_empty() {
        series.push(Series::control("labels flipped within pairs", null));
    }
    let curve = Curve {
        x,
        y: Axis::new("AUROC").range(0.0, 1.0),
        series,
        x_marks: best_mark(&placed, &result.parting.best_reading, "reads best"),
        y_marks: vec![Mark::at(0.5, "chance")],
    };
    Figure::new(
        "sweep-reading",
        "Reading: held-out separation by site",
        curve,
        format!(
            "AUROC of {} held-out pairs, the direction fitted on the others. Bands: 95 % score intervals; null: {}.",
            result.pairs,
            flips.map_or_else(
                || "no label flips were asked for".to_owned(),
                |n| format!("{n} label flips through the whole pipeline, mean and central 95 %")
            )
        ),
        "That the model uses what is read here; nor is the best site corrected for having been chosen.",
    )
}

/// Slope of the log-odds over the sites.
pub(super) fn steering(result: &Swept) -> Figure {
    let (x, placed) = places(result);
    let primary = |s: &SweptSite| s.steering.first().map(|p| p.slope.clone());
    let points = placed.iter().filter_map(|(x, s)| Some(CurvePoint::of(*x, &primary(s)?)));
    let mut series = vec![Series::new("direction", points.collect())];
    let flips: Vec<CurvePoint> = placed
        .iter()
        .filter_map(|(x, s)| {
            let null = primary(s)?.null?;
            let [low, high] = null.range?;
            Some(CurvePoint::new(*x, null.expected).band(low, high))
        })
        .collect();
    if !flips.is_empty() {
        series.push(Series::control(format!("{} label flips", result.null_draws), flips));
    }
    let random: Vec<CurvePoint> = placed
        .iter()
        .filter_map(|(x, s)| {
            let slopes = &s.steering.first()?.control_slopes;
            let (low, high) = ends(slopes);
            Some(CurvePoint::new(*x, math::mean(slopes).ok()?).band(low, high))
        })
        .collect();
    if !random.is_empty() {
        series.push(Series::control(format!("{} random directions", result.random_directions), random));
    }
    let curve = Curve {
        x,
        y: Axis::new("change of log-odds").unit("nats for each residual norm"),
        series,
        x_marks: best_mark(&placed, &result.parting.best_steering, "steers most"),
        y_marks: vec![Mark::at(0.0, "no effect")],
    };
    Figure::new(
        "sweep-steering",
        "Steering: slope of the log-odds by site",
        curve,
        format!(
            "Mean slope over {} pairs of log P(chosen) − log P(rejected) on α. {}; grey: mean and central 95 % of \
             the label flips, mean and full range of the random directions drawn like the activations.",
            result.steered_pairs,
            capital(&truenorth_report::bands())
        ),
        NOT_SHOWN,
    )
}

fn range_mark(r: &WorkingRange) -> Vec<Mark> {
    if r.low == 0.0 && r.high == 0.0 {
        return vec![Mark::at(0.0, "no dose is within the bounds")];
    }
    vec![Mark::span(r.low, r.high, "working range")]
}

fn alpha() -> Axis {
    Axis::new("α").unit("mean residual norms")
}

fn response(site: &SweptSite, steering: &Steering, y: Axis, what: &str) -> Figure {
    let points = steering.points.iter().map(|p| CurvePoint::of(p.alpha, &p.mean)).collect();
    let mut series = vec![Series::new("direction", points)];
    let zero = steering.points.iter().find(|p| p.alpha == 0.0).map(|p| p.mean.value);
    for c in 0..steering.control_slopes.len().min(SHOWN) {
        let points = steering.points.iter().map(|p| {
            let y = p.controls.get(c).copied().or(zero.filter(|_| p.alpha == 0.0));
            CurvePoint::new(p.alpha, y)
        });
        series.push(Series::control(format!("random direction {}", c + 1), points.collect()));
    }
    let trend = steering.trend.as_ref().map_or_else(
        || "no unit ever changes".to_owned(),
        |t| format!("mean rank correlation with the dose {:.2}", t.value),
    );
    let wrong = steering
        .wrong_way
        .as_ref()
        .map_or_else(String::new, |w| format!(" {:.0} % of the units move the wrong way.", 100.0 * w.value));
    let site_name = site.site.to_string();
    Figure::new(
        truenorth_report::id(&["sweep-dose", &site_name, &steering.measure]),
        format!("{site_name}: {what}"),
        Curve { x: alpha(), y, series, x_marks: range_mark(&site.working_range), y_marks: vec![] },
        format!(
            "Mean over {} units; {}. {}.{wrong}",
            steering.slope.n,
            truenorth_report::bands(),
            capital(&trend)
        ),
        "What the model would write by itself. Effects outside of the working range may be those of damage.",
    )
}

/// Log-odds against the dose, and what the dose breaks.
pub(super) fn dose(site: &SweptSite, result: &Swept) -> Vec<Figure> {
    let mut out = Vec::new();
    if let Some(primary) = site.steering.first() {
        let y = Axis::new("log-odds of the chosen response").unit("nats");
        out.push(response(site, primary, y, "dose and response"));
    }
    out.push(harm(site, result));
    out
}

fn harm(site: &SweptSite, result: &Swept) -> Figure {
    let kl = site.damage.iter().map(|d| CurvePoint::of(d.alpha, &d.kl)).collect();
    let log_ratio = site
        .damage
        .iter()
        .map(|d| {
            let m = &d.perplexity_ratio;
            let point = CurvePoint::new(d.alpha, m.value.ln());
            match m.interval {
                Some(i) => point.band(i.low.ln(), i.high.ln()),
                None => point,
            }
        })
        .collect();
    let mut series = vec![Series::new("KL, next token", kl), Series::new("log perplexity ratio", log_ratio)];
    for c in 0..result.damage_directions.min(SHOWN) {
        let points = site.damage.iter().map(|d| {
            let zero = Some(0.0).filter(|_| d.alpha == 0.0);
            CurvePoint::new(d.alpha, d.control_kls.get(c).copied().or(zero))
        });
        series.push(Series::control(format!("KL, random direction {}", c + 1), points.collect()));
    }
    let r = &site.working_range;
    let b = r.bounds;
    let broken = [&r.broken_below, &r.broken_above].into_iter().flatten().cloned().collect::<Vec<_>>();
    let broken = if broken.is_empty() {
        "No dose tried breaks a bound.".to_owned()
    } else {
        format!("Beyond the range: {}.", broken.join("; "))
    };
    let name = site.site.to_string();
    Figure::new(
        truenorth_report::id(&["sweep-damage", &name]),
        format!("{name}: damage"),
        Curve {
            x: alpha(),
            y: Axis::new("damage").unit("nats"),
            series,
            x_marks: range_mark(r),
            y_marks: vec![Mark::at(b.kl, format!("bound of KL, {}", b.kl))],
        },
        format!(
            "Over {} neutral texts; {}. Bounds: perplexity {} times, KL {}, distinct-2 at {} of the unsteered. \
             {broken}",
            result.neutral,
            truenorth_report::bands(),
            b.perplexity_ratio,
            b.kl,
            b.distinct_2_ratio
        ),
        "Damage to other skills. The bounds are a convention, and the range moves with them.",
    )
}

/// The other measures: per token, projection of the generations, refusals, word lists.
pub(super) fn other_measures(site: &SweptSite) -> Vec<Figure> {
    site.steering
        .iter()
        .skip(1)
        .map(|s| {
            let (y, what) = match s.measure.as_str() {
                "log_odds_per_token" => {
                    (Axis::new("log-odds per token").unit("nats"), "log-odds per token".to_owned())
                }
                "projection" => (
                    Axis::new("projection").unit("mean residual norms"),
                    "generations re-read by the unsteered model".to_owned(),
                ),
                other => {
                    let mut y = Axis::new("share of generations");
                    y.range = Some([Num::new(0.0), Num::new(1.0)]);
                    (y, format!("generations with words of `{other}`"))
                }
            };
            response(site, s, y, &what)
        })
        .collect()
}
