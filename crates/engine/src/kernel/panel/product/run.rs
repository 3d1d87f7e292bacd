//! A task: rows are staged, a panel after the other is multiplied by, and its results are finished
//! while they are in the first caches.

use std::ops::Range;

use rayon::prelude::*;

use super::super::act;
use super::super::exp::{CpuLoop, vectors};
use super::super::kernel::{Kernel, OUTPUTS, Tile};
use super::super::lines::{CacheLine, floats_mut, with_scratch, words, words_mut};
use super::super::pack::Panels;
use super::super::threads::threads;
use super::tasks::{ProductTask, STAGED, chunk, tasks};
use super::{Affine, Product, Then};

#[derive(Clone, Copy)]
pub(in super::super) struct ProductInput<'a> {
    pub(in super::super) x: &'a [f32],
    pub(in super::super) rows: usize,
}

/// A product and where its results go.
struct ProductOutput<'a> {
    of: Affine<'a>,
    then: Then<'a>,
    y: *mut f32,
    accumulate: bool,
}

// SAFETY: tasks write through `y` to rows and columns of their own only.
unsafe impl Sync for ProductOutput<'_> {}

/// Rows as a kernel staged them, a stretch of their inputs.
struct Staged<'a> {
    words: &'a [u32],
    rows: usize,
    /// Words of a part of them.
    part: usize,
    /// Steps of a chunk, but for the last one's.
    chunk: usize,
    /// Steps of a whole row.
    steps: usize,
    chunks: Range<usize>,
}

/// Products below which threads cost more than they save.
const SERIAL: usize = 1 << 17;

/// Lines of a row's results by a panel.
const RESULTS: usize = OUTPUTS / 16;

impl ProductInput<'_> {
    pub(in super::super) fn run<K: Kernel>(self, kernel: &K, jobs: &mut [Product]) {
        let targets: Vec<ProductOutput> = jobs
            .iter_mut()
            .map(|j| ProductOutput { of: j.of, then: j.then, y: j.y.as_mut_ptr(), accumulate: j.accumulate })
            .collect();
        let Some(inputs) = targets.first().map(|t| t.of.w.inputs) else { return };
        let steps = inputs.div_ceil(K::INPUTS).next_multiple_of(K::UNIT);
        let chunk = chunk::<K>(steps);
        let panels: usize = targets.iter().map(|t| t.of.w.panels()).sum();
        let serial = self.rows * panels * OUTPUTS * inputs < SERIAL;
        let threads = if serial { 1 } else { threads() };
        let tasks = tasks::<K>(self.rows, panels, steps.div_ceil(chunk), threads);
        let one = |task: &ProductTask| self.task(kernel, &targets, task, steps, chunk);
        if threads == 1 || tasks.len() == 1 {
            tasks.iter().for_each(one);
        } else {
            tasks.par_iter().with_max_len(1).for_each(one);
        }
    }

    fn task<K: Kernel>(
        self,
        kernel: &K,
        targets: &[ProductOutput],
        task: &ProductTask,
        steps: usize,
        chunk: usize,
    ) {
        // A tile reads and writes as if it were full.
        let held = task.rows.len().next_multiple_of(K::ROWS);
        let part = held * K::STRIDE;
        let chunks = steps.div_ceil(chunk);
        // As many chunks at a time as fit, shared out evenly.
        let turns = (chunks * K::X_PARTS * part * 4).div_ceil(STAGED).min(chunks);
        let together = chunks.div_ceil(turns);
        // Sums of every panel are kept from turn to turn; where there is one, a panel's make room.
        let kept = if turns > 1 { task.panels.len() } else { 1 };
        let (lines, results) = ((together * K::X_PARTS * part).div_ceil(16), held * RESULTS);
        with_scratch(lines + 2 * kept * results + K::W_LINES * chunk, |scratch| {
            let (staged, scratch) = scratch.split_at_mut(lines);
            let (sums, scratch) = scratch.split_at_mut(kept * results);
            let (gates, unfolded) = scratch.split_at_mut(kept * results);
            kernel.enter(task.rows.len());
            for first in (0..chunks).step_by(together) {
                let chunks = first..(first + together).min(chunks);
                let last = chunks.end * chunk >= steps;
                self.stage(kernel, targets, task, words_mut(staged), &chunks, [steps, chunk, part]);
                let staged =
                    Staged { words: words(staged), rows: task.rows.len(), part, chunk, steps, chunks };
                for (n, (target, panel)) in task.targets(targets).enumerate() {
                    let here = n % kept * results..(n % kept + 1) * results;
                    let [sums, gates] = [&mut *sums, &mut *gates].map(|l| floats_mut(&mut l[here.clone()]));
                    // SAFETY: the rows are staged; there is room for the sums of each.
                    unsafe {
                        tiles(kernel, target.of.w, panel, &staged, sums, unfolded);
                        if let Then::Gate(_, gate) = target.then {
                            tiles(kernel, gate.w, panel, &staged, gates, unfolded);
                        }
                    }
                    if last {
                        let done = target.finish(panel, task.rows.len(), sums, gates);
                        // SAFETY: tasks share no panel of the same rows.
                        let y = unsafe { target.results(task, panel) };
                        vectors(StoreResults { y, sums: done, accumulate: target.accumulate });
                    }
                }
            }
            kernel.leave();
        });
    }

    /// Stages some chunks of a task's rows.
    fn stage<K: Kernel>(
        self,
        kernel: &K,
        targets: &[ProductOutput],
        task: &ProductTask,
        staged: &mut [u32],
        chunks: &Range<usize>,
        [steps, chunk, part]: [usize; 3],
    ) {
        let Some(inputs) = targets.first().map(|t| t.of.w.inputs) else { return };
        for (r, row) in task.rows.clone().enumerate() {
            let x = &self.x[row * inputs..(row + 1) * inputs];
            for (c, from) in chunks.clone().map(|c| c * chunk).enumerate() {
                let here = chunk.min(steps - from);
                let (a, b) = (from * K::INPUTS, ((from + here) * K::INPUTS).min(inputs));
                kernel.stage(r, &x[a.min(b)..b], here, part, &mut staged[c * K::X_PARTS * part..]);
            }
        }
    }
}

