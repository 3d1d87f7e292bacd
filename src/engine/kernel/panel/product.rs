//! `y = x Wᵀ`: which kernel, and how its work is shared out among threads.

use std::ops::Range;

use rayon::prelude::*;

use super::choose::choose;
use super::kernel::{Kernel, OUTPUTS, Tile};
use super::lines::{Line, with_scratch, words_mut};
use super::pack::Panels;

/// Slices that do not fit a product.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} numbers, not {expected}")]
pub struct PanelError {
    /// Which slice.
    pub what: &'static str,
    /// What it holds.
    pub found: usize,
    /// What it has to hold.
    pub expected: usize,
}

impl PanelError {
    pub(super) fn check(what: &'static str, found: usize, expected: usize) -> Result<(), Self> {
        if found == expected { Ok(()) } else { Err(Self { what, found, expected }) }
    }
}

/// A product of rows that other products share.
#[derive(Debug)]
pub struct Job<'a> {
    /// The weights.
    pub w: &'a Panels,
    /// The results, `[rows, outputs]`.
    pub y: &'a mut [f32],
    /// What is added to each row of them, `[outputs]`.
    pub bias: Option<&'a [f32]>,
}

/// `y = x Wᵀ + b` for `x` `[rows, inputs]`, by weights of one format each: the rows are staged, and
/// the threads called, together once.
///
/// Work is shared out among the threads of the rayon pool this is called in. Called from outside a
/// pool, every product first wakes one: run a whole pass inside a pool.
///
/// # Errors
/// Slices of other sizes, or weights that differ in format or inputs.
pub fn products(x: &[f32], rows: usize, jobs: &mut [Job]) -> Result<(), PanelError> {
    let Some(first) = jobs.first().map(|j| j.w) else { return Ok(()) };
    PanelError::check("the input of a product", x.len(), rows * first.inputs)?;
    for job in jobs.iter() {
        PanelError::check("a row of weights", job.w.inputs, first.inputs)?;
        PanelError::check("the result of a product", job.y.len(), rows * job.w.outputs)?;
        if let Some(b) = job.bias {
            PanelError::check("a bias", b.len(), job.w.outputs)?;
        }
        if job.w.kind() != first.kind() {
            return Err(PanelError { what: "weights of another format", found: 1, expected: 0 });
        }
    }
    for job in jobs.iter_mut() {
        match job.bias {
            None if first.steps == 0 => job.y.fill(0.0),
            Some(b) if !b.is_empty() => job.y.chunks_mut(b.len()).for_each(|y| y.copy_from_slice(b)),
            _ => {}
        }
    }
    if rows == 0 || first.steps == 0 {
        return Ok(());
    }
    choose(x, rows, jobs, first.kind());
    Ok(())
}

/// What all products have in common.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) x: &'a [f32],
    pub(super) rows: usize,
}

/// A product and where its results go.
struct Target<'a> {
    w: &'a Panels,
    y: *mut f32,
    fresh: bool,
}

// SAFETY: tasks write through `y` to rows and columns of their own only.
unsafe impl Sync for Target<'_> {}

/// Rows, and panels counted through all products, that a thread does at a time.
struct Task {
    rows: Range<usize>,
    panels: Range<usize>,
}

/// Staged rows fit into this many bytes, half of a second cache.
const STAGED: usize = 1 << 20;

/// Products below which threads cost more than they save.
const SERIAL: usize = 1 << 17;

impl Shared<'_> {
    pub(super) fn run<K: Kernel>(self, kernel: &K, jobs: &mut [Job]) {
        let targets: Vec<Target> = jobs
            .iter_mut()
            .map(|j| Target { w: j.w, y: j.y.as_mut_ptr(), fresh: j.bias.is_none() })
            .collect();
        let Some(inputs) = targets.first().map(|t| t.w.inputs) else { return };
        let steps = inputs.div_ceil(K::INPUTS).next_multiple_of(K::UNIT);
        let chunk = chunk::<K>(steps);
        let staged_row = steps.div_ceil(chunk) * K::X_PARTS * K::STRIDE;
        let panels: usize = targets.iter().map(|t| t.w.panels()).sum();
        let serial = self.rows * panels * OUTPUTS * inputs < SERIAL;
        let threads = if serial { 1 } else { rayon::current_num_threads() };
        let tasks = tasks::<K>(self.rows, panels, staged_row * 4, threads);
        let one = |task: &Task| self.task(kernel, &targets, task, steps, chunk);
        if threads == 1 || tasks.len() == 1 {
            tasks.iter().for_each(one);
        } else {
            tasks.par_iter().with_max_len(1).for_each(one);
        }
    }

    fn task<K: Kernel>(self, kernel: &K, targets: &[Target], task: &Task, steps: usize, chunk: usize) {
        let rows = task.rows.len();
        // A tile reads as if it were full.
        let held = rows.next_multiple_of(K::ROWS);
        let part = held * K::STRIDE;
        let chunks = steps.div_ceil(chunk);
        let Some(inputs) = targets.first().map(|t| t.w.inputs) else { return };
        with_scratch((chunks * K::X_PARTS * part).div_ceil(16), |lines| {
            let staged = words_mut(lines);
            for (r, row) in task.rows.clone().enumerate() {
                let Some(x) = self.x.get(row * inputs..(row + 1) * inputs) else { continue };
                for c in 0..chunks {
                    let from = c * chunk;
                    let here = chunk.min(steps - from);
                    let (a, b) = (from * K::INPUTS, ((from + here) * K::INPUTS).min(inputs));
                    let (Some(x), Some(out)) = (x.get(a.min(b)..b), staged.get_mut(c * K::X_PARTS * part..))
                    else {
                        continue;
                    };
                    kernel.stage(r, x, here, part, out);
                }
            }
            kernel.enter(task.rows.len());
            let mut first = 0;
            for target in targets {
                let count = target.w.panels();
                let (from, to) = (task.panels.start.max(first), task.panels.end.min(first + count));
                for panel in from..to {
                    // SAFETY: the rows are staged; tasks share no panel of the same rows.
                    unsafe { tiles(kernel, target, panel - first, task, staged, part, steps, chunk) }
                }
                first += count;
            }
            kernel.leave();
        });
    }
}

