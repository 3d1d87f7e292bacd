//! Hostile graphs: small in bytes, large in memory, arithmetic or time.

use super::*;
use crate::limits;
use crate::model::ModelInfo;
use crate::prompt::{PromptFault, PromptProblem};

fn info() -> ModelInfo {
    ModelInfo {
        name: "tiny".into(),
        revision: "0".into(),
        family: "llama".into(),
        layers: 4,
        hidden: 8,
        vocab: 50,
        context: 32,
        path: "test/f32".into(),
    }
}

fn check(graph: Graph, limits: CheckLimits) -> Result<CheckedGraph, GraphProblem> {
    graph.check(&info(), &limits).map_err(|e| e.problem)
}

/// `levels` stacks of `wide` times the one before, summed back to where they began.
fn poison(wide: usize, levels: usize) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens([vec![1]]);
    let mut value = b.read(g, Site::Embed, ReadAt::Last);
    for _ in 0..levels {
        value = b.stack(&vec![value; wide]);
    }
    for _ in 0..levels {
        value = b.sum(value, 0);
    }
    b.save("x", value);
    b.finish()
}

#[test]
fn what_lies_between_is_bounded_though_little_is_saved() {
    let graph = poison(500, 3);
    assert!(graph.to_bytes().unwrap().len() < 2_000);
    // 500³ rows of 8 floats: 4 GB in one node.
    let limits = CheckLimits { run_bytes: 1 << 30, ..CheckLimits::default() };
    let error = graph.clone().check(&info(), &limits).unwrap_err();
    assert!(
        matches!(error.problem, GraphProblem::Memory { bytes: 4_000_000_000.., limit: 0x4000_0000 }),
        "{error}"
    );
    assert_eq!((error.node, error.label.as_str()), (Some(3), "stack"));
    assert!(check(graph, CheckLimits::default()).is_ok());
    let size = check(poison(4, 3), limits).unwrap().size();
    // The read, what grows from it (4 + 16 + 64 rows), what is left of it (16 + 4 + 1) and the answer.
    let floats = 8 * (1 + 84 + 21);
    assert_eq!(size.memory, 4 * floats + (4 + 24) + 3 * 32);
    assert_eq!((size.answer, size.tokens, size.sequences), (32, 1, 0));
}

#[test]
fn a_value_has_no_more_axes_than_a_tensor() {
    assert!(check(poison(1, limits::DIMENSIONS - 2), CheckLimits::default()).is_ok());
    let deep = check(poison(1, limits::DIMENSIONS - 1), CheckLimits::default()).unwrap_err();
    assert_eq!(deep, GraphProblem::Dimensions { found: limits::DIMENSIONS + 1 });
}

#[test]
fn arithmetic_that_saves_nothing_is_bounded() {
    let mut b = Builder::new();
    let g = b.tokens([vec![1]]);
    let r = b.read(g, Site::Logits, ReadAt::Last);
    let many = b.stack(&vec![r; 60_000]);
    let mut first = None;
    for _ in 0..60_000 {
        let n = b.sum(many, 0);
        first = first.or(Some(n));
    }
    // Sums of three million numbers each; every one of them is needed.
    let sums: Vec<NodeId> = (0..60_000).map(|i| NodeId(first.unwrap().0 + i)).collect();
    let all = b.stack(&sums);
    b.save("x", all);
    let error = check(b.finish(), CheckLimits::default()).unwrap_err();
    assert!(matches!(error, GraphProblem::Operands { limit: limits::OPERANDS, .. }), "{error}");
}

#[test]
fn a_text_is_no_longer_than_any_that_fits() {
    let text = |bytes: usize| {
        let mut b = Builder::new();
        let g = b.texts(["a".repeat(bytes)]);
        let r = b.read(g, Site::Embed, ReadAt::Last);
        b.save("x", r);
        check(b.finish(), CheckLimits::default())
    };
    let limit = 32 * 32;
    assert!(text(limit).is_ok());
    let error = text(limit + 1).unwrap_err();
    let problem = PromptProblem::LongText { bytes: 1025, limit, context: 32 };
    assert_eq!(error, GraphProblem::Prompt(PromptFault { group: 0, prompt: 0, problem }));
    assert!(error.to_string().contains("shorten"), "{error}");
}

#[test]
fn tokens_are_bounded_where_they_are_asked_to_be() {
    let mut b = Builder::new();
    let g = b.tokens(vec![vec![1, 2]; 1000]);
    let t = b.generate(g, Sampling::greedy(31));
    b.save("t", t);
    let graph = b.finish();
    let all = check(graph.clone(), CheckLimits::default()).unwrap().size();
    assert_eq!((all.tokens, all.sequences), (32_000, 1000));
    let error = check(graph, CheckLimits { tokens: 31_999, ..CheckLimits::default() }).unwrap_err();
    assert_eq!(error, GraphProblem::Tokens { found: 32_000, limit: 31_999 });
}

