//! What a graph returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// One saved value, as it comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A tensor, with its rows a prompt where they are packed.
    Tensor {
        /// The numbers. A value over all tokens has them packed, prompt after prompt.
        tensor: Tensor,
        /// For a value over all tokens, how many rows each prompt has.
        rows: Option<Vec<u32>>,
    },
    /// Decoded text, one entry a prompt.
    Text(Vec<String>),
}

impl Value {
    /// The tensor; none for text.
    #[must_use]
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor { tensor, .. } => Some(tensor),
            Self::Text(_) => None,
        }
    }

    /// The texts, one a prompt; none for numbers.
    #[must_use]
    pub fn text(&self) -> Option<&[String]> {
        match self {
            Self::Text(t) => Some(t),
            Self::Tensor { .. } => None,
        }
    }
}

/// The saved values of a graph by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Each saved value under the name of its [`Op::Save`](crate::graph::Op::Save).
    pub values: BTreeMap<String, Value>,
}

impl Answer {
    /// The tensor saved under `name`, if there is one.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.values.get(name).and_then(Value::tensor)
    }
}
