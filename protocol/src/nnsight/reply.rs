//! What a service sends back.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek};

use super::PayloadInput;
use crate::graph::{Dim, NodeId, Op, ValueKind};
use crate::pickle::PickleLimits;
use crate::torch_file::{self, FileLimits, TorchDType, TorchFileError, TorchTensor, TorchValue};
use crate::{Answer, DType, Tensor, Value, job, limits};

/// Bytes that are not what a service should have sent.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// Not a `torch.save` archive that may be read.
    #[error("the service's reply can't be read")]
    File(#[from] TorchFileError),
    /// A reply of another form.
    #[error("the service's reply is no {expected}")]
    Form {
        /// The form that was expected.
        expected: &'static str,
    },
    /// A saved value is not there.
    #[error("the service's reply has no value `{name}`")]
    Missing {
        /// Name under which the graph saves it.
        name: String,
    },
    /// A value that the graph does not save.
    #[error("the service's reply has a value `{name}` that was not asked for")]
    Unexpected {
        /// Name in the reply, cut short if long.
        name: String,
    },
    /// A value of another type or shape.
    #[error("value `{name}` of the reply is {found}; expected {expected}")]
    Value {
        /// Name under which the graph saves it.
        name: String,
        /// Type and shape that the graph gives it.
        expected: String,
        /// Type and shape that came.
        found: String,
    },
}

impl ReplyError {
    /// A remedy for people: what to try or look at next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => {
                Some("fetch the job's result again; if it stays so, the service is not to be trusted")
            }
            _ => Some("the service may run another version of nnsight or of the model; see `ndif status`"),
        }
    }
}

/// The answer out of a result archive: a dictionary whose one entry `saved` holds the values by
/// name.
pub(super) fn answer(
    request: &PayloadInput<'_>,
    body: impl Read + Seek,
    decode: &dyn Fn(&[u32]) -> String,
) -> Result<Answer, ReplyError> {
    let bounds = FileLimits { tensors: limits::ANSWER_BYTES, ..FileLimits::default() };
    let mut values = saved(torch_file::read_from(body, &bounds)?)?;
    let graph = request.checked.graph();
    let mut answer = Answer::default();
    for op in &graph.nodes {
        let Op::Save { name, value } = op else { continue };
        let value = match graph.nodes.get(value.0 as usize) {
            // A constant is not sent there and back.
            Some(Op::Const(tensor)) => Value::Tensor { tensor: tensor.clone(), rows: None },
            source => {
                let missing = || ReplyError::Missing { name: name.clone() };
                let TorchValue::Tensor(tensor) = values.remove(name).ok_or_else(missing)? else {
                    return Err(ReplyError::Form { expected: "dictionary of tensors" });
                };
                match source {
                    Some(Op::Decode { generate }) => text(request, name, *generate, tensor, decode)?,
                    _ => number(request, name, *value, tensor)?,
                }
            }
        };
        answer.values.insert(name.clone(), value);
    }
    match values.into_keys().next() {
        Some(name) => Err(ReplyError::Unexpected { name: name.chars().take(80).collect() }),
        None => Ok(answer),
    }
}

fn saved(reply: TorchValue) -> Result<BTreeMap<String, TorchValue>, ReplyError> {
    let form = ReplyError::Form { expected: "dictionary with the entry `saved`" };
    let TorchValue::Dict(entries) = reply else { return Err(form) };
    let found = entries.into_iter().find(|(key, _)| *key == TorchValue::Str("saved".into()));
    let Some((_, TorchValue::Dict(entries))) = found else { return Err(form) };
    entries
        .into_iter()
        .map(|(key, value)| match key {
            TorchValue::Str(name) => Ok((name, value)),
            _ => Err(ReplyError::Form { expected: "dictionary by name" }),
        })
        .collect()
}

