//! Edits along other directions, of the size of an arm's own.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use truenorth_analyses::steer::{Dose, Push};
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ReadAt, Site};
use truenorth_reading::{AnalysisError, NamedPrompt, Reader, extract};
use truenorth_stats::estimate::{Pipeline, SplitBy};
use truenorth_stats::math::Seeds;

use super::PlaceboContrast;

/// Directions that stand in for edits, by site.
pub(super) struct StandIns {
    /// `[draws × pushes, hidden]` of each site: those of a second direction at a site follow those of the first.
    at: BTreeMap<String, Array2<f64>>,
    draws: usize,
    /// The mean residual over the tokens of neutral texts, by site, where some arm clamps there.
    means: BTreeMap<String, Array1<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Drawn like the activations.
    Matched,
    /// Fitted to exchanged labels.
    Flipped,
}

impl StandIns {
    /// Draws directions for every site of some doses. Those of one number are the same combination of the same texts at
    /// every site, so that an edit at several sites has a stand-in that belongs together.
    pub fn draw(
        reader: &Reader<'_>,
        contrast: &PlaceboContrast<'_>,
        doses: &[&Dose],
        (which, draws): (Which, usize),
        neutral: &[NamedPrompt],
        (seeds, watch): (&Seeds, &dyn Watch),
    ) -> Result<Self, AnalysisError> {
        let mut sites: Vec<Site> = doses.iter().flat_map(|d| d.sites()).collect();
        sites.sort_by_key(|s| s.order());
        sites.dedup();
        let mut out = Self { at: BTreeMap::new(), draws, means: BTreeMap::new() };
        for site in &sites {
            let of = |d: &&&Dose| d.pushes.iter().filter(|p| p.site == *site).count();
            let pushes = doses.iter().map(|d| of(&d)).max().unwrap_or(0);
            let samples = contrast.question.samples(reader, *site, contrast.at, watch)?;
            let project = (contrast.project_out, contrast.project_method);
            let nuisances =
                extract::nuisances(reader, project, contrast.sentiment, *site, contrast.at, watch)?;
            let pipeline = Pipeline { estimator: contrast.estimator.clone(), nuisances };
            let (n, seeds) = (draws * pushes, seeds.child("stand-ins"));
            let drawn = match which {
                Which::Matched => pipeline.matched_directions(&samples, n, &seeds)?,
                Which::Flipped => pipeline.relabelled_directions(&samples, SplitBy::Pair, n, &seeds)?,
            };
            out.at.insert(site.to_string(), drawn);
            let clamps = |d: &&Dose| d.pushes.iter().any(|p| p.site == *site && p.clamp.is_some());
            if doses.iter().any(clamps) {
                out.means.insert(site.to_string(), mean(reader, *site, neutral, watch)?);
            }
        }
        Ok(out)
    }

    /// A dose with the directions of a draw in place of its own. What is added or ablated is the same but for the
    /// direction; a clamp's range is shifted by as much as the neutral mean along the other direction differs, so that it
    /// lies as far from where texts are.
    pub fn dose(&self, own: &Dose, draw: usize) -> Dose {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let stand_in = |push: &Push| {
            let site = push.site.to_string();
            let k = seen.entry(site.clone()).or_default();
            let row = self.at[&site].row(*k * self.draws + draw);
            *k += 1;
            let size = push.direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let shift = self.means.get(&site).map_or(0.0, |mean| {
                let own =
                    mean.iter().zip(&push.direction).map(|(m, d)| m * f64::from(*d)).sum::<f64>() / size;
                mean.dot(&row) - own
            });
            #[allow(clippy::cast_possible_truncation)]
            let direction = row.iter().map(|v| (v * size) as f32).collect();
            Push { direction, clamp: push.clamp.map(|ends| ends.map(|v| v + shift)), ..push.clone() }
        };
        Dose { pushes: own.pushes.iter().map(stand_in).collect(), ..own.clone() }
    }
}

/// The mean residual over all tokens of texts, the first of each left out: it may be a sink of attention.
fn mean(
    reader: &Reader<'_>,
    site: Site,
    texts: &[NamedPrompt],
    watch: &dyn Watch,
) -> Result<Array1<f64>, AnalysisError> {
    let readings = reader.read(texts, &[site], ReadAt::All, watch)?;
    let lost = || AnalysisError::Answer { name: site.to_string(), prompts: texts.len() };
    let reading = readings.first().ok_or_else(lost)?;
    let mut sum = Array1::zeros(reading.values.ncols());
    let (mut row, mut n) = (0, 0.0);
    for count in &reading.rows {
        for place in 1..*count {
            sum += &reading.values.row(row + place).mapv(f64::from);
            n += 1.0;
        }
        row += count;
    }
    if n == 0.0 {
        return Err(AnalysisError::Input(
            "no neutral text has a second token, so that a clamp's placebos have no place to be shifted to"
                .into(),
        ));
    }
    Ok(sum / n)
}
