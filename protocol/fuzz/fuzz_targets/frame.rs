//! zstd frames: never more than the cap, and the stream agrees with the buffer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::frame::{compress, decompress};

fuzz_target!(|bytes: &[u8]| {
    const CAP: usize = 1 << 20;
    if let Ok(out) = decompress(bytes, CAP) {
        assert!(out.len() <= CAP);
    }
    let packed = compress(bytes).expect("fits in memory");
    assert_eq!(decompress(&packed, CAP).expect("reads back"), bytes);
});
