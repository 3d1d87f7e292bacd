//! What is done with bytes that come from a service or a client and may be hostile, a function for each
//! kind: an error or a value, never a panic, an abort or more memory than is allowed.
//!
//! The fuzz targets call these under libFuzzer, and `protocol/tests/wire/fuzzed.rs` calls them on the kept corpus.

use std::io::Cursor;
use std::sync::LazyLock;

use truenorth_protocol::frame::{compress, decompress};
use truenorth_protocol::graph::{CheckLimits, Op, Sampling, answer_from_bytes, answer_read, answer_to_bytes};
use truenorth_protocol::job::{Envelope, SessionFrame, Update};
use truenorth_protocol::nnsight::{ModelKey, Modules, PayloadInput, read_binary_update};
use truenorth_protocol::{Builder, CheckedGraph, DType, Graph, ModelInfo, ReadAt, Site, pickle, torch_file};

/// Takes the bytes of an input, and says whether it read them as what they should be.
pub type Target = fn(&[u8]) -> bool;

/// Every reader that is fuzzed, by the name of its inputs' folder.
pub const TARGETS: [(&str, Target); 7] = [
    ("pickle", pickle),
    ("torch_file", torch_file),
    ("graph", graph),
    ("answer", answer),
    ("frame", frame),
    ("update", update),
    ("reply", reply),
];

fn model() -> ModelInfo {
    ModelInfo {
        name: "m".into(),
        revision: "r".into(),
        family: "llama".into(),
        layers: 2,
        hidden: 4,
        vocab: 8,
        context: 16,
        path: "p".into(),
    }
}

/// The pickle reader: never much memory.
pub fn pickle(bytes: &[u8]) -> bool {
    let limits = pickle::PickleLimits { bytes: 1 << 20, values: 1 << 16, text: 1 << 20, depth: 64 };
    pickle::read(bytes, &limits, &|module, name| module != "os" && !name.starts_with('_')).is_ok()
}

/// Files of `torch.save`.
pub fn torch_file(bytes: &[u8]) -> bool {
    torch_file::read(bytes).is_ok()
}

/// Graphs as bytes and as JSON. What reads is canonical, survives the other form, and can be checked.
pub fn graph(bytes: &[u8]) -> bool {
    let model = model();
    let as_bytes = Graph::from_bytes(bytes);
    if let Ok(graph) = &as_bytes {
        assert_eq!(graph.to_bytes().expect("what was read can be written"), bytes);
        // JSON has no infinities, so it may refuse; what it takes comes back.
        if let Ok(text) = graph.to_json()
            && let Ok(back) = Graph::from_json(&text)
        {
            assert_eq!(back.to_bytes().expect("written"), bytes);
        }
        let _ = graph.clone().check(&model, &CheckLimits::default());
    }
    let as_text = std::str::from_utf8(bytes).ok().and_then(|text| Graph::from_json(text).ok());
    if let Some(graph) = &as_text {
        let written = graph.to_bytes().expect("small enough");
        assert_eq!(Graph::from_bytes(&written).expect("canonical").to_bytes().expect("written"), written);
        let _ = graph.clone().check(&model, &CheckLimits::default());
    }
    as_bytes.is_ok() || as_text.is_some()
}

/// Answers as bytes, whole and streamed.
pub fn answer(bytes: &[u8]) -> bool {
    let streamed = answer_read(bytes).ok();
    let buffered = answer_from_bytes(bytes).ok();
    // Bits, as NaN differs from itself.
    let written = |answer| answer_to_bytes(&answer).expect("what was read can be written");
    let (streamed, buffered) = (streamed.map(written), buffered.map(written));
    assert_eq!(streamed, buffered);
    let Some(one) = buffered else { return false };
    assert_eq!(answer_to_bytes(&answer_from_bytes(&one).expect("reads back")).expect("written"), one);
    true
}

/// zstd frames: never more than the cap, and the stream agrees with the buffer.
pub fn frame(bytes: &[u8]) -> bool {
    const CAP: usize = 1 << 20;
    let out = decompress(bytes, CAP);
    assert!(out.as_ref().is_ok_and(|out| out.len() <= CAP) || out.is_err());
    if bytes.len() <= CAP {
        let packed = compress(bytes).expect("fits in memory");
        assert_eq!(decompress(&packed, CAP).expect("reads back"), bytes);
    }
    out.is_ok()
}

/// Status messages: text frames of the socket, answers to polling, envelopes.
pub fn update(bytes: &[u8]) -> bool {
    let update = serde_json::from_slice::<Update>(bytes);
    if let Ok(update) = &update {
        let text = serde_json::to_string(update).expect("writes");
        assert_eq!(serde_json::from_str::<Update>(&text).expect("reads back"), *update);
    }
    let envelope = serde_json::from_slice::<Envelope>(bytes);
    let session = serde_json::from_slice::<SessionFrame>(bytes);
    update.is_ok() || envelope.is_ok() || session.is_ok()
}

static ASKED: LazyLock<CheckedGraph> = LazyLock::new(|| {
    let mut b = Builder::new();
    let group = b.tokens([vec![1, 2, 3], vec![4, 5]]);
    let all = b.read(group, Site::ResidPost(0), ReadAt::All);
    b.save("all", all);
    let last = b.read(group, Site::ResidPost(1), ReadAt::Last);
    b.save("last", last);
    let generate = b.generate(group, Sampling::greedy(2));
    b.save("tokens", generate);
    let text = b.node(Op::Decode { generate });
    b.save("text", text);
    b.finish().check(&model(), &CheckLimits::default()).expect("a sound graph")
});

/// What an NDIF service sends: results of a graph, and binary frames of the socket.
pub fn reply(bytes: &[u8]) -> bool {
    let modules = Modules {
        embed: "model.embed_tokens".into(),
        blocks: "model.layers".into(),
        attn: "self_attn.o_proj".into(),
        attn_post: None,
        mlp_norm: None,
        mlp: "mlp".into(),
        mlp_post: None,
        norm: "model.norm".into(),
        head: "lm_head".into(),
        parallel: false,
        layers: 2,
        hidden: 4,
        vocab: 8,
        attention: "sdpa".into(),
        logit_softcap: None,
    };
    let request = PayloadInput {
        checked: &ASKED,
        tokens: &[vec![vec![1, 2, 3], vec![4, 5]]],
        modules: &modules,
        key: &ModelKey { repo_id: "a/b".into(), revision: None },
        reply: DType::F32,
        job: "job",
    };
    let answer = request.answer(Cursor::new(bytes), &|ids| format!("{ids:?}"));
    if let Ok(answer) = &answer {
        assert_eq!(answer.values.len(), 4);
        assert_eq!(answer.tensor("last").expect("a tensor").shape(), [2, 4]);
    }
    read_binary_update(bytes).is_ok() || answer.is_ok()
}
