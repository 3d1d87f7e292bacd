//! What a node takes, and what it is called in messages.

use super::{AlphaUnit, Edit, NodeId, Op};

impl Op {
    /// The nodes whose values this one is computed from.
    #[must_use]
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Read { .. } | Self::Const(_) | Self::Generate { .. } | Self::Turns { .. } => vec![],
            Self::Binary { a, b, .. } | Self::Dot { a, b } | Self::Cosine { a, b } => vec![*a, *b],
            Self::Unary { a, .. }
            | Self::Norm { a }
            | Self::Reduce { a, .. }
            | Self::Slice { a, .. }
            | Self::Cast { a, .. }
            | Self::TopKValues { a, .. }
            | Self::TopKIndices { a, .. } => vec![*a],
            Self::Stack(all) => all.clone(),
            Self::LogProb { logits, .. } | Self::PromptLogProb { logits } => vec![*logits],
            Self::GeneratedLogProb { generate } | Self::Decode { generate } => vec![*generate],
            Self::Save { value, .. } => vec![*value],
            Self::Write { edit, .. } => edit.inputs(),
            Self::When { direction, writes, .. } => {
                std::iter::once(*direction).chain(writes.iter().copied()).collect()
            }
        }
    }

    /// A short name for messages, such as `read resid_post.12`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Read { site, .. } => format!("read {site}"),
            Self::Write { site, edit, .. } => format!("{} {site}", edit.label()),
            Self::Const(_) => "const".into(),
            Self::Binary { f, .. } => format!("{f:?}").to_lowercase(),
            Self::Unary { f, .. } => format!("{f:?}").to_lowercase(),
            Self::Dot { .. } => "dot".into(),
            Self::Cosine { .. } => "cosine".into(),
            Self::Norm { .. } => "norm".into(),
            Self::Reduce { f, .. } => format!("{f:?}").to_lowercase(),
            Self::Slice { .. } => "slice".into(),
            Self::Stack(_) => "stack".into(),
            Self::Cast { dtype, .. } => format!("cast {dtype}"),
            Self::LogProb { .. } => "log_prob".into(),
            Self::PromptLogProb { .. } => "prompt_log_prob".into(),
            Self::TopKValues { .. } => "top_k_values".into(),
            Self::TopKIndices { .. } => "top_k_indices".into(),
            Self::Generate { .. } => "generate".into(),
            Self::GeneratedLogProb { .. } => "generated_log_prob".into(),
            Self::Decode { .. } => "decode".into(),
            Self::Save { name, .. } => format!("save {name:?}"),
            Self::Turns { group, .. } => format!("turns of group {group}"),
            Self::When { site, .. } => format!("when {site}"),
        }
    }
}

impl Edit {
    /// The nodes whose values this edit needs.
    #[must_use]
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Add { direction, unit, .. } => match unit {
                AlphaUnit::Absolute => vec![*direction],
                AlphaUnit::Norm(n) => vec![*direction, *n],
            },
            Self::Ablate { direction } | Self::Clamp { direction, .. } => vec![*direction],
            Self::Set { value } => vec![*value],
            Self::Scale { .. } => vec![],
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add at",
            Self::Ablate { .. } => "ablate at",
            Self::Set { .. } => "set at",
            Self::Scale { .. } => "scale at",
            Self::Clamp { .. } => "clamp at",
        }
    }
}
