//! What is computed of reads, generated, and asked of several groups.

use super::*;

pub(super) fn operations(both: &mut Both) {
    let width = both.hidden();
    both.agree("every operation", |b, both| {
        let group = prompts(b, both);
        let all = b.read(group, Site::ResidPost(1), ReadAt::All);
        let last = b.read(group, Site::ResidPost(2), ReadAt::Last);
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        let every = b.read(group, Site::Logits, ReadAt::All);
        let d = b.constant(direction(width, 3));
        let rows = b.constant(matrix(4, width, 3));
        let half = b.constant(direction(width, 4).cast(DType::F16).unwrap());
        let wide = b.constant(direction(width, 4).cast(DType::F64).unwrap());
        let ids = b.constant(Tensor::from_i64(vec![3], &[1, 2, 3]).unwrap());
        let mut save: Vec<(String, truenorth_protocol::graph::NodeId)> = vec![];
        let mut keep = |name: &str, id| save.push((name.to_owned(), id));
        for (name, f) in
            [("add", Binary::Add), ("sub", Binary::Sub), ("mul", Binary::Mul), ("div", Binary::Div)]
        {
            let one = b.binary(f, all, d);
            keep(name, one);
            let other = b.binary(f, last, rows);
            keep(&format!("{name} rows"), other);
        }
        for (name, f) in [("unit", Unary::Unit), ("softmax", Unary::Softmax), ("neg", Unary::Neg)] {
            let one = b.unary(f, all);
            keep(name, one);
        }
        let softmax = b.unary(Unary::Softmax, every);
        let logs = b.unary(Unary::Log, softmax);
        let back = b.unary(Unary::Exp, logs);
        let entropy = b.binary(Binary::Mul, back, logs);
        let entropy = b.sum(entropy, 1);
        keep("entropy", entropy);
        let dot = b.dot(all, d);
        keep("dot", dot);
        keep("norm of last", b.node(Op::Norm { a: last }));
        let rows_dot = b.dot(last, rows);
        keep("dot rows", rows_dot);
        let of_prompts = b.unary(Unary::Softmax, rows_dot);
        keep("softmax over prompts", of_prompts);
        let top = b.node(Op::TopKIndices { a: rows_dot, k: 2 });
        keep("top prompts", top);
        let cosine = b.cosine(all, half);
        keep("cosine", cosine);
        let cosine = b.cosine(last, rows);
        keep("cosine rows", cosine);
        let norm = b.norm(all);
        keep("norm", norm);
        let mean_norm = b.mean(norm, 0);
        keep("mean norm", mean_norm);
        keep("mean over prompts", b.mean(last, 0));
        keep("mean over tokens", b.node(Op::Reduce { f: Reduce::Mean, a: all, axis: 0 }));
        keep("sum over width", b.sum(last, 1));
        keep("slice prompts", b.slice(last, 0, 1..3));
        keep("slice width", b.slice(all, 1, 2..7));
        keep("stack", b.stack(&[last, rows]));
        keep("stack tokens", b.stack(&[all, all]));
        for dtype in [DType::F16, DType::Bf16, DType::F64, DType::F32] {
            let cast = b.cast(last, dtype);
            keep(&format!("cast {dtype}"), cast);
            let again = b.binary(Binary::Add, cast, d);
            keep(&format!("cast {dtype} and on"), again);
            keep(&format!("cast {dtype} sliced"), b.slice(cast, 1, 0..3));
        }
        keep("half", half);
        keep("wide", wide);
        keep("ids", ids);
        keep("wide and on", b.binary(Binary::Sub, last, wide));
        keep("log_prob", b.log_prob(logits, &[3, 1, 40]));
        keep("log_prob all", b.log_prob(every, &[9]));
        keep("p", b.node(Op::PromptLogProb { logits: every }));
        keep("top values", b.node(Op::TopKValues { a: logits, k: 5 }));
        keep("top indices", b.node(Op::TopKIndices { a: logits, k: 5 }));
        keep("top all", b.node(Op::TopKIndices { a: every, k: 3 }));
        for (name, id) in save {
            b.save(format!("{name} \"é\\\u{2028}"), id);
        }
    });
    both.agree("constants alone", |b, _| {
        let d = b.constant(direction(8, 1));
        let s = b.constant(Tensor::scalar(2.0));
        let twice = b.binary(Binary::Mul, d, s);
        b.save("twice", twice);
        b.save("d", d);
    });
}

