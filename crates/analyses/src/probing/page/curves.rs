//! Curves over sites: AUROC with its controls, and cosines with truth.

use super::{NOT_SHOWN, bounds, slug};
use crate::probing::{ALL, ContrastProbe, HELD_OUT, Probed};
use truenorth_report::{Axis, Curve, CurvePoint, Figure, Mark, Plot, Series, Tick};

fn axis(result: &Probed) -> Axis {
    let layers: Vec<Option<f64>> = result.sites.iter().map(|s| s.rsplit_once('.')?.1.parse().ok()).collect();
    let kinds: std::collections::HashSet<&str> =
        result.sites.iter().map(|s| s.rsplit_once('.').map_or(s.as_str(), |(k, _)| k)).collect();
    let mut axis = Axis::new(if kinds.len() == 1 { "block" } else { "site" });
    if kinds.len() != 1 || layers.iter().any(Option::is_none) || result.sites.len() <= 12 {
        axis.ticks = result
            .sites
            .iter()
            .enumerate()
            .map(|(i, s)| Tick { at: place(result, i).into(), label: s.clone() })
            .collect();
    }
    axis
}

/// Where a site stands: its block where all sites are of one kind, else its place in the list.
fn place(result: &Probed, at: usize) -> f64 {
    let kind = |s: &str| s.rsplit_once('.').map(|(k, l)| (k.to_owned(), l.parse::<f64>().ok()));
    let kinds: Vec<_> = result.sites.iter().map(|s| kind(s)).collect();
    let first = kinds[0].as_ref().map(|k| &k.0);
    let same = kinds.iter().all(|k| k.as_ref().is_some_and(|k| Some(&k.0) == first && k.1.is_some()));
    match kinds[at].as_ref().and_then(|k| k.1) {
        Some(layer) if same => layer,
        _ => at as f64,
    }
}

/// Points from left to right: sites may be given in any order.
fn sorted(mut points: Vec<CurvePoint>) -> Vec<CurvePoint> {
    let x = |p: &CurvePoint| p.x.get().unwrap_or(f64::NAN);
    points.sort_by(|a, b| x(a).total_cmp(&x(b)));
    points
}

pub(super) fn curve(result: &Probed, contrast: &ContrastProbe, at: usize) -> Figure {
    let x = |site: &str| {
        let at = result.sites.iter().position(|s| s == site).expect("a row is of one of the sites");
        place(result, at)
    };
    let mut names = vec![HELD_OUT.to_owned()];
    names.extend(contrast.tests.iter().map(|t| t.name.clone()));
    let mut series: Vec<Series> = names
        .iter()
        .map(|name| {
            let points = contrast.rows.iter().filter(|r| r.set == *name).map(|r| {
                let [low, high] = bounds(&r.auroc);
                CurvePoint::new(x(&r.site), r.auroc.value).band(low, high)
            });
            Series::new(name.as_str(), sorted(points.collect()))
        })
        .collect();
    let held_out: Vec<_> = contrast.rows.iter().filter(|r| r.set == HELD_OUT).collect();
    let mut controls: Vec<&String> = held_out.iter().flat_map(|r| r.controls.keys()).collect();
    controls.sort_unstable();
    controls.dedup();
    for name in controls {
        let points = held_out
            .iter()
            .map(|r| CurvePoint::new(x(&r.site), r.controls.get(name).copied().unwrap_or(f64::NAN)));
        series.push(Series::control(format!("{name} (held-out)"), sorted(points.collect())));
    }
    let plot = Curve {
        x: axis(result),
        y: Axis::new("AUROC").range(0.3, 1.0),
        series,
        x_marks: vec![Mark::at(x(&contrast.best), "furthest above its null")],
        y_marks: vec![Mark::at(0.5, "chance")],
    };
    let title = if contrast.category == ALL {
        "AUROC by site, all categories together".to_owned()
    } else {
        format!("AUROC by site, {}", contrast.category)
    };
    Figure::new(
        format!("probing-{}", slug(contrast, at)),
        title,
        Plot::Curve(plot),
        format!(
            "{} positive and {} negative training texts in {} groups. Bands: 95 % intervals of each site alone. \
             Grey: controls on the same held-out texts; random-label is the mean of {} permutations of the labels.",
            contrast.n[0], contrast.n[1], contrast.groups, contrast.permutations
        ),
        NOT_SHOWN,
    )
}

pub(super) fn cosines(result: &Probed) -> Option<Figure> {
    let of = |c: &ContrastProbe| {
        let truth = c.truth.as_ref()?;
        let points = truth
            .cosines
            .iter()
            .enumerate()
            .map(|(i, m)| CurvePoint::new(place(result, i), m.as_ref().map_or(f64::NAN, |m| m.value)));
        Some(Series::new(c.category.as_str(), sorted(points.collect())))
    };
    let series: Vec<Series> = result.contrasts.iter().take(8).filter_map(of).collect();
    let first = result.contrasts.iter().find_map(|c| c.truth.as_ref())?;
    let reach = first.cosines.iter().flatten().find_map(|c| c.null.as_ref()?.range).map_or(0.0, |r| r[1]);
    let plot = Curve {
        x: axis(result),
        y: Axis::new("cosine").range(-1.0, 1.0),
        series,
        x_marks: vec![],
        y_marks: vec![Mark::span(-reach, reach, "95 % of random directions")],
    };
    Some(Figure::new(
        "probing-truth",
        "Cosine with a direction of truth",
        Plot::Curve(plot),
        format!(
            "Mean difference of the category against that of {} true and false statements, which reach a held-out \
             AUROC of {:.2} themselves.",
            first.rows, first.held_out.value
        ),
        "That a cosine outside the band means truth: activations lie in a narrow cone, in which any two mean \
         differences may have one.",
    ))
}
