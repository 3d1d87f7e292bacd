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
    let AnswerTokens { before, each: tokens } = answer_tokens(reader, named.first(), answers)?;
    let encoded: Vec<Prompt> =
        reader.encode(named)?.into_iter().map(|p| behind(p, &before)).collect::<Result<_, _>>()?;
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

/// The tokens by which answers are told apart.
struct AnswerTokens {
    /// What all of them begin with, such as the space before a digit where that is a token of its own. It is put behind
    /// the prompt, so that probabilities of answers are those that follow it.
    before: Vec<u32>,
    /// The token of each that follows.
    each: Vec<u32>,
}

/// A prompt with tokens behind it.
fn behind(prompt: Prompt, before: &[u32]) -> Result<Prompt, AnalysisError> {
    match prompt {
        prompt if before.is_empty() => Ok(prompt),
        Prompt::Tokens(mut tokens) => {
            tokens.extend_from_slice(before);
            Ok(Prompt::Tokens(tokens))
        }
        Prompt::Text(_) => Err(AnalysisError::Input(
            "all answers begin with the same token, and the prompts go to the model as text; choose answers that do not, with \
             --answers"
                .into(),
        )),
    }
}

/// The tokens of each answer where it follows a prompt, which can differ from those it has alone.
fn answer_tokens(
    reader: &Reader<'_>,
    first: Option<&NamedPrompt>,
    answers: &[&str],
) -> Result<AnswerTokens, AnalysisError> {
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
        Some(more) if !more.is_empty() => Ok(more.to_vec()),
        _ => Err(refuse(format!(
            "the answer {answer:?} changes the tokens of the template's end; let the template end, or the \
             answer begin, elsewhere (with the space on the other side, say)"
        ))),
    };
    let all = with.iter().zip(answers).map(follows).collect::<Result<Vec<Vec<u32>>, _>>()?;
    // A token of each stays, by which they are told apart.
    let most = all.iter().map(Vec::len).min().unwrap_or(1) - 1;
    let common = (0..most).take_while(|i| all.iter().all(|a| a[*i] == all[0][*i])).count();
    let each: Vec<u32> = all.iter().map(|a| a[common]).collect();
    let twice = (1..each.len()).find_map(|j| Some((each[..j].iter().position(|t| *t == each[j])?, j)));
    if let Some((i, j)) = twice {
        return Err(refuse(format!(
            "the answers {:?} and {:?} begin with the same token; choose two that do not with --answers",
            answers[i], answers[j]
        )));
    }
    Ok(AnswerTokens { before: all[0][..common].to_vec(), each })
}
