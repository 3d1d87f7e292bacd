//! Memory in cache lines, and a stretch of it a thread.

use std::cell::RefCell;

/// Bytes of a cache line, and of a vector of AVX-512.
pub(super) const LINE: usize = 64;

/// A cache line of 32-bit words.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct CacheLine(pub(super) [u32; 16]);

pub(super) fn zeros(lines: usize) -> Vec<CacheLine> {
    vec![CacheLine::default(); lines]
}

pub(super) fn words_mut(lines: &mut [CacheLine]) -> &mut [u32] {
    // SAFETY: a line is 16 words without padding.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 16) }
}

pub(super) fn words(lines: &[CacheLine]) -> &[u32] {
    // SAFETY: a line is 16 words without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}

pub(super) fn floats_mut(lines: &mut [CacheLine]) -> &mut [f32] {
    // SAFETY: a line is 16 words without padding, and every word is an f32.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 16) }
}

pub(super) fn floats(lines: &[CacheLine]) -> &[f32] {
    // SAFETY: a line is 16 words without padding, and every word is an f32.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}

/// Calls `f` with lines of this thread, of any content. What `f` calls must not ask again.
pub(super) fn with_scratch<R>(lines: usize, f: impl FnOnce(&mut [CacheLine]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<CacheLine>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut held) => {
            if held.len() < lines {
                // Zeroed anew, not copied.
                *held = Vec::new();
                *held = zeros(lines);
            }
            f(&mut held[..lines])
        }
        Err(_) => f(&mut zeros(lines)),
    })
}
