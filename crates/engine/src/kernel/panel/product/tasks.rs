//! How the work of products is shared out among threads.

use std::ops::Range;

use super::super::kernel::Kernel;

/// Rows, and panels counted through all products, that a thread does at a time.
pub(super) struct ProductTask {
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
}

/// Staged rows fit into this many bytes, half of a second cache.
pub(super) const STAGED: usize = 1 << 20;

/// Steps of a chunk: as even as their unit allows.
pub(super) fn chunk<K: Kernel>(steps: usize) -> usize {
    steps.div_ceil(steps.div_ceil(K::STEPS)).next_multiple_of(K::UNIT).min(K::STEPS)
}

/// Shares out rows where there are many, as staging them costs least so; and panels where not.
pub(super) fn tasks<K: Kernel>(
    rows: usize,
    panels: usize,
    chunks: usize,
    threads: usize,
) -> Vec<ProductTask> {
    let staged_row = chunks * K::X_PARTS * K::STRIDE * 4;
    let most = (STAGED / staged_row.max(1)).clamp(K::LEAST, 512) / K::ROWS;
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
            tasks.push(ProductTask { rows: at(g)..at(g + 1), panels: at_panel(s)..at_panel(s + 1) });
        }
    }
    tasks
}
