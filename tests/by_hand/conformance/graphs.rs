//! A graph of every kind, for a model of any family; `generating.rs` has those that generate.

use super::generating::{APART, STEERED};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use truenorth_protocol::graph::{
    AlphaUnit, Binary, Builder, Decides, Edit, GroupId, NodeId, Op, Sampling, Steps, Unary,
};
use truenorth_protocol::{DType, Graph, ModelInfo, ReadAt, Site, Tensor, WriteAt};

/// What the graphs are made of.
pub struct Kit {
    pub info: ModelInfo,
    /// Of different lengths.
    pub prompts: Vec<Vec<u32>>,
}

impl Kit {
    pub fn new(info: &ModelInfo, prompts: Vec<Vec<u32>>) -> Self {
        Self { info: info.clone(), prompts }
    }

    /// Every kind, by name.
    pub fn all(&self) -> Vec<(String, Graph)> {
        let mut all = vec![];
        for at in [
            ReadAt::Last,
            ReadAt::All,
            ReadAt::Mean,
            ReadAt::MeanSink,
            ReadAt::Sinks,
            ReadAt::Index(0),
            ReadAt::Index(-2),
        ] {
            all.push((format!("every site at {at}"), self.reads(at)));
        }
        all.push(("a steering vector at every site".into(), self.writes_everywhere()));
        all.push(("every edit and its positions".into(), self.edits()));
        all.push(("α in mean residual norms".into(), self.norm_units()));
        all.push(("values between groups".into(), self.between_groups()));
        all.push(("every operation".into(), self.operations()));
        all.push(("parts of conversations".into(), self.parts_read()));
        all.push(("every edit of parts of conversations".into(), self.parts_edited()));
        all.push(("parts while generating".into(), self.parts_generating()));
        all.push(("texts".into(), self.texts()));
        all.extend(self.generating());
        all
    }

    /// A few kinds that between them read every site and the logits of every token, steer at every site while generating, and
    /// generate with and without a say in what is chosen, each step apart from the others.
    pub fn smoke(&self) -> Vec<(String, Graph)> {
        let few =
            ["every site at last", "every operation", STEERED, "greedy generation", "tokens alone", APART];
        let some: Vec<_> = self.all().into_iter().filter(|(name, _)| few.contains(&name.as_str())).collect();
        assert_eq!(some.len(), few.len());
        some
    }

    pub fn group(&self, b: &mut Builder) -> GroupId {
        b.tokens(self.prompts.clone())
    }

    /// A vector of about this length, the same for the same seed.
    pub fn vector(&self, b: &mut Builder, site: Site, seed: u64, length: f32) -> NodeId {
        let width = if site == Site::Logits { self.info.vocab } else { self.info.hidden };
        b.constant(Tensor::vector(&noise(width as usize, seed, length)))
    }

    fn reads(&self, at: ReadAt) -> Graph {
        let mut b = Builder::new();
        let group = self.group(&mut b);
        for site in Site::all(self.info.layers) {
            let read = b.read(group, site, at);
            b.save(site.to_string(), read);
        }
        b.finish()
    }

    /// Saves what shows an edit: the logits.
    pub fn show(b: &mut Builder, group: GroupId, name: &str) {
        let logits = b.read(group, Site::Logits, ReadAt::All);
        b.save(name, logits);
    }

