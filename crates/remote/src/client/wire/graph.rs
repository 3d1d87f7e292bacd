//! truenorth's own wire: graphs as they are.

use truenorth_protocol::graph::{Dim, Op, ValueKind, answer_read};
use truenorth_protocol::nnsight::ModelKey;
use truenorth_protocol::{Answer, CheckedGraph, ModelInfo, Value};

use super::Wire;
use crate::client::ClientError;
use crate::client::temp::{FailureRecorder, Packed};

pub(in crate::client) struct GraphWire {
    pub info: ModelInfo,
    pub stop: Vec<u32>,
}

impl Wire for GraphWire {
    fn name(&self) -> &'static str {
        "truenorth"
    }

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn model_key(&self) -> String {
        self.info.name.clone()
    }

    fn config(&self) -> Option<&serde_json::Value> {
        None
    }

    fn hosted(&self) -> Option<&ModelKey> {
        None
    }

    fn reply(&self) -> String {
        "as asked".into()
    }

    fn repeatable(&self) -> bool {
        true
    }

    fn payload(&self, checked: &CheckedGraph, _job: &str) -> Result<Vec<u8>, ClientError> {
        Ok(checked.graph().to_bytes()?)
    }

    fn answer(&self, checked: &CheckedGraph, packed: Packed) -> Result<Answer, ClientError> {
        let mut body = FailureRecorder::new(packed.stream()?);
        let answer = answer_read(&mut body).map_err(|error| body.failed().unwrap_or_else(|| error.into()))?;
        fits(checked, &answer)?;
        Ok(answer)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.stop.clone()
    }
}

/// Refuses an answer that has not the names, types and shapes which the graph gives its values.
fn fits(checked: &CheckedGraph, answer: &Answer) -> Result<(), ClientError> {
    let graph = checked.graph();
    let mut saved = 0;
    for op in &graph.nodes {
        let Op::Save { name, value } = op else { continue };
        saved += 1;
        let kind = checked.kinds().get(value.0 as usize);
        let wrong =
            |expected: String, found: String| Err(ClientError::Value { name: name.clone(), expected, found });
        let prompts = |group: u32| graph.groups.get(group as usize).map_or(0, |g| g.prompts.len());
        match (kind, answer.values.get(name)) {
            (Some(ValueKind::Text(group)), Some(Value::Text(texts))) if texts.len() == prompts(*group) => {}
            (Some(ValueKind::Text(group)), found) => {
                return wrong(format!("{} texts", prompts(*group)), described(found));
            }
            (Some(ValueKind::Tensor { dtype, shape }), found) => {
                let Some(Value::Tensor { tensor, rows }) = found else {
                    return wrong(format!("{dtype} {shape}"), described(found));
                };
                let packed =
                    shape.0.iter().find_map(|d| if let Dim::Tokens(g) = d { Some(*g) } else { None });
                let total = rows.as_ref().map(|r| r.iter().map(|n| *n as usize).sum::<usize>());
                let axes = tensor.shape().len() == shape.0.len()
                    && shape.0.iter().zip(tensor.shape()).all(|(wanted, n)| match wanted {
                        Dim::Fixed(wanted) => wanted == n,
                        Dim::Tokens(_) => Some(*n) == total,
                    });
                let each = packed.map(prompts) == rows.as_ref().map(Vec::len);
                if tensor.dtype() != *dtype || !axes || !each {
                    return wrong(format!("{dtype} {shape}"), described(found));
                }
            }
            (Some(ValueKind::Effect) | None, found) => return wrong("nothing".into(), described(found)),
        }
    }
    match answer.values.keys().find(|name| !asked(checked, name)) {
        Some(name) => {
            let found = described(answer.values.get(name));
            Err(ClientError::Value {
                name: name.chars().take(100).collect(),
                expected: "nothing".into(),
                found,
            })
        }
        None if saved != answer.values.len() => {
            Err(ClientError::Message { doing: "reading an answer", source: None })
        }
        None => Ok(()),
    }
}

fn asked(checked: &CheckedGraph, name: &str) -> bool {
    checked.graph().nodes.iter().any(|op| matches!(op, Op::Save { name: n, .. } if n == name))
}

fn described(value: Option<&Value>) -> String {
    match value {
        None => "missing".into(),
        Some(Value::Text(texts)) => format!("{} texts", texts.len()),
        Some(Value::Tensor { tensor, rows: None }) => format!("{} {:?}", tensor.dtype(), tensor.shape()),
        Some(Value::Tensor { tensor, rows: Some(rows) }) => {
            format!("{} {:?} over {} prompts", tensor.dtype(), tensor.shape(), rows.len())
        }
    }
}
