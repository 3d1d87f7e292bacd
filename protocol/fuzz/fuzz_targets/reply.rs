//! What an NDIF service sends: results of a graph, and binary frames of the socket.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::graph::{CheckLimits, Op, Sampling};
use truenorth_protocol::nnsight::{ModelKey, Modules, Request, read_binary_update};
use truenorth_protocol::{Builder, Checked, DType, ModelInfo, ReadAt, Site};

static GRAPH: LazyLock<Checked> = LazyLock::new(|| {
    let info = ModelInfo {
        name: "m".into(),
        revision: "r".into(),
        family: "llama".into(),
        layers: 2,
        hidden: 4,
        vocab: 8,
        context: 16,
        path: "p".into(),
    };
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
    b.finish().check(&info, &CheckLimits::default()).expect("a sound graph")
});

fuzz_target!(|bytes: &[u8]| {
    let modules = Modules {
        blocks: "model.layers".into(),
        attn: "self_attn".into(),
        attn_post: None,
        mlp_norm: None,
        mlp: "mlp".into(),
        mlp_post: None,
        norm: "model.norm".into(),
        head: "lm_head".into(),
        parallel: false,
        logit_softcap: None,
    };
    let request = Request {
        checked: &GRAPH,
        tokens: &[vec![vec![1, 2, 3], vec![4, 5]]],
        modules: &modules,
        key: &ModelKey { repo_id: "a/b".into(), revision: None },
        reply: DType::F32,
        job: "job",
    };
    if let Ok(answer) = request.answer(Cursor::new(bytes), &|ids| format!("{ids:?}")) {
        assert_eq!(answer.values.len(), 4);
        assert_eq!(answer.tensor("last").expect("a tensor").shape(), [2, 4]);
    }
    let _ = read_binary_update(bytes);
});
