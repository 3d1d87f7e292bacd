//! What the race is about.

use truenorth_engine::Engine;
use truenorth_protocol::run::Runner as _;

use crate::BenchError;
use crate::peer::{PeerPrecision, PeerRequest, Peers};
use crate::race::{PeerTask, RaceTask, Timing, WorkCost, race};
use crate::work::{board, decode_graph, read_graph, synthetic};

/// The sizes and rounds of a bench.
#[derive(Clone, Copy, Debug)]
pub struct BenchSize {
    /// Prompts to read, one at least.
    pub prompts: usize,
    /// Tokens of a prompt, on average; four at least.
    pub tokens: usize,
    /// Tokens to decode, one at least.
    pub steps: u32,
    /// Sequences of a board that 16 probes are asked of; 0 leaves it out.
    pub sequences: usize,
    /// Doses of a sweep over 16 prompts, which peers run one by one; 0 leaves it out.
    pub doses: u32,
    /// Rounds; medians are reported.
    pub rounds: usize,
}

/// Times prefill (the last token's residual after block `layer`), board scoring and steered greedy decode, in turns with the
/// peers.
pub fn timed(
    engine: &Engine,
    peers: &mut Peers,
    layer: u32,
    size: &BenchSize,
    numbers: PeerPrecision,
) -> Result<Vec<Timing>, BenchError> {
    let info = engine.info();
    let Peers { all, transformers, llama, nnsight } = peers;
    let prompts = synthetic(size.prompts, size.tokens, info.vocab);
    let probes = board(size.sequences, size.tokens, info.vocab);
    let mut timings = Vec::new();
    for (name, prompts) in [(format!("read block {layer}"), &prompts), ("board".into(), &probes)] {
        if prompts.is_empty() {
            continue;
        }
        let ask = |peer: Option<usize>, idiom, tuned| {
            let request = PeerRequest::Read { prompts, layer, batch: 16, tuned };
            peer.map(|peer| PeerTask { peer, idiom, request, times: 1 })
        };
        let asked = [
            ask(*transformers, "transformers, usual", false),
            ask(*transformers, "transformers, tuned", true),
            ask(*llama, "llama.cpp, stopped", true),
            ask(*nnsight, "nnsight", true),
        ];
        let tokens = prompts.iter().map(Vec::len).sum();
        let graph = read_graph(prompts, layer);
        let cost = cost(engine, numbers, layer + 1, 0, tokens);
        let task = RaceTask { name, tokens, graph, asked: asked.into_iter().flatten().collect(), cost };
        timings.extend(race(engine, all, &task, size.rounds)?);
    }
    let some = prompts.get(..16).unwrap_or(&prompts);
    let one = prompts.get(..1).unwrap_or(&prompts);
    let every: Vec<f64> = (0..size.doses).map(|d| 1.0 + f64::from(d)).collect();
    for (prompts, doses) in [(one, &[1.0][..]), (some, &[1.0]), (some, &every)] {
        if doses.is_empty() {
            continue;
        }
        let rows = prompts.len() * doses.len();
        let ask = |peer: Option<usize>, idiom| {
            let request = PeerRequest::Decode { prompts, steps: size.steps, layer, alpha: 1.0 };
            peer.map(|peer| PeerTask { peer, idiom, request, times: doses.len() })
        };
        let asked = [
            ask(*transformers, "transformers"),
            ask(*llama, "llama.cpp, unsteered"),
            ask(*nnsight, "nnsight"),
        ];
        let name = match doses.len() {
            1 => format!("steered decode, batch {rows}"),
            n => format!("sweep of {n} doses, batch {}", prompts.len()),
        };
        let task = RaceTask {
            name,
            tokens: rows * size.steps as usize,
            graph: decode_graph(prompts, size.steps, layer, info.hidden, doses),
            asked: asked.into_iter().flatten().collect(),
            cost: cost(engine, numbers, info.layers, info.vocab, rows),
        };
        timings.extend(race(engine, all, &task, size.rounds)?);
    }
    Ok(timings)
}

/// What a token takes that goes through so many blocks and is given so many logits, if so many go together.
fn cost(engine: &Engine, numbers: PeerPrecision, blocks: u32, logits: u32, together: usize) -> WorkCost {
    let head = f64::from(logits) * f64::from(engine.info().hidden);
    let weights = engine.block_weights() as f64 * f64::from(blocks) + head;
    let each = match numbers {
        // A byte, and for each 32 of them a factor and an offset.
        PeerPrecision::Kept => 1.25,
        PeerPrecision::Bf16 => 2.0,
        // Panels hold f16 as f32.
        PeerPrecision::F32 | PeerPrecision::F16 => 4.0,
    };
    WorkCost { operations: 2e-9 * weights, bytes: 1e-9 * weights * each / together.max(1) as f64 }
}
