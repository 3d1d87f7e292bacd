//! Why a change can't be written into weights.

use std::path::PathBuf;

use truenorth_protocol::Site;

use crate::error::EngineError;

/// Why a change can't be written into weights. Nothing that was there was changed.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// A file that can't be read or written.
    #[error("can't {what} {path}", path = .path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// A file that is no safetensors or JSON.
    #[error("{path} is damaged: {problem}", path = .path.display())]
    Damaged {
        /// The file that can't be read.
        path: PathBuf,
        /// What is wrong with it, for people.
        problem: String,
    },
    /// A folder whose model can't be opened, so that what its weights are is not certain.
    #[error(transparent)]
    Model(Box<EngineError>),
    /// A weight that is no number.
    #[error("tensor `{name}` of {path} holds {value} at element {index}, expected finite weights", path = .path.display())]
    NotFinite {
        /// The file that holds it.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Index of the first such element, from 0.
        index: usize,
        /// The NaN or infinity.
        value: f64,
    },
    /// A changed weight that the type of the model's weights has no room for.
    #[error("tensor `{name}` would hold {value:e}, more than {dtype} has room for")]
    Beyond {
        /// Name of the tensor.
        name: String,
        /// The type of its weights.
        dtype: String,
        /// The number.
        value: f64,
    },
    /// Weights that the change would pass over, as they are stored under other names than those that are changed.
    #[error(
        "{found} of the {expected} tensors that this change is about are in {folder} under their own names; `{name}` is not"
    )]
    Unchanged {
        /// The folder of the model.
        folder: String,
        /// The first tensor that is not there.
        name: String,
        /// Tensors that are there.
        found: usize,
        /// Tensors that the change is about.
        expected: usize,
    },
    /// A folder that holds something.
    #[error("{0} is not empty")]
    NotEmpty(String),
    /// A folder without weights that are read here.
    #[error("{0} holds neither model.safetensors nor model.safetensors.index.json")]
    NoWeights(String),
    /// A kind of model that is not known.
    #[error("the config's model_type is `{found}`, whose weights are not known here")]
    Family {
        /// The `model_type` of the config.
        found: String,
    },
    /// A config without a number that is needed.
    #[error("the config does not say `{key}`")]
    Key {
        /// The key that is missing.
        key: &'static str,
    },
    /// A direction of another width.
    #[error("the direction is {direction} wide, the model {model}")]
    Width {
        /// Numbers of the direction.
        direction: usize,
        /// Width of the model's residual stream.
        model: usize,
    },
    /// A block that there is not.
    #[error("block {layer} is out of range; the model has blocks 0 to {last}", last = .layers.saturating_sub(1))]
    Layer {
        /// The block that was named, from 0.
        layer: u32,
        /// Blocks of the model.
        layers: usize,
    },
    /// A family whose attention and MLP are normed before they are added, which a direction of several channels can't be
    /// ablated from.
    #[error(
        "{family} norms what attention and MLP write, a factor a channel, before it is added to the residual stream: no change \
         of its weights takes a direction of several channels out of what comes behind the norm"
    )]
    Ablation {
        /// Name of the family.
        family: &'static str,
    },
    /// A family whose MLP is normed before it is added.
    #[error(
        "{family} norms what the MLP writes before it is added to the residual stream, and has no bias behind the norm: nothing \
         in its weights can add a vector at a block"
    )]
    Addition {
        /// Name of the family.
        family: &'static str,
    },
    /// A family whose attention is normed before it is added.
    #[error(
        "{family} norms what attention writes before it is added to the residual stream, and has no bias behind the norm: \
         nothing in its weights can add a vector at attn_out"
    )]
    AttentionAddition {
        /// Name of the family.
        family: &'static str,
    },
    /// A model whose output projection of attention has no bias.
    #[error(
        "the output projection of this model's attention ({family}) has no bias, so nothing in its weights can add a vector \
         at {site} at every token"
    )]
    NoAttentionBias {
        /// Name of the family.
        family: &'static str,
        /// The site that was named.
        site: Site,
    },
    /// A place at which nothing is added to weights here.
    #[error("a vector is added to weights at embed, attn_out, mlp_out and resid_post, and not at {site}")]
    Site {
        /// The site that was named.
        site: Site,
    },
    /// A family without a weight that is added whatever the token is.
    #[error("the MLP of {family} has no bias, so nothing in its weights can add a vector at every token")]
    NoBias {
        /// Name of the family.
        family: &'static str,
    },
    /// An element type that is not changed here.
    #[error("the tensor {name} is {dtype}; expected F32, F16 or BF16")]
    DType {
        /// Name of the tensor.
        name: String,
        /// Element type in the file.
        dtype: String,
    },
    /// A tensor of another shape than its name says.
    #[error("the tensor {name} has shape {shape:?}, which has no axis of {hidden}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Sizes of its axes.
        shape: Vec<usize>,
        /// The width of the residual stream.
        hidden: usize,
    },
}

impl From<EngineError> for BakeError {
    fn from(error: EngineError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl BakeError {
    /// A remedy for people, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Model(error) => return error.hint(),
            Self::NotFinite { .. } => Some("the weights are damaged: fetch or save them again"),
            Self::Unchanged { .. } => Some(
                "save the model with `model.save_pretrained(folder)` of transformers, which gives each tensor its own name",
            ),
            Self::Beyond { .. } => Some("take a smaller --alpha; such a model would write nothing"),
            Self::NotEmpty(_) => Some("name a folder that is not there yet"),
            Self::NoWeights(_) | Self::Family { .. } => Some(
                "name a folder as transformers saves it, with config.json and safetensors, of a family of `models list`",
            ),
            Self::Ablation { .. } => {
                Some("ablate it while the model runs: truenorth steer --at everywhere --ablate")
            }
            Self::Addition { .. } | Self::AttentionAddition { .. } | Self::Site { .. } => Some(
                "add it while the model runs: truenorth steer; a direction of the site embed can be baked",
            ),
            Self::NoBias { .. } | Self::NoAttentionBias { .. } => Some(
                "ablate instead (--ablate), or add while it runs: truenorth steer; a direction of the site embed can be baked",
            ),
            Self::DType { .. } => {
                Some("save the weights in one of these types; quantized ones can't be changed")
            }
            Self::Width { .. } | Self::Layer { .. } => {
                Some("use the model that the direction was extracted from")
            }
            _ => None,
        };
        hint.map(str::to_owned)
    }
}
