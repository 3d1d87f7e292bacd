//! Why an analysis gave no result.

use truenorth_protocol::graph::{CodecError, GraphProblem};
use truenorth_protocol::prompt::PromptProblem;

use truenorth_data::CopiesError;
use truenorth_data::store::StoreError;
use truenorth_protocol::run::RunError;
use truenorth_stats::estimate::EstimateError;
use truenorth_stats::estimate::audit::AuditError;
use truenorth_stats::estimate::probing::ProbeError;

/// Why an analysis gave no result.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// The runner gave no answer, or was interrupted.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store of activations can't be read or written.
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
        /// The probe's own error.
        #[source]
        source: Box<ProbeError>,
    },
    /// A graph or an answer could not be encoded.
    #[error("a graph or its answer could not be encoded")]
    Codec(#[from] CodecError),
    /// A graph that can't run.
    #[error("{}{problem}", if .what.is_empty() { String::new() } else { format!("{what}: ") })]
    Graph {
        /// What was to be done, with the site.
        what: String,
        /// Why the graph does not fit the model.
        problem: Box<GraphProblem>,
    },
    /// A prompt that failed where the graph ran.
    #[error("prompt `{id}` {problem}")]
    Prompt {
        /// Name of the prompt.
        id: String,
        /// What is wrong, to follow the prompt's name.
        problem: String,
        /// Whether it was refused, so that nothing was run.
        refused: bool,
        /// A remedy, where one is known.
        hint: Option<String>,
    },
    /// A prompt that does not fit the model.
    #[error("prompt `{id}` {problem}")]
    Unfit {
        /// Name of the prompt.
        id: String,
        /// What is wrong, to follow the prompt's name.
        problem: PromptProblem,
    },
    /// A block that the model does not have.
    #[error("{what}: block {layer} is out of range; the model has blocks 0 to {}", layers.saturating_sub(1))]
    Block {
        /// What was to be done there, with the site.
        what: String,
        /// The block asked for, from 0.
        layer: u32,
        /// Blocks of the model.
        layers: u32,
    },
    /// The runner returned something else than was asked for.
    #[error(
        "the answer for `{name}` does not fit the {prompts} prompts asked about: a fault of what ran them"
    )]
    Answer {
        /// Name under which the graph saves the value.
        name: String,
        /// Prompts asked about.
        prompts: usize,
    },
    /// The model computed something that is no number.
    #[error(
        "`{name}` holds a NaN or an infinity{}",
        .id.as_ref().map_or_else(String::new, |id| format!(" for prompt `{id}`"))
    )]
    NotFinite {
        /// Name under which the graph saves the value.
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
    /// Something asked for that the input does not have.
    #[error("{what}")]
    Asked {
        /// What was asked for and what there is.
        what: String,
        /// What to do about it, for people.
        remedy: String,
    },
}

impl AnalysisError {
    /// Whether the request was at fault, so that nothing was run for it.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            Self::Unfit { .. }
            | Self::Block { .. }
            | Self::Graph { .. }
            | Self::Copies(_)
            | Self::Input(_)
            | Self::Asked { .. }
            | Self::Estimate(_) => true,
            Self::Run(e) => e.is_request(),
            Self::Prompt { refused, .. } => *refused,
            Self::Audit(_) => true,
            // A source that failed says itself who is at fault.
            Self::Probe { source, .. } => !matches!(**source, ProbeError::Source { .. }),
            Self::Store(_) | Self::Codec(_) | Self::Answer { .. } | Self::NotFinite { .. } => false,
        }
    }

    /// The prompt that is to blame, by its name.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        match self {
            Self::Prompt { id, .. } | Self::Unfit { id, .. } | Self::NotFinite { id: Some(id), .. } => {
                Some(id)
            }
            _ => None,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit { problem: PromptProblem::TooLong { new: 2.., .. }, .. } => {
                Some("shorten the prompt, or generate fewer tokens with --max-new-tokens".into())
            }
            Self::Unfit { problem, .. } => Some(problem.hint()),
            Self::Graph { problem, .. } => match **problem {
                GraphProblem::NewTokens { max, .. } => Some(format!("give --max-new-tokens from 1 to {max}")),
                _ => None,
            },
            Self::Prompt { hint, .. } => hint.clone(),
            Self::Asked { remedy, .. } => Some(remedy.clone()),
            Self::NotFinite { .. } => Some(
                "if it was computed or sent in f16, which holds numbers up to 65504, use --dtype or --reply-dtype bf16 \
                 or f32; give smaller doses if the model is steered"
                    .into(),
            ),
            Self::Block { layers, .. } => {
                Some(format!("choose a block from 0 to {} with --site", layers.saturating_sub(1)))
            }
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

