use proptest::prelude::*;

use super::*;
use crate::Answer;
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

fn problem<T>(build: impl FnOnce(&mut Builder) -> T) -> GraphProblem {
    let mut b = Builder::new();
    build(&mut b);
    b.finish().check(&info(), &CheckLimits::default()).map(|_| ()).unwrap_err().problem
}

fn kind_of_last(build: impl FnOnce(&mut Builder) -> NodeId) -> ValueKind {
    let mut b = Builder::new();
    let id = build(&mut b);
    b.save("x", id);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    checked.kinds()[id.0 as usize].clone()
}

fn d(n: usize) -> Tensor {
    Tensor::vector(&vec![1.0; n])
}

#[test]
fn shapes_follow_the_operations() {
    let shape = |axes: &[usize]| ValueKind::Tensor {
        dtype: DType::F32,
        shape: Shape(axes.iter().map(|n| Dim::Fixed(*n)).collect()),
    };
    let two = |b: &mut Builder| b.tokens([vec![1, 2, 3], vec![4]]);
    let read = kind_of_last(|b| {
        let g = two(b);
        b.read(g, Site::ResidPost(3), ReadAt::Last)
    });
    assert_eq!(read, shape(&[2, 8]));
    let cosine = kind_of_last(|b| {
        let g = two(b);
        let r = b.read(g, Site::ResidPost(3), ReadAt::Last);
        let v = b.constant(d(8));
        b.cosine(r, v)
    });
    assert_eq!(cosine, shape(&[2]));
    let top = kind_of_last(|b| {
        let g = two(b);
        let r = b.read(g, Site::Logits, ReadAt::Last);
        b.node(Op::TopKIndices { a: r, k: 5 })
    });
    assert_eq!(
        top,
        ValueKind::Tensor { dtype: DType::I64, shape: Shape(vec![Dim::Fixed(2), Dim::Fixed(5)]) }
    );
    let all = kind_of_last(|b| {
        let g = two(b);
        let r = b.read(g, Site::Logits, ReadAt::All);
        b.node(Op::PromptLogProb { logits: r })
    });
    assert_eq!(all, ValueKind::Tensor { dtype: DType::F32, shape: Shape(vec![Dim::Tokens(0)]) });
}

