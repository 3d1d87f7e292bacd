//! The nnsight codec, without Python: kept payloads and results, and graphs made at random.

#[path = "../support/any_graph.rs"]
mod any_graph;
#[path = "../support/nnsight_cases.rs"]
mod nnsight_cases;
#[path = "../support/random_graph.rs"]
mod random_graph;

use std::io::Cursor;
use std::path::Path;

use any_graph::any_graph;
use nnsight_cases::{Case, cases, info, modules};
use proptest::prelude::*;
use random_graph::random_graph;
use truenorth_protocol::graph::{AlphaUnit, CheckLimits, Edit, NodeId, Sampling, Steps};
use truenorth_protocol::job::JobStatus;
use truenorth_protocol::nnsight::{LowerError, ModelKey, PayloadInput, ReplyError, read_binary_update};
use truenorth_protocol::pickle::{self, PickleLimits};
use truenorth_protocol::prompt::PromptProblem;
use truenorth_protocol::{Builder, DType, Graph, Prompt, ReadAt, Site, Tensor, Value, WriteAt};

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/nnsight");
    std::fs::read(folder.join(name)).unwrap()
}

fn by_name(name: &str) -> Case {
    cases().into_iter().find(|c| c.name == name).unwrap()
}

fn ids(ids: &[u32]) -> String {
    format!("{ids:?}")
}

#[test]
fn payloads_are_those_that_the_package_ran() {
    for case in cases() {
        let payload = case.with(|r| r.payload()).unwrap();
        let kept = file(&format!("{}.pkl", case.name));
        assert!(payload == kept, "{}: run the example nnsight_payloads and the package again", case.name);
    }
}

#[test]
fn results_are_read_as_the_package_says_they_are() {
    let expected: serde_json::Value = serde_json::from_slice(&file("expected.json")).unwrap();
    for case in cases() {
        let body = Cursor::new(file(&format!("{}.pt", case.name)));
        let answer = case.with(|r| r.answer(body, &ids)).unwrap();
        let expected = expected["results"][case.name].as_object().unwrap();
        for (name, value) in &answer.values {
            let want = &expected[name];
            let numbers: Vec<f64> = serde_json::from_value(want["values"].clone()).unwrap();
            let shape: Vec<usize> = serde_json::from_value(want["shape"].clone()).unwrap();
            match value {
                Value::Tensor { tensor, .. } => {
                    assert_eq!(tensor.shape(), shape, "{} {name}", case.name);
                    let got: Vec<f64> = match tensor.dtype() {
                        DType::I64 => tensor.to_i64().unwrap().into_iter().map(|i| i as f64).collect(),
                        _ => tensor.to_f32().unwrap().into_iter().map(f64::from).collect(),
                    };
                    assert_eq!(got, numbers, "{} {name}", case.name);
                }
                Value::Text(texts) => {
                    let want: Vec<String> = numbers
                        .chunks(shape[1])
                        .map(|row| {
                            ids(&row.iter().filter(|i| **i >= 0.0).map(|i| *i as u32).collect::<Vec<_>>())
                        })
                        .collect();
                    assert_eq!(*texts, want);
                }
            }
        }
        assert!(!answer.values.is_empty());
    }
}

#[test]
fn a_value_travels_in_the_type_that_was_asked_for() {
    let answer = by_name("patch").with(|r| r.answer(Cursor::new(file("patch.pt")), &ids)).unwrap();
    // What the graph itself cast stays as it is.
    let kinds = ["p", "mean", "exact"].map(|n| answer.tensor(n).unwrap().dtype());
    assert_eq!(kinds, [DType::F16, DType::F16, DType::F32]);
    let Value::Tensor { rows, .. } = &answer.values["p"] else { panic!("no tensor") };
    assert_eq!(*rows, Some(vec![3, 5]));
}

#[test]
fn a_small_read_is_a_small_payload() {
    let payload = by_name("last").with(|r| r.payload()).unwrap();
    assert!(payload.len() < 1500, "{} bytes", payload.len());
}

/// What entered a block is kept from the edit of its middle to the moment it is taken off again.
#[test]
fn an_edit_of_the_middle_of_a_block_keeps_what_entered_it() {
    for edit in [
        Edit::Ablate { direction: NodeId(0) },
        Edit::Set { value: NodeId(0) },
        Edit::Scale { factor: 0.5 },
        Edit::Clamp { direction: NodeId(0), min: -0.2, max: 0.3 },
        Edit::Add { direction: NodeId(0), alpha: vec![2.0], unit: AlphaUnit::Absolute },
    ] {
        let mut b = Builder::new();
        b.constant(Tensor::vector(&vec![1.0; info().hidden as usize]));
        let group = b.tokens([vec![1, 2, 3]]);
        b.write(group, Site::ResidMid(0), WriteAt::All, Steps::ALL, edit);
        let read = b.read(group, Site::ResidPost(1), ReadAt::Last);
        b.save("h", read);
        let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
        let case = Case { name: "middle", checked, tokens: vec![vec![vec![1, 2, 3]]], reply: DType::F32 };
        let source = case.with(|r| r.source()).unwrap();
        let (_, after) = source.split_once("o,p=").unwrap();
        let (between, _) = after.split_once("o.copy_(x-p").unwrap();
        let sets = |name: &str| between.lines().skip(1).any(|l| l.trim_start().starts_with(name));
        assert!(!sets("o=") && !sets("p="), "{source}");
    }
}

