//! The run: texts of both ends read in both models at every place, then the neutral ones.

use ndarray::ArrayView1;
use truenorth_protocol::Site;
use truenorth_stats::estimate::{HeldOutParams, Nuisances, Pipeline, Samples, SplitBy, side_by_side};
use truenorth_stats::math::{self, ClusteredStatistic, Placement};

use super::found::{AuditedBake, NOT_SHOWN, NOTHING, SeparationAtSite};
use super::neutral::neutral;
use super::{BakedData, Params};
use truenorth_reading::stat::{LEVEL, Number, less, of};
use truenorth_reading::{AnalysisContext, AnalysisError, Reader};

const GIVEN: &str = "score interval over groups (Newcombe 2006); the direction held fixed";

pub(super) fn audit(
    data: &BakedData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<AuditedBake, AnalysisError> {
    if data.directions.is_empty() || data.neutral.is_empty() {
        return Err(AnalysisError::Input(format!(
            "{} places and {} neutral texts; a baked model is held against its origin by at least one of each",
            data.directions.len(),
            data.neutral.len()
        )));
    }
    let [origin, baked] = [data.origin.runner().info(), asked.reader.runner().info()];
    if (origin.hidden, origin.layers) != (baked.hidden, baked.layers) {
        return Err(AnalysisError::Input(format!(
            "{} has {} blocks that are {} wide and {} has {} that are {}: one is not made from the other",
            origin.name, origin.layers, origin.hidden, baked.name, baked.layers, baked.hidden
        )));
    }
    let places: Vec<_> = data.directions.iter().map(|(site, _)| (*site, data.at)).collect();
    for reader in [data.origin, &asked.reader] {
        reader.ahead(&data.texts.prompts, &places, asked.watch)?;
    }
    let sites = data.directions.iter().map(|(site, d)| at_site(data, params, asked, *site, *d));
    Ok(AuditedBake {
        origin: origin.name.clone(),
        baked: baked.name.clone(),
        positions: data.at.to_string(),
        estimator: data.estimator.params().name().to_owned(),
        sites: sites.collect::<Result<_, _>>()?,
        neutral: neutral(data, asked)?,
        not_shown: NOT_SHOWN.map(str::to_owned).to_vec(),
    })
}

fn at_site(
    data: &BakedData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
    site: Site,
    direction: ArrayView1<'_, f64>,
) -> Result<SeparationAtSite, AnalysisError> {
    let named = |e: math::MathError| of(&format!("the direction at {site}"), &e);
    let unit = math::unit(direction).map_err(named)?;
    let read = |reader: &Reader<'_>| -> Result<Samples, AnalysisError> {
        let samples = data.texts.samples(reader, site, data.at, asked.watch)?;
        if samples.width() == unit.len() {
            return Ok(samples);
        }
        let found = samples.width();
        Err(AnalysisError::Input(format!("the direction is {} wide, {site} {found}", unit.len())))
    };
    let samples = [read(data.origin)?, read(&asked.reader)?];
    let along = [0, 1].map(|i| samples[i].activations().dot(&unit).to_vec());
    let describe = |values: &[f64]| -> Result<[f64; 2], AnalysisError> {
        Ok([math::mean(values).map_err(named)?, math::standard_deviation(values).map_err(named)?])
    };
    let [origin, baked] = [describe(&along[0])?, describe(&along[1])?];
    let units = samples[0].units(SplitBy::Pair);
    let placed = |i: usize| Placement::auroc(&along[i], samples[i].positive(), units).map_err(named);
    let number = |placed: &Placement| -> Result<Number, AnalysisError> {
        let ClusteredStatistic { value, interval, clusters, .. } =
            placed.estimate(LEVEL, 1.0).map_err(named)?;
        Ok(Number { value, n: clusters, interval: Some(interval), method: GIVEN.into(), null: None })
    };
    let kind = if samples[0].is_paired() { "pairs" } else { "groups of texts" };
    let first = placed(0)?;
    let second = if baked[1] > NOTHING * origin[1] { Some(placed(1)?) } else { None };
    let given_less = second.as_ref().map(|s| s.less(&first, LEVEL, 1.0).map_err(named)).transpose()?;
    let pipeline = Pipeline { estimator: data.estimator.clone(), nuisances: Nuisances::none() };
    let held_out = HeldOutParams { folds: Some(params.folds), permutations: 0, ..HeldOutParams::by_pair() };
    let seeds = asked.seeds.child(&site.to_string());
    let anew = side_by_side([(&pipeline, &samples[0]), (&pipeline, &samples[1])], &held_out, &seeds)?;
    Ok(SeparationAtSite {
        site: site.to_string(),
        mean: [origin[0], baked[0]],
        spread: [origin[1], baked[1]],
        given: [Some(number(&first)?), second.as_ref().map(number).transpose()?],
        given_less: given_less.map(|found| less(&found, kind)),
        anew: anew.auroc.each.map(|e| e.number(kind, None)),
        anew_less: less(&anew.auroc.less, kind),
    })
}
