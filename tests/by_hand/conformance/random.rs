//! Random graphs that fit a model: steps drawn by proptest, each kept if the check takes it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use truenorth_protocol::graph::{
    AlphaUnit, Binary, CheckLimits, Edit, Group, NodeId, Op, Prompt, Reduce, Sampling, Steps, Unary,
};
use truenorth_protocol::{Answer, CheckedGraph, DType, Graph, ModelInfo, ReadAt, Site, Tensor, WriteAt};

use super::compare::{self, SAME};
use super::graphs::noise;

/// What a random graph is drawn from; one plan makes a graph for any model.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Prompts of each group, as numbers that become token ids.
    groups: Vec<Vec<Vec<u32>>>,
    /// A generation of the last group: steps, temperature and nucleus in tenths, seed.
    generation: Option<(u32, u32, u32, u64)>,
    steps: Vec<Step>,
}

/// One node: which kind, and numbers that choose what it is made of.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    a: u16,
    b: u16,
    c: u16,
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let prompt = vec(0..60_000_u32, 3..9);
    let groups = vec(vec(prompt, 1..4), 1..4);
    let generation = proptest::option::of((2..6_u32, 0..15_u32, 3..=10_u32, 0..999_u64));
    let step = (0..18_u8, any::<u16>(), any::<u16>(), any::<u16>());
    let steps = vec(step.prop_map(|(kind, a, b, c)| Step { kind, a, b, c }), 3..18);
    (groups, generation, steps).prop_map(|(groups, generation, steps)| Plan { groups, generation, steps })
}

/// A graph, and what its derived values were made from.
pub struct Random {
    pub checked: CheckedGraph,
    /// Name of a derived value: names of the values that went in, and whether they are multiplied.
    from: BTreeMap<String, (Vec<String>, bool)>,
}

impl Random {
    /// The largest difference, relative to the size of what went in: a difference of two large
    /// values has no digits of its own.
    pub fn difference(&self, got: &Answer, want: &Answer) -> Result<f32, String> {
        let mut plain = [got.clone(), want.clone()];
        let size = |name: &str| {
            let values = want.tensor(name).and_then(|t| t.to_f32().ok()).unwrap_or_default();
            values.iter().fold(0.0_f32, |m, v| m.max(v.abs()))
        };
        let mut worst = 0.0_f32;
        for (name, (inputs, multiplied)) in &self.from {
            let sizes = inputs.iter().map(|i| size(i));
            let scale = if *multiplied { sizes.product() } else { sizes.fold(0.0, f32::max) };
            let values = |a: &Answer| a.tensor(name).and_then(|t| t.to_f32().ok()).unwrap_or_default();
            let (mut g, mut w) = (values(got), values(want));
            if g.len() != w.len() {
                return Err(format!("{name}: {} values, not {}", g.len(), w.len()));
            }
            g.push(scale);
            w.push(scale);
            let far = compare::relative(&g, &w);
            if far >= SAME {
                return Err(format!("{name}: off by {far:e}"));
            }
            worst = worst.max(far);
            for answer in &mut plain {
                answer.values.remove(name);
            }
        }
        Ok(worst.max(compare::difference(&plain[0], &plain[1])?))
    }
}

struct Making<'a> {
    info: &'a ModelInfo,
    graph: Graph,
    tail: Vec<Op>,
    passes: Vec<u32>,
    /// Values so far and the names they are saved under.
    values: Vec<(NodeId, String)>,
    from: BTreeMap<String, (Vec<String>, bool)>,
}

impl Plan {
    /// The graph of the plan for a model.
    pub fn graph(&self, info: &ModelInfo) -> Random {
        let fit = |t: &u32| 3 + t % (info.vocab - 3);
        let prompt = |p: &Vec<u32>| Prompt::Tokens(p.iter().map(fit).collect());
        let group = |prompts: &Vec<Vec<u32>>| Group {
            prompts: prompts.iter().map(prompt).collect(),
            special_tokens: true,
        };
        let groups: Vec<Group> = self.groups.iter().map(group).collect();
        let last = groups.len() as u32 - 1;
        let mut passes = vec![1; groups.len()];
        let mut tail = vec![];
        if let Some((steps, temperature, top_p, seed)) = self.generation {
            passes[last as usize] = steps;
            let params = Sampling {
                temperature: f64::from(temperature) / 10.0,
                top_p: f64::from(top_p) / 10.0,
                seed,
                ..Sampling::greedy(steps)
            };
            tail.push(Op::Generate { group: last, params });
        }
        let graph = Graph { groups, nodes: vec![] };
        let mut making = Making { info, graph, tail, passes, values: vec![], from: BTreeMap::new() };
        for step in &self.steps {
            making.step(step);
        }
        let graph = making.whole(&[]);
        let checked = graph.check(info, &CheckLimits::default()).expect("each step was checked");
        Random { checked, from: making.from }
    }
}

