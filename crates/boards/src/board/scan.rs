//! A board of any length: sequences are read and scored some at a time, and only what the board needs is
//! kept of each.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::band::{Over, ScoreAtSite, SiteBand};
use super::ends::end_of;
use super::nulls::{BoardNulls, Matched, Shifted, held};
use super::scored::{ScoredSequence, Sequence, ranked};
use truenorth_protocol::run::Watch;
use truenorth_reading::Said;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader, stat};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// Shifts held at once, in bytes.
pub(super) const HELD: usize = 256 << 20;
/// Random directions multiplied at once.
const BLOCK: usize = 256;

/// Probes, sequences and the direction they are scored along.
#[derive(Clone, Copy, Debug)]
pub struct ScanData<'a> {
    /// Neutral probes, texts.
    pub probes: &'a [NamedPrompt],
    /// The sequences to score, in the order of the board.
    pub sequences: &'a [Sequence],
    /// The direction, `[hidden]`, or those of several sites one behind the other; they need not have unit norm.
    pub direction: ArrayView1<'a, f64>,
}

/// Sites, nulls and how many readings are held at once.
#[derive(Clone, Debug)]
pub struct ScanParams {
    /// Where the residual is read, at the last token; a direction a site.
    pub sites: Vec<Site>,
    /// How the scores of several sites become one.
    pub over: Over,
    /// What stands between sequence and probe.
    pub join: String,
    /// Random directions drawn to check `p_random`; 0 draws none.
    pub draws: usize,
    /// Directions drawn with the covariance of the readings; 0 draws none.
    pub matched: usize,
    /// Sequences read at once; none takes as many as a quarter of a GiB holds the shifts of.
    pub at_once: Option<usize>,
    /// Sequences at each end of the board; none for a tenth of it, at least three.
    pub ends: Option<usize>,
}

impl ScanParams {
    /// One site, a space between sequence and probe, 10 000 draws, none like the readings.
    #[must_use]
    pub fn new(site: Site) -> Self {
        Self {
            sites: vec![site],
            over: Over::Mean,
            join: " ".into(),
            draws: 10_000,
            matched: 0,
            at_once: None,
            ends: None,
        }
    }
}

/// A scored board and what its summary rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// In the order of the sequences, ranks given.
    pub board: Vec<ScoredSequence>,
    /// What each site gives each sequence; empty lists where there is one site.
    pub at_sites: Vec<Vec<ScoreAtSite>>,
    /// The shift of every probe along the direction, `[sequences, probes]`; a row's mean is its score.
    pub along: Array2<f64>,
    /// How many numbers a row is of: the width of the residual stream, times the sites that it is of where each has a
    /// vector of its own.
    pub width: usize,
    /// Whether several sites share one vector.
    pub shared: bool,
    /// Random directions drawn.
    pub draws: usize,
    /// How many of them reach at least the sequence's `|z|`; empty where none was drawn.
    pub reached: Vec<usize>,
    /// The board against directions drawn like the readings; none where none was drawn.
    pub matched: Option<BoardNulls>,
    /// The board against directions of exchanged labels; none where the labels are not at hand.
    pub relabelled: Option<BoardNulls>,
}