/// All of a task's rows by one panel.
///
/// # Safety
/// `staged` holds the rows as the kernel staged them, in chunks of `chunk` of all `steps`, a part of
/// them in `part` words; the panel is of the target; no other thread writes to these results.
#[allow(clippy::too_many_arguments)]
unsafe fn tiles<K: Kernel>(
    kernel: &K,
    target: &Target,
    panel: usize,
    task: &Task,
    staged: &[u32],
    part: usize,
    steps: usize,
    chunk: usize,
) {
    let w = target.w;
    let rows = task.rows.len();
    let cols = OUTPUTS.min(w.outputs - panel * OUTPUTS);
    let tiles = rows.div_ceil(K::ROWS);
    for (c, from) in (0..steps).step_by(chunk).enumerate() {
        // Small parts first, so that they are not lost one by one in a large sum.
        for xp in (0..K::X_PARTS).rev() {
            let (at, begins) = ((panel * w.steps + from) * 2, xp + 1 == K::X_PARTS);
            let side = (panel * w.steps + from) / 8 * K::SIDE;
            for t in 0..tiles {
                let (a, b) = if K::EVEN {
                    (t * rows / tiles, (t + 1) * rows / tiles)
                } else {
                    (t * K::ROWS, rows.min((t + 1) * K::ROWS))
                };
                // SAFETY: rows `a..b` are staged, the panel has `steps` steps, the result has these
                // rows and columns.
                unsafe {
                    let tile = Tile {
                        x: staged.as_ptr().add((c * K::X_PARTS + xp) * part + a * K::STRIDE),
                        w: w.data.as_ptr().add(at),
                        side: beside(&w.side, side),
                        steps: chunk.min(steps - from),
                        y: target.y.add((task.rows.start + a) * w.outputs + panel * OUTPUTS),
                        stride: w.outputs,
                        cols,
                        lead: t == 0 && begins,
                        fresh: target.fresh && c == 0 && begins,
                        alone: tiles == 1,
                    };
                    kernel.tile(b - a, &tile);
                }
            }
        }
    }
}

fn beside(side: &[Line], at: usize) -> *const Line {
    side.get(at..).map_or(std::ptr::null(), <[Line]>::as_ptr)
}

/// Steps of a chunk: as even as their unit allows.
fn chunk<K: Kernel>(steps: usize) -> usize {
    steps.div_ceil(steps.div_ceil(K::STEPS)).next_multiple_of(K::UNIT).min(K::STEPS)
}

/// Shares out rows where there are many, as staging them costs least so; and panels where not.
fn tasks<K: Kernel>(rows: usize, panels: usize, staged_row: usize, threads: usize) -> Vec<Task> {
    let most = (STAGED / staged_row.max(1)).clamp(K::ROWS, 512) / K::ROWS;
    let tiles = rows.div_ceil(K::ROWS);
    let mut groups = tiles.div_ceil(most);
    // Tiles enough that a group a thread still uses each weight it reads many times.
    if groups > 1 || tiles >= 8 * threads {
        groups = groups.next_multiple_of(threads).min(tiles);
    }
    let splits = if groups >= threads { 1 } else { threads.div_ceil(groups).min(panels) };
    let mut tasks = Vec::with_capacity(groups * splits);
    for g in 0..groups {
        let at = |g: usize| (g * tiles / groups * K::ROWS).min(rows);
        for s in 0..splits {
            let at_panel = |s: usize| s * panels / splits;
            tasks.push(Task { rows: at(g)..at(g + 1), panels: at_panel(s)..at_panel(s + 1) });
        }
    }
    tasks
}
