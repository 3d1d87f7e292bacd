//! Reading a judge's answer from the next token.

use truenorth_protocol::graph::Builder;
use truenorth_protocol::{Graph, Prompt, ReadAt, Site};

use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader};

/// What a judge answers to one prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct JudgeAnswer {
    /// Log-odds of the first answer over the second.
    pub log_odds: f64,
    /// Probability of the two together.
    pub mass: f64,
}

/// Asks two prompts for each item, which goes by its name.
pub(super) fn both(
    reader: &Reader<'_>,
    ids: &[&str],
    prompts: &[[String; 2]],
    answers: [&str; 2],
    watch: &dyn Watch,
) -> Result<Vec<[JudgeAnswer; 2]>, AnalysisError> {
    let named: Vec<NamedPrompt> = prompts
        .iter()
        .zip(ids)
        .flat_map(|(both, id)| both.iter().map(move |p| NamedPrompt::text(*id, p)))
        .collect();
    let all: Vec<JudgeAnswer> = log_probs(reader, &named, &answers, watch)?
        .iter()
        .map(|row| JudgeAnswer { log_odds: row[0] - row[1], mass: row[0].exp() + row[1].exp() })
        .collect();
    Ok(all.as_chunks::<2>().0.to_vec())
}

/// The log-probabilities of answers behind prompts: a row a prompt, a number an answer.
pub(super) fn log_probs(
    reader: &Reader<'_>,
    named: &[NamedPrompt],
    answers: &[&str],
    watch: &dyn Watch,
) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let encoded = reader.encode(named)?;
    let tokens = answer_tokens(reader, named.first(), answers)?;
    let most = reader.runner().batch().tokens;
    let mut packs: Vec<&[Prompt]> = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (i, prompt) in encoded.iter().enumerate() {
        let more = match prompt {
            Prompt::Tokens(t) => t.len(),
            Prompt::Text(t) => t.len() / 4 + 1,
        };
        if i > start && size + more > most {
            packs.push(&encoded[start..i]);
            (start, size) = (i, 0);
        }
        size += more;
    }
    packs.push(&encoded[start..]);
    let graphs = packs.iter().map(|pack| graph(pack, &tokens)).collect();
    let answers = reader.ask_each(graphs, watch)?;
    let mut all = Vec::with_capacity(encoded.len());
    for (pack, answer) in packs.iter().zip(&answers) {
        let lost = || AnalysisError::Answer { name: "answers".into(), prompts: pack.len() };
        let values = answer.tensor("answers").and_then(|t| t.to_f32().ok()).ok_or_else(lost)?;
        if values.len() != tokens.len() * pack.len() {
            return Err(lost());
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(AnalysisError::NotFinite { name: "answers".into(), id: None });
        }
        all.extend(values.chunks(tokens.len()).map(|row| row.iter().map(|v| f64::from(*v)).collect()));
    }
    Ok(all)
}

fn graph(prompts: &[Prompt], tokens: &[u32]) -> Graph {
    let mut b = Builder::new();
    let group = b.group(prompts.to_vec());
    let logits = b.read(group, Site::Logits, ReadAt::Last);
    let answers = b.log_prob(logits, tokens);
    b.save("answers", answers);
    b.finish()
}

/// The token that each answer begins with where it follows a prompt, which can differ from the one it
/// begins with alone.
fn answer_tokens(
    reader: &Reader<'_>,
    first: Option<&NamedPrompt>,
    answers: &[&str],
) -> Result<Vec<u32>, AnalysisError> {
    let Some(named) = first else {
        return Err(AnalysisError::Input("nothing to judge".into()));
    };
    let spelled = reader.spell(named)?.ok_or_else(|| AnalysisError::Input("nothing to judge".into()))?;
    let prompt = &spelled.text;
    let texts: Vec<String> =
        std::iter::once("").chain(answers.iter().copied()).map(|a| format!("{prompt}{a}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let refuse = |what: String| AnalysisError::Input(what);
    let encoded = reader.runner().encode_many(&texts, spelled.special)?.ok_or_else(|| {
        refuse(format!(
            "the tokenizer of {} is not at hand, and an answer is read by its token",
            reader.runner().info().name
        ))
    })?;
    let Some((alone, with)) = encoded.split_first().filter(|(_, with)| with.len() == answers.len()) else {
        return Err(AnalysisError::Answer { name: "tokens".into(), prompts: texts.len() });
    };
    let follows = |(with, answer): (&Vec<u32>, &&str)| match with.strip_prefix(alone.as_slice()) {
        Some([token, ..]) => Ok(*token),
        _ => Err(refuse(format!(
            "the answer {answer:?} changes the tokens of the template's end; let the template end, or the \
             answer begin, elsewhere (with the space on the other side, say)"
        ))),
    };
    let tokens = with.iter().zip(answers).map(follows).collect::<Result<Vec<u32>, _>>()?;
    let twice = (1..tokens.len()).find_map(|j| Some((tokens[..j].iter().position(|t| *t == tokens[j])?, j)));
    if let Some((i, j)) = twice {
        return Err(refuse(format!(
            "the answers {:?} and {:?} begin with the same token; choose two that do not with --answers",
            answers[i], answers[j]
        )));
    }
    Ok(tokens)
}
