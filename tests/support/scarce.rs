//! An allocator of which a test may say how much memory there is.
//!
//! Only large blocks are counted: those are the ones whose sizes come from an input, and what decides over the
//! life of a process. Small ones are always had, as an error needs some to be told.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

/// Bytes of the smallest block that is counted: buffers of libraries, of one size whatever the input, have less.
const LARGE: usize = 300 << 10;
/// More than there is.
const PLENTY: isize = isize::MAX / 2;

/// Bytes that may still be taken, and the fewest that there were.
static LEFT: AtomicIsize = AtomicIsize::new(PLENTY);
static LEAST: AtomicIsize = AtomicIsize::new(PLENTY);

/// The allocator.
pub struct Scarce;

/// What a block counts.
fn counted(size: usize) -> isize {
    if size >= LARGE { size as isize } else { 0 }
}

/// Takes bytes, or gives them back where they are fewer than none; whether they were there.
fn take(bytes: isize) -> bool {
    // Most blocks: they touch nothing that threads share.
    if bytes == 0 {
        return true;
    }
    let left = LEFT.fetch_sub(bytes, Ordering::Relaxed) - bytes;
    if bytes > 0 && left < 0 {
        LEFT.fetch_add(bytes, Ordering::Relaxed);
        return false;
    }
    LEAST.fetch_min(left, Ordering::Relaxed);
    true
}

// SAFETY: every call goes to the system's allocator unchanged, or gives null, as an allocator may.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(counted(layout.size())) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(counted(layout.size())) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        take(-counted(layout.size()));
        // SAFETY: as the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(counted(size) - counted(layout.size())) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller's.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Runs `f` with so many bytes for large blocks.
fn within<T>(bytes: usize, f: impl FnOnce() -> T) -> T {
    let before = LEFT.swap(bytes as isize, Ordering::Relaxed);
    let out = f();
    let taken = bytes as isize - LEFT.load(Ordering::Relaxed);
    LEFT.store(before - taken, Ordering::Relaxed);
    out
}

/// Shows that a decoder that runs out of memory says so. It reads its input with plenty, and again with less
/// and less of what it took then; one that ends the process instead is the one named last.
pub fn refuses(name: &str, decode: impl Fn() -> bool) {
    const STEPS: usize = 24;
    // What is kept for the next time does not count.
    assert!(decode(), "{name} does not read its input");
    let before = LEFT.load(Ordering::Relaxed);
    LEAST.store(before, Ordering::Relaxed);
    assert!(decode());
    let most = (before - LEAST.load(Ordering::Relaxed)) as usize;
    assert!(most >= 3 * LARGE, "{name} takes {most} bytes: the input is too small to show anything");
    // Not by a macro: what a test prints is lost when the process is aborted.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{name}: {most} bytes\n").as_bytes());
    for step in 0..STEPS {
        let bytes = most * step / STEPS;
        assert!(!within(bytes, &decode), "{name} reads its input in {bytes} bytes of {most}");
    }
    assert!(within(most, &decode), "{name} fails with all that it needs, {most} bytes");
}
