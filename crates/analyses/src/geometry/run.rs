//! The run over checkpoints: every contrast fitted at each, then its probes on every other.

use std::collections::BTreeSet;

use ndarray::Array2;
use truenorth_stats::estimate::relabellings;
use truenorth_stats::math::{Seeds, numbered};

use super::centroids::Centroids;
use super::cross::{self, CrossPush, CrossSteer};
use super::fit::{CategoryContrast, FittedContrast, FoldsAndHalves};
use super::nulls::Nulls;
use super::params::GeometryPlan;
use super::{
    COURSE_NOT_SHOWN, Checkpoints, GENERAL, GeometryTexts, Params, ProbeCell, ProbingMatrix, TextGeometry,
    cosines, probing, protocols,
};
use truenorth_reading::{AnalysisError, stat};

pub(super) fn over(
    course: &dyn Checkpoints,
    texts: &GeometryTexts,
    params: &Params,
    steer: Option<&CrossSteer<'_>>,
    seeds: &Seeds,
) -> Result<TextGeometry, AnalysisError> {
    let plan = params.plan()?;
    steer.map_or(Ok(()), |s| s.params.check())?;
    let checkpoints = course.names();
    let stages = course.stages();
    if !stages.is_empty() && stages.len() != checkpoints.len() {
        return Err(AnalysisError::Input(format!(
            "{} stages for {} checkpoints; expected one a checkpoint, or none",
            stages.len(),
            checkpoints.len()
        )));
    }
    let contrasts = contrasts(checkpoints, texts, &plan, seeds)?;
    let pushed = steer.map_or(Ok(vec![]), |s| pushed(s, &contrasts))?;
    let mut pushes = vec![];
    let mut width = None;
    let mut checked = |i: usize| -> Result<Array2<f64>, AnalysisError> {
        let x = course.activations(i)?;
        let wide = *width.get_or_insert(x.ncols());
        check(&checkpoints[i], &x, texts.positive.len(), wide)?;
        Ok(x)
    };
    let shown = contrasts.iter().filter(|c| !c.name.starts_with(OTHERS)).count();
    let mut alone = Vec::new();
    let mut centroids = Centroids::new(shown);
    let mut across_probing = Vec::with_capacity(checkpoints.len());
    // By contrast, then by checkpoint.
    let mut kept: Vec<Vec<FittedContrast>> = vec![Vec::with_capacity(checkpoints.len()); contrasts.len()];
    let groups = numbered(&texts.groups);
    let labels = relabellings(&texts.positive, &groups, plan.null_draws, &seeds.child("exchanged labels"));
    let mut nulls = Nulls::new(labels, &contrasts, shown, seeds);
    for i in 0..checkpoints.len() {
        let x = checked(i)?;
        nulls.add(&x, &contrasts, &plan)?;
        for (contrast, kept) in contrasts.iter().zip(&mut kept) {
            kept.push(contrast.fit(&x, &plan.estimator, &seeds.child(&contrast.name))?);
        }
        let here: Vec<&FittedContrast> = kept.iter().take(shown).filter_map(|k| k.last()).collect();
        centroids.add(&x, &contrasts[..shown], &here)?;
        for (contrast, kept) in contrasts.iter().zip(&here).filter(|(c, _)| pushed.contains(&c.name)) {
            let draws = steer.map_or(0, |s| s.params.random_directions);
            let seeds = seeds.child(&format!("pushed {} {i}", contrast.name));
            let random = contrast.drawn(&x, draws, &seeds)?;
            pushes.push(CrossPush {
                checkpoint: checkpoints[i].clone(),
                category: contrast.name.clone(),
                difference: kept.difference.clone(),
                random: random.outer_iter().map(|r| r.to_owned()).collect(),
            });
        }
        if i + 1 == checkpoints.len() {
            for (contrast, kept) in contrasts.iter().take(shown).zip(&kept) {
                let last = kept.last().expect("a checkpoint was just fitted");
                alone.extend(
                    super::alone::alone(texts, contrast, last, &x)
                        .map_err(|e| stat::of(&contrast.name, &e))?,
                );
            }
        }
        across_probing.push(cells(&x, &contrasts[..shown], &kept)?);
    }
    let mut probing: Vec<Vec<Vec<ProbeCell>>> = vec![vec![vec![]; checkpoints.len()]; shown];
    if plan.probing {
        for tested in 0..checkpoints.len() {
            let x = checked(tested)?;
            for (c, contrast) in contrasts.iter().take(shown).enumerate() {
                for (trained, kept) in kept[c].iter().enumerate() {
                    let scores = contrast.project(&x, &kept.without);
                    let cell = probing::cell(&scores, &contrast.positive, &contrast.clusters())
                        .map_err(|e| stat::of(&contrast.name, &e))?;
                    probing[c][trained].push(cell);
                }
            }
        }
    }
    let width = kept.first().and_then(|k| k.first()).map_or(0, |k| k.direction.len());
    let categories = cosines::categories(checkpoints, &contrasts, &kept, &nulls, &plan, seeds)?;
    let negatives: Vec<(&str, usize)> =
        contrasts.iter().take(shown).map(|c| (c.name.as_str(), c.negative_groups())).collect();
    let across = cosines::across(&kept[..shown], checkpoints.len(), &nulls)?;
    let probing = match plan.probing {
        false => vec![],
        true => contrasts
            .iter()
            .zip(probing)
            .map(|(c, cells)| ProbingMatrix {
                category: c.name.clone(),
                n: sides(&c.positive),
                cells,
                null: 0.5,
                method: probing::METHOD.into(),
            })
            .collect(),
    };
    let read = course.protocols()?;
    for reading in &read {
        check(
            &format!("{}, read {}", checkpoints[checkpoints.len() - 1], reading.protocol),
            &reading.values,
            texts.positive.len(),
            reading.values.ncols(),
        )?;
    }
    let protocols = match read.len() {
        0 => None,
        _ => Some(protocols::angles(
            &checkpoints[checkpoints.len() - 1],
            &read,
            &contrasts[..shown],
            &plan.estimator,
            seeds,
        )?),
    };
    let steering = steer.map(|s| cross::into(&pushes, s, &seeds.child("pushed"))).transpose()?;
    Ok(TextGeometry {
        checkpoints: checkpoints.to_vec(),
        stages: stages.to_vec(),
        width,
        categories,
        across,
        across_probing,
        centroids: centroids.finish(&contrasts[..shown])?,
        alone,
        probing_method: probing::METHOD.into(),
        rate_method: probing::rate_method(&negatives),
        probing,
        protocols,
        steering,
        not_shown: not_shown(&contrasts, texts, checkpoints.len()),
    })
}