pub(super) fn generations(both: &mut Both) {
    let width = both.hidden();
    let sampled = Sampling { temperature: 0.8, top_p: 0.9, seed: 11, ..Sampling::greedy(12) };
    let whole = Sampling { top_p: 1.0, temperature: 1.3, seed: 5, ..sampled.clone() };
    let stops = Sampling { stop: vec![3, 17, 20, 33, 41, 52, 60], ..sampled.clone() };
    let greedy_stop = Sampling { stop: vec![2, 5, 8, 13, 21, 34, 55], ..Sampling::greedy(9) };
    for (name, params) in [
        ("greedy", Sampling::greedy(8)),
        ("sampled", sampled.clone()),
        ("whole", whole),
        ("stops", stops),
        ("greedy stop", greedy_stop),
        ("one", Sampling::greedy(1)),
    ] {
        both.agree(&format!("generate {name}"), |b, both| {
            let group = prompts(b, both);
            let tokens = b.generate(group, params.clone());
            let p = b.node(Op::GeneratedLogProb { generate: tokens });
            b.save("tokens", tokens);
            b.save("p", p);
            let total = b.sum(p, 1);
            b.save("total", total);
            let first = b.slice(tokens, 1, 0..1);
            b.save("first", first);
        });
    }
    let every = [
        WriteAt::All,
        WriteAt::Prompt,
        WriteAt::Generated,
        WriteAt::Last,
        WriteAt::Index(1),
        WriteAt::Index(-3),
    ];
    for (i, at) in every.into_iter().enumerate() {
        for steps in [
            Steps::ALL,
            Steps { start: 0, end: Some(3) },
            Steps { start: 2, end: None },
            Steps { start: 2, end: Some(4) },
        ] {
            let once = !matches!(at, WriteAt::All | WriteAt::Generated);
            if once && steps.start > 0 {
                continue;
            }
            both.agree(&format!("steered generation at {at}, steps {steps:?}"), |b, both| {
                let group = prompts(b, both);
                let d = b.constant(direction(width, i));
                let rows = b.constant(matrix(4, width, i));
                let vocab = b.constant(direction(both.engine.info().vocab as usize, i));
                b.add(group, Site::ResidPost(0), at, steps, d, &[0.4, 0.8, -0.4, 1.0]);
                b.add(group, Site::ResidMid(1), at, steps, rows, &[0.4]);
                b.write(group, Site::AttnOut(2), at, steps, Edit::Ablate { direction: d });
                b.write(group, Site::FinalNorm, at, steps, Edit::Scale { factor: 1.1 });
                b.add(group, Site::Logits, at, steps, vocab, &[0.7]);
                let reads: Vec<_> = (0..6)
                    .flat_map(|s| [Site::ResidPre(1), Site::ResidMid(1), Site::Logits].map(|site| (s, site)))
                    .map(|(s, site)| (s, site, b.read_step(group, site, ReadAt::Last, s)))
                    .collect();
                let tokens = b.generate(group, Sampling { max_new_tokens: 7, ..sampled.clone() });
                let p = b.node(Op::GeneratedLogProb { generate: tokens });
                b.save("tokens", tokens);
                b.save("p", p);
                for (s, site, id) in reads {
                    b.save(format!("{site} {s}"), id);
                }
            });
        }
    }
    both.agree("prompt reads of a group that generates", |b, both| {
        let group = prompts(b, both);
        for at in [ReadAt::All, ReadAt::Mean, ReadAt::Index(0), ReadAt::Index(-2), ReadAt::Last] {
            for site in [Site::Embed, Site::ResidPost(2), Site::Logits] {
                let id = b.read(group, site, at);
                b.save(format!("{site} {at}"), id);
                if site == Site::Logits && at == ReadAt::All {
                    let p = b.node(Op::PromptLogProb { logits: id });
                    b.save("p", p);
                }
            }
        }
        let tokens = b.generate(group, Sampling::greedy(3));
        b.save("tokens", tokens);
    });
    both.agree("a read at a later step, without the tokens", |b, both| {
        let group = prompts(b, both);
        let first = b.read(group, Site::ResidPost(1), ReadAt::Last);
        // What step 0 left changes what step 2 does.
        b.write(
            group,
            Site::ResidPost(1),
            WriteAt::All,
            Steps { start: 2, end: None },
            Edit::Set { value: first },
        );
        let late = b.read_step(group, Site::ResidPost(2), ReadAt::Last, 3);
        let _unused = b.generate(group, Sampling::greedy(9));
        b.save("late", late);
    });
    // Text comes of tokens on this side.
    let mut b = Builder::new();
    let group = prompts(&mut b, both);
    let tokens = b.generate(group, Sampling { stop: (0..40).collect(), ..Sampling::greedy(5) });
    let text = b.node(Op::Decode { generate: tokens });
    b.save("tokens", tokens);
    b.save("text", text);
    let answer = both.send("text", b.finish(), DType::Bf16);
    let ids = answer.tensor("tokens").unwrap().to_i64().unwrap();
    let kept = |row: &[i64]| format!("{:?}", row.iter().filter(|i| **i >= 0).collect::<Vec<_>>());
    let want: Vec<String> = ids.chunks(5).map(kept).collect();
    assert_eq!(answer.values["text"].text().unwrap(), want);
}

