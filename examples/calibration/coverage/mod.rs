//! How often intervals hold the truth, where the truth is known.

mod auroc;
mod fitted;
mod plain;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use truenorth::math::Seeds;
use truenorth::stats::number::Number;

use crate::Outcome;
use crate::rates::Line;

/// An interval in a world: whether it held the truth in the run of this seed.
struct World {
    interval: &'static str,
    scenario: &'static str,
    /// Whether it is wider than it says, and told to be: only too little coverage is a fault.
    wide: bool,
    held: fn(u64) -> Outcome<bool>,
}

fn rng(seed: u64) -> ChaCha8Rng {
    Seeds::new(seed).stream("coverage")
}

fn holds(number: &Number, truth: f64) -> bool {
    number.interval.is_some_and(|i| i.contains(truth))
}

/// Whether all intervals hold what they promise.
pub fn all(runs: u64, only: Option<&str>, tell: &mut dyn FnMut(Line) -> Outcome<()>) -> Outcome<()> {
    let worlds = [plain::WORLDS, auroc::WORLDS, fitted::WORLDS];
    for world in worlds.into_iter().flatten() {
        if only.is_some_and(|only| !world.interval.contains(only)) {
            continue;
        }
        // What a world needs once is made by its first run, alone: threads that wait for it would wait for ever.
        let first = (world.held)(0)?;
        let rest: Vec<bool> = (1..runs).into_par_iter().map(world.held).collect::<Outcome<_>>()?;
        let held = rest.into_iter().chain([first]).filter(|h| *h).count() as u64;
        tell(Line::coverage(world.interval, world.scenario, [held, runs], world.wide)?)?;
    }
    Ok(())
}
