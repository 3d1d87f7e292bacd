//! How time and memory grow with work.

use std::fs;
use std::time::Instant;

use serde::Serialize;
use truenorth_engine::Engine;
use truenorth_protocol::run::{Runner, Unwatched};
use truenorth_report::{Axis, Block, Curve, CurvePoint, Figure, Section, Series, Tick};

use crate::BenchError;
use crate::work::{board, read_graph, synthetic};

/// Tokens of a prompt, or of a board's sequence, on average.
const TOKENS: usize = 40;

/// Runs below this many seconds are repeated, and the fastest counts.
const SHORT: f64 = 1.0;

/// One kind of work at growing sizes.
#[derive(Serialize)]
pub struct WorkGrowth {
    /// The kind of work, in words.
    pub work: String,
    /// The unit of the sizes.
    pub unit: &'static str,
    /// A row a size, in ascending order.
    pub points: Vec<GrowthPoint>,
}

/// Work of one size.
#[derive(Serialize)]
pub struct GrowthPoint {
    /// In the unit of its growth.
    pub size: usize,
    /// Wall time of the fastest run.
    pub seconds: f64,
    /// The most memory held during the run, weights included, in bytes; none where the system does not say.
    pub peak: Option<u64>,
}

/// Reads the last token of prompts after a block: more of them, longer ones, and sequences of a board.
pub fn growth(engine: &Engine, layer: u32) -> Result<Vec<WorkGrowth>, BenchError> {
    let (vocab, context) = (engine.info().vocab, engine.info().context as usize);
    let run = |work: &str, unit, sizes: &[usize], make: &dyn Fn(usize) -> Vec<Vec<u32>>| {
        let mut points = Vec::new();
        for &size in sizes {
            let graph = read_graph(&make(size), layer);
            let mut seconds = f64::INFINITY;
            reset_peak();
            for _ in 0..5 {
                let start = Instant::now();
                engine.ask(graph.clone(), &Unwatched)?;
                let taken = start.elapsed().as_secs_f64();
                seconds = seconds.min(taken);
                if taken > SHORT {
                    break;
                }
            }
            points.push(GrowthPoint { size, seconds, peak: peak() });
        }
        Ok::<_, BenchError>(WorkGrowth { work: work.into(), unit, points })
    };
    let lengths: Vec<usize> = (3..=12).map(|e| 1 << e).filter(|n| *n <= context).collect();
    Ok(vec![
        run("prompts", "prompts of 40 tokens", &[1, 4, 16, 64, 256, 1024, 4096], &|n| {
            synthetic(n, TOKENS, vocab)
        })?,
        run("length", "tokens of one prompt", &lengths, &|n| {
            synthetic(1, n, vocab).into_iter().map(|p| p.into_iter().cycle().take(n).collect()).collect()
        })?,
        run("board", "sequences, 16 probes each", &[1, 4, 16, 64, 256, 1000], &|n| board(n, TOKENS, vocab))?,
    ])
}

/// Forgets the most memory held so far, where the system can.
fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

/// The curves, both axes in powers of two.
pub fn section(all: &[WorkGrowth]) -> Section {
    let mut section = Section::new(
        "growth",
        "Time and memory",
        "Both axes are logarithmic: work that grows in proportion is a line at 45 degrees.",
    );
    for g in all {
        let plot = |what: &str, unit: &str, value: &dyn Fn(&GrowthPoint) -> Option<f64>| {
            let points: Vec<(f64, f64)> =
                g.points.iter().filter_map(|p| Some(((p.size as f64).log2(), value(p)?.log2()))).collect();
            let tick = |at: f64, label: String| Tick { at: at.into(), label };
            let x = Axis {
                ticks: g.points.iter().map(|p| tick((p.size as f64).log2(), p.size.to_string())).collect(),
                ..Axis::new(g.unit)
            };
            let ends =
                points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.1), b.max(p.1)));
            let marks = (ends.0.floor() as i32..=ends.1.ceil() as i32).step_by(2);
            let y = Axis {
                ticks: marks.map(|e| tick(f64::from(e), power(e))).collect(),
                ..Axis::new(what).unit(unit)
            };
            let line = points.into_iter().map(|(x, y)| CurvePoint::new(x, y)).collect();
            let series = vec![Series::new(what, line)];
            Figure::new(
                format!("growth-{}-{what}", g.work),
                format!("{what}: {}", g.unit),
                Curve { x, y, series, ..Curve::default() },
                "One run alone on the machine, the fastest of five where it takes less than a second.",
                "Other machines, models or sites; token ids have no meaning, which changes no cost.",
            )
        };
        let figures = vec![
            plot("seconds", "s", &|p| Some(p.seconds)),
            plot("memory", "MiB", &|p| p.peak.map(|b| b as f64 / f64::from(1 << 20))),
        ];
        section = section.with(Block::Row { figures });
    }
    section
}

/// A power of two as people write it.
fn power(exponent: i32) -> String {
    let value = 2.0_f64.powi(exponent);
    if value >= 1.0 { format!("{value:.0}") } else { format!("1/{:.0}", 1.0 / value) }
}
