//! The graphs that read and edit parts of conversations.

use truenorth_protocol::graph::{
    AlphaUnit, Builder, Edit, GroupId, PromptPart, Role, Sampling, Steps, Take, Turn, Turns,
};
use truenorth_protocol::{Graph, ReadAt, Site, Tensor, WriteAt};

use super::graphs::{Kit, noise};

impl Kit {
    /// The prompts, taken for conversations of a question, an answer and, where there is room, a question.
    fn conversations(&self, b: &mut Builder) -> GroupId {
        let of = |prompt: &Vec<u32>| {
            let n = u32::try_from(prompt.len()).unwrap();
            let turn = |role, start: u32, end: u32| (start < end).then_some(Turn { role, start, end });
            let turns = [
                turn(Role::User, 0, n.div_ceil(3)),
                turn(Role::Assistant, n / 3, 2 * n / 3 + 1),
                turn(Role::User, 2 * n / 3 + 1, n),
            ];
            Turns(turns.into_iter().flatten().collect())
        };
        let group = self.group(b);
        b.turns(group, self.prompts.iter().map(of).collect());
        group
    }

    /// Every site at every part.
    pub fn parts_read(&self) -> Graph {
        let mut b = Builder::new();
        let group = self.conversations(&mut b);
        for site in Site::all(self.info.layers) {
            for take in [Take::First, Take::Last, Take::Mean, Take::MeanSink, Take::Sinks] {
                for part in [
                    PromptPart::User,
                    PromptPart::Assistant,
                    PromptPart::Range(0, 1),
                    PromptPart::Range(-2, -1),
                ] {
                    let at = ReadAt::In(part, take);
                    let read = b.read(group, site, at);
                    b.save(format!("{site} {at}"), read);
                }
            }
        }
        b.finish()
    }

    /// Every edit at parts.
    pub fn parts_edited(&self) -> Graph {
        let site = Site::ResidPost(self.info.layers / 2);
        let mut b = Builder::new();
        let d = self.vector(&mut b, site, 71, 3.0);
        let shape = vec![self.prompts.len(), self.info.hidden as usize];
        let many = noise(self.prompts.len() * self.info.hidden as usize, 72, 9.0);
        let rows = b.constant(Tensor::from_f32(shape, &many).unwrap());
        let each: Vec<f64> = (0..self.prompts.len()).map(|i| 0.5 - i as f64).collect();
        let edits = [
            ("add each", Edit::Add { direction: d, alpha: each, unit: AlphaUnit::Absolute }),
            ("add rows", Edit::Add { direction: rows, alpha: vec![0.5], unit: AlphaUnit::Absolute }),
            ("ablate", Edit::Ablate { direction: d }),
            ("set rows", Edit::Set { value: rows }),
            ("scale", Edit::Scale { factor: -0.5 }),
        ];
        for (name, edit) in edits {
            for at in ["user", "last-user", "first-assistant", "0..1"] {
                let group = self.conversations(&mut b);
                b.write(group, site, at.parse().unwrap(), Steps::ALL, edit.clone());
                Self::show(&mut b, group, &format!("{name} {at}"));
            }
        }
        b.finish()
    }

    /// Parts that are edited, beside reads, while tokens are generated: at a block and at the logits.
    pub fn parts_generating(&self) -> Graph {
        let mut b = Builder::new();
        for (i, site) in
            [Site::ResidPost(0), Site::ResidMid(self.info.layers - 1), Site::Logits].into_iter().enumerate()
        {
            for at in ["user", "last-user", "assistant"] {
                let at: WriteAt = at.parse().unwrap();
                let group = self.conversations(&mut b);
                let d = self.vector(&mut b, site, 80 + i as u64, 30.0);
                b.add(group, site, at, Steps::ALL, d, &[1.0]);
                let read = b.read(group, Site::ResidPost(0), "mean:assistant".parse().unwrap());
                b.save(format!("{site} {at} mean"), read);
                let tokens = b.generate(group, Sampling::greedy(5));
                b.save(format!("{site} {at}"), tokens);
            }
        }
        b.finish()
    }
}