/// The categories whose directions are pushed.
fn pushed(steer: &CrossSteer<'_>, contrasts: &[CategoryContrast]) -> Result<Vec<String>, AnalysisError> {
    let known = || contrasts.iter().map(|c| c.name.as_str()).filter(|n| !n.starts_with(OTHERS));
    match steer.params.categories.iter().find(|c| !known().any(|k| k == *c)) {
        Some(bad) => Err(AnalysisError::Input(format!(
            "no category `{bad}` to steer with (--steer-category); the texts have {}",
            known().collect::<Vec<_>>().join(", ")
        ))),
        None => Ok(steer.params.categories.clone()),
    }
}

/// Contrasts of all texts but those of one category are named by this and the category.
pub(super) const OTHERS: &str = "all but ";

/// The general contrast, the categories, then all but each category.
fn contrasts(
    checkpoints: &[String],
    texts: &GeometryTexts,
    plan: &GeometryPlan,
    seeds: &Seeds,
) -> Result<Vec<CategoryContrast>, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if checkpoints.is_empty() {
        return refuse("no checkpoint".into());
    }
    if let Some((i, name)) = checkpoints.iter().enumerate().find(|(i, n)| checkpoints[..*i].contains(n)) {
        return refuse(format!("checkpoint `{name}` is named twice, the second time at place {}", i + 1));
    }
    let n = texts.positive.len();
    if texts.categories.len() != n || texts.groups.len() != n {
        return refuse(format!(
            "{n} labels, {} categories and {} groups; expected as many of each",
            texts.categories.len(),
            texts.groups.len()
        ));
    }
    // A category is named by its positive texts; negatives may be of no category of their own.
    let names: BTreeSet<&str> = (0..n)
        .filter(|i| texts.positive[*i])
        .flat_map(|i| &texts.categories[i])
        .map(String::as_str)
        .collect();
    let split = FoldsAndHalves::new(texts, plan.folds, seeds);
    let make = |name: &str, keep: &dyn Fn(usize) -> bool| CategoryContrast::new(name, texts, keep, &split);
    let mut out = vec![make(GENERAL, &|_| true)?];
    if names.len() < 2 {
        return Ok(out);
    }
    let is = |i: usize, name: &str| texts.categories[i].iter().any(|c| c == name);
    for name in &names {
        if *name == GENERAL {
            return refuse(format!(
                "a category is called `{GENERAL}`, which names the contrast of all texts"
            ));
        }
        out.push(make(name, &|i| is(i, name))?);
    }
    for name in &names {
        // A category that holds all of the others has none beside it.
        if (0..n).any(|i| texts.positive[i] && !is(i, name)) {
            out.push(make(&format!("{OTHERS}{name}"), &|i| !is(i, name))?);
        }
    }
    Ok(out)
}

