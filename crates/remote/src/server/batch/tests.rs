//! Merged equals alone, on real graphs and a real (tiny) model; what must not be merged is not.

use std::path::PathBuf;

use proptest::prelude::*;
use truenorth_protocol::graph::{
    AlphaUnit, Binary, Builder, CheckLimits, Decides, GroupId, Reduce, Sampling, Steps,
};
use truenorth_protocol::{CheckedGraph, DType, ModelInfo, Prompt, ReadAt, Site, Tensor, Value, WriteAt};

use super::*;
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::run::{Runner, Unwatched};

fn engine(path: &str) -> Engine {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path);
    Engine::open(&path, &EngineOptions::default()).unwrap()
}

fn checked(info: &ModelInfo, build: impl FnOnce(&mut Builder)) -> CheckedGraph {
    let mut b = Builder::new();
    build(&mut b);
    b.finish().check(info, &CheckLimits::default()).unwrap()
}

/// Asserts equal answers: floats within 1e-5 of the largest, everything else to the bit.
fn assert_same(merged: &Answer, alone: &Answer) {
    assert_eq!(merged.values.keys().collect::<Vec<_>>(), alone.values.keys().collect::<Vec<_>>());
    for (name, value) in &merged.values {
        match (value, &alone.values[name]) {
            (Value::Tensor { tensor: a, rows: r }, Value::Tensor { tensor: b, rows: s }) => {
                assert_eq!((a.dtype(), a.shape(), r), (b.dtype(), b.shape(), s), "{name}");
                if a.dtype().is_float() {
                    let (a, b) = (a.to_f32().unwrap(), b.to_f32().unwrap());
                    let size = b.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
                    let far = a.iter().zip(&b).fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
                    assert!(far <= 1e-5 * size, "{name}: {far} of {size}");
                } else {
                    assert_eq!(a, b, "{name}");
                }
            }
            (a, b) => assert_eq!(a, b, "{name}"),
        }
    }
}

/// Runs graphs merged and alone; the answers must be the same.
fn check_merge(engine: &Engine, graphs: &[CheckedGraph]) {
    let patterns: Vec<Pattern> = graphs.iter().map(|g| Pattern::of(g).expect("mergeable")).collect();
    assert!(patterns.iter().all(|p| *p == patterns[0]));
    let merged = merge(&graphs.iter().map(CheckedGraph::graph).collect::<Vec<_>>()).unwrap();
    let merged = merged.check(engine.info(), &CheckLimits::default()).unwrap();
    let counts: Vec<usize> = graphs.iter().map(|g| g.graph().groups[0].prompts.len()).collect();
    let answer = engine.run(&merged, &Unwatched).unwrap();
    let parts = patterns[0].split(answer, &counts).unwrap();
    assert_eq!(parts.len(), graphs.len());
    for (part, graph) in parts.iter().zip(graphs) {
        assert_same(part, &engine.run(graph, &Unwatched).unwrap());
    }
}

fn direction(info: &ModelInfo) -> Tensor {
    let d: Vec<f32> = (0..info.hidden).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
    Tensor::vector(&d)
}

#[test]
fn reads_at_every_position_are_cut_by_rows() {
    let engine = engine("families/llama");
    let info = engine.info();
    let ask = |prompts: Vec<Vec<u32>>| {
        checked(info, |b| {
            let g = b.tokens(prompts);
            for (name, at) in [
                ("last", ReadAt::Last),
                ("all", ReadAt::All),
                ("mean", ReadAt::Mean),
                ("mean+sink", ReadAt::MeanSink),
            ] {
                let r = b.read(g, Site::ResidPost(1), at);
                b.save(name, r);
                let d = b.constant(direction(info));
                let cosine = b.cosine(r, d);
                b.save(format!("{name}-cosine"), cosine);
                let half = b.cast(r, DType::Bf16);
                b.save(format!("{name}-half"), half);
            }
            let logits = b.read(g, Site::Logits, ReadAt::All);
            let p = b.node(Op::PromptLogProb { logits });
            b.save("prompt-logprob", p);
            let top = b.node(Op::TopKIndices { a: logits, k: 3 });
            b.save("top", top);
            let k = b.constant(Tensor::scalar(3.5));
            b.save("constant", k);
        })
    };
    let a = ask(vec![vec![1, 2, 3], vec![4]]);
    check_merge(&engine, &[a.clone(), ask(vec![vec![9, 8, 7, 6, 5]]), a]);
}

