//! Memory that weights are held in: many matrices in few stretches, because pages of 2 MiB, with which
//! memory is read two or three times as fast, have to lie whole in one of them.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::lines::{CacheLine, LINE};

/// Bytes of a large page.
const HUGE: usize = 2 << 20;
/// Bytes of a stretch that several matrices share; larger ones have one of their own.
const SHARED: usize = 32 << 20;

/// Lines that no longer change.
#[derive(Clone)]
pub(super) struct FrozenLines {
    region: Option<Arc<Region>>,
    from: usize,
    len: usize,
}

/// A stretch of memory.
struct Region {
    at: NonNull<CacheLine>,
    layout: Layout,
}

// SAFETY: a region is plain memory, of which every part is written before it is shared.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// The stretch that is being filled, and the lines of it that are given out.
static CURRENT: Mutex<(Weak<Region>, usize)> = Mutex::new((Weak::new(), 0));

impl FrozenLines {
    pub(super) const fn none() -> Self {
        Self { region: None, from: 0, len: 0 }
    }

    /// Lines that `f` writes, zeroed before.
    pub(super) fn fill(lines: usize, f: impl FnOnce(&mut [CacheLine])) -> Self {
        if lines == 0 {
            return Self::none();
        }
        let (region, from) = give(lines);
        // SAFETY: the region has these lines, and they are given out once, here.
        f(unsafe { std::slice::from_raw_parts_mut(region.at.as_ptr().add(from), lines) });
        Self { region: Some(region), from, len: lines }
    }
}

/// So many lines that are nobody's yet.
fn give(lines: usize) -> (Arc<Region>, usize) {
    if lines * LINE > SHARED / 2 {
        return (Arc::new(Region::new(lines * LINE)), 0);
    }
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let (region, used) = &mut *current;
    match region.upgrade().filter(|_| (*used + lines) * LINE <= SHARED) {
        Some(here) => {
            let from = *used;
            *used += lines;
            (here, from)
        }
        None => {
            let new = Arc::new(Region::new(SHARED));
            *current = (Arc::downgrade(&new), lines);
            (new, 0)
        }
    }
}

impl Region {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(HUGE);
        #[allow(clippy::expect_used, reason = "both are powers of two or multiples of one")]
        let layout = Layout::from_size_align(bytes, HUGE).expect("a size that memory can have");
        // SAFETY: the size is not zero.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // Before the memory is touched, or it has small pages already.
        #[cfg(target_os = "linux")]
        // SAFETY: whole pages of ours; the advice does not change contents.
        unsafe {
            libc::madvise(at.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
        }
        // SAFETY: the memory is ours; zeros are lines.
        unsafe { at.as_ptr().write_bytes(0, bytes) };
        Self { at: at.cast(), layout }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: what `new` allocated, which nothing refers to any more.
        unsafe { dealloc(self.at.as_ptr().cast(), self.layout) }
    }
}

impl Deref for FrozenLines {
    type Target = [CacheLine];

    fn deref(&self) -> &[CacheLine] {
        match &self.region {
            // SAFETY: the region has these lines, and nobody writes them any more.
            Some(region) => unsafe {
                std::slice::from_raw_parts(region.at.as_ptr().add(self.from), self.len)
            },
            None => &[],
        }
    }
}

impl fmt::Debug for FrozenLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} lines)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zeros_then_what_was_written_and_nobody_elses() {
        let word = |lines: &FrozenLines| lines.iter().map(|l| l.0[3]).collect::<Vec<_>>();
        let all: Vec<FrozenLines> = (0..40_u32)
            .map(|i| {
                // Some share a stretch, some have one of their own.
                let lines = if i % 10 == 9 { SHARED / LINE / 2 + 1 } else { 20_000 + i as usize };
                FrozenLines::fill(lines, |lines| {
                    assert!(lines.iter().all(|l| l.0 == [0; 16]));
                    lines.iter_mut().for_each(|l| l.0[3] = i);
                })
            })
            .collect();
        let kept = all.get(5).cloned();
        for (i, held) in (0..).zip(all) {
            assert_eq!(held.as_ptr() as usize % LINE, 0);
            assert!(word(&held).iter().all(|w| *w == i));
        }
        assert!(kept.is_some_and(|k| k.len() == 20_005 && word(&k).iter().all(|w| *w == 5)));
        assert!(FrozenLines::fill(0, |_| ()).is_empty());
    }
}
