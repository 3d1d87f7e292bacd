//! The output matrix: which tensor it is, and what is refused where there is none.

use truenorth_protocol::graph::Op;
use truenorth_protocol::{CheckedGraph, ModelInfo, Site};

use super::Transformers;
use super::config::{Config, Head};
use super::load::{LoadError, Source};
use truenorth_protocol::run::RunError;

/// Decides by what is stored which matrix gives the logits, as transformers does; says what a user
/// should know of it.
///
/// A config that ties may stand beside a matrix of its own: version 4 ties all the same, version 5
/// where both hold the same numbers. Where one of the two is stored alone, both are that one. A model
/// without any gives no logits; transformers would draw one at random.
///
/// # Errors
/// A tensor that is there and cannot be read, or an output matrix that the index of the shards lists and none holds.
pub(super) fn settle(
    config: &mut Config,
    source: &mut Source,
    rules: Transformers,
    model: &str,
) -> Result<Option<String>, LoadError> {
    let names = &config.family.names;
    let (embed, own) = (format!("{}.weight", names.embed), format!("{}.weight", names.head));
    match (config.head, source.has(&embed), source.has(&own)) {
        (Head::Own, _, false) => {
            // A download that lost it is no model without one.
            if let Some(missing) = source.absent(&own) {
                return Err(missing);
            }
            config.head = Head::Missing;
            Ok(Some(format!(
                "{model} has no output matrix (`{own}` is not stored and the config does not tie it to the \
                 embedding): activations are read, logits and generation are refused"
            )))
        }
        (Head::Tied, false, true) => {
            source.rename(&own, &embed);
            Ok(None)
        }
        (Head::Tied, true, true) if !source.equal(&embed, &own)? => {
            let (tied, untied) = ("the embedding", format!("the stored `{own}`"));
            let (ours, theirs) = match rules {
                Transformers::V4_57 => (tied, untied.as_str()),
                Transformers::V5_23 => (untied.as_str(), tied),
            };
            if rules == Transformers::V5_23 {
                config.head = Head::Own;
            }
            let other = rules.other();
            Ok(Some(format!(
                "the config ties the output matrix to the embedding (`tie_word_embeddings`), yet `{own}` is stored with \
                 other values. Logits come from {ours}, as in transformers {rules}; in {other} they come from \
                 {theirs}, which `--transformers {other}` follows"
            )))
        }
        _ => Ok(None),
    }
}

/// Heads for other things than the next token, which stand on the final norm and feed nothing back: of classifiers
/// and reward models, of value functions, of answers in a text.
const OTHERS: [&str; 9] = [
    "score.",
    "classifier.",
    "classification_head.",
    "v_head.",
    "value_head.",
    "reward_head.",
    "regression_head.",
    "qa_outputs.",
    "multiple_choice_head.",
];

/// Whether a tensor is of such a head.
pub(super) fn is_other(name: &str) -> bool {
    // Files that were saved without the prefix of the base model get it for all of their tensors.
    let bare =
        ["model.", "transformer.", "gpt_neox."].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    OTHERS.iter().any(|start| bare.starts_with(start))
}

/// What a user should know of heads that are not read.
pub(super) fn others(source: &Source) -> Option<String> {
    let names: Vec<String> =
        source.names().filter(|n| is_other(n)).take(3).map(|n| format!("`{n}`")).collect();
    let is = if names.len() == 1 { "is a head" } else { "are heads" };
    (!names.is_empty())
        .then(|| format!("{} {is} for something else than the next token, and left unread", names.join(", ")))
}

/// Refuses a graph that asks a model without an output matrix for logits.
pub(super) fn check(config: &Config, info: &ModelInfo, graph: &CheckedGraph) -> Result<(), RunError> {
    let asks = |op: &Op| match op {
        Op::Read { site, .. } | Op::Write { site, .. } => *site == Site::Logits,
        Op::Generate { .. } => true,
        _ => false,
    };
    if config.head != Head::Missing || !graph.graph().nodes.iter().any(asks) {
        return Ok(());
    }
    Err(RunError::Request {
        what: format!(
            "{} has no output matrix (`{}.weight` is not stored), so `logits` can't be read and no token be generated",
            info.name, config.family.names.head
        ),
        hint: Some("read other sites, or use the model with its language-modelling head".into()),
    })
}