#[test]
fn each_keeps_its_own_dose() {
    let engine = engine("families/llama");
    let info = engine.info();
    let ask = |prompts: Vec<Vec<u32>>, alpha: &[f64], norm: bool| {
        checked(info, |b| {
            let g = b.tokens(prompts);
            let d = b.constant(direction(info));
            let n = b.constant(Tensor::scalar(0.7));
            let unit = if norm { AlphaUnit::Norm(n) } else { AlphaUnit::Absolute };
            let edit = Edit::Add { direction: d, alpha: alpha.to_vec(), unit };
            b.write(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, edit);
            let r = b.read(g, Site::Logits, ReadAt::Last);
            b.save("logits", r);
        })
    };
    for norm in [false, true] {
        check_merge(
            &engine,
            &[
                ask(vec![vec![1, 2], vec![3]], &[2.0], norm),
                ask(vec![vec![1, 2], vec![3]], &[0.0, -4.0], norm),
                ask(vec![vec![1, 2]], &[6.0], norm),
            ],
        );
        check_merge(&engine, &[ask(vec![vec![1]], &[2.0], norm), ask(vec![vec![5], vec![6]], &[2.0], norm)]);
    }
}

#[test]
fn each_prompt_meets_its_conditions_as_it_does_alone() {
    let engine = engine("families/llama");
    let info = engine.info();
    let ask = |prompts: Vec<Vec<u32>>, alpha: &[f64], of: Decides| {
        checked(info, |b| {
            let g = b.tokens(prompts);
            let d = b.constant(direction(info));
            let write = b.add(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, d, alpha);
            b.when(g, Site::ResidPost(0), d, (of, 0.05), &[write]);
            let r = b.read(g, Site::Logits, ReadAt::All);
            b.save("logits", r);
        })
    };
    for of in [Decides::Token, Decides::Prompt(ReadAt::Last), Decides::Prompt(ReadAt::Mean)] {
        let several = vec![vec![1, 2, 9], vec![3], vec![50, 7]];
        check_merge(&engine, &[ask(several, &[2.0, -1.0, 4.0], of), ask(vec![vec![8, 6, 4]], &[3.0], of)]);
    }
}

#[test]
fn greedy_generation_with_text_and_log_probabilities_is_cut_by_prompts() {
    let engine = engine("gguf/llama/model.gguf");
    let info = engine.info();
    let ask = |texts: &[&str], alpha: &[f64]| {
        checked(info, |b| {
            let g = b.texts(texts.iter().copied());
            let d = b.constant(direction(info));
            b.add(g, Site::ResidPost(0), WriteAt::Generated, Steps::ALL, d, alpha);
            let tokens = b.generate(g, Sampling { stop: vec![7], ..Sampling::greedy(5) });
            b.save("tokens", tokens);
            let p = b.node(Op::GeneratedLogProb { generate: tokens });
            b.save("logprob", p);
            let text = b.node(Op::Decode { generate: tokens });
            b.save("text", text);
        })
    };
    check_merge(
        &engine,
        &[ask(&["the hat", "an old tin"], &[0.5]), ask(&["no"], &[-0.5]), ask(&["yes"], &[0.5])],
    );
}

#[test]
fn what_depends_on_neighbours_or_on_place_stays_alone() {
    let engine = engine("families/llama");
    let info = engine.info();
    let width = info.hidden as usize;
    let alone = |what: &str, build: &dyn Fn(&mut Builder, GroupId)| {
        let graph = checked(info, |b| {
            let g = b.tokens([vec![1, 2], vec![3, 4]]);
            build(b, g);
        });
        assert_eq!(Pattern::of(&graph), None, "{what}");
    };
    let last = |b: &mut Builder, g| b.read(g, Site::ResidPost(0), ReadAt::Last);
    let rows = || Tensor::from_f32(vec![2, width], &vec![0.5; 2 * width]).unwrap();
    alone("a mean over prompts", &|b, g| {
        let r = last(b, g);
        let m = b.mean(r, 0);
        b.save("m", m);
    });
    alone("a slice of the prompts", &|b, g| {
        let r = last(b, g);
        let s = b.slice(r, 0, 0..1);
        b.save("s", s);
    });
    alone("a constant row a prompt", &|b, g| {
        let r = last(b, g);
        let c = b.constant(rows());
        let sum = b.binary(Binary::Add, r, c);
        b.save("sum", sum);
    });
    alone("a direction a prompt", &|b, g| {
        let c = b.constant(rows());
        b.add(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, c, &[1.0]);
        let r = b.read(g, Site::ResidPost(1), ReadAt::Last);
        b.save("r", r);
    });
    alone("a norm over prompts", &|b, g| {
        let r = last(b, g);
        let n = b.norm(r);
        let n = b.norm(n);
        b.save("n", n);
    });
    alone("an edit by what the others hold", &|b, g| {
        let r = last(b, g);
        let m = b.mean(r, 0);
        b.add(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, m, &[1.0]);
        let after = b.read(g, Site::ResidPost(1), ReadAt::Last);
        b.save("after", after);
    });
    alone("a unit by what the others hold", &|b, g| {
        let r = last(b, g);
        let n = b.norm(r);
        let n = b.mean(n, 0);
        let d = b.constant(direction(info));
        let edit = Edit::Add { direction: d, alpha: vec![1.0], unit: AlphaUnit::Norm(n) };
        b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, edit);
        let after = b.read(g, Site::ResidPost(1), ReadAt::Last);
        b.save("after", after);
    });
    alone("a stack", &|b, g| {
        let (x, y) = (last(b, g), last(b, g));
        let s = b.stack(&[x, y]);
        b.save("s", s);
    });
    alone("draws", &|b, g| {
        let t = b.generate(g, Sampling { temperature: 0.5, ..Sampling::greedy(2) });
        b.save("t", t);
    });
    alone("two groups", &|b, g| {
        let other = b.tokens([vec![1]]);
        let (x, y) = (last(b, g), last(b, other));
        b.save("x", x);
        b.save("y", y);
    });
}

