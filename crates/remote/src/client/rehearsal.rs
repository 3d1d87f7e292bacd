//! What work would cost on a service, found out by doing it without one.
//!
//! A [`Rehearsal`] stands where the model would: it checks every graph, lowers it to the very program
//! that would be sent, adds up what that costs, and answers with made-up numbers of the right shapes, so
//! that what comes next is asked as well. How often an analysis asks, and for how much, hangs on the
//! data; where it hangs on the numbers (a layer chosen by a score), the rehearsal takes one of the
//! choices.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest as _, Sha256};
use truenorth_protocol::ChatTemplates;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::graph::{Dim, Op, ValueKind};
use truenorth_protocol::nnsight::JobCost;
use truenorth_protocol::{Answer, CheckedGraph, DType, ModelInfo, Tensor, Value};

use super::wire::NnsightWire;
use super::{ClientError, Hosted};
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Watch};

/// A hosted model that is not asked.
pub struct Rehearsal {
    wire: NnsightWire,
    /// How the service holds its numbers.
    element: DType,
    jobs: Mutex<Vec<JobCost>>,
}

impl Rehearsal {
    /// A stand-in for a hosted model whose service holds numbers in `element`: f32, bf16 or f16.
    #[must_use]
    pub fn new(hosted: Hosted, element: DType) -> Self {
        Self { wire: NnsightWire::new(hosted), element, jobs: Mutex::default() }
    }

    /// The jobs that would have been sent, in order.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobCost> {
        self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn rehearse(&self, checked: &CheckedGraph) -> Result<Answer, ClientError> {
        let tokens = self.wire.tokens(checked)?;
        let cost = self.wire.request(checked, &tokens, "rehearsal").cost(self.element)?;
        self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(cost);
        let graph = checked.graph();
        let seed: [u8; 32] = Sha256::digest(graph.to_bytes()?).into();
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut values = BTreeMap::new();
        for op in &graph.nodes {
            let Op::Save { name, value } = op else { continue };
            let at = value.0 as usize;
            let value = match (&graph.nodes[at], &checked.kinds()[at]) {
                (Op::Const(tensor), _) => Value::Tensor { tensor: tensor.clone(), rows: None },
                (_, ValueKind::Tensor { dtype, shape }) => {
                    self.numbers(*dtype, &shape.0, &tokens, &mut rng)?
                }
                (_, ValueKind::Text(group)) => {
                    let prompts = tokens[*group as usize].len();
                    Value::Text((0..prompts).map(|_| self.text(&mut rng)).collect())
                }
                (_, ValueKind::Effect) => continue,
            };
            values.insert(name.clone(), value);
        }
        Ok(Answer { values })
    }

    fn numbers(
        &self,
        dtype: DType,
        axes: &[Dim],
        tokens: &[Vec<Vec<u32>>],
        rng: &mut ChaCha8Rng,
    ) -> Result<Value, ClientError> {
        let lengths = |g: u32| tokens[g as usize].iter().map(Vec::len);
        let shape: Vec<usize> = axes
            .iter()
            .map(|axis| match axis {
                Dim::Fixed(n) => *n,
                Dim::Tokens(group) => lengths(*group).sum(),
            })
            .collect();
        let rows = match axes.first() {
            Some(Dim::Tokens(group)) => {
                Some(lengths(*group).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).collect())
            }
            _ => None,
        };
        let count: usize = shape.iter().product();
        let tensor = if dtype == DType::I64 {
            let most = i64::from(self.wire.hosted.info.vocab.max(2));
            let ids: Vec<i64> = (0..count).map(|_| rng.random_range(1..most)).collect();
            let bytes = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            Tensor::from_bytes(DType::I64, shape, bytes)
        } else {
            let values: Vec<f32> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
            Tensor::from_f32(shape, &values)
                .and_then(|t| if dtype == DType::F32 { Ok(t) } else { t.cast(dtype) })
        };
        let tensor = tensor.map_err(|e| ClientError::Setup { what: "made-up numbers", source: e.into() })?;
        Ok(Value::Tensor { tensor, rows })
    }

    fn text(&self, rng: &mut ChaCha8Rng) -> String {
        let vocab = self.wire.hosted.info.vocab.max(2);
        let ids: Vec<u32> = (0..8).map(|_| rng.random_range(1..vocab)).collect();
        let text = self.wire.hosted.vocabulary.decode(&ids).unwrap_or_default();
        if text.trim().is_empty() { "words".into() } else { text }
    }
}

impl Runner for Rehearsal {
    fn info(&self) -> &ModelInfo {
        &self.wire.hosted.info
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.wire.hosted.vocabulary.encode(text, special).map(Some)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        texts.iter().map(|text| self.wire.hosted.vocabulary.pieces(text)).collect()
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        let words = &self.wire.hosted.vocabulary;
        match words.speaks() {
            true => tokens.iter().map(|tokens| words.spell(tokens).map(Some)).collect(),
            false => Ok(None),
        }
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.wire.hosted.vocabulary.chat()
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.wire.hosted.stop.clone()
    }

    fn decodes(&self) -> bool {
        self.wire.hosted.vocabulary.speaks()
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        if watch.interrupted() {
            return Err(RunError::Interrupted);
        }
        Ok(self.rehearse(graph)?)
    }

    fn batch(&self) -> BatchLimits {
        BatchLimits::HOSTED
    }
}
