//! A model that is not asked: what it computed is in the store, and what is not there is named.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use truenorth_protocol::chat::{ChatTemplates, Pieces};
use truenorth_protocol::graph::Op;
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Vocabulary, Watch, beginning};
use truenorth_protocol::{Answer, CheckedGraph, Graph, ModelInfo};

use crate::study::record::AskedModel;

/// Who turns texts into token ids for a model that is not asked.
pub enum StoredTokenizer {
    /// The model's tokenizer, on this machine.
    Local(Arc<dyn Vocabulary>),
    /// A service that has the tokenizer.
    Remote(Box<dyn Runner>),
}

/// A model as a run's record has it, which refuses to compute.
pub struct StoredModel {
    asked: AskedModel,
    words: StoredTokenizer,
    /// Where the store is, for the message.
    store: PathBuf,
}

impl StoredModel {
    pub(super) fn new(asked: AskedModel, words: StoredTokenizer, store: PathBuf) -> Self {
        Self { asked, words, store }
    }

    fn lacks(&self, graphs: &[CheckedGraph]) -> RunError {
        let (mut texts, mut generated, mut answers) = (0, 0, 0);
        let mut places = BTreeSet::new();
        for graph in graphs {
            let graph = graph.graph();
            let prompts: usize = graph.groups.iter().map(|g| g.prompts.len()).sum();
            for node in &graph.nodes {
                if let Op::Read { site, positions, .. } = node {
                    places.insert(format!("{site} at {positions}"));
                }
            }
            match graph.nodes.iter().any(|n| matches!(n, Op::Generate { .. })) {
                true => generated += prompts,
                false if plain(graph) => texts += prompts,
                false => answers += prompts,
            }
        }
        let kinds = [
            (texts, "activations of", "text", "texts"),
            (answers, "answers to", "prompt", "prompts"),
            (generated, "what was generated from", "prompt", "prompts"),
        ];
        let said = |(n, what, one, many): &(usize, &str, &str, &str)| {
            format!("{what} {n} {}", if *n == 1 { one } else { many })
        };
        let missing: Vec<String> = kinds.iter().filter(|k| k.0 > 0).map(said).collect();
        let places: Vec<String> = places.into_iter().collect();
        let at = if places.is_empty() { String::new() } else { format!(", read at {}", places.join(", ")) };
        let first = graphs.first().and_then(|g| g.graph().groups.first()?.prompts.first());
        let first = match (first, &self.words) {
            (Some(prompt), StoredTokenizer::Local(words)) => {
                format!("; the first is {}", beginning(prompt, &**words))
            }
            _ => String::new(),
        };
        RunError::Failed {
            what: format!(
                "the store in {} lacks {} by {} ({}){at}{first}",
                self.store.display(),
                missing.join(" and "),
                self.asked.name,
                self.asked.info.path
            ),
            source: None,
            hint: Some(
                "--recompute lets the model compute what is missing; `truenorth study run` with the study makes \
                 the run anew and keeps it"
                    .into(),
            ),
        }
    }
}

/// Whether a graph only reads.
fn plain(graph: &Graph) -> bool {
    graph.nodes.iter().all(|n| matches!(n, Op::Read { .. } | Op::Save { .. }))
}

impl Runner for StoredModel {
    fn info(&self) -> &ModelInfo {
        &self.asked.info
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        match &self.words {
            StoredTokenizer::Local(words) => words.encode(text, special).map(Some),
            StoredTokenizer::Remote(service) => service.encode(text, special),
        }
    }

    fn encode_many(&self, texts: &[&str], special: bool) -> Result<Option<Vec<Vec<u32>>>, RunError> {
        match &self.words {
            StoredTokenizer::Local(_) => texts.iter().map(|text| self.encode(text, special)).collect(),
            StoredTokenizer::Remote(service) => service.encode_many(texts, special),
        }
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        match &self.words {
            StoredTokenizer::Local(words) => texts.iter().map(|text| words.pieces(text)).collect(),
            StoredTokenizer::Remote(service) => service.pieces(texts),
        }
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        match &self.words {
            StoredTokenizer::Local(words) => words.chat(),
            StoredTokenizer::Remote(service) => service.chat(),
        }
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        match &self.words {
            StoredTokenizer::Local(words) => {
                tokens.iter().map(|tokens| words.spell(tokens).map(Some)).collect()
            }
            StoredTokenizer::Remote(service) => service.spell(tokens),
        }
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.asked.stop.clone()
    }

    fn batch(&self) -> BatchLimits {
        self.asked.batch.into()
    }

    fn run(&self, graph: &CheckedGraph, _: &dyn Watch) -> Result<Answer, RunError> {
        Err(self.lacks(std::slice::from_ref(graph)))
    }

    fn run_each(
        &self,
        graphs: &[CheckedGraph],
        _: &dyn Watch,
        _: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        if graphs.is_empty() { Ok(()) } else { Err(self.lacks(graphs)) }
    }
}
