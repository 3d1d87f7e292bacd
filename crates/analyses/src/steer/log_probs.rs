//! How probable texts are under a dose.

use truenorth_protocol::graph::{Builder, Op};
use truenorth_protocol::{Prompt, ReadAt, Site};

use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, EncodedPrompt, NamedPrompt, Reader};

use super::Dose;
use super::graph::{edit, group};

/// The most bytes of logits that one graph may hold at once.
const LOGIT_BYTES: usize = 128 << 20;

/// A text as the model reads it, with the log-probability of each token; that of the first is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood {
    /// Token ids of the text, special tokens included.
    pub tokens: Vec<u32>,
    /// Log-probabilities, a token each.
    pub log_probs: Vec<f64>,
}

/// Log-probabilities of all tokens of texts under the first dose of some, which is at given tokens as at generated ones.
///
/// # Errors
/// When a text is refused or has no token ids, or the run or the store fails.
pub fn log_probs(
    reader: &Reader<'_>,
    texts: &[NamedPrompt],
    dose: &Dose,
    watch: &dyn Watch,
) -> Result<Vec<Likelihood>, AnalysisError> {
    let encoded = reader.encode_turns(texts, false)?;
    let tokens = encoded
        .iter()
        .zip(texts)
        .map(|(e, named)| match &e.prompt {
            Prompt::Tokens(tokens) => Ok(tokens.clone()),
            Prompt::Text(_) => Err(AnalysisError::Input(format!(
                "`{}` has no token ids: the tokenizer of {} is not at hand, and log-odds are counted by token",
                named.id,
                reader.runner().info().name
            ))),
        })
        .collect::<Result<Vec<Vec<u32>>, _>>()?;
    let vocabulary = reader.runner().info().vocab as usize;
    let most = reader.runner().batch().tokens.min(LOGIT_BYTES / (4 * vocabulary.max(1))).max(1);
    let mut packs: Vec<std::ops::Range<usize>> = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (i, own) in tokens.iter().enumerate() {
        if i > start && size + own.len() > most {
            packs.push(start..i);
            (start, size) = (i, 0);
        }
        size += own.len();
    }
    packs.push(start..tokens.len());
    let alpha = dose.alphas.first().copied().unwrap_or(0.0);
    let graphs = packs
        .iter()
        .map(|pack| {
            let own: Vec<&EncodedPrompt> = encoded[pack.clone()].iter().collect();
            let mut b = Builder::new();
            let group = group(&mut b, &own, dose);
            edit(&mut b, group, dose, &vec![alpha; own.len()], 1, &mut |_, _, _| {});
            let logits = b.read(group, Site::Logits, ReadAt::All);
            let log_probs = b.node(Op::PromptLogProb { logits });
            b.save("logprobs", log_probs);
            b.finish()
        })
        .collect();
    let answers = reader.ask_each(graphs, watch)?;
    let mut out = Vec::with_capacity(tokens.len());
    for (pack, answer) in packs.into_iter().zip(&answers) {
        let lost = || AnalysisError::Answer { name: "logprobs".into(), prompts: pack.len() };
        let values = answer.tensor("logprobs").and_then(|t| t.to_f32().ok()).ok_or_else(lost)?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(AnalysisError::NotFinite { name: "logprobs".into(), id: None });
        }
        let mut rest = &values[..];
        for own in &tokens[pack.clone()] {
            let (head, tail) = rest.split_at_checked(own.len()).ok_or_else(lost)?;
            let log_probs = head.iter().map(|v| f64::from(*v)).collect();
            out.push(Likelihood { tokens: own.clone(), log_probs });
            rest = tail;
        }
        if !rest.is_empty() {
            return Err(lost());
        }
    }
    Ok(out)
}