#[test]
fn only_prompts_and_doses_may_differ() {
    let engine = engine("families/llama");
    let info = engine.info();
    let ask = |special, site: u32, name: &str, value: f32| {
        let graph = checked(info, |b| {
            let g = b.raw_group(vec![Prompt::Tokens(vec![1])], special);
            let r = b.read(g, Site::ResidPost(site), ReadAt::Last);
            let c = b.constant(Tensor::scalar(value));
            let v = b.binary(Binary::Mul, r, c);
            b.save(name, v);
        });
        Pattern::of(&graph).unwrap().key
    };
    let base = ask(true, 0, "v", 1.0);
    assert_eq!(base, ask(true, 0, "v", 1.0));
    for other in
        [ask(false, 0, "v", 1.0), ask(true, 1, "v", 1.0), ask(true, 0, "w", 1.0), ask(true, 0, "v", 2.0)]
    {
        assert_ne!(base, other);
    }
}

#[test]
fn an_answer_of_the_wrong_size_is_not_cut() {
    let engine = engine("families/llama");
    let graph = checked(engine.info(), |b| {
        let g = b.tokens([vec![1]]);
        let r = b.read(g, Site::ResidPost(0), ReadAt::All);
        b.save("r", r);
    });
    let pattern = Pattern::of(&graph).unwrap();
    let value =
        |rows| Value::Tensor { tensor: Tensor::from_f32(vec![3, 1], &[1.0, 2.0, 3.0]).unwrap(), rows };
    let split = |v: Value| pattern.split(Answer { values: [("r".to_owned(), v)].into() }, &[1, 1]);
    assert!(split(value(Some(vec![1, 2]))).is_ok());
    assert!(matches!(split(value(Some(vec![3]))), Err(CutError::Rows { .. })));
    assert!(matches!(split(value(Some(vec![1, 1]))), Err(CutError::Rows { .. })));
    assert!(matches!(split(value(None)), Err(CutError::Kind { .. })));
    assert!(matches!(pattern.split(Answer::default(), &[1, 1]), Err(CutError::Kind { .. })));
}

/// One of the operations on the newest value that graphs are made of at random.
fn step(b: &mut Builder, last: truenorth_protocol::graph::NodeId, op: u8, info: &ModelInfo) -> Op {
    let a = last;
    match op {
        0 => Op::Unary { f: truenorth_protocol::graph::Unary::Unit, a },
        1 => Op::Norm { a },
        2 => Op::Reduce { f: Reduce::Mean, a, axis: 0 },
        3 => Op::Reduce { f: Reduce::Sum, a, axis: 1 },
        4 => Op::Slice { a, axis: 1, start: 1, end: 4 },
        5 => Op::Slice { a, axis: 0, start: 0, end: 1 },
        6 => Op::Dot { a, b: b.constant(direction(info)) },
        7 => Op::Binary { f: Binary::Sub, a, b: last },
        8 => Op::TopKValues { a, k: 2 },
        9 => Op::Unary { f: truenorth_protocol::graph::Unary::Softmax, a },
        10 => Op::Binary { f: Binary::Mul, a, b: b.constant(Tensor::scalar(-2.0)) },
        _ => Op::Cast { a, dtype: DType::F32 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever chain of operations is called mergeable gives, merged, what it gives alone.
    #[test]
    fn chains_of_operations_merge_only_when_rows_stay_apart(
        ops in prop::collection::vec(0_u8..12, 0..4),
        at in 0_u8..3,
        first in prop::collection::vec(prop::collection::vec(0_u32..50, 1..4), 1..4),
        second in prop::collection::vec(prop::collection::vec(0_u32..50, 1..4), 1..4),
    ) {
        static ENGINE: std::sync::LazyLock<Engine> = std::sync::LazyLock::new(|| engine("families/llama"));
        let info = ENGINE.info();
        let ask = |prompts: Vec<Vec<u32>>| {
            let mut b = Builder::new();
            let g = b.tokens(prompts);
            let at = [ReadAt::Last, ReadAt::All, ReadAt::Mean, ReadAt::MeanSink][at as usize];
            let mut last = b.read(g, Site::ResidPost(0), at);
            for op in &ops {
                let next = step(&mut b, last, *op, info);
                last = b.node(next);
            }
            b.save("v", last);
            b.finish().check(info, &CheckLimits::default())
        };
        if let (Ok(a), Ok(b)) = (ask(first), ask(second))
            && Pattern::of(&a).is_some()
            && Pattern::of(&a) == Pattern::of(&b)
        {
            check_merge(&ENGINE, &[a, b]);
        }
    }
}