/// Sums of all staged rows with one panel, added to those of earlier chunks.
///
/// # Safety
/// The rows are staged by the kernel, `sums` holds 32 numbers of each and of what fills the last tile.
unsafe fn tiles<K: Kernel>(
    kernel: &K,
    w: &Panels,
    panel: usize,
    staged: &Staged,
    sums: &mut [f32],
    unfolded: &mut [CacheLine],
) {
    let tiles = staged.rows.div_ceil(K::ROWS);
    for c in staged.chunks.clone() {
        let from = c * staged.chunk;
        let steps = staged.chunk.min(staged.steps - from);
        let at = (panel * w.steps + from) * 2;
        let held = &w.data[at..at + 2 * steps.min(w.steps - from)];
        assert!(K::W_LINES > 0 || held.len() == 2 * steps, "{steps} steps of {} lines", held.len());
        let chunk = match (K::W_LINES, tiles) {
            (0, _) => held.as_ptr(),
            (_, 1) => std::ptr::null(),
            _ => {
                kernel.unfold(held, steps, unfolded);
                unfolded.as_ptr()
            }
        };
        let beside = (panel * w.steps + from) / 8 * K::SIDE;
        let side = w.side[beside..beside + steps / 8 * K::SIDE].as_ptr();
        // Small parts first, so that they are not lost one by one in a large sum.
        for pass in (0..K::PASSES).rev() {
            let begins = pass + 1 == K::PASSES;
            let x = ((c - staged.chunks.start) * K::X_PARTS + pass) * staged.part;
            for t in 0..tiles {
                let (a, b) = if K::EVEN {
                    (t * staged.rows / tiles, (t + 1) * staged.rows / tiles)
                } else {
                    (t * K::ROWS, staged.rows.min((t + 1) * K::ROWS))
                };
                // SAFETY: rows `a..b` are staged, the panel has `steps` steps, the sums have these rows.
                unsafe {
                    let tile = Tile {
                        x: staged.words.as_ptr().add(x + a * K::STRIDE),
                        part: staged.part,
                        w: chunk,
                        held,
                        side,
                        steps,
                        y: sums.as_mut_ptr().add(a * OUTPUTS),
                        stride: OUTPUTS,
                        lead: t == 0 && begins,
                        fresh: c == 0 && begins,
                    };
                    kernel.tile(b - a, &tile);
                }
            }
        }
    }
}

