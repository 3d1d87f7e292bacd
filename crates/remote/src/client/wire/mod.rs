//! What a payload is made of and an answer is read from: all in which services differ.

mod graph;
mod nnsight;

use truenorth_protocol::nnsight::ModelKey;
use truenorth_protocol::{Answer, CheckedGraph, ModelInfo};

use super::ClientError;
use super::temp::Packed;

pub(super) use graph::GraphWire;
pub(super) use nnsight::NnsightWire;

/// Graphs to payloads, results to answers.
pub(super) trait Wire: Send + Sync {
    fn name(&self) -> &'static str;

    /// The model as far as graphs are concerned.
    fn info(&self) -> &ModelInfo;

    fn model_key(&self) -> String;

    /// The model as NDIF's status lists it; none where there is but one.
    fn hosted(&self) -> Option<&ModelKey>;

    /// The configuration by which this side knows that model.
    fn config(&self) -> Option<&serde_json::Value>;

    /// What numbers come back as, which is part of what tells jobs apart.
    fn reply(&self) -> String;

    /// What the envelope says of how the model is to compute, which is part of what tells jobs apart.
    fn env(&self) -> serde_json::Value {
        serde_json::Value::Object(serde_json::Map::new())
    }

    /// Whether the service recognises a job that is sent a second time.
    fn repeatable(&self) -> bool;

    /// Whether a job that has a socket is told of on that socket alone.
    fn socket_alone(&self) -> bool {
        false
    }

    /// The payload, not compressed. `job` is a name that no other job has.
    fn payload(&self, checked: &CheckedGraph, job: &str) -> Result<Vec<u8>, ClientError>;

    fn answer(&self, checked: &CheckedGraph, packed: Packed) -> Result<Answer, ClientError>;

    /// Tokens after which the model means to stop.
    fn stop_tokens(&self) -> Vec<u32>;
}