    fn writes_everywhere(&self) -> Graph {
        let mut b = Builder::new();
        for (i, site) in Site::all(self.info.layers).enumerate() {
            let group = self.group(&mut b);
            let before = b.read(group, site, ReadAt::Last);
            let d = self.vector(&mut b, site, i as u64, 2.0);
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[1.5]);
            let after = b.read(group, site, ReadAt::Last);
            b.save(format!("{site} before"), before);
            b.save(format!("{site} after"), after);
            Self::show(&mut b, group, &format!("{site} logits"));
        }
        b.finish()
    }

    fn edits(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 1, 3.0);
        let many: Vec<f32> = noise(self.prompts.len() * self.info.hidden as usize, 2, 9.0);
        let shape = vec![self.prompts.len(), self.info.hidden as usize];
        let rows = b.constant(Tensor::from_f32(shape, &many).unwrap());
        let each: Vec<f64> = (0..self.prompts.len()).map(|i| 0.5 - i as f64).collect();
        let add =
            |alpha: &[f64]| Edit::Add { direction: d, alpha: alpha.to_vec(), unit: AlphaUnit::Absolute };
        let all = [
            ("add", add(&[2.0])),
            ("add each", add(&each)),
            ("add rows", Edit::Add { direction: rows, alpha: vec![0.5], unit: AlphaUnit::Absolute }),
            ("ablate", Edit::Ablate { direction: d }),
            ("set", Edit::Set { value: d }),
            ("set rows", Edit::Set { value: rows }),
            ("scale", Edit::Scale { factor: -0.5 }),
            ("clamp", Edit::Clamp { direction: d, min: -0.1, max: 0.2 }),
        ];
        for (name, edit) in all {
            for at in [WriteAt::All, WriteAt::Prompt, WriteAt::Last, WriteAt::Index(-2), WriteAt::Index(1)] {
                let group = self.group(&mut b);
                b.write(group, site, at, Steps::ALL, edit.clone());
                Self::show(&mut b, group, &format!("{name} {at}"));
            }
        }
        for (name, of) in [
            ("when token", Decides::Token),
            ("when last", Decides::Prompt(ReadAt::Last)),
            ("when mean", Decides::Prompt(ReadAt::Mean)),
        ] {
            for at in [WriteAt::All, WriteAt::Last, WriteAt::Index(1)] {
                let group = self.group(&mut b);
                let write = b.write(group, site, at, Steps::ALL, add(&[2.0]));
                b.when(group, Site::ResidMid(0), d, (of, 0.05), &[write]);
                Self::show(&mut b, group, &format!("{name} {at}"));
            }
        }
        b.finish()
    }

    fn norm_units(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let neutral = self.group(&mut b);
        let rows = b.read(neutral, site, ReadAt::All);
        let norms = b.norm(rows);
        let unit = b.mean(norms, 0);
        b.save("unit", unit);
        let raw = self.vector(&mut b, site, 3, 1.0);
        let direction = b.unary(Unary::Unit, raw);
        for alpha in [-1.0, 0.0, 0.5] {
            let group = self.group(&mut b);
            let edit = Edit::Add { direction, alpha: vec![alpha], unit: AlphaUnit::Norm(unit) };
            b.write(group, site, WriteAt::All, Steps::ALL, edit);
            Self::show(&mut b, group, &format!("α {alpha}"));
            let tokens = b.generate(group, Sampling::greedy(5));
            b.save(format!("tokens at α {alpha}"), tokens);
        }
        b.finish()
    }

    fn between_groups(&self) -> Graph {
        let (low, high) = (Site::ResidPost(0), Site::ResidPost(self.info.layers - 1));
        let mut b = Builder::new();
        let first = self.group(&mut b);
        let other: Vec<Vec<u32>> = self.prompts.iter().map(|p| p.iter().rev().copied().collect()).collect();
        let second = b.tokens(other);
        let seen = b.read(first, low, ReadAt::Last);
        b.write(second, low, WriteAt::Last, Steps::ALL, Edit::Set { value: seen });
        Self::show(&mut b, second, "patched");
        let a = b.read(first, high, ReadAt::Mean);
        let c = b.read(second, high, ReadAt::Mean);
        let difference = b.binary(Binary::Sub, a, c);
        let mean = b.mean(difference, 0);
        let direction = b.unary(Unary::Unit, mean);
        let third = self.group(&mut b);
        b.add(third, high, WriteAt::All, Steps::ALL, direction, &[4.0]);
        b.write(third, high, WriteAt::Last, Steps::ALL, Edit::Ablate { direction });
        Self::show(&mut b, third, "steered by the difference");
        b.save("difference", difference);
        b.finish()
    }

    fn operations(&self) -> Graph {
        let site = Site::ResidMid(0);
        let mut b = Builder::new();
        let group = self.group(&mut b);
        let x = b.read(group, site, ReadAt::Last);
        let y = b.read(group, Site::ResidPost(0), ReadAt::Mean);
        let all = b.read(group, Site::ResidPost(0), ReadAt::All);
        let logits = b.read(group, Site::Logits, ReadAt::Last);
        let every = b.read(group, Site::Logits, ReadAt::All);
        let row = self.vector(&mut b, site, 4, 5.0);
        let two = b.constant(Tensor::scalar(2.0));
        for (name, f) in [("add", Binary::Add), ("sub", Binary::Sub), ("mul", Binary::Mul)] {
            let node = b.binary(f, x, y);
            b.save(name, node);
            let with_row = b.binary(f, all, row);
            b.save(format!("{name} row"), with_row);
        }
        let node = b.binary(Binary::Div, x, two);
        b.save("div", node);
        let softmax = b.unary(Unary::Softmax, logits);
        let unit = b.unary(Unary::Unit, x);
        for (name, f, of) in [("neg", Unary::Neg, x), ("exp", Unary::Exp, unit), ("log", Unary::Log, softmax)]
        {
            let node = b.unary(f, of);
            b.save(name, node);
        }
        b.save("softmax", softmax);
        b.save("unit", unit);
        for (name, a, c) in [("rows", x, y), ("one", x, row), ("packed", all, row)] {
            let (dot, cosine) = (b.dot(a, c), b.cosine(a, c));
            b.save(format!("dot {name}"), dot);
            b.save(format!("cosine {name}"), cosine);
        }
        let norm = b.norm(all);
        b.save("norm", norm);
        for axis in [0, 1] {
            let (mean, sum) = (b.mean(all, axis), b.sum(x, axis));
            b.save(format!("mean {axis}"), mean);
            b.save(format!("sum {axis}"), sum);
        }
        let (some, part) = (b.slice(x, 0, 1..3), b.slice(x, 1, 5..9));
        b.save("slice of prompts", some);
        b.save("slice of width", part);
        let stack = b.stack(&[x, y, unit]);
        b.save("stack", stack);
        for dtype in [DType::Bf16, DType::F16, DType::F64] {
            let cast = b.cast(x, dtype);
            b.save(format!("cast {dtype}"), cast);
        }
        let log_prob = b.log_prob(logits, &[5, 0, 33, 5]);
        b.save("log_prob", log_prob);
        let log_probs = b.log_prob(every, &[7]);
        b.save("log_prob of all", log_probs);
        let of_prompt = b.node(Op::PromptLogProb { logits: every });
        b.save("prompt_log_prob", of_prompt);
        for (name, a) in [("last", logits), ("all", every), ("softmax", softmax)] {
            let (values, indices) = (b.node(Op::TopKValues { a, k: 4 }), b.node(Op::TopKIndices { a, k: 4 }));
            b.save(format!("top values {name}"), values);
            b.save(format!("top indices {name}"), indices);
        }
        b.finish()
    }

    fn texts(&self) -> Graph {
        let site = Site::ResidPost(0);
        let mut b = Builder::new();
        let text = |p: &Vec<u32>| p.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let group = b.texts(self.prompts.iter().map(text));
        for at in [ReadAt::Last, ReadAt::All] {
            let read = b.read(group, site, at);
            b.save(at.to_string(), read);
        }
        let tokens = b.generate(group, Sampling::greedy(6));
        let decoded = b.node(Op::Decode { generate: tokens });
        b.save("text", decoded);
        b.finish()
    }
}

/// Uniform numbers scaled to a Euclidean length.
pub fn noise(count: usize, seed: u64, length: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    values.iter().map(|v| v * length / norm).collect()
}