/// The results of some rows by one panel, in the matrix of all.
struct PanelResults {
    first: *mut f32,
    stride: usize,
    rows: usize,
    cols: usize,
}

impl ProductTask {
    /// The panels of this task, and the product that each is of.
    fn targets<'a>(
        &self,
        targets: &'a [ProductOutput<'a>],
    ) -> impl Iterator<Item = (&'a ProductOutput<'a>, usize)> {
        let all = targets.iter().flat_map(|t| (0..t.of.w.panels()).map(move |panel| (t, panel)));
        all.skip(self.panels.start).take(self.panels.len())
    }
}

impl ProductOutput<'_> {
    /// # Safety
    /// The task's rows and the panel are the target's; nothing else reads or writes its results while
    /// these are used.
    unsafe fn results(&self, task: &ProductTask, panel: usize) -> PanelResults {
        let stride = self.of.w.outputs;
        // SAFETY: the caller's word.
        let first = unsafe { self.y.add(task.rows.start * stride + panel * OUTPUTS) };
        PanelResults { first, stride, rows: task.rows.len(), cols: OUTPUTS.min(stride - panel * OUTPUTS) }
    }

    /// Finishes the sums of some rows by a panel, and tells which are the results.
    fn finish<'a>(&self, panel: usize, rows: usize, sums: &'a mut [f32], gates: &'a mut [f32]) -> &'a [f32] {
        let [sums, gates] = [sums, gates].map(|l| &mut l[..rows * OUTPUTS]);
        let from = |b: Option<&[f32]>| {
            let mut here = [0.0; OUTPUTS];
            b.map(|b| {
                here.iter_mut().zip(&b[panel * OUTPUTS..]).for_each(|(h, b)| *h = *b);
                here
            })
        };
        if let Some(bias) = from(self.of.bias) {
            vectors(Add { sums, bias: &bias });
        }
        match self.then {
            Then::Keep => sums,
            Then::Act(act) => {
                act::here(act, sums, None);
                sums
            }
            Then::Gate(act, gate) => {
                if let Some(bias) = from(gate.bias) {
                    vectors(Add { sums: gates, bias: &bias });
                }
                act::here(act, gates, Some(sums));
                gates
            }
        }
    }
}

struct Add<'a> {
    sums: &'a mut [f32],
    bias: &'a [f32; OUTPUTS],
}

impl CpuLoop for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for row in self.sums.as_chunks_mut::<OUTPUTS>().0 {
            row.iter_mut().zip(self.bias).for_each(|(s, b)| *s += b);
        }
    }
}

/// Writes results, or adds them to what is there.
struct StoreResults<'a> {
    y: PanelResults,
    sums: &'a [f32],
    accumulate: bool,
}

impl CpuLoop for StoreResults<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (r, row) in self.sums.as_chunks::<OUTPUTS>().0.iter().take(self.y.rows).enumerate() {
            // SAFETY: the results have these rows and columns, and are this task's.
            let y =
                unsafe { std::slice::from_raw_parts_mut(self.y.first.add(r * self.y.stride), self.y.cols) };
            match (y.first_chunk_mut::<OUTPUTS>(), self.accumulate) {
                (Some(y), false) => *y = *row,
                (Some(y), true) => y.iter_mut().zip(row).for_each(|(y, s)| *y += *s),
                (None, false) => y.iter_mut().zip(row).for_each(|(y, s)| *y = *s),
                (None, true) => y.iter_mut().zip(row).for_each(|(y, s)| *y += *s),
            }
        }
    }
}
