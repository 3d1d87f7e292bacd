//! How many threads work is shared out among.

use std::cell::Cell;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f`, within which this thread computes alone: for rows that go through several steps while they
/// are in its caches, beside others that other threads take.
pub fn alone<R>(f: impl FnOnce() -> R) -> R {
    /// Puts back what was, also where `f` panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    f()
}

/// Threads for what is computed here.
pub(super) fn threads() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}