pub(super) fn groups(both: &mut Both) {
    let width = both.hidden();
    both.agree("values of one group in the next", |b, both| {
        let plus = prompts(b, both);
        let minus = b.tokens(vec![vec![9, 8, 7], vec![1, 2], vec![30], vec![4, 4, 4, 4]]);
        let a = b.read(plus, Site::ResidPost(1), ReadAt::Last);
        let c = b.read(minus, Site::ResidPost(1), ReadAt::Last);
        let difference = b.binary(Binary::Sub, a, c);
        let mean = b.mean(difference, 0);
        let norms = b.norm(a);
        let norm = b.mean(norms, 0);
        let last = prompts(b, both);
        let edit = Edit::Add { direction: mean, alpha: vec![1.0], unit: AlphaUnit::Absolute };
        b.write(last, Site::ResidPost(0), WriteAt::All, Steps::ALL, edit);
        let unit = b.unary(Unary::Unit, mean);
        let edit =
            Edit::Add { direction: unit, alpha: vec![0.2, 0.4, 0.6, 0.8], unit: AlphaUnit::Norm(norm) };
        b.write(last, Site::ResidPost(1), WriteAt::Last, Steps::ALL, edit);
        b.write(last, Site::ResidPost(2), WriteAt::Index(0), Steps::ALL, Edit::Set { value: c });
        let out = b.read(last, Site::Logits, ReadAt::Last);
        let top = b.node(Op::TopKValues { a: out, k: 4 });
        b.save("top", top);
        b.save("mean", mean);
        let along = b.read(last, Site::ResidPost(2), ReadAt::All);
        let along = b.dot(along, unit);
        b.save("along", along);
        let tokens = b.generate(last, Sampling::greedy(4));
        b.save("tokens", tokens);
    });
    // Enough for several batches, of many lengths and of one.
    for even in [false, true] {
        let length = move |i: usize| if even { 20 } else { 1 + (i * 7) % 29 };
        let many: Vec<Vec<u32>> =
            (0..900).map(|i| (0..length(i)).map(|k| ((i * 13 + k * 5) % 63) as u32).collect()).collect();
        both.agree(&format!("many prompts, even {even}"), |b, _| {
            let group = b.tokens(many.clone());
            let doses: Vec<f64> = (0..900).map(|i| f64::from(i % 7) / 7.0).collect();
            let d = b.constant(direction(width, 2));
            b.add(group, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, &doses);
            b.add(group, Site::ResidPost(1), WriteAt::Last, Steps::ALL, d, &doses);
            let last = b.read(group, Site::ResidPost(2), ReadAt::Last);
            let all = b.read(group, Site::AttnOut(1), ReadAt::All);
            let mean = b.read(group, Site::MlpOut(2), ReadAt::Mean);
            let logits = b.read(group, Site::Logits, ReadAt::All);
            let p = b.node(Op::PromptLogProb { logits });
            let dot = b.dot(all, d);
            let centre = b.mean(last, 0);
            for (name, id) in [("last", last), ("dot", dot), ("mean", mean), ("p", p), ("centre", centre)] {
                b.save(name, id);
            }
        });
        let some = many[..300].to_vec();
        both.agree(&format!("many generations, even {even}"), |b, _| {
            let group = b.tokens(some.clone());
            let doses: Vec<f64> = (0..300).map(|i| f64::from(i % 7) / 7.0).collect();
            let d = b.constant(direction(width, 2));
            b.add(group, Site::ResidPost(0), WriteAt::Generated, Steps::ALL, d, &doses);
            let params =
                Sampling { temperature: 1.0, top_p: 0.95, seed: 3, stop: vec![6, 7], ..Sampling::greedy(5) };
            let tokens = b.generate(group, params);
            let p = b.node(Op::GeneratedLogProb { generate: tokens });
            b.save("tokens", tokens);
            b.save("p", p);
        });
    }
}

/// Whatever a graph may be.
pub(super) fn random(both: &mut Both) {
    let count = std::env::var("TRUENORTH_NNSIGHT_RANDOM").map_or(40, |n| n.parse().unwrap());
    for seed in 0..count {
        both.agree_on(&format!("random graph {seed}"), random_graph::random_graph(seed, both.engine.info()));
    }
}