impl Making<'_> {
    /// The graph with some nodes more, what is generated, and a last look at every group.
    fn whole(&self, more: &[Op]) -> Graph {
        let mut graph = self.graph.clone();
        graph.nodes.extend_from_slice(more);
        let id = |graph: &Graph| NodeId(graph.nodes.len() as u32 - 1);
        for group in 0..graph.groups.len() as u32 {
            graph.nodes.push(Op::Read { group, site: Site::Logits, positions: ReadAt::Last, step: 0 });
            let value = id(&graph);
            graph.nodes.push(Op::Save { name: format!("logits {group}"), value });
        }
        for op in &self.tail {
            graph.nodes.push(op.clone());
            let generate = id(&graph);
            graph.nodes.push(Op::Save { name: "tokens".into(), value: generate });
            graph.nodes.push(Op::GeneratedLogProb { generate });
            let value = id(&graph);
            graph.nodes.push(Op::Save { name: "log_probs".into(), value });
        }
        graph
    }

    /// Takes nodes over if the check does.
    fn try_push(&mut self, ops: &[Op]) -> Option<NodeId> {
        self.whole(ops).check(self.info, &CheckLimits::default()).ok()?;
        self.graph.nodes.extend_from_slice(ops);
        Some(NodeId(self.graph.nodes.len() as u32 - 1))
    }

    /// Takes a value over and saves it. What is derived says from what.
    fn value(&mut self, ops: &[Op], from: Option<(Vec<String>, bool)>) {
        if let Some(node) = self.try_push(ops) {
            let name = format!("{} {}", node.0, ops[ops.len() - 1].label());
            self.graph.nodes.push(Op::Save { name: name.clone(), value: node });
            if let Some(from) = from {
                self.from.insert(name.clone(), from);
            }
            self.values.push((node, name));
        }
    }

    fn next(&self) -> NodeId {
        NodeId(self.graph.nodes.len() as u32)
    }

    fn site(&self, n: u16) -> Site {
        let all: Vec<Site> = Site::all(self.info.layers).collect();
        all[n as usize % all.len()]
    }

    fn step(&mut self, s: &Step) {
        match s.kind {
            0..=4 => self.read(s),
            5..=10 => self.write(s),
            _ => self.operate(s),
        }
    }

    fn read(&mut self, s: &Step) {
        let group = u32::from(s.a) % self.graph.groups.len() as u32;
        let step = u32::from(s.c) / 7 % self.passes[group as usize];
        let positions = match s.c % 7 {
            _ if step > 0 => ReadAt::Last,
            0 => ReadAt::Last,
            1 => ReadAt::Mean,
            2 => ReadAt::All,
            3 => ReadAt::Index(1),
            4 => ReadAt::MeanSink,
            5 => ReadAt::Sinks,
            _ => ReadAt::Index(-3),
        };
        self.value(&[Op::Read { group, site: self.site(s.b), positions, step }], None);
    }

    fn write(&mut self, s: &Step) {
        let group = u32::from(s.a) % self.graph.groups.len() as u32;
        let (site, passes) = (self.site(s.b), self.passes[group as usize]);
        let positions = match s.c % 5 {
            0 => WriteAt::All,
            1 => WriteAt::Prompt,
            2 => WriteAt::Last,
            3 => WriteAt::Index(-2),
            _ => WriteAt::Generated,
        };
        let start = u32::from(s.c) / 5 % passes;
        let steps = match s.c / 31 % 3 {
            0 => Steps { start, end: Some(start + 1) },
            _ => Steps::ALL,
        };
        let width = if site == Site::Logits { self.info.vocab } else { self.info.hidden };
        let brought = Op::Const(Tensor::vector(&noise(width as usize, u64::from(s.c), 3.0)));
        let at = self.next();
        let edits = |d: NodeId| match s.kind {
            5 => Edit::Ablate { direction: d },
            6 => Edit::Set { value: d },
            7 => Edit::Scale { factor: f64::from(s.a % 40) / 20.0 - 1.0 },
            8 => Edit::Clamp { direction: d, min: -0.2, max: 0.3 },
            _ => Edit::Add { direction: d, alpha: vec![f64::from(s.a % 7) - 3.0], unit: AlphaUnit::Absolute },
        };
        // A value read before, where one fits in shape and time; else a vector brought along.
        if s.c.is_multiple_of(2) && !self.values.is_empty() {
            let known = self.values[s.c as usize % self.values.len()].0;
            let op = Op::Write { group, site, positions, steps, edit: edits(known) };
            if self.try_push(&[op]).is_some() {
                return;
            }
        }
        self.try_push(&[brought, Op::Write { group, site, positions, steps, edit: edits(at) }]);
    }

    fn operate(&mut self, s: &Step) {
        if self.values.is_empty() {
            return;
        }
        let pick = |n: u16| self.values[n as usize % self.values.len()].clone();
        let ((a, an), (b, bn)) = (pick(s.a), pick(s.b));
        let one = Some((vec![an.clone()], false));
        let two = Some((vec![an.clone(), bn.clone()], false));
        let both = Some((vec![an, bn], true));
        let at = self.next();
        match s.kind {
            11 => {
                let f = [Binary::Add, Binary::Sub][s.c as usize % 2];
                self.value(&[Op::Binary { f, a, b }], two);
            }
            12 => self.value(&[Op::Binary { f: Binary::Mul, a, b }], both),
            13 => self.value(&[Op::Dot { a, b }], both),
            14 => {
                let f = [Reduce::Mean, Reduce::Sum][s.c as usize % 2];
                self.value(&[Op::Reduce { f, a, axis: u32::from(s.c) / 2 % 2 }], one);
            }
            15 => self.value(&[Op::Unary { f: Unary::Unit, a }], None),
            16 => {
                // Logarithms of probabilities: finite, as those of other values may not be.
                let softmax = Op::Unary { f: Unary::Softmax, a };
                self.value(&[softmax, Op::Unary { f: Unary::Log, a: at }], None);
            }
            _ => {
                // Narrowed values go nowhere else: one rounded the other way would show.
                if let Some(node) = self.try_push(&[Op::Cast { a, dtype: DType::Bf16 }]) {
                    self.graph.nodes.push(Op::Save { name: format!("{} narrow", node.0), value: node });
                }
            }
        }
    }
}
