//! Requests whose payloads and results are kept in `fixtures/nnsight`, for the model in
//! `fixtures/families/llama`.

#![allow(clippy::expect_used, reason = "a case that does not fit its model fails its test")]

use truenorth_protocol::graph::{AlphaUnit, CheckLimits, Edit, Op, Sampling, Steps, Unary};
use truenorth_protocol::nnsight::{ModelKey, Modules, PayloadInput};
use truenorth_protocol::{Builder, CheckedGraph, DType, ModelInfo, ReadAt, Site, Tensor, WriteAt};

/// A request's parts.
pub struct Case {
    pub name: &'static str,
    pub checked: CheckedGraph,
    pub tokens: Vec<Vec<Vec<u32>>>,
    pub reply: DType,
}

impl Case {
    fn new(name: &'static str, b: Builder, tokens: Vec<Vec<Vec<u32>>>, reply: DType) -> Self {
        let checked = b.finish().check(&info(), &CheckLimits::default()).expect("the case fits the model");
        Self { name, checked, tokens, reply }
    }

    /// Hands the request on.
    pub fn with<T>(&self, f: impl FnOnce(&PayloadInput<'_>) -> T) -> T {
        let (modules, key) = (modules(), ModelKey { repo_id: "org/llama".into(), revision: None });
        f(&PayloadInput {
            checked: &self.checked,
            tokens: &self.tokens,
            modules: &modules,
            key: &key,
            reply: self.reply,
            job: self.name,
        })
    }
}

pub fn info() -> ModelInfo {
    ModelInfo {
        name: "llama".into(),
        revision: "fixture".into(),
        family: "llama".into(),
        layers: 3,
        hidden: 32,
        vocab: 64,
        context: 256,
        path: "nnsight".into(),
    }
}

pub fn modules() -> Modules {
    Modules {
        embed: "model.embed_tokens".into(),
        blocks: "model.layers".into(),
        attn: "self_attn.o_proj".into(),
        attn_post: None,
        mlp_norm: Some("post_attention_layernorm".into()),
        mlp: "mlp".into(),
        mlp_post: None,
        norm: "model.norm".into(),
        head: "lm_head".into(),
        parallel: false,
        layers: 3,
        hidden: 32,
        vocab: 64,
        attention: "sdpa".into(),
        logit_softcap: None,
    }
}

fn direction() -> Tensor {
    let values: Vec<f32> = (0..32_u8).map(|i| f32::from(i * 7 % 13) / 13.0 - 0.5).collect();
    Tensor::vector(&values)
}

pub fn cases() -> Vec<Case> {
    let uneven = vec![vec![5, 9, 2], vec![7, 1, 4, 30, 12]];
    let mut last = Builder::new();
    let group = last.tokens([vec![5, 9, 2, 44]]);
    let read = last.read(group, Site::ResidPost(1), ReadAt::Last);
    last.save("h", read);

    let mut steer = Builder::new();
    let group = steer.tokens(uneven.clone());
    let d = steer.constant(direction());
    steer.add(group, Site::ResidPost(1), WriteAt::All, Steps::ALL, d, &[0.5, 2.0]);
    let params = Sampling {
        max_new_tokens: 6,
        temperature: 0.8,
        top_p: 0.9,
        seed: 4,
        stop: vec![3, 60],
        first_row: 0,
    };
    let tokens = steer.generate(group, params);
    let p = steer.node(Op::GeneratedLogProb { generate: tokens });
    let text = steer.node(Op::Decode { generate: tokens });
    for (name, id) in [("tokens", tokens), ("p", p), ("text", text)] {
        steer.save(name, id);
    }

    let mut patch = Builder::new();
    let from = patch.tokens(uneven.clone());
    let to = patch.tokens(uneven.clone());
    let read = patch.read(from, Site::ResidPost(0), ReadAt::MeanSink);
    let mean = patch.mean(read, 0);
    let unit = patch.unary(Unary::Unit, mean);
    let norm = patch.norm(mean);
    let edit = Edit::Add { direction: unit, alpha: vec![0.5], unit: AlphaUnit::Norm(norm) };
    patch.write(to, Site::ResidMid(1), WriteAt::Last, Steps::ALL, edit);
    let logits = patch.read(to, Site::Logits, ReadAt::All);
    let p = patch.node(Op::PromptLogProb { logits });
    let exact = patch.cast(mean, DType::F32);
    for (name, id) in [("p", p), ("mean", mean), ("exact", exact)] {
        patch.save(name, id);
    }
    vec![
        Case::new("last", last, vec![vec![vec![5, 9, 2, 44]]], DType::Bf16),
        Case::new("steer", steer, vec![uneven.clone()], DType::F32),
        Case::new("patch", patch, vec![uneven.clone(), uneven], DType::F16),
    ]
}
