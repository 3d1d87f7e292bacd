//! One text on a scale from 1 to 5.

use truenorth_protocol::run::Watch;
use truenorth_reading::{AnalysisError, NamedPrompt, Reader};

use super::{JudgeTemplate, Markup, Params, Reply, ask};

const SCALE: [&str; 5] = ["1", "2", "3", "4", "5"];

/// A judge's rating of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgeScore {
    /// The mean of the scale under the judge's probabilities of its numbers, from 1 to 5.
    pub value: f64,
    /// Probability of the five numbers together.
    pub mass: f64,
}

/// What is put before a judge that gives a number, `{text}`, `{question}` and `{prompt}` to be filled.
///
/// # Panics
/// Never: the template is a constant.
#[must_use]
pub fn score_template() -> JudgeTemplate {
    JudgeTemplate::parse(
        "Request:\n{prompt}\n\nReply:\n{text}\n\n{question} Answer with a number from 1 (not at all) to 5 \
         (completely).\n\nAnswer:",
    )
    .expect("the places of this template are known")
}

/// Rates texts by a question, each by itself: the log-probabilities of the numbers 1 to 5 behind the question are read.
///
/// # Errors
/// As [`Judge::run`](super::Judge), of which the markup of `params` is used.
pub fn scores(
    reader: &Reader<'_>,
    replies: &[Reply],
    question: &str,
    params: &Params,
    watch: &dyn Watch,
) -> Result<Vec<JudgeScore>, AnalysisError> {
    if replies.is_empty() {
        return Ok(vec![]);
    }
    let markup = match params.markup()? {
        Some(markup) => markup,
        None => Markup::guess(reader)?,
    };
    let own = markup.spoken(reader)?;
    let reader = own.as_ref().map_or(*reader, |own| reader.speaking(own));
    let template = markup.wrap(score_template());
    let fill = |r: &Reply| {
        let text = template.fill(&[("prompt", &r.prompt), ("text", &r.text), ("question", question)]);
        NamedPrompt::text(r.id.as_str(), text)
    };
    let named: Vec<NamedPrompt> = replies.iter().map(fill).collect();
    let answers = SCALE.map(|word| markup.answer(word));
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let rows = ask::log_probs(&reader, &named, &answers, watch)?;
    let score = |row: &Vec<f64>| {
        let chances: Vec<f64> = row.iter().map(|l| l.exp()).collect();
        let mass: f64 = chances.iter().sum();
        let sum: f64 = chances.iter().zip(1_u8..).map(|(p, k)| p * f64::from(k)).sum();
        JudgeScore { value: if mass > 0.0 { sum / mass } else { f64::NAN }, mass }
    };
    Ok(rows.iter().map(score).collect())
}