/// A stop that also keeps the stream at other steps edits at its own steps only.
#[test]
fn an_edit_of_later_steps_stays_there_where_the_stream_is_kept_at_others() {
    let mut b = Builder::new();
    let d = b.constant(Tensor::vector(&vec![1.0; info().hidden as usize]));
    let group = b.tokens([vec![1, 2, 3]]);
    b.write(group, Site::ResidPre(1), WriteAt::Generated, Steps::ALL, Edit::Ablate { direction: d });
    let steps = Steps { start: 2, end: Some(3) };
    b.write(group, Site::ResidMid(1), WriteAt::Generated, steps, Edit::Ablate { direction: d });
    let read = b.read(group, Site::ResidMid(1), ReadAt::Last);
    b.save("h", read);
    let tokens = b.generate(group, Sampling::greedy(4));
    b.save("tokens", tokens);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    let case = Case { name: "later", checked, tokens: vec![vec![vec![1, 2, 3]]], reply: DType::F32 };
    let source = case.with(|r| r.source()).unwrap();
    let mut conditions = Vec::new();
    let mut edits = Vec::new();
    for line in source.lines() {
        let depth = line.len() - line.trim_start().len();
        conditions.retain(|(at, _)| *at < depth);
        let line = line.trim_start();
        if line.starts_with("if s") {
            conditions.push((depth, line.to_owned()));
        } else if line.starts_with("f=f-") || line.starts_with("o.copy_(x-p") {
            edits.push(conditions.last().map(|(_, c)| c.clone()).unwrap_or_default());
        }
    }
    assert_eq!(edits, ["if s>=1:", "if s==2:", "if s==2:"], "{source}");
}

#[test]
fn another_graphs_result_is_refused() {
    let answer = |case: &str, result: &str| by_name(case).with(|r| r.answer(Cursor::new(file(result)), &ids));
    assert!(matches!(answer("last", "patch.pt"), Err(ReplyError::Missing { name }) if name == "h"));
    assert!(matches!(answer("last", "completed.frame.pt"), Err(ReplyError::Form { .. })));
    assert!(matches!(answer("last", "last.pkl"), Err(ReplyError::File(_))));
    let f32s = Case { reply: DType::F32, ..by_name("last") };
    let other = f32s.with(|r| r.answer(Cursor::new(file("last.pt")), &ids));
    assert!(matches!(other, Err(ReplyError::Value { found, .. }) if found.starts_with("bf16")));
    let mut b = Builder::new();
    let group = b.tokens([vec![1, 2]]);
    let read = b.read(group, Site::ResidPost(0), ReadAt::Last);
    b.save("p", read);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    let narrow = Case { checked, tokens: vec![vec![vec![1, 2]]], ..by_name("patch") };
    let other = narrow.with(|r| r.answer(Cursor::new(file("patch.pt")), &ids));
    assert!(matches!(other, Err(ReplyError::Value { name, .. }) if name == "p"));
}

#[test]
fn binary_status_frames_are_read() {
    let (update, data) = read_binary_update(&file("completed.frame.pt")).unwrap();
    assert_eq!((update.status, update.id.as_str(), update.data), (JobStatus::Completed, "job", None));
    assert_eq!(data.unwrap(), file("last.pt"));
    let (update, data) = read_binary_update(&file("error.frame.pt")).unwrap();
    assert_eq!((update.status, data), (JobStatus::Error, None));
    assert!(update.description.contains("Traceback"));
    assert!(matches!(read_binary_update(b"{}"), Err(ReplyError::File(_))));
    assert!(matches!(read_binary_update(&file("last.pt")), Err(ReplyError::Form { .. })));
}

#[test]
fn what_the_service_could_not_run_is_refused_here() {
    let case = by_name("steer");
    let with = |f: &dyn Fn(&mut PayloadInput<'_>)| {
        case.with(|r| {
            let mut r = *r;
            f(&mut r);
            r.payload().unwrap_err()
        })
    };
    assert_eq!(with(&|r| r.reply = DType::I64), LowerError::Reply(DType::I64));
    assert!(matches!(with(&|r| r.job = "a b"), LowerError::Name { what: "job name", .. }));
    assert!(matches!(with(&|r| r.job = ""), LowerError::Name { .. }));
    assert!(matches!(with(&|r| r.tokens = &[]), LowerError::Groups { expected: 1, found: 0 }));
    let one = vec![vec![vec![1]]];
    let short = Case { tokens: one, ..by_name("steer") };
    let prompts = short.with(|r| r.payload().unwrap_err());
    assert_eq!(prompts, LowerError::Prompts { group: 0, expected: 2, found: 1 });
    let mut evil = modules();
    evil.head = "x\";import os".into();
    let key = ModelKey { repo_id: "a/b".into(), revision: None };
    let refused = case.with(|r| PayloadInput { modules: &evil, key: &key, ..*r }.payload().unwrap_err());
    assert!(matches!(refused, LowerError::Name { what: "module path", .. }));
    let mut b = Builder::new();
    let group = b.texts(["some text"]);
    let read = b.read(group, Site::Embed, ReadAt::Index(-4));
    b.save("h", read);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    let short = Case { checked, tokens: vec![vec![vec![1, 2, 3]]], ..by_name("steer") };
    let refused = short.with(|r| r.payload().unwrap_err());
    assert!(
        matches!(&refused, LowerError::Prompt(f) if f.problem == PromptProblem::Position { index: -4, tokens: 3 }),
        "{refused}"
    );
    assert!(refused.hint().is_some());
}

