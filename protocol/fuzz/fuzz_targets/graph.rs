//! Graphs as bytes and as JSON. What reads is canonical, survives the other form, and can be checked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Graph, ModelInfo};

fuzz_target!(|bytes: &[u8]| {
    let model = ModelInfo {
        name: "m".into(),
        revision: "r".into(),
        family: "llama".into(),
        layers: 2,
        hidden: 4,
        vocab: 8,
        context: 16,
        path: "p".into(),
    };
    if let Ok(graph) = Graph::from_bytes(bytes) {
        assert_eq!(graph.to_bytes().expect("what was read can be written"), bytes);
        // JSON has no infinities, so it may refuse; what it takes comes back.
        if let Ok(text) = graph.to_json() {
            if let Ok(back) = Graph::from_json(&text) {
                assert_eq!(back.to_bytes().expect("written"), bytes);
            }
        }
        let _ = graph.check(&model, &CheckLimits::default());
    }
    if let Some(graph) = std::str::from_utf8(bytes).ok().and_then(|text| Graph::from_json(text).ok()) {
        let written = graph.to_bytes().expect("small enough");
        assert_eq!(Graph::from_bytes(&written).expect("canonical").to_bytes().expect("written"), written);
        let _ = graph.check(&model, &CheckLimits::default());
    }
});