#[test]
fn what_can_only_fail_is_refused_and_named() {
    let mut b = Builder::new();
    let g = b.texts(["a"]);
    let r = b.read(g, Site::ResidPost(4), ReadAt::Last);
    b.save("x", r);
    let error = b.finish().check(&info(), &CheckLimits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node 0 (read resid_post.4): block 4 is out of range; the model has blocks 0 to 3"
    );

    let wide = problem(|b| {
        let g = b.texts(["a"]);
        let v = b.constant(d(9));
        b.add(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, v, &[1.0]);
    });
    assert!(matches!(wide, GraphProblem::Direction { width: 8, .. }), "{wide}");

    let late = problem(|b| {
        let g = b.texts(["a"]);
        let v = b.read(g, Site::ResidPost(2), ReadAt::Last);
        b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value: v });
    });
    assert_eq!(late, GraphProblem::Late { input: 0 });

    let ahead = |op: Op, named: Op| {
        let group = Group { prompts: vec![Prompt::Text("a".into())], special_tokens: true };
        let graph = Graph { groups: vec![group], nodes: vec![op, named] };
        graph.check(&info(), &CheckLimits::default()).unwrap_err().problem
    };
    let generate = || Op::Generate { group: 0, params: Sampling::greedy(2) };
    let after = NodeId(1);
    assert_eq!(ahead(Op::Decode { generate: after }, generate()), GraphProblem::Forward { input: 1 });
    assert_eq!(
        ahead(Op::GeneratedLogProb { generate: after }, generate()),
        GraphProblem::Forward { input: 1 }
    );
    let logits = Op::Read { group: 0, site: Site::Logits, positions: ReadAt::All, step: 0 };
    assert_eq!(ahead(Op::PromptLogProb { logits: after }, logits), GraphProblem::Forward { input: 1 });

    let later_group = problem(|b| {
        let g = b.texts(["a"]);
        let h = b.texts(["b"]);
        let v = b.read(h, Site::ResidPost(0), ReadAt::Last);
        b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value: v });
    });
    assert_eq!(later_group, GraphProblem::Late { input: 0 });

    let long = problem(|b| {
        let g = b.tokens([vec![1; 30]]);
        let t = b.generate(g, Sampling::greedy(4));
        b.save("t", t);
    });
    let of = |problem| GraphProblem::Prompt(PromptFault { group: 0, prompt: 0, problem });
    assert_eq!(long, of(PromptProblem::TooLong { tokens: 30, new: 4, context: 32 }));
    assert_eq!(
        long.to_string(),
        "prompt 0 of group 0 has 30 tokens and 4 may follow; the model's context is 32; shorten the prompt or generate \
         fewer tokens"
    );

    let word = problem(|b| {
        let g = b.tokens([vec![1, 50]]);
        let r = b.read(g, Site::Embed, ReadAt::Last);
        b.save("x", r);
    });
    assert_eq!(word, of(PromptProblem::Token { text: false, token: 50, position: 1, vocab: 50 }));

    assert_eq!(problem(|b| b.texts(["a"])), GraphProblem::NothingSaved);
    assert_eq!(problem(|b| b.texts([""])), of(PromptProblem::Empty));

    let nan = problem(|b| b.constant(Tensor::vector(&[1.0, f32::NAN])));
    assert_eq!(nan, GraphProblem::NotFiniteConst { index: 1 });

    let empty = problem(|b| b.constant(d(0)));
    assert_eq!(empty, GraphProblem::EmptyConst { shape: vec![0] });

    let never = problem(|b| {
        let g = b.texts(["a"]);
        b.write(g, Site::Embed, WriteAt::Generated, Steps::ALL, Edit::Scale { factor: 2.0 });
    });
    assert!(matches!(never, GraphProblem::Never { .. }), "{never}");

    let twice = problem(|b| {
        let g = b.texts(["a"]);
        let r = b.read(g, Site::Embed, ReadAt::Last);
        b.save("x", r);
        b.save("x", r);
    });
    assert_eq!(twice, GraphProblem::SameName);
}

#[test]
fn a_condition_that_comes_too_late_or_guards_nothing_is_refused() {
    let of = |site, steps, of: Decides, above: f64| {
        let mut b = Builder::new();
        let g = b.tokens([vec![1, 2, 3]]);
        let v = b.constant(d(8));
        let write = b.write(g, Site::ResidPost(1), WriteAt::All, steps, Edit::Ablate { direction: v });
        b.when(g, site, v, (of, above), &[write]);
        let t = b.generate(g, Sampling::greedy(3));
        b.save("t", t);
        b.finish().check(&info(), &CheckLimits::default()).map(|_| ()).map_err(|e| e.problem)
    };
    let later = Steps { start: 1, end: None };
    let last = Decides::Prompt(ReadAt::Last);
    let (near, far) = (Site::ResidPost(1), Site::ResidPre(2));
    assert_eq!(of(near, Steps::ALL, Decides::Token, 0.0), Ok(()));
    assert_eq!(of(far, later, last, 0.0), Ok(()));
    let late = Err(GraphProblem::WhenLate { input: 1, site: far });
    assert_eq!(of(far, Steps::ALL, last, 0.0), late);
    assert_eq!(of(far, later, Decides::Token, 0.0), late);
    assert_eq!(of(Site::Logits, later, last, 0.0), Err(GraphProblem::WhenLogits));
    let all = Decides::Prompt(ReadAt::All);
    assert_eq!(of(near, later, all, 0.0), Err(GraphProblem::WhenPositions { positions: ReadAt::All }));
    assert!(matches!(of(near, later, last, f64::NAN), Err(GraphProblem::NotFinite { .. })));

    // What is read at the site itself is there too late for a condition, which looks first.
    for (site, found) in [(Site::Embed, None), (Site::ResidPost(0), Some(GraphProblem::Late { input: 1 }))] {
        let mut b = Builder::new();
        let g = b.tokens([vec![1, 2, 3]]);
        let row = b.read(g, site, ReadAt::Last);
        let v = b.mean(row, 0);
        let write = b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
        b.when(g, Site::ResidPost(0), v, (Decides::Token, 0.0), &[write]);
        b.save("v", v);
        let problem = b.finish().check(&info(), &CheckLimits::default()).err().map(|e| e.problem);
        assert_eq!(problem, found);
    }

    let none = problem(|b| {
        let g = b.texts(["a"]);
        let v = b.constant(d(8));
        b.when(g, Site::Embed, v, (Decides::Token, 0.0), &[]);
    });
    assert_eq!(none, GraphProblem::WhenNothing);
    let other = problem(|b| {
        let (g, h) = (b.texts(["a"]), b.texts(["b"]));
        let v = b.constant(d(8));
        let write = b.write(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
        b.when(h, Site::Embed, v, (Decides::Token, 0.0), &[write]);
    });
    assert_eq!(other, GraphProblem::WhenWrites { input: 1, group: 1 });
}

#[test]
fn an_earlier_group_may_feed_a_later_one() {
    let mut b = Builder::new();
    let neutral = b.texts(["a", "b"]);
    let r = b.read(neutral, Site::ResidPost(1), ReadAt::Last);
    let norms = b.norm(r);
    let unit = b.mean(norms, 0);
    let g = b.texts(["c"]);
    let v = b.constant(d(8));
    let edit = Edit::Add { direction: v, alpha: vec![0.5], unit: AlphaUnit::Norm(unit) };
    b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, edit);
    let t = b.generate(g, Sampling::greedy(3));
    b.save("t", t);
    b.finish().check(&info(), &CheckLimits::default()).unwrap();
}