#[test]
fn what_would_be_too_large_is_refused_before_it_is_made() {
    let mut b = Builder::new();
    let long = vec![1_u32; 250];
    let mut many = vec![vec![1_u32]; 700_000];
    many.push(long);
    let group = b.tokens(many.clone());
    let read = b.read(group, Site::ResidPost(0), ReadAt::Last);
    let mean = b.mean(read, 0);
    b.write(group, Site::ResidPost(1), WriteAt::Last, Steps::ALL, Edit::Set { value: mean });
    let out = b.read(group, Site::ResidPost(2), ReadAt::Last);
    let out = b.mean(out, 0);
    b.save("out", out);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    let whole = Case { checked, tokens: vec![many], ..by_name("steer") };
    assert!(matches!(whole.with(|r| r.payload().unwrap_err()), LowerError::TooLarge { .. }));
    let mut b = Builder::new();
    let group = b.tokens(vec![vec![1_u32]; 300_000]);
    let params = Sampling { temperature: 1.0, ..Sampling::greedy(200) };
    let tokens = b.generate(group, params);
    let total = b.slice(tokens, 1, 0..1);
    b.save("first", total);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    let draws = Case { checked, tokens: vec![vec![vec![1]; 300_000]], ..by_name("steer") };
    assert!(matches!(draws.with(|r| r.payload().unwrap_err()), LowerError::TooLarge { .. }));
}

fn prompts(graph: &Graph) -> Vec<Vec<Vec<u32>>> {
    let ids = |p: &Prompt| match p {
        Prompt::Tokens(t) => t.clone(),
        Prompt::Text(t) => t.bytes().map(u32::from).collect(),
    };
    graph.groups.iter().map(|g| g.prompts.iter().map(ids).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_graph_survives_its_bytes_and_is_refused_by_name_or_sent(graph in any_graph(&info())) {
        let bytes = graph.to_bytes().unwrap();
        // Compared as bytes, since NaN is not equal to itself.
        prop_assert_eq!(Graph::from_bytes(&bytes).unwrap().to_bytes().unwrap(), bytes);
        let tokens = prompts(&graph);
        match graph.check(&info(), &CheckLimits::default()) {
            Ok(checked) => {
                let case = Case { name: "any", checked, tokens, reply: DType::F32 };
                if let Err(refused) = case.with(|r| r.payload()) {
                    prop_assert!(!refused.to_string().is_empty());
                }
            }
            Err(refused) => prop_assert!(!refused.to_string().is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn any_valid_graph_has_a_payload_that_names_only_what_it_may(seed: u64) {
        let graph = random_graph(seed, &info());
        let tokens = prompts(&graph);
        let checked = graph.check(&info(), &CheckLimits::default()).unwrap();
        let case = Case { name: "random", checked, tokens, reply: DType::F32 };
        let payload = case.with(|r| r.payload()).unwrap();
        let allowed = |module: &str, _: &str| module.starts_with("nnsight.") || module == "types";
        prop_assert!(pickle::read(&payload, &PickleLimits::default(), &allowed).is_ok());
        // Whatever the graph, its text is ours: no line is long, and none is not ASCII.
        let source = case.with(|r| r.source()).unwrap();
        prop_assert!(source.is_ascii() && source.starts_with("import torch\n"));
        prop_assert_eq!(case.with(|r| r.payload()).unwrap(), payload);
    }

    #[test]
    fn damaged_replies_never_panic(at in 0..4000_usize, byte: u8, cut in 0..4000_usize) {
        for (case, result) in [("last", "last.pt"), ("steer", "steer.pt")] {
            let mut bytes = file(result);
            let n = bytes.len();
            bytes[at % n] = byte;
            let case = by_name(case);
            let _ = case.with(|r| r.answer(Cursor::new(&bytes), &ids));
            let _ = case.with(|r| r.answer(Cursor::new(&bytes[..cut.min(n)]), &ids));
        }
        let mut frame = file("completed.frame.pt");
        let n = frame.len();
        frame[at % n] = byte;
        let _ = read_binary_update(&frame);
        let _ = read_binary_update(&frame[..cut.min(n)]);
    }
}
