//! Tokens are told as they are drawn, and are those of the answer.

use std::sync::Mutex;

use truenorth_protocol::graph::{Sampling, Steps};
use truenorth_protocol::run::{Runner as _, Watch};
use truenorth_protocol::{Builder, Site, Tensor, WriteAt};

use super::support::folder;
use crate::{Engine, EngineOptions};

#[derive(Default)]
struct Heard(Mutex<Vec<(usize, usize, u32)>>);

impl Watch for Heard {
    fn drawn(&self, group: usize, prompt: usize, token: u32) {
        self.0.lock().unwrap().push((group, prompt, token));
    }
}

#[test]
fn every_token_is_told_once_in_order_with_its_prompt() {
    for family in ["llama", "gpt2", "gemma2", "qwen3"] {
        let options = EngineOptions { name: family.into(), revision: "r".into(), ..EngineOptions::default() };
        let engine = Engine::open(&folder(family), &options).unwrap();
        let hidden = engine.info().hidden as usize;
        let mut b = Builder::new();
        // More than one chunk, unequal lengths, stops that some reach; the second group is steered.
        let sampling = Sampling { temperature: 0.9, seed: 5, stop: vec![7, 11], ..Sampling::greedy(6) };
        let prompts: Vec<Vec<u32>> =
            (0..70).map(|i| (0..1 + i % 5).map(|t| (3 * i + t) % 60).collect()).collect();
        for steered in [false, true] {
            let group = b.tokens(prompts.clone());
            if steered {
                let d = b.constant(Tensor::vector(&vec![0.5; hidden]));
                b.add(group, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, &[1.0]);
            }
            let tokens = b.generate(group, sampling.clone());
            b.save(format!("tokens.{steered}"), tokens);
        }
        let heard = Heard::default();
        let answer = engine.ask(b.finish(), &heard).unwrap();
        let heard = heard.0.into_inner().unwrap();
        let mut total = 0;
        for (group, name) in ["tokens.false", "tokens.true"].iter().enumerate() {
            let tokens = answer.tensor(name).unwrap().to_i64().unwrap();
            for (prompt, row) in tokens.chunks(6).enumerate() {
                let want: Vec<u32> = row.iter().filter_map(|t| u32::try_from(*t).ok()).collect();
                let got: Vec<u32> =
                    heard.iter().filter(|h| (h.0, h.1) == (group, prompt)).map(|h| h.2).collect();
                assert_eq!(got, want, "{family}, group {group}, prompt {prompt}");
                total += want.len();
            }
        }
        assert_eq!(heard.len(), total, "{family}");
        assert!(total < 2 * 70 * 6, "{family}: some stop");
    }
}
