//! What a job asks, as bytes.
//!
//! A payload is read to a checked graph and an answer is written back the way that payload's
//! client reads it; nothing else in the server knows about encodings. nnsight's own payloads would be
//! a second [`Payload`] here: one that claims pickles, reads the program that lowering writes back
//! to a graph, and answers with a `torch.save` archive. [`PAYLOADS`] is the place to list it.

use truenorth_protocol::graph::{CheckLimits, CodecError, answer_to_bytes};
use truenorth_protocol::{Answer, CheckedGraph, Graph, ModelInfo};

use super::refusal::{RefusedRequest, told};

/// One way of writing what is asked and what is answered.
pub(super) trait Payload: Sync {
    /// The name it goes by in the spool.
    fn name(&self) -> &'static str;

    /// Whether unpacked bytes are of this kind, from their start.
    fn claims(&self, bytes: &[u8]) -> bool;

    /// The graph that is asked, checked against the model; read in so many bytes of memory.
    fn read(
        &self,
        bytes: &[u8],
        info: &ModelInfo,
        limits: &CheckLimits,
        memory: usize,
    ) -> Result<CheckedGraph, RefusedRequest>;

    fn write(&self, answer: &Answer) -> Result<Vec<u8>, CodecError>;
}

static PAYLOADS: &[&dyn Payload] = &[&GraphPayload];

pub(super) fn of_bytes(bytes: &[u8]) -> Result<&'static dyn Payload, RefusedRequest> {
    PAYLOADS.iter().copied().find(|p| p.claims(bytes)).ok_or_else(|| {
        let start: Vec<u8> = bytes.iter().copied().take(4).collect();
        RefusedRequest::unprocessable(format!(
            "the payload is not a graph: its first bytes are {start:02x?}, those of a graph are {:02x?}",
            GraphPayload::MAGIC
        ))
    })
}

pub(super) fn of_name(name: &str) -> Option<&'static dyn Payload> {
    PAYLOADS.iter().copied().find(|p| p.name() == name)
}

/// A graph in its canonical bytes.
struct GraphPayload;

impl GraphPayload {
    const MAGIC: &'static [u8] = b"TNgr";
}

impl Payload for GraphPayload {
    fn name(&self) -> &'static str {
        "graph"
    }

    fn claims(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(Self::MAGIC)
    }

    fn read(
        &self,
        bytes: &[u8],
        info: &ModelInfo,
        limits: &CheckLimits,
        memory: usize,
    ) -> Result<CheckedGraph, RefusedRequest> {
        let graph = Graph::from_bytes_within(bytes, memory).map_err(|e| match e {
            CodecError::TooLarge { .. } | CodecError::Memory { .. } => {
                RefusedRequest::too_large(told(&e, None))
            }
            e => RefusedRequest::unprocessable(told(&e, None)),
        })?;
        graph.check(info, limits).map_err(|e| RefusedRequest::unprocessable(told(&e, None)))
    }

    fn write(&self, answer: &Answer) -> Result<Vec<u8>, CodecError> {
        answer_to_bytes(answer)
    }
}