#[cfg(test)]
mod tests {
    use truenorth_protocol::{Answer, CheckedGraph, ModelInfo, ReadAt, Site};

    use super::super::fixture::Tiny;
    use super::super::{NamedPrompt, Reader};
    use super::*;
    use truenorth_protocol::run::{Runner, Unwatched, Watch};

    /// A runner that answers nothing and tokenizes as it is told.
    struct Mute(ModelInfo, Option<Vec<u32>>);

    impl Runner for Mute {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        fn encode(&self, _: &str, _: bool) -> Result<Option<Vec<u32>>, RunError> {
            Ok(self.1.clone())
        }

        fn stop_tokens(&self) -> Vec<u32> {
            vec![]
        }

        fn run(&self, graph: &CheckedGraph, _: &dyn Watch) -> Result<Answer, RunError> {
            let prompt = Box::new(graph.graph().groups[0].prompts[1].clone());
            let (shown, problem) = ("`tin`".into(), "makes `embed` inf".into());
            Err(RunError::Prompt { prompt, shown, problem, refused: false, hint: Some("dose less".into()) })
        }
    }

    fn asked(tokens: Option<Vec<u32>>, prompts: &[NamedPrompt], site: Site) -> AnalysisError {
        let runner = Mute(Tiny::open().info().clone(), tokens);
        Reader::new(&runner, None).read(prompts, &[site], ReadAt::Last, &Unwatched).unwrap_err()
    }

    /// Whoever reads an error knows prompts by their names, and neither groups nor nodes.
    #[test]
    fn errors_name_prompts_as_their_files_do() {
        let text = |text: &str| vec![NamedPrompt::text("p7", text)];
        let said = |e: AnalysisError| (e.to_string(), e.prompt().map(str::to_owned), e.hint().unwrap());
        let p7 = Some("p7".to_owned());
        let (what, id, hint) = said(asked(Some(vec![70_000]), &text("hat"), Site::Embed));
        assert!(what.contains("`p7` is text of which the tokenizer makes token 70000"), "{what}");
        assert!(id == p7 && hint.contains("the tokenizer of these very weights"), "{hint}");
        let ids = vec![NamedPrompt::tokens("p7", vec![3, 70_000])];
        let (what, id, hint) = said(asked(None, &ids, Site::Embed));
        assert!(
            what.contains("`p7` has token 70000") && id == p7 && hint.contains("give ids below"),
            "{hint}"
        );
        let (what, id, _) = said(asked(None, &text(""), Site::Embed));
        assert_eq!((what.as_str(), id), ("prompt `p7` has no tokens", p7.clone()));
        let (what, id, _) = said(asked(None, &text(&"hat ".repeat(1 << 20)), Site::Embed));
        assert!(what.contains("`p7` has 4194304 bytes") && id == p7, "{what}");
        // What shows only where it runs.
        let two = [NamedPrompt::text("p6", "hat"), NamedPrompt::text("p7", "tin")];
        let (what, id, hint) = said(asked(None, &two, Site::Embed));
        assert_eq!((what.as_str(), id, hint.as_str()), ("prompt `p7` makes `embed` inf", p7, "dose less"));
        let (what, id, hint) = said(asked(None, &two, Site::ResidPost(9)));
        assert!(what.starts_with("read resid_post.9: block 9 is out of range") && id.is_none(), "{what}");
        assert!(hint.contains("--site") && !what.contains("node"), "{what}");
    }
}