/// Scores sequences, some at a time: reads the probes alone and behind each sequence, and takes the shifts of
/// their normalised residuals at the last token.
///
/// # Errors
/// Without probes or sequences, with probes that are no texts, a direction of another width, a sequence
/// that moves no probe at all, or when the reading fails. What was read by then is kept in the store.
pub fn scan(
    reader: &Reader<'_>,
    data: &ScanData<'_>,
    params: &ScanParams,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Scanned, AnalysisError> {
    Ok(scan_both(reader, data, (None, None), params, seeds, watch)?.0)
}

/// As [`scan`], with the board of another direction from the same shifts, and the directions of exchanged labels,
/// `[draws, hidden]`.
pub(super) fn scan_both(
    reader: &Reader<'_>,
    data: &ScanData<'_>,
    (other, relabelled): (Option<ArrayView1<'_, f64>>, Option<ArrayView2<'_, f64>>),
    params: &ScanParams,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<(Scanned, Option<Vec<ScoredSequence>>), AnalysisError> {
    let (probes, sequences) = (data.probes, data.sequences);
    if probes.is_empty() || sequences.is_empty() {
        return Err(AnalysisError::Input(format!(
            "{} probes and {} sequences; scoring needs at least one of each",
            probes.len(),
            sequences.len()
        )));
    }
    let texts = probes.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let place = (&params.sites[..], params.over);
    let band = SiteBand::new(reader, data.direction, place)?;
    let other = other.map(|d| SiteBand::new(reader, d, place)).transpose()?;
    let width = band.width();
    let alone = read(reader, probes, &band.sites, watch)?;
    let all = data.direction.len();
    let row = probes.len() * all * size_of::<f64>();
    let at_once = params.at_once.unwrap_or(HELD / row.max(1)).max(1);
    let mut board = Vec::with_capacity(sequences.len());
    let (mut at_sites, mut of) = (Vec::with_capacity(sequences.len()), Vec::with_capacity(sequences.len()));
    let mut second = other.as_ref().map(|_| Vec::with_capacity(sequences.len()));
    let mut along = Array2::zeros((sequences.len(), probes.len()));
    let drawn = params.draws + params.matched + relabelled.map_or(0, |d| d.nrows());
    let mut means = Array2::<f32>::zeros((if drawn > 0 { sequences.len() } else { 0 }, width));
    let mut matched = Matched::new(params.matched, all);
    let like_readings = seeds.child("directions like the readings");
    let mut distinct = 0;
    for (c, chunk) in sequences.chunks(at_once).enumerate() {
        let prompts: Vec<NamedPrompt> = chunk
            .iter()
            .flat_map(|s| {
                probes.iter().zip(&texts).map(|(probe, text)| s.before(&probe.id, text, &params.join))
            })
            .collect();
        let joined = read(reader, &prompts, &band.sites, watch)?;
        for (i, sequence) in chunk.iter().enumerate() {
            let rows: Vec<ArrayView2<'_, f64>> = joined
                .iter()
                .map(|joined| joined.slice(s![i * probes.len()..(i + 1) * probes.len(), ..]))
                .collect();
            let shifts = rows.iter().zip(&alone).map(|(rows, alone)| math::shifts(*rows, alone.view()));
            let shifts: Vec<Array2<f64>> = shifts
                .collect::<Result<_, _>>()
                .map_err(|e| stat::of(&format!("sequence `{}`", sequence.id), &e))?;
            let line = band.line(sequence, &shifts)?;
            board.push(line.row);
            at_sites.push(line.sites);
            of.push(line.of);
            if let (Some(second), Some(other)) = (&mut second, &other) {
                second.push(other.line(sequence, &shifts)?.row);
            }
            let at = c * at_once + i;
            along.row_mut(at).assign(&line.along);
            // Copies are counted once here too.
            if sequence.counted_with.is_none() {
                matched.add(distinct, &rows, &like_readings);
                distinct += 1;
            }
            if drawn > 0 {
                means.row_mut(at).assign(&line.mean.mapv(narrow));
            }
        }
    }
    ranked(&mut board);
    if let Some(second) = &mut second {
        ranked(second);
    }
    if drawn > 0 {
        watch.say(&format!(
            "drawing {} uniform directions and {} like the readings",
            params.draws, params.matched
        ));
    }
    let (means_of, own) = seen(&band, &means, &of);
    let reached = reached(&means_of, &own, params.draws, seeds, watch)?;
    let ends = end_of(params.ends, distinct);
    let shifted = Shifted { board: &board, at_sites: &at_sites, band: &band, means: &means };
    let matched = held(&shifted, matched.directions().view(), ends);
    let relabelled = relabelled.and_then(|d| held(&shifted, d.mapv(narrow).view(), ends));
    let (width, draws) = (means_of.ncols(), params.draws);
    let shared = band.is_shared();
    Ok((Scanned { board, at_sites, along, width, shared, draws, reached, matched, relabelled }, second))
}

/// The mean shift that each row is of, and how far the direction goes along it.
fn seen(band: &SiteBand, means: &Array2<f32>, of: &[Option<usize>]) -> (Array2<f32>, Vec<f32>) {
    let own =
        |(mean, of): (ArrayView1<'_, f32>, &Option<usize>)| mean.dot(&band.along(*of).mapv(narrow)).abs();
    if !band.is_worst() {
        let own = means.outer_iter().zip(of).map(own).collect();
        return (means.clone(), own);
    }
    let mut chosen = Array2::zeros((means.nrows(), band.part(0).len()));
    for ((mut row, mean), of) in chosen.outer_iter_mut().zip(means.outer_iter()).zip(of) {
        row.assign(&mean.slice(s![band.part(of.unwrap_or(0))]));
    }
    let own = chosen.outer_iter().zip(of).map(own).collect();
    (chosen, own)
}

pub(super) fn unit(
    reader: &Reader<'_>,
    direction: ArrayView1<'_, f64>,
) -> Result<Array1<f64>, AnalysisError> {
    let info = reader.runner().info();
    let (width, hidden) = (direction.len(), info.hidden as usize);
    if width != hidden {
        return Err(AnalysisError::Input(format!(
            "the direction is {width} wide, the residual stream of {} {hidden}",
            info.name
        )));
    }
    math::unit(direction).map_err(|e| stat::of("direction", &e))
}

pub(super) fn text(probe: &NamedPrompt) -> Result<&str, AnalysisError> {
    if let Said::Conversation(_) = probe.said {
        return Err(AnalysisError::Input(format!(
            "probe `{}` has messages; a sequence can only be put before text, which is the user's turn with --chat",
            probe.id
        )));
    }
    match &probe.prompt {
        Prompt::Text(text) => Ok(text),
        Prompt::Tokens(_) => Err(AnalysisError::Input(format!(
            "probe `{}` is given as tokens; a sequence can only be put before text",
            probe.id
        ))),
    }
}

pub(super) fn read(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    sites: &[Site],
    watch: &dyn Watch,
) -> Result<Vec<Array2<f64>>, AnalysisError> {
    let readings = reader.read(prompts, sites, ReadAt::Last, watch)?;
    if readings.len() != sites.len() {
        let name = sites.iter().map(Site::to_string).collect::<Vec<_>>().join(", ");
        return Err(AnalysisError::Answer { name, prompts: prompts.len() });
    }
    Ok(readings.into_iter().map(|r| r.values.mapv(f64::from)).collect())
}

/// How many random directions reach at least as far along each mean shift as the direction does (`own`). The
/// same directions are held against every sequence. Each block of them has a stream of its own, so that
/// the counts do not depend on the number of threads.
fn reached(
    means: &Array2<f32>,
    own: &[f32],
    draws: usize,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Vec<usize>, AnalysisError> {
    if draws == 0 {
        return Ok(vec![]);
    }
    let (n, width) = means.dim();
    let seeds = seeds.child("random directions of the board");
    let blocks = draws.div_ceil(BLOCK);
    let count = |b: usize| -> Result<Vec<usize>, AnalysisError> {
        if watch.interrupted() {
            return Err(truenorth_protocol::run::RunError::Interrupted.into());
        }
        let size = BLOCK.min(draws - b * BLOCK);
        let mut rng = seeds.stream(&format!("block {b}"));
        let mut drawn =
            Array2::<f32>::from_shape_simple_fn((size, width), || StandardNormal.sample(&mut rng));
        for mut row in drawn.outer_iter_mut() {
            let norm = row.dot(&row).sqrt();
            row.mapv_inplace(|v| v / norm);
        }
        let far = means.dot(&drawn.t());
        Ok(far
            .outer_iter()
            .zip(own)
            // Rounding may part what is equal; ties count against the claim.
            .map(|(row, own)| row.iter().filter(|v| v.abs() >= own * (1.0 - 1e-6)).count())
            .collect())
    };
    (0..blocks)
        .into_par_iter()
        .map(count)
        .try_reduce(|| vec![0; n], |a, b| Ok(a.iter().zip(&b).map(|(a, b)| a + b).collect()))
}

#[allow(clippy::cast_possible_truncation)]
pub(super) fn narrow(v: f64) -> f32 {
    v as f32
}