#[test]
fn the_answer_is_sized_before_it_is_asked_for() {
    let mut b = Builder::new();
    let g = b.texts(["four"; 10]);
    let r = b.read(g, Site::ResidPost(1), ReadAt::All);
    b.save("x", r);
    let error =
        b.finish().check(&info(), &CheckLimits { answer_bytes: 1000, ..CheckLimits::default() }).unwrap_err();
    // Ten texts of four bytes: at most eight tokens each, 8 wide, 4 bytes.
    assert_eq!(error.problem, GraphProblem::AnswerSize { bytes: 10 * 8 * 8 * 4, limit: 1000 });
}

#[test]
fn only_what_is_saved_is_live() {
    let mut b = Builder::new();
    let g = b.texts(["a"]);
    let unused = b.read(g, Site::ResidPost(3), ReadAt::Last);
    let other = b.texts(["b"]);
    let idle = b.write(other, Site::Embed, WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
    let edit = b.write(g, Site::Embed, WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
    let used = b.read(g, Site::ResidPost(0), ReadAt::Last);
    b.save("x", used);
    let checked = b.finish().check(&info(), &CheckLimits::default()).unwrap();
    assert_eq!([unused, idle, edit, used].map(|n| checked.live(n.0)), [false, false, true, true]);
}

#[test]
fn the_hash_sees_every_change_and_nothing_else() {
    let graph = |alpha: f64| {
        let mut b = Builder::new();
        let g = b.texts(["a"]);
        let v = b.constant(d(8));
        b.add(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, v, &[alpha]);
        let t = b.generate(g, Sampling::greedy(3));
        b.save("t", t);
        b.finish()
    };
    assert_eq!(graph(1.0).content_hash().unwrap(), graph(1.0).content_hash().unwrap());
    assert_ne!(graph(1.0).content_hash().unwrap(), graph(-1.0).content_hash().unwrap());
}

#[test]
fn a_part_of_a_request_says_its_first_row_and_the_first_part_is_what_it_was() {
    let graph = |rows: [usize; 2], temperature: f64| {
        let sampling = Sampling { temperature, seed: 9, stop: vec![3], ..Sampling::greedy(3) };
        let mut b = Builder::new();
        for row in rows {
            let g = b.texts(["a"]);
            let t = b.generate(g, sampling.from_row(row));
            b.save(format!("{row} {}", g.0), t);
        }
        b.finish()
    };
    let whole = graph([0, 0], 1.0);
    let bytes = whole.to_bytes().unwrap();
    assert_eq!(bytes[4..6], [1, 0]);
    // What is kept under the hash of a graph whose rows begin at 0 stays true only as long as this does.
    let hash = crate::hash::hex(&whole.content_hash().unwrap());
    assert_eq!(hash, "ba36c1bc9b5495c0c388c53a2f44ab43504a68c2d72904ad3727217f817efcb2");
    assert!(!whole.to_json().unwrap().contains("first_row"));
    // Greedy choice draws nothing.
    assert_eq!(graph([0, 0], 0.0), {
        let mut later = graph([0, 7], 0.0);
        let Op::Save { name, .. } = &mut later.nodes[3] else { panic!("{later:?}") };
        *name = "0 1".into();
        later
    });

    let part = graph([0, 300], 1.0);
    let bytes = part.to_bytes().unwrap();
    assert_eq!(bytes[4..6], [2, 0], "a reader that knows of no rows must refuse it");
    assert_eq!(Graph::from_bytes(&bytes).unwrap(), part);
    assert_ne!(part.content_hash().unwrap(), graph([0, 301], 1.0).content_hash().unwrap());
    for end in 0..bytes.len() {
        assert!(Graph::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    let refused = |bytes: &[u8]| {
        assert!(matches!(Graph::from_bytes(bytes), Err(CodecError::NotCanonical(_))), "{bytes:?}");
    };
    refused(&[&bytes[..], &[0]].concat());
    refused(&[&bytes[..4], &[1, 0], &bytes[6..]].concat());
    let first = whole.to_bytes().unwrap();
    refused(&[&first[..4], &[2, 0], &first[6..], &[0, 0]].concat());

    let json = part.to_json().unwrap();
    assert!(json.starts_with(r#"{"version":2,"#) && json.contains(r#""first_row":300"#), "{json}");
    assert_eq!(Graph::from_json(&json).unwrap(), part);
    let older = json.replace(r#""version":2"#, r#""version":1"#);
    assert!(matches!(Graph::from_json(&older), Err(CodecError::Version { .. })));
}

#[test]
fn damaged_bytes_are_refused_by_name() {
    let mut b = Builder::new();
    let g = b.texts(["a"]);
    let r = b.read(g, Site::Embed, ReadAt::Last);
    b.save("x", r);
    let bytes = b.finish().to_bytes().unwrap();
    assert!(matches!(Graph::from_bytes(b"{}"), Err(CodecError::Magic { .. })));
    let mut newer = bytes.clone();
    newer[4] = 9;
    assert!(matches!(Graph::from_bytes(&newer), Err(CodecError::Version { found: 9, .. })));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Graph::from_bytes(&longer), Err(CodecError::NotCanonical(_))));
    for end in 0..bytes.len() {
        assert!(Graph::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
}

proptest! {
    #[test]
    fn an_answer_is_the_same_out_of_a_stream(values in prop::collection::vec(any::<f32>(), 0..20), cut in 0..60_usize) {
        let tensor = Tensor::vector(&values);
        let value = crate::Value::Tensor { tensor, rows: Some(vec![1, 2]) };
        let texts = crate::Value::Text(vec!["é".into()]);
        let answer = Answer { values: [("h".to_owned(), value), ("t".to_owned(), texts)].into() };
        let mut bytes = answer_to_bytes(&answer).unwrap();
        prop_assert_eq!(&answer_read(&bytes[..]).unwrap(), &answer);
        prop_assert!(answer_read(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        bytes.push(0);
        prop_assert!(matches!(answer_read(&bytes[..]), Err(CodecError::NotCanonical(_))));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"TNgr\x01\x00".to_vec();
        bytes.extend(&body);
        let _ = Graph::from_bytes(&bytes);
        bytes[4] = 2;
        let _ = Graph::from_bytes(&bytes);
        let mut answer = b"TNan\x02\x00".to_vec();
        answer.extend(&body);
        let _ = answer_from_bytes(&answer);
    }

    #[test]
    fn json_form_keeps_finite_graphs(alpha in -1e6..1e6_f64, k in 1..8_u32) {
        let mut b = Builder::new();
        let g = b.texts(["a"]);
        let v = b.constant(d(8));
        b.add(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, v, &[alpha]);
        let r = b.read(g, Site::ResidPost(2), ReadAt::Last);
        let t = b.node(Op::TopKValues { a: r, k });
        b.save("t", t);
        let graph = b.finish();
        prop_assert_eq!(Graph::from_json(&graph.to_json().unwrap()).unwrap(), graph);
    }
}
