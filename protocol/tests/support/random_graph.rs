//! Valid graphs made at random, the same for the same number: what a test of any runner can run.

#![allow(clippy::expect_used, reason = "only sizes that fit are made")]

use truenorth_protocol::graph::{
    AlphaUnit, Binary, CheckLimits, Decides, Dim, Edit, Group, NodeId, Op, Reduce, Sampling, Steps, Unary,
    ValueKind,
};
use truenorth_protocol::{DType, Graph, ModelInfo, Prompt, ReadAt, Site, Tensor, WriteAt};

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn number(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// A graph that `info` accepts, with everything in it saved.
pub fn random_graph(seed: u64, info: &ModelInfo) -> Graph {
    let mut dice = Dice(seed);
    let groups: Vec<Group> = (0..1 + dice.below(3))
        .map(|_| {
            let count = 1 + dice.below(4);
            let even = dice.below(3) == 0;
            let length = 3 + dice.below(12);
            let prompts = (0..count)
                .map(|_| {
                    let n = if even { length } else { 3 + dice.below(12) };
                    Prompt::Tokens((0..n).map(|_| dice.below(info.vocab as usize) as u32).collect())
                })
                .collect();
            Group { prompts, special_tokens: false }
        })
        .collect();
    let mut graph = Graph { groups, nodes: vec![] };
    let mut kinds: Vec<ValueKind> = vec![];
    for _ in 0..60 {
        if graph.nodes.len() == 16 {
            break;
        }
        let op = candidate(&mut dice, &graph, &kinds, info);
        graph.nodes.push(op);
        match with_saves(&graph, &kinds).check(info, &CheckLimits::default()) {
            Ok(checked) => kinds = checked.kinds()[..graph.nodes.len()].to_vec(),
            Err(_) => {
                graph.nodes.pop();
            }
        }
    }
    with_saves(&graph, &kinds)
}

fn with_saves(graph: &Graph, kinds: &[ValueKind]) -> Graph {
    let mut graph = graph.clone();
    let values = graph.nodes.len();
    // What was just added is not known yet, so a constant stands in for it.
    graph.nodes.push(Op::Const(Tensor::scalar(0.0)));
    let one = NodeId(values as u32);
    graph.nodes.push(Op::Save { name: "zero".into(), value: one });
    for (i, kind) in kinds.iter().enumerate() {
        if *kind != ValueKind::Effect {
            graph.nodes.push(Op::Save { name: format!("v{i}"), value: NodeId(i as u32) });
        }
    }
    graph
}

fn candidate(dice: &mut Dice, graph: &Graph, kinds: &[ValueKind], info: &ModelInfo) -> Op {
    let sites: Vec<Site> = Site::all(info.layers).collect();
    let values: Vec<NodeId> = (0..kinds.len())
        .filter(|i| matches!(&kinds[*i], ValueKind::Tensor { .. }))
        .map(|i| NodeId(i as u32))
        .collect();
    let value = |dice: &mut Dice| if values.is_empty() { NodeId(0) } else { dice.of(&values) };
    let group = dice.below(graph.groups.len()) as u32;
    let prompts = graph.groups[group as usize].prompts.len();
    let site = dice.of(&sites);
    let width = if site == Site::Logits { info.vocab } else { info.hidden } as usize;
    let vector = |dice: &mut Dice, rows: usize, width: usize| {
        let v: Vec<f32> = (0..rows * width).map(|_| dice.number() as f32).collect();
        let shape = if rows == 1 { vec![width] } else { vec![rows, width] };
        Tensor::from_f32(shape, &v).expect("sizes fit")
    };
    match dice.below(21) {
        20 => {
            let writes: Vec<NodeId> = (0_u32..)
                .zip(&graph.nodes)
                .filter(|(_, op)| matches!(op, Op::Write { group: g, .. } if *g == group))
                .map(|(i, _)| NodeId(i))
                .collect();
            let direction = fitting(dice, kinds, 0, info.hidden as usize).unwrap_or_else(|| value(dice));
            let of = dice.of(&[
                Decides::Token,
                Decides::Token,
                Decides::Prompt(ReadAt::Last),
                Decides::Prompt(ReadAt::Mean),
                Decides::Prompt(ReadAt::Index(-2)),
            ]);
            Op::When { group, site, direction, above: dice.number() / 4.0, of, writes }
        }
        0..=5 => {
            let positions = dice.of(&[
                ReadAt::Last,
                ReadAt::Last,
                ReadAt::Mean,
                ReadAt::MeanSink,
                ReadAt::Sinks,
                ReadAt::All,
                ReadAt::Index(1),
                ReadAt::Index(-3),
            ]);
            let step = if positions == ReadAt::Last { dice.of(&[0, 0, 1, 2]) } else { 0 };
            Op::Read { group, site, positions, step }
        }
        6 | 7 => {
            let rows = dice.of(&[1, prompts]);
            Op::Const(vector(dice, rows, width))
        }
        8..=11 => {
            let direction = fitting(dice, kinds, prompts, width).unwrap_or_else(|| value(dice));
            let alpha = match dice.below(2) {
                0 => vec![dice.number()],
                _ => (0..prompts).map(|_| dice.number()).collect(),
            };
            let scalar = kinds.iter().position(
                |k| matches!(k, ValueKind::Tensor { shape, dtype } if shape.0.is_empty() && dtype.is_float()),
            );
            let unit = match scalar {
                Some(i) if dice.below(2) == 0 => AlphaUnit::Norm(NodeId(i as u32)),
                _ => AlphaUnit::Absolute,
            };
            let edit = match dice.below(6) {
                0 | 1 => Edit::Add { direction, alpha, unit },
                2 => Edit::Ablate { direction },
                3 => Edit::Set { value: direction },
                4 => Edit::Scale { factor: 1.0 + dice.number() / 4.0 },
                _ => Edit::Clamp { direction, min: -0.5, max: 0.5 },
            };
            let positions = dice.of(&[
                WriteAt::All,
                WriteAt::Prompt,
                WriteAt::Generated,
                WriteAt::Last,
                WriteAt::Index(0),
                WriteAt::Index(-2),
            ]);
            let start = dice.of(&[0, 0, 1]);
            let end = dice.of(&[None, None, Some(start + 1)]);
            Op::Write { group, site, positions, steps: Steps { start, end }, edit }
        }
        12 => {
            let stop = if dice.below(3) == 0 {
                (0..8).map(|_| dice.below(info.vocab as usize) as u32).collect()
            } else {
                vec![]
            };
            let params = Sampling {
                max_new_tokens: 1 + dice.below(5) as u32,
                temperature: dice.of(&[0.0, 0.7, 1.2]),
                top_p: dice.of(&[1.0, 0.8]),
                seed: dice.next(),
                stop,
                first_row: 0,
            };
            Op::Generate { group, params }
        }
        13 => {
            let of = |k: &Op| matches!(k, Op::Generate { .. });
            match graph.nodes.iter().position(of) {
                Some(i) => Op::GeneratedLogProb { generate: NodeId(i as u32) },
                None => Op::Norm { a: value(dice) },
            }
        }
        14 => {
            let logits = value(dice);
            match dice.below(2) {
                0 => Op::PromptLogProb { logits },
                _ => Op::LogProb { logits, tokens: vec![dice.below(info.vocab as usize) as u32, 1] },
            }
        }
        15 => Op::Binary {
            f: dice.of(&[Binary::Add, Binary::Sub, Binary::Mul]),
            a: value(dice),
            b: value(dice),
        },
        16 => match dice.below(4) {
            0 => Op::Unary { f: dice.of(&[Unary::Unit, Unary::Softmax, Unary::Neg]), a: value(dice) },
            1 => Op::Dot { a: value(dice), b: value(dice) },
            2 => Op::Cosine { a: value(dice), b: value(dice) },
            _ => Op::Norm { a: value(dice) },
        },
        17 => Op::Reduce {
            f: dice.of(&[Reduce::Mean, Reduce::Sum]),
            a: value(dice),
            axis: dice.below(2) as u32,
        },
        18 => {
            let start = dice.below(3) as u32;
            Op::Slice {
                a: value(dice),
                axis: dice.below(2) as u32,
                start,
                end: start + 1 + dice.below(3) as u32,
            }
        }
        _ => match dice.below(3) {
            0 => {
                let a = value(dice);
                Op::Stack(vec![a, a])
            }
            1 => Op::TopKValues { a: value(dice), k: 1 + dice.below(3) as u32 },
            _ => Op::Cast { a: value(dice), dtype: dice.of(&[DType::F32, DType::F64]) },
        },
    }
}

/// A value that can be the direction of an edit.
fn fitting(dice: &mut Dice, kinds: &[ValueKind], prompts: usize, width: usize) -> Option<NodeId> {
    let fits: Vec<NodeId> = kinds
        .iter()
        .enumerate()
        .filter(|(_, k)| match k {
            ValueKind::Tensor { dtype, shape } if dtype.is_float() => match shape.0.as_slice() {
                [Dim::Fixed(w)] => *w == width,
                [Dim::Fixed(p), Dim::Fixed(w)] => *p == prompts && *w == width,
                _ => false,
            },
            _ => false,
        })
        .map(|(i, _)| NodeId(i as u32))
        .collect();
    (!fits.is_empty()).then(|| dice.of(&fits))
}