/// A tensor that has the type and shape that the graph gives it.
fn number(
    request: &PayloadInput<'_>,
    name: &str,
    node: NodeId,
    found: TorchTensor,
) -> Result<Value, ReplyError> {
    let dtype = request.wire(node);
    let tokens =
        |group: u32| request.tokens.get(group as usize).map_or(&[][..], Vec::as_slice).iter().map(Vec::len);
    let (mut shape, mut rows) = (Vec::new(), None);
    if let Some(ValueKind::Tensor { shape: axes, .. }) = request.checked.kinds().get(node.0 as usize) {
        for (i, axis) in axes.0.iter().enumerate() {
            shape.push(match axis {
                Dim::Fixed(n) => *n,
                Dim::Tokens(group) => {
                    if i == 0 {
                        rows = Some(tokens(*group).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).collect());
                    }
                    tokens(*group).sum()
                }
            });
        }
    }
    let kind = plain(found.dtype);
    if kind != Some(dtype) || found.shape != shape {
        return Err(ReplyError::Value {
            name: name.into(),
            expected: format!("{dtype} {shape:?}"),
            found: format!("{:?} {:?}", found.dtype, found.shape).to_lowercase(),
        });
    }
    let wrong = |e: crate::tensor::TensorError| ReplyError::Value {
        name: name.into(),
        expected: format!("{dtype} {shape:?}"),
        found: e.to_string(),
    };
    let tensor = Tensor::from_bytes(dtype, shape.clone(), found.data).map_err(wrong)?;
    Ok(Value::Tensor { tensor, rows })
}

/// Generated tokens as text, one a prompt.
fn text(
    request: &PayloadInput<'_>,
    name: &str,
    generate: NodeId,
    found: TorchTensor,
    decode: &dyn Fn(&[u32]) -> String,
) -> Result<Value, ReplyError> {
    let Value::Tensor { tensor, .. } = number(request, name, generate, found)? else {
        return Err(ReplyError::Form { expected: "tensor of token ids" });
    };
    let steps = tensor.shape().last().copied().unwrap_or(1).max(1);
    let ids = tensor.to_i64().expect("the type was held to that of token ids");
    let one = |row: &[i64]| {
        // What comes after a stop is negative.
        let ids: Vec<u32> = row.iter().map_while(|id| u32::try_from(*id).ok()).collect();
        decode(&ids)
    };
    Ok(Value::Text(ids.chunks(steps).map(one).collect()))
}

fn plain(dtype: TorchDType) -> Option<DType> {
    Some(match dtype {
        TorchDType::F64 => DType::F64,
        TorchDType::F32 => DType::F32,
        TorchDType::F16 => DType::F16,
        TorchDType::Bf16 => DType::Bf16,
        TorchDType::I64 => DType::I64,
        _ => return None,
    })
}

/// Reads a binary frame of the socket: a `torch.save` archive of an update whose `data` may be the
/// result itself, which is returned beside it (still zstd-compressed if the envelope asked for it).
///
/// # Errors
/// A [`ReplyError`] for anything else; nothing in it is executed.
pub fn read_binary_update(bytes: &[u8]) -> Result<(job::Update, Option<Vec<u8>>), ReplyError> {
    let form = || ReplyError::Form { expected: "status of a job" };
    // The result stands in the pickle itself.
    let pickle =
        PickleLimits { bytes: limits::ANSWER_BYTES, values: 1 << 16, text: limits::ANSWER_BYTES, depth: 32 };
    let bounds = FileLimits { tensors: limits::STATUS_BYTES, pickle };
    let TorchValue::Dict(entries) = torch_file::read_from(Cursor::new(bytes), &bounds)? else {
        return Err(form());
    };
    let mut result = None;
    let mut fields = serde_json::Map::new();
    for (key, value) in entries {
        match (key, value) {
            (TorchValue::Str(key), TorchValue::Bytes(bytes)) if key == "data" => result = Some(bytes),
            (TorchValue::Str(key), value) => {
                fields.insert(key, json(value).ok_or_else(form)?);
            }
            _ => return Err(form()),
        }
    }
    let update = serde_json::from_value(fields.into()).map_err(|_| form())?;
    Ok((update, result))
}

/// A plain value as JSON; none for tensors and bytes, which JSON does not have.
fn json(value: TorchValue) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        TorchValue::None => Json::Null,
        TorchValue::Bool(b) => b.into(),
        TorchValue::Int(i) => i.into(),
        TorchValue::Float(f) => f.into(),
        TorchValue::Str(s) => s.into(),
        TorchValue::List(v) | TorchValue::Tuple(v) => {
            Json::Array(v.into_iter().map(json).collect::<Option<_>>()?)
        }
        TorchValue::Dict(entries) => Json::Object(
            entries
                .into_iter()
                .map(|(k, v)| match k {
                    TorchValue::Str(k) => Some((k, json(v)?)),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        ),
        TorchValue::Bytes(_) | TorchValue::Tensor(_) => return None,
    })
}
