//! The graphs that generate.

use truenorth_protocol::graph::{AlphaUnit, Builder, Edit, GroupId, Op, Sampling, Steps};
use truenorth_protocol::{DType, Graph, ReadAt, Site, Tensor, WriteAt};

use super::graphs::{Kit, noise};

/// The kind whose tokens show an edit at each site, also where the model keeps a cache of it.
pub const STEERED: &str = "steering at every site while generating";
/// The kind in which a program stops at one module for things of different steps.
pub const APART: &str = "what meets in the middle of a block, each at its own steps";

impl Kit {
    /// Every kind that generates, by name.
    pub fn generating(&self) -> Vec<(String, Graph)> {
        vec![
            ("greedy generation".into(), self.greedy()),
            ("tokens alone".into(), self.tokens_alone()),
            (STEERED.into(), self.steered_everywhere()),
            ("steering at every site from the prompt's last token on".into(), self.steered_in_part()),
            ("every edit while generating".into(), self.edits_while_generating()),
            ("every edit at every site while generating".into(), self.edits_everywhere()),
            ("norm units while generating".into(), self.units_while_generating()),
            ("sampled generation".into(), self.sampled()),
            ("sampled from edited logits".into(), self.sampled_from_edited()),
            ("logits along the prompt beside a generation".into(), self.wide_beside()),
            ("every site of later steps".into(), self.every_later_site()),
            ("reads and edits of later steps".into(), self.later_steps()),
            (APART.into(), self.middles_apart()),
        ]
    }

    /// Prompts of more lengths than the model's own: one token, two of one length, the longest last.
    fn mixed(&self) -> Vec<Vec<u32>> {
        let long = self.prompts.iter().max_by_key(|p| p.len()).unwrap();
        let cut = |start: usize, count: usize| long.iter().cycle().skip(start).take(count).copied().collect();
        vec![cut(3, 1), cut(0, 5), cut(4, 5), cut(7, 2), cut(1, 9), cut(0, long.len() + 4)]
    }

    /// A length at which a vector changes what is chosen: logits are larger than what makes them.
    fn length(site: Site) -> f32 {
        if site == Site::Logits { 40.0 } else { 20.0 }
    }

