//! Sequences scored along several directions at once, against probes that were read before.

use ndarray::{Array1, Array2, ArrayView1, s};
use truenorth_protocol::Site;
use truenorth_protocol::run::Watch;
use truenorth_stats::math;

use super::band::{Over, OverSites, SiteBand};
use super::scan::{HELD, read, text};
use super::scored::Sequence;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader, stat};

/// One of the directions, with the places of its sites among those that are read.
#[derive(Clone, Debug)]
struct Lane {
    at: Vec<usize>,
    band: SiteBand,
}

/// Probes with their residuals alone, and the directions that shifts are taken along.
#[derive(Clone, Debug)]
pub struct Scorer {
    probes: Vec<NamedPrompt>,
    texts: Vec<String>,
    join: String,
    sites: Vec<Site>,
    lanes: Vec<Lane>,
    alone: Vec<Array2<f64>>,
}

/// What one sequence scores along one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Lined {
    /// The line of the board; its rank is for whoever has the board to give.
    pub line: OverSites,
    /// The shift of each probe along the direction, of several sites their mean or that at the worst; its mean is the score.
    pub along: Vec<f64>,
}

impl Scorer {
    /// Reads the probes alone. Each direction is a vector, `[hidden]`, a site; the first is the board's.
    ///
    /// # Errors
    /// Without probes, directions or sites, with probes that are no texts, a direction of another width, or when the
    /// reading fails.
    pub fn open(
        reader: &Reader<'_>,
        probes: &[NamedPrompt],
        directions: &[Vec<(Site, ArrayView1<'_, f64>)>],
        (over, join): (Over, &str),
        watch: &dyn Watch,
    ) -> Result<Self, AnalysisError> {
        let mut scorer = Self::unread(reader, probes, directions, (over, join))?;
        scorer.alone = read(reader, probes, &scorer.sites, watch)?;
        Ok(scorer)
    }

    /// With residuals of the probes alone that were kept, `[probes, hidden]` a site of [`Scorer::sites`].
    ///
    /// # Errors
    /// As [`Scorer::open`], and when their shape is another.
    pub fn with_baselines(
        reader: &Reader<'_>,
        probes: &[NamedPrompt],
        directions: &[Vec<(Site, ArrayView1<'_, f64>)>],
        (over, join): (Over, &str),
        alone: Vec<Array2<f64>>,
    ) -> Result<Self, AnalysisError> {
        let mut scorer = Self::unread(reader, probes, directions, (over, join))?;
        let wanted = (probes.len(), reader.runner().info().hidden as usize);
        if alone.len() != scorer.sites.len() || alone.iter().any(|a| a.dim() != wanted) {
            return Err(AnalysisError::Input(format!(
                "the baselines of the probes are {} tables of {:?}; expected {} of {wanted:?}",
                alone.len(),
                alone.iter().map(Array2::dim).collect::<Vec<_>>(),
                scorer.sites.len()
            )));
        }
        scorer.alone = alone;
        Ok(scorer)
    }

    fn unread(
        reader: &Reader<'_>,
        probes: &[NamedPrompt],
        directions: &[Vec<(Site, ArrayView1<'_, f64>)>],
        (over, join): (Over, &str),
    ) -> Result<Self, AnalysisError> {
        if probes.is_empty() || directions.is_empty() || directions.iter().any(Vec::is_empty) {
            return Err(AnalysisError::Input(format!(
                "{} probes and {} directions; scoring needs at least one of each, at one site or more",
                probes.len(),
                directions.len()
            )));
        }
        let texts = probes.iter().map(|p| text(p).map(str::to_owned)).collect::<Result<_, _>>()?;
        let mut sites: Vec<Site> = Vec::new();
        let mut lanes = Vec::with_capacity(directions.len());
        for direction in directions {
            let own: Vec<Site> = direction.iter().map(|(site, _)| *site).collect();
            let at = own.iter().map(|site| {
                sites.iter().position(|s| s == site).unwrap_or_else(|| {
                    sites.push(*site);
                    sites.len() - 1
                })
            });
            let at = at.collect();
            let all: Array1<f64> = direction.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
            lanes.push(Lane { at, band: SiteBand::new(reader, all.view(), (&own, over))? });
        }
        Ok(Self { probes: probes.to_vec(), texts, join: join.to_owned(), sites, lanes, alone: vec![] })
    }

    /// The sites that are read, in the order in which the directions name them.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The residuals of the probes alone, `[probes, hidden]` a site.
    #[must_use]
    pub fn baselines(&self) -> &[Array2<f64>] {
        &self.alone
    }

    /// Scores sequences along every direction, all sites in one pass; a list of directions a sequence, in its order.
    /// As many are read at once as a quarter of a GiB holds the shifts of.
    ///
    /// # Errors
    /// When a sequence moves no probe at all, or the reading fails.
    pub fn score(
        &self,
        reader: &Reader<'_>,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<Lined>>, AnalysisError> {
        let width = self.alone.iter().map(|a| a.ncols()).sum::<usize>();
        let row = self.probes.len() * width * size_of::<f64>();
        let mut out = Vec::with_capacity(sequences.len());
        for chunk in sequences.chunks((HELD / row.max(1)).max(1)) {
            let behind = |s: &Sequence| {
                let one = |(probe, text): (&NamedPrompt, &String)| s.before(&probe.id, text, &self.join);
                self.probes.iter().zip(&self.texts).map(one).collect::<Vec<_>>()
            };
            let prompts: Vec<NamedPrompt> = chunk.iter().flat_map(behind).collect();
            let readings = read(reader, &prompts, &self.sites, watch)?;
            for (i, sequence) in chunk.iter().enumerate() {
                let of = |e: math::MathError| stat::of(&format!("sequence `{}`", sequence.id), &e);
                let shifts: Vec<Array2<f64>> = readings
                    .iter()
                    .zip(&self.alone)
                    .map(|(read, alone)| {
                        let rows = read.slice(s![i * self.probes.len()..(i + 1) * self.probes.len(), ..]);
                        math::shifts(rows, alone.view()).map_err(of)
                    })
                    .collect::<Result<_, _>>()?;
                out.push(
                    self.lanes
                        .iter()
                        .map(|lane| lined(lane, sequence, &shifts))
                        .collect::<Result<Vec<_>, _>>()?,
                );
            }
        }
        Ok(out)
    }
}

fn lined(lane: &Lane, sequence: &Sequence, shifts: &[Array2<f64>]) -> Result<Lined, AnalysisError> {
    let own: Vec<Array2<f64>> = lane.at.iter().map(|at| shifts[*at].clone()).collect();
    let line = lane.band.line(sequence, &own)?;
    let along = line.along.to_vec();
    let line = OverSites {
        high_score: lane
            .band
            .is_worst()
            .then(|| line.sites.iter().map(|s| s.score).fold(f64::NEG_INFINITY, f64::max)),
        low_rank: None,
        sites: line.sites,
        row: line.row,
    };
    Ok(Lined { line, along })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{ScanData, ScanParams, scan};
    use crate::fixture::{Tiny, named};
    use truenorth_protocol::run::{Runner as _, Unwatched};
    use truenorth_stats::math::Seeds;

    #[test]
    fn probes_are_read_once_and_scores_are_those_of_a_board() {
        let tiny = Tiny::open();
        let width = tiny.info().hidden as usize;
        let reader = Reader::new(&tiny, None);
        let probes = named(&["the old hat", "an old tin"]);
        let sequences = ["a cat", "no", "the shelf is on"].map(|t| Sequence::new(t, t));
        let vector = |k: usize| -> Array1<f64> { (0..width).map(|i| ((i * k) % 7) as f64 - 3.0).collect() };
        let (one, two) = (vector(3), vector(5));
        let band = vec![(Site::AttnOut(0), one.view()), (Site::ResidPost(0), two.view())];
        let alone = vec![(Site::ResidPost(0), one.view())];
        let how = (Over::Mean, " ");
        let scorer = Scorer::open(&reader, &probes, &[band.clone(), alone.clone()], how, &Unwatched).unwrap();
        let before = tiny.asked();
        let found = scorer.score(&reader, &sequences, &Unwatched).unwrap();
        assert_eq!(tiny.asked() - before, 1, "the probes alone are not read again");
        let boards = [band.clone(), alone.clone()].map(|direction| {
            let all: Array1<f64> = direction.iter().flat_map(|(_, v)| v.iter().copied()).collect();
            let data = ScanData { probes: &probes, sequences: &sequences, direction: all.view() };
            let sites = direction.iter().map(|(site, _)| *site).collect();
            let how = ScanParams { draws: 0, sites, ..ScanParams::new(Site::Embed) };
            scan(&reader, &data, &how, &Seeds::new(0), &Unwatched).unwrap().board
        });
        for (i, lanes) in found.iter().enumerate() {
            for (lane, board) in lanes.iter().zip(&boards) {
                assert_eq!((lane.line.row.score, lane.line.row.z), (board[i].score, board[i].z));
                let mean = lane.along.iter().sum::<f64>() / lane.along.len() as f64;
                assert!((mean - lane.line.row.score).abs() < 1e-12);
            }
        }
        let kept = scorer.baselines().to_vec();
        let again =
            Scorer::with_baselines(&reader, &probes, &[band.clone(), alone.clone()], how, kept).unwrap();
        assert_eq!(again.score(&reader, &sequences, &Unwatched).unwrap(), found);
        let e = Scorer::with_baselines(&reader, &probes, &[band, alone], how, vec![]).unwrap_err();
        assert!(e.to_string().contains("expected 2 of (2,"), "{e}");
    }
}
