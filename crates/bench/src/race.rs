//! The race: work in turns with peers on the same weights and inputs.

use std::time::Instant;

use serde::Serialize;
use truenorth_engine::{Engine, Peaks, peaks};
use truenorth_protocol::Graph;
use truenorth_protocol::run::{Runner, Unwatched};

use crate::BenchError;
use crate::peer::{Peer, PeerRequest};

/// One kind of work, how fast it went, and how fast a peer was.
#[derive(Serialize)]
pub struct Timing {
    /// The kind of work, in words.
    pub work: String,
    /// Tokens of a round.
    pub tokens: usize,
    /// Our median, in tokens per second.
    pub ours: f64,
    /// Our slowest and fastest round.
    pub ours_range: [f64; 2],
    /// The share of what the machine's f32 multiply-adds allow, and of what its memory does.
    pub of_peak: Option<PeakShares>,
    /// The peer beside it, where there is one.
    pub rival: Option<Rival>,
}

/// Shares of the machine's peaks, as its own loops reach them in the same rounds.
#[derive(Clone, Copy, Serialize)]
pub struct PeakShares {
    /// Of f32 multiply-adds; narrower types can pass 1.
    pub multiply_adds: f64,
    /// Of reads from memory, if every pass of a batch reads each weight once.
    pub reads: f64,
}

/// A peer at the same work.
#[derive(Serialize)]
pub struct Rival {
    /// The idiom that the peer was asked in.
    pub peer: String,
    /// Its median, in tokens per second.
    pub rate: f64,
    /// The median over rounds of its seconds by ours.
    pub ratio: f64,
    /// The least and the largest ratio of a round.
    pub ratio_range: [f64; 2],
}

/// Work for us, and the same for peers.
pub struct RaceTask<'a> {
    pub name: String,
    pub tokens: usize,
    pub graph: Graph,
    pub asked: Vec<PeerTask<'a>>,
    pub cost: WorkCost,
}

pub struct PeerTask<'a> {
    pub peer: usize,
    pub idiom: &'static str,
    pub request: PeerRequest<'a>,
    /// How often it is asked, where it has no way to do all at once.
    pub times: usize,
}

#[derive(Clone, Copy)]
pub struct WorkCost {
    /// Operations of a token in 10⁹, those of attention left out.
    pub operations: f64,
    /// Bytes of weights read for a token, in 10⁹.
    pub bytes: f64,
}

/// A row for each peer, or one without any.
pub fn race(
    engine: &Engine,
    peers: &mut [Peer],
    task: &RaceTask<'_>,
    rounds: usize,
) -> Result<Vec<Timing>, BenchError> {
    let mut ours = Vec::new();
    let mut shares: Vec<PeakShares> = Vec::new();
    let mut theirs: Vec<Vec<f64>> = vec![Vec::new(); task.asked.len()];
    let rate = |s: f64| task.tokens as f64 / s;
    // The first round warms all sides up and is not counted.
    for round in 0..=rounds {
        let start = Instant::now();
        engine.ask(task.graph.clone(), &Unwatched)?;
        let seconds = start.elapsed().as_secs_f64();
        let share = |p: Peaks| PeakShares {
            multiply_adds: rate(seconds) * task.cost.operations / p.fma,
            reads: rate(seconds) * task.cost.bytes / p.reads,
        };
        let share = peaks().map(share);
        for (asked, taken) in task.asked.iter().zip(&mut theirs) {
            let peer = peers.get_mut(asked.peer).expect("a task names peers that were started");
            let mut seconds = 0.0;
            for _ in 0..asked.times {
                seconds += peer.ask(&asked.request)?;
            }
            if round > 0 {
                taken.push(seconds);
            }
        }
        if round > 0 {
            ours.push(seconds);
            shares.extend(share);
        }
    }
    let share = |f: fn(&PeakShares) -> f64| median(&shares.iter().map(f).collect::<Vec<_>>());
    let of_peak = (!shares.is_empty())
        .then(|| PeakShares { multiply_adds: share(|s| s.multiply_adds), reads: share(|s| s.reads) });
    let row = |rival| Timing {
        work: task.name.clone(),
        tokens: task.tokens,
        ours: rate(median(&ours)),
        ours_range: range(&ours.iter().map(|s| rate(*s)).collect::<Vec<_>>()),
        of_peak,
        rival,
    };
    if theirs.is_empty() {
        return Ok(vec![row(None)]);
    }
    let rival = |(asked, theirs): (&PeerTask<'_>, &Vec<f64>)| {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(o, t)| t / o).collect();
        let (peer, rate) = (asked.idiom.to_owned(), rate(median(theirs)));
        row(Some(Rival { peer, rate, ratio: median(&ratios), ratio_range: range(&ratios) }))
    };
    Ok(task.asked.iter().zip(&theirs).map(rival).collect())
}

fn median(values: &[f64]) -> f64 {
    truenorth_stats::math::quantile(values, 0.5).unwrap_or(f64::NAN)
}

fn range(values: &[f64]) -> [f64; 2] {
    [values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max)]
}
