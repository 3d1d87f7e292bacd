//! Why an analysis gave no result.

use truenorth_protocol::graph::CodecError;

use crate::data::CopiesError;
use crate::estimate::EstimateError;
use crate::estimate::audit::AuditError;
use crate::estimate::probing::ProbeError;
use crate::run::RunError;
use crate::store::StoreError;

/// Why an analysis gave no result.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The model did not answer.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The cache failed.
    #[error("the activation cache failed")]
    Store(#[from] StoreError),
    /// The direction could not be estimated.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// A direction that can't be audited.
    #[error("the direction can't be audited")]
    Audit(#[source] Box<AuditError>),
    /// Rows that can't be probed.
    #[error("can't probe {what}")]
    Probe {
        /// The category, with the site where one site is to blame.
        what: String,
        /// Why.
        #[source]
        source: Box<ProbeError>,
    },
    /// A graph or an answer could not be encoded.
    #[error("a graph or its answer could not be encoded")]
    Codec(#[from] CodecError),
    /// A prompt that the model can't take.
    #[error("prompt `{id}` has {tokens} tokens, the model's context is {context}; shorten or split it")]
    TooLong {
        /// Its name.
        id: String,
        /// Its tokens.
        tokens: usize,
        /// What the model takes.
        context: usize,
    },
    /// A prompt that leaves no room for what is to be generated.
    #[error("prompt `{id}` has {tokens} tokens and {new} may follow; the model's context is {context}")]
    NoRoom {
        /// Its name.
        id: String,
        /// Its tokens.
        tokens: usize,
        /// The most that may be generated.
        new: u32,
        /// What the model takes.
        context: usize,
    },
    /// A prompt that is too short for the position asked for.
    #[error("position {index} is outside prompt `{id}`, which has {tokens} tokens")]
    Position {
        /// Its name.
        id: String,
        /// The position asked for.
        index: i32,
        /// Its tokens.
        tokens: usize,
    },
    /// A token id that the model does not have.
    #[error("prompt `{id}` has token {token}, which is outside the model's vocabulary of {vocab}")]
    Token {
        /// The prompt's name.
        id: String,
        /// The token.
        token: u32,
        /// How many tokens the model has.
        vocab: u32,
    },
    /// A block that the model does not have.
    #[error("{what}: block {layer} is out of range; the model has blocks 0 to {}", layers.saturating_sub(1))]
    Block {
        /// What was to be done there, with the site.
        what: String,
        /// The block asked for.
        layer: u32,
        /// Blocks of the model.
        layers: u32,
    },
    /// A prompt without tokens.
    #[error("prompt `{id}` has no tokens; give it some text")]
    Empty {
        /// Its name.
        id: String,
    },
    /// The runner returned something else than was asked for.
    #[error(
        "the answer for `{name}` does not fit the {prompts} prompts asked about; this is a fault of the runner"
    )]
    Answer {
        /// The saved name.
        name: String,
        /// Prompts asked about.
        prompts: usize,
    },
    /// The model computed something that is no number.
    #[error(
        "`{name}` holds a NaN or an infinity{}; the weights or the dtype can't carry it (try --dtype f32)",
        .id.as_ref().map_or_else(String::new, |id| format!(" for prompt `{id}`"))
    )]
    NotFinite {
        /// The saved name.
        name: String,
        /// The prompt, where one is to blame.
        id: Option<String>,
    },
    /// Rows that contradict each other.
    #[error(transparent)]
    Copies(#[from] CopiesError),
    /// Input that the question makes no sense for.
    #[error("{0}")]
    Input(String),
}

impl AnalysisError {
    /// Whether the request was at fault, so that nothing was run for it.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            Self::Token { .. }
            | Self::Block { .. }
            | Self::TooLong { .. }
            | Self::NoRoom { .. }
            | Self::Position { .. }
            | Self::Empty { .. }
            | Self::Copies(_)
            | Self::Input(_)
            | Self::Estimate(_) => true,
            Self::Run(e) => e.is_request(),
            Self::Audit(_) => true,
            // A source that failed says itself who is at fault.
            Self::Probe { source, .. } => !matches!(**source, ProbeError::Source { .. }),
            Self::Store(_) | Self::Codec(_) | Self::Answer { .. } | Self::NotFinite { .. } => false,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Token { .. } => Some("use ids of this model's own tokenizer, or give the text".into()),
            Self::Block { layers, .. } => {
                Some(format!("choose a block from 0 to {} with --site", layers.saturating_sub(1)))
            }
            Self::NoRoom { .. } => {
                Some("shorten the prompt, or generate fewer tokens with --max-new-tokens".into())
            }
            Self::Position { id, tokens, .. } => Some(format!(
                "its tokens are 0 to {}, or -1 to -{tokens} from the end: choose another position for all, or \
                 leave `{id}` out",
                tokens.saturating_sub(1)
            )),
            Self::Run(e) => e.hint().map(str::to_owned),
            Self::Copies(e) => e.hint(),
            Self::Estimate(e) => e.hint().map(Into::into),
            Self::Audit(e) => e.hint().map(Into::into),
            Self::Probe { source, .. } => source.hint().map(Into::into),
            _ => None,
        }
    }
}

impl From<AuditError> for AnalysisError {
    fn from(source: AuditError) -> Self {
        Self::Audit(Box::new(source))
    }
}
