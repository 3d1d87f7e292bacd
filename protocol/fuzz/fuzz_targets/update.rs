//! Status messages: text frames of the socket, answers to polling, envelopes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::job::{Envelope, Session, Update};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(update) = serde_json::from_slice::<Update>(bytes) {
        let text = serde_json::to_string(&update).expect("writes");
        assert_eq!(serde_json::from_str::<Update>(&text).expect("reads back"), update);
    }
    let _ = serde_json::from_slice::<Envelope>(bytes);
    let _ = serde_json::from_slice::<Session>(bytes);
});