    /// The model's own choices, taken by the model itself: nothing asks how probable they were.
    fn tokens_alone(&self) -> Graph {
        let site = Site::ResidMid(self.info.layers - 1);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 15, 6.0);
        let stop: Vec<u32> = (0..self.info.vocab).step_by(5).collect();
        for (name, stop) in [("whole", vec![]), ("stopped", stop)] {
            for alpha in [0.0, 1.0] {
                let group = b.tokens(self.mixed());
                if alpha != 0.0 {
                    b.add(group, site, WriteAt::All, Steps::ALL, d, &[alpha]);
                }
                let tokens = b.generate(group, Sampling { stop: stop.clone(), ..Sampling::greedy(7) });
                b.save(format!("{name} α {alpha}"), tokens);
            }
        }
        b.finish()
    }

    fn steered_everywhere(&self) -> Graph {
        let mut b = Builder::new();
        let plain = b.tokens(self.mixed());
        let tokens = b.generate(plain, Sampling::greedy(6));
        b.save("plain", tokens);
        for (i, site) in Site::all(self.info.layers).enumerate() {
            let group = b.tokens(self.mixed());
            let d = self.vector(&mut b, site, 30 + i as u64, Self::length(site));
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[1.0]);
            let tokens = b.generate(group, Sampling::greedy(6));
            b.save(site.to_string(), tokens);
        }
        b.finish()
    }

    /// The same where the edit is not everywhere, beside reads of what is edited.
    fn steered_in_part(&self) -> Graph {
        let mut b = Builder::new();
        for (i, site) in Site::all(self.info.layers).enumerate() {
            let group = b.tokens(self.mixed());
            let d = self.vector(&mut b, site, 60 + i as u64, Self::length(site));
            b.add(group, site, WriteAt::Last, Steps::ALL, d, &[1.0]);
            b.add(group, site, WriteAt::Generated, Steps { start: 1, end: Some(3) }, d, &[-1.0]);
            let first = b.read(group, site, ReadAt::Last);
            let later = b.read_step(group, site, ReadAt::Last, 2);
            b.save(format!("{site} first"), first);
            b.save(format!("{site} later"), later);
            let tokens = b.generate(group, Sampling::greedy(5));
            b.save(site.to_string(), tokens);
        }
        b.finish()
    }

    fn edits_while_generating(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 16, 12.0);
        let prompts = self.mixed();
        let shape = vec![prompts.len(), self.info.hidden as usize];
        let many = noise(prompts.len() * self.info.hidden as usize, 17, 40.0);
        let rows = b.constant(Tensor::from_f32(shape, &many).unwrap());
        let edits = [
            ("set", Edit::Set { value: d }),
            ("set rows", Edit::Set { value: rows }),
            ("scale", Edit::Scale { factor: -1.5 }),
            ("clamp", Edit::Clamp { direction: d, min: 2.0, max: 6.0 }),
            ("ablate", Edit::Ablate { direction: d }),
        ];
        for (name, edit) in edits {
            for at in [WriteAt::All, WriteAt::Prompt, WriteAt::Generated, WriteAt::Last] {
                let group = b.tokens(prompts.clone());
                b.write(group, site, at, Steps::ALL, edit.clone());
                Self::generate(&mut b, group, &format!("{name} {at}"), Sampling::greedy(5));
            }
        }
        b.finish()
    }

    /// Each edit where the program has to keep something else of the block beside what it edits.
    fn edits_everywhere(&self) -> Graph {
        let mut b = Builder::new();
        for (i, site) in Site::all(self.info.layers).enumerate() {
            let d = self.vector(&mut b, site, 90 + i as u64, Self::length(site));
            let edits = [
                ("set", Edit::Set { value: d }),
                ("scale", Edit::Scale { factor: -1.5 }),
                ("clamp", Edit::Clamp { direction: d, min: 2.0, max: 6.0 }),
                ("ablate", Edit::Ablate { direction: d }),
            ];
            for (name, edit) in edits {
                let group = self.group(&mut b);
                b.write(group, site, WriteAt::All, Steps::ALL, edit);
                let after = b.read(group, Site::FinalNorm, ReadAt::Last);
                b.save(format!("{name} {site}"), after);
                let tokens = b.generate(group, Sampling::greedy(3));
                b.save(format!("tokens {name} {site}"), tokens);
            }
        }
        b.finish()
    }

    fn units_while_generating(&self) -> Graph {
        let mut b = Builder::new();
        for (i, site) in [Site::AttnOut(0), Site::ResidMid(1), Site::MlpOut(1)].into_iter().enumerate() {
            let neutral = self.group(&mut b);
            let rows = b.read(neutral, site, ReadAt::All);
            let norms = b.norm(rows);
            let unit = b.mean(norms, 0);
            b.save(format!("unit at {site}"), unit);
            let direction = self.vector(&mut b, site, 18 + i as u64, 1.0);
            let group = b.tokens(self.mixed());
            let alpha: Vec<f64> = (0..self.mixed().len()).map(|p| p as f64 - 2.0).collect();
            let edit = Edit::Add { direction, alpha, unit: AlphaUnit::Norm(unit) };
            b.write(group, site, WriteAt::All, Steps::ALL, edit);
            let tokens = b.generate(group, Sampling::greedy(6));
            b.save(format!("tokens at {site}"), tokens);
        }
        b.finish()
    }

    fn sampled_from_edited(&self) -> Graph {
        let mut b = Builder::new();
        let d = self.vector(&mut b, Site::Logits, 21, 6.0);
        let stop: Vec<u32> = (0..self.info.vocab).step_by(6).collect();
        for (name, top_p, stop) in [("whole", 1.0, vec![]), ("nucleus", 0.7, vec![]), ("stopped", 0.9, stop)]
        {
            let group = b.tokens(self.mixed());
            b.add(group, Site::Logits, WriteAt::Last, Steps::ALL, d, &[1.0]);
            b.write(group, Site::FinalNorm, WriteAt::Generated, Steps::ALL, Edit::Scale { factor: 0.5 });
            let sampling = Sampling { temperature: 0.8, top_p, seed: 11, stop, ..Sampling::greedy(6) };
            Self::generate(&mut b, group, name, sampling);
        }
        b.finish()
    }

    fn wide_beside(&self) -> Graph {
        let site = Site::ResidPre(1);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 22, 10.0);
        for alpha in [0.0, 1.0] {
            let group = self.group(&mut b);
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[alpha]);
            for at in [ReadAt::All, ReadAt::Mean, ReadAt::Index(1), ReadAt::Last] {
                let logits = b.read(group, Site::Logits, at);
                b.save(format!("α {alpha} {at}"), logits);
            }
            let hidden = b.read(group, Site::ResidPost(1), ReadAt::All);
            b.save(format!("α {alpha} hidden"), hidden);
            let of_prompt = b.read(group, Site::Logits, ReadAt::All);
            let of_prompt = b.node(Op::PromptLogProb { logits: of_prompt });
            b.save(format!("α {alpha} of the prompt"), of_prompt);
            let later = b.read_step(group, Site::Logits, ReadAt::Last, 2);
            b.save(format!("α {alpha} later"), later);
            Self::generate(&mut b, group, &format!("tokens at α {alpha}"), Sampling::greedy(4));
        }
        b.finish()
    }

    fn every_later_site(&self) -> Graph {
        let mut b = Builder::new();
        let group = b.tokens(self.mixed());
        for site in Site::all(self.info.layers) {
            for step in [1, 3] {
                let read = b.read_step(group, site, ReadAt::Last, step);
                let read = if step == 3 { b.cast(read, DType::F64) } else { read };
                b.save(format!("{site} at step {step}"), read);
            }
        }
        let tokens = b.generate(group, Sampling::greedy(4));
        b.save("tokens", tokens);
        b.finish()
    }

    fn generate(b: &mut Builder, group: GroupId, name: &str, sampling: Sampling) {
        let tokens = b.generate(group, sampling);
        b.save(name, tokens);
        let log_probs = b.node(Op::GeneratedLogProb { generate: tokens });
        b.save(format!("log-probabilities of {name}"), log_probs);
        let text = b.node(Op::Decode { generate: tokens });
        b.save(format!("text of {name}"), text);
    }

    fn greedy(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 5, 6.0);
        let plain = self.group(&mut b);
        Self::generate(&mut b, plain, "plain", Sampling::greedy(8));
        for (at, steps) in [
            (WriteAt::All, Steps::ALL),
            (WriteAt::Prompt, Steps::ALL),
            (WriteAt::Generated, Steps::ALL),
            (WriteAt::Last, Steps { start: 0, end: Some(1) }),
            (WriteAt::All, Steps { start: 2, end: Some(4) }),
        ] {
            let group = self.group(&mut b);
            b.add(group, site, at, steps, d, &[1.0]);
            let name = format!("steered {at} {}..{:?}", steps.start, steps.end);
            Self::generate(&mut b, group, &name, Sampling::greedy(8));
        }
        let ablated = self.group(&mut b);
        b.write(ablated, site, WriteAt::All, Steps::ALL, Edit::Ablate { direction: d });
        let stop: Vec<u32> = (0..self.info.vocab).step_by(5).collect();
        Self::generate(&mut b, ablated, "stopped", Sampling { stop, ..Sampling::greedy(8) });
        b.finish()
    }

    fn sampled(&self) -> Graph {
        let site = Site::AttnOut(0);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 6, 4.0);
        let base = Sampling { temperature: 0.9, seed: 7, ..Sampling::greedy(8) };
        let stop: Vec<u32> = (0..self.info.vocab).step_by(7).collect();
        let kinds = [
            ("whole", base.clone()),
            ("nucleus", Sampling { top_p: 0.8, ..base.clone() }),
            ("hot", Sampling { temperature: 1.7, seed: 8, ..base.clone() }),
            ("stopped", Sampling { stop, ..base }),
        ];
        for (name, sampling) in kinds {
            let group = self.group(&mut b);
            b.add(group, site, WriteAt::All, Steps::ALL, d, &[1.0]);
            Self::generate(&mut b, group, name, sampling);
        }
        b.finish()
    }

    fn later_steps(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let group = self.group(&mut b);
        let first = b.read_step(group, site, ReadAt::Last, 1);
        b.save("step 1", first);
        b.write(
            group,
            site,
            WriteAt::Generated,
            Steps { start: 2, end: Some(3) },
            Edit::Set { value: first },
        );
        let second = b.read_step(group, site, ReadAt::Last, 2);
        b.save("step 2", second);
        let logits = b.read_step(group, Site::Logits, ReadAt::Last, 3);
        b.save("logits of step 3", logits);
        let tokens = b.generate(group, Sampling::greedy(5));
        b.save("tokens", tokens);
        let next = self.group(&mut b);
        b.add(next, site, WriteAt::Last, Steps::ALL, second, &[1.0]);
        Self::show(&mut b, next, "steered by a step");
        b.finish()
    }

    /// The stream that enters a block, what attention adds and their sum are found at the same
    /// modules: an edit of one at some steps must not come to another, or to other steps.
    fn middles_apart(&self) -> Graph {
        let mut b = Builder::new();
        for l in 0..self.info.layers {
            let (pre, attn, mid) = (Site::ResidPre(l), Site::AttnOut(l), Site::ResidMid(l));
            let d = self.vector(&mut b, mid, 120 + u64::from(l), 20.0);
            let at = |start, end| Steps { start, end: Some(end) };
            for (name, edits) in [
                ("of what meets", vec![(pre, Steps::ALL), (attn, at(1, 2))]),
                ("of the sum", vec![(mid, at(2, 3))]),
                ("of all", vec![(pre, at(1, 2)), (attn, at(2, 3)), (mid, at(3, 4))]),
            ] {
                let group = b.tokens(self.mixed());
                for (site, steps) in edits {
                    b.write(group, site, WriteAt::Generated, steps, Edit::Ablate { direction: d });
                    b.add(group, site, WriteAt::Generated, steps, d, &[0.5]);
                }
                let mean = b.read(group, mid, ReadAt::Mean);
                b.save(format!("{name}: the mean at {mid}"), mean);
                for step in [0, 2, 3] {
                    for site in [mid, Site::FinalNorm] {
                        let read = b.read_step(group, site, ReadAt::Last, step);
                        b.save(format!("{name}: {site} of {mid} at step {step}"), read);
                    }
                }
                let tokens = b.generate(group, Sampling::greedy(5));
                b.save(format!("{name}: tokens of {mid}"), tokens);
            }
        }
        b.finish()
    }
}