#[test]
fn a_group_that_runs_in_one_piece_counts_all_of_its_rows() {
    let graph = |whole: bool| {
        let mut b = Builder::new();
        let g = b.tokens(vec![vec![1; 20]; 1000]);
        let r = b.read(g, Site::ResidPost(0), ReadAt::Last);
        let d = if whole { b.mean(r, 0) } else { b.constant(Tensor::vector(&[1.0; 8])) };
        b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value: d });
        let x = b.read(g, Site::ResidPost(2), ReadAt::Last);
        b.save("x", x);
        check(b.finish(), CheckLimits::default()).unwrap().size().memory
    };
    assert!(graph(true) > graph(false) + 20_000 * 4 * 8 * 32);
}

#[test]
fn memory_is_counted_while_decoding() {
    // Two bytes a prompt, thirty-two in memory.
    let group = Group { prompts: vec![Prompt::Tokens(vec![]); 1 << 20], special_tokens: true };
    let bytes = Graph { groups: vec![group], nodes: vec![] }.to_bytes().unwrap();
    assert!(bytes.len() < 3 << 20);
    assert!(matches!(
        Graph::from_bytes_within(&bytes, 24 << 20),
        Err(CodecError::Memory { limit: 0x180_0000 })
    ));
    assert!(Graph::from_bytes_within(&bytes, 80 << 20).is_ok());
    // The count ends with the decoding.
    assert!(Graph::from_bytes(&bytes).is_ok());
    for graph in [
        Graph { groups: vec![], nodes: vec![Op::Stack(vec![NodeId(0); 1 << 20])] },
        Graph { groups: vec![Group { prompts: vec![], special_tokens: true }; 1 << 20], nodes: vec![] },
        Graph { groups: vec![], nodes: vec![Op::Norm { a: NodeId(0) }; 1 << 20] },
        Graph { groups: vec![], nodes: vec![Op::Const(Tensor::vector(&[0.0; 1 << 20]))] },
        Graph { groups: vec![], nodes: vec![Op::Save { name: "x".repeat(4 << 20), value: NodeId(0) }] },
    ] {
        let bytes = graph.to_bytes().unwrap();
        assert!(matches!(Graph::from_bytes_within(&bytes, 3 << 20), Err(CodecError::Memory { .. })));
        assert_eq!(Graph::from_bytes(&bytes).unwrap(), graph);
    }
}

#[test]
fn counts_are_bounded() {
    let group = Group { prompts: vec![Prompt::Tokens(vec![1])], special_tokens: true };
    let graph = Graph { groups: vec![group; limits::GROUPS + 1], nodes: vec![] };
    let found = limits::GROUPS + 1;
    let many = GraphProblem::TooMany { what: "groups", found, limit: limits::GROUPS };
    assert_eq!(check(graph, CheckLimits::default()).unwrap_err(), many);
    let found = limits::NODES + 1;
    let graph = Graph { groups: vec![], nodes: vec![Op::Stack(vec![NodeId(0); found])] };
    let many = GraphProblem::TooMany { what: "stacked values", found, limit: limits::NODES };
    assert_eq!(check(graph, CheckLimits::default()).unwrap_err(), many);
}

#[test]
fn edits_are_needed_group_after_group() {
    // Each group is edited with what was read in the one before; the last one is saved.
    let mut b = Builder::new();
    let mut last = None;
    for _ in 0..limits::GROUPS {
        let g = b.tokens([vec![1]]);
        if let Some(value) = last {
            b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value });
        }
        last = Some(b.read(g, Site::ResidPost(2), ReadAt::Last));
    }
    b.save("x", last.unwrap());
    let checked = check(b.finish(), CheckLimits::default()).unwrap();
    let nodes = checked.graph().nodes.len();
    assert!((0..nodes).all(|i| checked.live(u32::try_from(i).unwrap())));
}

#[test]
fn a_question_is_the_same_whatever_the_prompts_and_doses() {
    let graph = |prompt: u32, alpha: f64, layer: u32| {
        let mut b = Builder::new();
        let g = b.tokens([vec![prompt]]);
        let d = b.constant(Tensor::vector(&[1.0; 8]));
        b.add(g, Site::ResidPost(layer), WriteAt::All, Steps::ALL, d, &[alpha]);
        let r = b.read(g, Site::Logits, ReadAt::Last);
        b.save("x", r);
        b.finish().question_hash().unwrap()
    };
    assert_eq!(graph(1, 1.0, 1), graph(2, -3.0, 1));
    assert_ne!(graph(1, 1.0, 1), graph(1, 1.0, 2));
}