/// Probes of each category on each one's texts at the checkpoint that was fitted last. A text is in the
/// same fold in every category, so none is scored by a direction that has seen its group.
fn cells(
    x: &Array2<f64>,
    contrasts: &[CategoryContrast],
    kept: &[Vec<FittedContrast>],
) -> Result<Vec<Vec<ProbeCell>>, AnalysisError> {
    let row = |fitted: &Vec<FittedContrast>| {
        let Some(last) = fitted.last() else { return Ok(vec![]) };
        let cell = |c: &CategoryContrast| {
            let scores = c.project(x, &last.without);
            probing::cell(&scores, &c.positive, &c.clusters()).map_err(|e| stat::of(&c.name, &e))
        };
        contrasts.iter().map(cell).collect()
    };
    kept.iter().take(contrasts.len()).map(row).collect()
}

fn check(name: &str, x: &Array2<f64>, texts: usize, width: usize) -> Result<(), AnalysisError> {
    if x.dim() != (texts, width) {
        return Err(AnalysisError::Input(format!(
            "checkpoint `{name}` has activations [{}, {}]; expected [{texts}, {width}] as at the first",
            x.nrows(),
            x.ncols()
        )));
    }
    match x.indexed_iter().find(|(_, v)| !v.is_finite()) {
        Some(((row, column), v)) => Err(AnalysisError::Input(format!(
            "checkpoint `{name}` has {v} in column {column} of text {row}; read it again with --dtype f32"
        ))),
        None => Ok(()),
    }
}

pub(super) fn sides(positive: &[bool]) -> [usize; 2] {
    let up = positive.iter().filter(|p| **p).count();
    [up, positive.len() - up]
}

fn not_shown(contrasts: &[CategoryContrast], texts: &GeometryTexts, checkpoints: usize) -> Vec<String> {
    let mut out = vec![];
    if checkpoints > 1 {
        out.extend(COURSE_NOT_SHOWN.map(str::to_owned));
        out.push(
            "Cells of the probing matrix share texts; their intervals do not bound differences of cells."
                .to_owned(),
        );
    }
    out.push(
        "That categories with a high cosine are one feature: what all texts of a class share, such as their \
         style or their authors, is in every category's direction."
            .to_owned(),
    );
    out.push(
        "A cosine of two directions is cut down by the noise of both; that of two halves of the same texts says \
         by how much."
            .to_owned(),
    );
    if contrasts.iter().any(|c| c.shared_negatives) {
        out.push(
            "Categories that share their negative texts have directions that are alike by that alone."
                .to_owned(),
        );
    }
    let both = texts.categories.iter().filter(|c| c.len() > 1).count();
    if both > 0 {
        out.push(format!(
            "Of several categories are {both} texts; categories that share texts have directions that are alike by \
             that alone."
        ));
    }
    out
}
