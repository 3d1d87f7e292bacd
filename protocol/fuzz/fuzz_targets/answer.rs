//! Answers as bytes, whole and streamed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::graph::{answer_from_bytes, answer_read, answer_to_bytes};

fuzz_target!(|bytes: &[u8]| {
    let streamed = answer_read(bytes).ok();
    let buffered = answer_from_bytes(bytes).ok();
    assert_eq!(streamed, buffered);
    if let Some(answer) = buffered {
        let written = answer_to_bytes(&answer).expect("what was read can be written");
        assert_eq!(answer_from_bytes(&written).expect("reads back"), answer);
    }
});
