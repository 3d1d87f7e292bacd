//! The range of projections that neutral texts have.

use truenorth_protocol::run::Watch;
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::math;

use truenorth_reading::{AnalysisError, NamedPrompt, Reader};

/// The percentiles that a neutral range goes between, as shares.
const BETWEEN: [f64; 2] = [0.05, 0.95];

/// The range from the 5th to the 95th percentile of the projections of all tokens of texts on each direction at its site,
/// the first token of each text left out: it may be a sink of attention, whose norm is no other token's.
///
/// # Errors
/// When the reading fails or no text has a second token.
pub fn neutral_ranges(
    reader: &Reader<'_>,
    directions: &[(Site, &[f32])],
    texts: &[NamedPrompt],
    watch: &dyn Watch,
) -> Result<Vec<[f64; 2]>, AnalysisError> {
    let mut sites: Vec<Site> = directions.iter().map(|(site, _)| *site).collect();
    sites.sort_by_key(|s| s.order());
    sites.dedup();
    let readings = reader.read(texts, &sites, ReadAt::All, watch)?;
    let one = |(site, direction): &(Site, &[f32])| {
        let reading = readings.iter().find(|r| r.site == *site);
        let reading =
            reading.ok_or_else(|| AnalysisError::Answer { name: site.to_string(), prompts: texts.len() })?;
        let norm = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let mut row = 0;
        let mut along = Vec::with_capacity(reading.values.nrows());
        for count in &reading.rows {
            for place in 1..*count {
                let x = reading.values.row(row + place);
                let dot: f64 = x.iter().zip(*direction).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                along.push(dot / norm);
            }
            row += count;
        }
        if along.is_empty() {
            return Err(AnalysisError::Input(
                "no neutral text has a second token, so there is no neutral range (--clamp neutral, --neutral F)".into(),
            ));
        }
        Ok(BETWEEN.map(|share| math::quantile(&along, share).unwrap_or(f64::NAN)))
    };
    directions.iter().map(one).collect()
}
