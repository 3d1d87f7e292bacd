//! Rows in groups that a thread takes through several steps, while they are in its caches.

use std::cell::Cell;
use std::ops::Range;

use candle_core::Result;
use rayon::prelude::*;

use crate::kernel::panel::alone;

/// Most rows of a group: what a thread's second cache holds of an MLP of some thousands of numbers.
const MOST: usize = 256;
/// Fewest rows a thread takes alone: with fewer, its weights are better shared out.
const LEAST: usize = 64;

/// Room for what a group computes on the way, kept from group to group.
#[derive(Default)]
pub(super) struct GroupBuffers {
    pub(super) input: Vec<f32>,
    pub(super) mid: Vec<f32>,
    pub(super) added: Vec<f32>,
}

/// Calls `f` with the numbers of each group, and the rows of matrices that the group writes. `f` runs on
/// one thread, or, where rows are few, on all.
pub(super) fn by_groups<const N: usize>(
    rows: usize,
    mut all: [&mut [f32]; N],
    f: impl Fn(Range<usize>, [&mut [f32]; N], &mut GroupBuffers) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    if rows < LEAST * threads.max(2) {
        return with_room(|room| f(0..rows, all, room));
    }
    let count = rows.div_ceil(MOST).next_multiple_of(threads);
    // Tiles of a product are of 32 rows, at most.
    let each = rows.div_ceil(count).next_multiple_of(32);
    let widths = all.each_ref().map(|a| a.len() / rows);
    let whole = all.iter().all(|a| a.len().is_multiple_of(rows));
    assert!(whole, "numbers of {rows} rows are whole rows, or some would be left out");
    let mut groups = Vec::with_capacity(count);
    for from in (0..rows).step_by(each) {
        let here = from..rows.min(from + each);
        let parts = std::array::from_fn(|i| {
            let (part, others) = std::mem::take(&mut all[i]).split_at_mut(widths[i] * here.len());
            all[i] = others;
            part
        });
        groups.push((here, parts));
    }
    let one = |(rows, parts)| alone(|| with_room(|room| f(rows, parts, room)));
    groups.into_par_iter().with_max_len(1).try_for_each(one)
}

fn with_room<R>(f: impl FnOnce(&mut GroupBuffers) -> R) -> R {
    thread_local! {
        static ROOM: Cell<GroupBuffers> = Cell::default();
    }
    let mut room = ROOM.take();
    let done = f(&mut room);
    ROOM.set(room);
    done
}
