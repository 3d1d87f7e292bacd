//! The fuzz targets on their kept corpus, on the fixtures, and on random changes of both.

#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

use crate::alone::alone;

/// Bytes of address space that this process may have: an allocation that a file's size does not explain
/// fails. Threads and the test's own code take a part of it.
#[cfg(target_os = "linux")]
const MOST_MEMORY: libc::rlim_t = 6 << 30;

#[test]
fn whatever_a_file_holds_it_is_read_or_refused() {
    alone("fuzzed::whatever_a_file_holds_it_is_read_or_refused", read_or_refused);
}

fn read_or_refused() {
    #[cfg(target_os = "linux")]
    // SAFETY: a plain system call with a value of its own.
    unsafe {
        let limit = libc::rlimit { rlim_cur: MOST_MEMORY, rlim_max: MOST_MEMORY };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
    replay::all(&targets::TARGETS, |target| {
        let mut all = seeds::of(&targets::fixtures(), target);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        if corpus.is_dir() {
            seeds::files(&corpus, &[""], &mut all);
        }
        all
    });
}
