//! The fuzz targets on their kept corpus, and on random changes of it.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/seeds.rs"]
#[allow(dead_code, reason = "the fixtures are those of other targets")]
mod seeds;
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

#[test]
fn whatever_comes_over_the_wire_is_read_or_refused() {
    replay::all(&targets::TARGETS, |target| {
        let mut all = Vec::new();
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        seeds::files(&corpus, &[""], &mut all);
        all
    });
}
