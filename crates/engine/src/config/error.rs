//! Why a configuration is refused.

use thiserror::Error;

/// A configuration that is not computed as it says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An architecture that is not in the family table.
    #[error("config key `model_type` is {}, expected one of {expected}",
        if found.is_empty() { "missing".to_owned() } else { format!("`{found}`") })]
    UnknownFamily {
        /// The `model_type` of the config; empty where it has none.
        found: String,
        /// The families, separated by commas.
        expected: String,
    },
    /// A key that could change the numbers and is not understood.
    #[error(
        "config key `{key}` = {value} is not understood for family `{family}` and could change the numbers"
    )]
    UnknownKey {
        /// The key, with those it lies under.
        key: String,
        /// The value in the config, cut short.
        value: String,
        /// Name of the family.
        family: String,
    },
    /// Weights that are stored as codes of a quantizer.
    #[error(
        "the checkpoint is quantized by {method} (config key `{key}`); expected weights in f32, f16 or bf16, or a GGUF file"
    )]
    Quantized {
        /// The key that says so.
        key: &'static str,
        /// The method, as the config names it.
        method: String,
    },
    /// A key that has to be there.
    #[error("config key `{key}` is missing, family `{family}` needs it")]
    Missing {
        /// The key that is missing.
        key: String,
        /// Name of the family.
        family: String,
    },
    /// A value that is not of the expected kind, or that is understood but not computed.
    #[error("config key `{key}` is {found}, expected {expected}")]
    Value {
        /// The key, with those it lies under.
        key: String,
        /// The value in the config, cut short.
        found: String,
        /// The values that are computed, in words.
        expected: String,
    },
}

impl ConfigError {
    /// A remedy for people.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownFamily { .. } => {
                "use a model of one of these families".into()
            }
            Self::UnknownKey { key, .. } => format!(
                "if it is known to change nothing, `--accept-config-key {key}` accepts it, which every result records"
            ),
            Self::Quantized { .. } => "use the model it was made from, or its GGUF file".into(),
            Self::Value { expected, .. } if expected.starts_with("nothing") => {
                "the model does something that is not computed here, which no flag leaves out: use another model".into()
            }
            Self::Missing { .. } | Self::Value { .. } => {
                "compare config.json with that of the original model on the hub".into()
            }
        }
    }
}
