//! An answer's bits are those of its prompt alone, whatever runs beside it: what prompts share, how
//! they are cut into passes, what a cache holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use truenorth_protocol::graph::{Op, Sampling, Steps};
use truenorth_protocol::{Builder, ReadAt, Site, Tensor, Value, WriteAt};

use crate::backend::host;
use crate::{Engine, EngineOptions, Precision};
use truenorth_protocol::run::{Runner, Unwatched};

const NEW: u32 = 4;

/// Folders of families in f32 and in bf16, and files whose matrices stay int8 and int4.
fn models() -> Vec<(PathBuf, EngineOptions)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut all = Vec::new();
    for family in [
        "llama", "llama3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "olmo2", "olmo3", "gpt2",
        "gpt_neox",
    ] {
        for precision in [Precision::F32, Precision::Bf16] {
            let options = EngineOptions { precision, ..EngineOptions::default() };
            all.push((root.join("families").join(family), options));
        }
    }
    for file in ["llama", "gemma3", "olmo2", "qwen2"] {
        let options = EngineOptions { keep_quantized: true, ..EngineOptions::default() };
        all.push((root.join("gguf").join(file).join("model.gguf"), options));
    }
    all
}

/// A model, opened once.
fn engine(number: usize) -> Arc<Engine> {
    static OPEN: LazyLock<Mutex<BTreeMap<usize, Arc<Engine>>>> = LazyLock::new(Mutex::default);
    let mut open = OPEN.lock().unwrap();
    let new = || {
        let (path, options) = models().swap_remove(number);
        Arc::new(Engine::open(&path, &options).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    open.entry(number).or_insert_with(new).clone()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// Every row of every site, and each prompt's log-probability.
    Rows,
    /// The last row of every site, and means.
    Last,
    /// A generation, pushed in the second block, with what it reads.
    Generated,
    /// The same of every row pushed at the embedding, so that nothing is shared.
    PushedFirst,
}

/// The bits of everything that is answered, prompt by prompt.
fn answers(engine: &Engine, prompts: &[Vec<u32>], question: Question) -> Vec<Vec<u32>> {
    let mut b = Builder::new();
    let group = b.tokens(prompts.to_vec());
    let sites: Vec<Site> = Site::all(engine.info().layers).collect();
    let mut save = Vec::new();
    let every = |b: &mut Builder, at| sites.iter().map(|s| b.read(group, *s, at)).collect::<Vec<_>>();
    match question {
        Question::Rows => {
            save = every(&mut b, ReadAt::All);
            let logits = save[save.len() - 1];
            save.push(b.node(Op::PromptLogProb { logits }));
        }
        Question::Last => {
            save = every(&mut b, ReadAt::Last);
            save.push(b.read(group, Site::AttnOut(1), ReadAt::Mean));
            save.push(b.read(group, Site::ResidPost(0), ReadAt::Index(0)));
        }
        Question::Generated | Question::PushedFirst => {
            let at = if question == Question::Generated { Site::ResidPost(1) } else { Site::Embed };
            let d: Vec<f32> = (0..engine.info().hidden).map(|i| (i as f32).sin()).collect();
            let d = b.constant(Tensor::vector(&d));
            b.add(group, at, WriteAt::All, Steps::ALL, d, &vec![0.25; prompts.len()]);
            save.push(b.read(group, Site::ResidMid(1), ReadAt::All));
            save.push(b.read_step(group, Site::ResidPost(1), ReadAt::Last, NEW - 1));
            let generate = b.generate(group, Sampling::greedy(NEW));
            save.extend([generate, b.node(Op::GeneratedLogProb { generate })]);
        }
    }
    for (i, value) in save.into_iter().enumerate() {
        b.save(format!("{i}"), value);
    }
    let answer = engine.ask(b.finish(), &Unwatched).unwrap();
    let mut of_prompts = vec![Vec::new(); prompts.len()];
    for value in answer.values.values() {
        let Value::Tensor { tensor, rows } = value else { panic!("numbers") };
        let all: Vec<u32> = match tensor.to_f32() {
            Ok(all) => all.into_iter().map(f32::to_bits).collect(),
            Err(_) => tensor.to_i64().unwrap().into_iter().map(|t| t as u32).collect(),
        };
        let width = all.len() / rows.as_ref().map_or(prompts.len(), |r| r.iter().sum::<u32>() as usize);
        let mut rest = &all[..];
        for (p, of_prompt) in of_prompts.iter_mut().enumerate() {
            let (head, tail) = rest.split_at(rows.as_ref().map_or(1, |r| r[p] as usize) * width);
            of_prompt.extend(head);
            rest = tail;
        }
    }
    of_prompts
}

/// Prompts that begin alike, by what is drawn: each goes on from some tokens of an earlier one.
fn prompts(drawn: &[(prop::sample::Index, prop::sample::Index, Vec<u32>)], most: usize) -> Vec<Vec<u32>> {
    let mut all: Vec<Vec<u32>> = Vec::new();
    for (of, kept, rest) in drawn {
        let mut prompt = match all.len() {
            0 => Vec::new(),
            n => {
                let from = &all[of.index(n)];
                from[..kept.index(from.len() + 1)].to_vec()
            }
        };
        prompt.extend(rest);
        prompt.truncate(most);
        if prompt.is_empty() {
            prompt.push(1);
        }
        all.push(prompt);
    }
    all
}

fn drawn() -> impl Strategy<Value = Vec<(prop::sample::Index, prop::sample::Index, Vec<u32>)>> {
    let rest = prop_oneof![
        prop::collection::vec(0..64_u32, 0..4),
        prop::collection::vec(0..64_u32, 40..140),
        prop::collection::vec(0..64_u32, 0..70),
    ];
    let any = any::<prop::sample::Index>;
    prop::collection::vec((any(), any(), rest), 2..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn a_prompts_bits_are_those_it_has_alone(
        model in 0..models().len(),
        drawn in drawn(),
        others: prop::sample::Index,
        question in prop::sample::select(vec![Question::Rows, Question::Last, Question::Generated, Question::PushedFirst]),
    ) {
        prop_assume!(host::usable());
        let engine = engine(model);
        let prompts = prompts(&drawn, (engine.info().context - NEW) as usize);
        let together = answers(&engine, &prompts, question);
        // Another batch: some of them, in another order, one of them twice.
        let some = 1 + others.index(prompts.len());
        let mut mixed: Vec<Vec<u32>> = prompts[..some].iter().rev().cloned().collect();
        mixed.push(prompts[0].clone());
        let elsewhere = answers(&engine, &mixed, question);
        for (p, prompt) in prompts.iter().enumerate() {
            let alone = &answers(&engine, std::slice::from_ref(prompt), question)[0];
            let name = &engine.info().path;
            prop_assert!(&together[p] == alone, "{name}, {question:?}: prompt {p} of {} tokens", prompt.len());
            if p < some {
                prop_assert!(&elsewhere[some - 1 - p] == alone, "{name}, {question:?}: prompt {p} in another batch");
            }
        }
        prop_assert!(elsewhere[some] == together[0]);
    }
}
