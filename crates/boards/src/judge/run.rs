//! The run: everything asked twice, then what it comes to.

use std::collections::HashSet;

use super::found::same_said;
use super::judgement::{OF_PROMPTS, Things, summary};
use super::summary::{JudgementBreakdown, summarise};
use super::{
    Duel, JudgeData, JudgeQuestion, JudgeSummary, JudgeTemplate, JudgeTexts, Judgement, Markup,
    NoOpinionBand, Params, Reply, ask, together,
};
use truenorth_data::{NearCopies, first_duels, first_replies};
use truenorth_protocol::run::Watch;
use truenorth_reading::stat;
use truenorth_reading::{AnalysisContext, AnalysisError, Reader, Spoken};
use truenorth_stats::math::Seeds;
use truenorth_stats::words::folded;

/// Asks, groups what was said and holds it against others.
pub(super) fn judge(
    input: &JudgeData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<JudgeSummary, AnalysisError> {
    params.check()?;
    let AnalysisContext { reader, seeds, watch } = *asked;
    let markup = match (params.markup()?, input.template) {
        (Some(markup), _) => markup,
        // A template of the user's own says all that there is to say.
        (None, Some(_)) if !reader.spoken().is_some_and(Spoken::is_chat) => Markup::Plain,
        (None, Some(_)) => Markup::Own,
        (None, None) => Markup::guess(&reader)?,
    };
    let own = markup.spoken(&reader)?;
    let reader = own.as_ref().map_or(reader, |own| reader.speaking(own));
    let body = match (input.template, input.texts) {
        (Some(own), _) => own.clone(),
        (None, JudgeTexts::Duels { criterion, .. }) => JudgeTemplate::duel(criterion)?,
        (None, JudgeTexts::Replies { .. }) => JudgeTemplate::reply(),
    };
    let template = markup.wrap(body);
    let answers = match params.answers()? {
        Some(own) => own.map(str::to_owned),
        None => input.texts.words().map(|w| markup.answer(w)),
    };
    let asking = Asking {
        template: &template,
        answers: [&answers[0], &answers[1]],
        band: params.band(),
        near: input.near,
    };
    let (judgement, groups) = match input.texts {
        JudgeTexts::Duels { duels: all, .. } => (duels(&reader, all, &asking, seeds, watch)?, None),
        JudgeTexts::Replies { replies: all, question, groups } => {
            (replies(&reader, all, question, &asking, seeds, watch)?, groups)
        }
    };
    let JudgementBreakdown { groups, agreement } =
        summarise(&judgement, groups, input.others, params.permutations, seeds)?;
    let speech = reader.spoken().and_then(Spoken::record);
    Ok(JudgeSummary { judgement, groups, agreement, markup, speech, answers })
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    /// What is put before it; [`duels`] and [`replies`] say which places it needs.
    pub template: &'a JudgeTemplate,
    /// The two answers, such as ` A` and ` B`, or ` Yes` and ` No`. A space belongs here where the
    /// template ends without one.
    pub answers: [&'a str; 2],
    /// When the judge counts as having no opinion.
    pub band: NoOpinionBand,
    /// From which similarity on two answers to one prompt count once.
    pub near: NearCopies,
}

/// Has two texts judged in both orders. The template has `{first}` and `{second}`, and may have
/// `{prompt}`; `answers` name the text that stands first and the one that stands second, such as ` A`.
///
/// # Errors
/// Without duels, with an empty or repeated one, one that is another with its texts exchanged, a template without its places, answers that begin with
/// one token, or when the work fails.
pub(super) fn duels(
    reader: &Reader<'_>,
    duels: &[Duel],
    asking: &Asking<'_>,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Judgement, AnalysisError> {
    let Asking { template, answers, band, near } = *asking;
    template.needs(&["first", "second"])?;
    check(duels.iter().map(|d| (d.id.as_str(), [d.first.as_str(), d.second.as_str()])))?;
    let (duels, same): (Vec<&Duel>, Vec<&Duel>) =
        duels.iter().partition(|d| folded(&d.first) != folded(&d.second));
    let same: Vec<String> = same.into_iter().map(|d| d.id.clone()).collect();
    if duels.is_empty() {
        return Err(AnalysisError::Input(format!(
            "the two texts of every duel are the same (first `{}`), letter case and spaces aside; there is nothing to choose \
             between",
            same.first().map_or("", String::as_str)
        )));
    }
    if let Some(sentence) = same_said(&same) {
        watch.warn(&format!("warning: {sentence}"));
    }
    let texts: Vec<[&str; 3]> =
        duels.iter().map(|d| [d.prompt.as_str(), d.first.as_str(), d.second.as_str()]).collect();
    let mut firsts = first_duels("duels", duels.iter().zip(&texts).map(|(d, t)| (d.id.as_str(), *t)), near)?;
    let together = together::texts(&texts, near)?;
    firsts.copies.common_prompt = together.common_prompt;
    let prompt = |d: &Duel, first: &str, second: &str| {
        template.fill(&[("prompt", &d.prompt), ("first", first), ("second", second)])
    };
    let prompts: Vec<[String; 2]> =
        duels.iter().map(|d| [prompt(d, &d.first, &d.second), prompt(d, &d.second, &d.first)]).collect();
    let ids: Vec<&str> = duels.iter().map(|d| d.id.as_str()).collect();
    let asked = ask::both(reader, &ids, &prompts, answers, watch)?;
    let over = [together::OF_TEXTS, "things of one cluster", "one cluster"];
    let things = Things { ids: &ids, firsts, clusters: together.clusters, over };
    let mut found = summary(reader, &things, &asked, "which of two texts".into(), band, seeds)?;
    found.same_texts = same;
    let kept = (0..ids.len()).filter(|i| things.firsts.of[*i] == *i);
    let apart: HashSet<usize> = kept.clone().map(|i| things.clusters[i]).collect();
    found.clusters = Some(apart.len()).filter(|n| *n < kept.count());
    // Of clusters the mean preference is what is tested, with signs turned cluster by cluster.
    if found.clusters.is_none()
        && let Some(first) = found.first.take()
    {
        let count = (first.value * first.n as f64).round() as usize;
        let what = "either text equally often, exact binomial";
        found.first = Some(stat::share_against(count, first.n, 0.5, (stat::Test::JudgeFirst, what))?);
    }
    Ok(found)
}

/// Asks a question about each text in both its wordings. The template has `{text}` and `{question}`, and
/// may have `{prompt}`; `answers` are yes and no, such as ` Yes` and ` No`.
///
/// # Errors
/// As [`duels`].
pub(super) fn replies(
    reader: &Reader<'_>,
    replies: &[Reply],
    question: &JudgeQuestion,
    asking: &Asking<'_>,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Judgement, AnalysisError> {
    let Asking { template, answers, band, near } = *asking;
    template.needs(&["text", "question"])?;
    check(replies.iter().map(|r| (r.id.as_str(), [r.text.as_str(), "-"])))?;
    let prompt = |r: &Reply, question: &str| {
        template.fill(&[("prompt", &r.prompt), ("text", &r.text), ("question", question)])
    };
    let prompts: Vec<[String; 2]> =
        replies.iter().map(|r| [prompt(r, &question.plain), prompt(r, &question.turned)]).collect();
    let ids: Vec<&str> = replies.iter().map(|r| r.id.as_str()).collect();
    let asked = ask::both(reader, &ids, &prompts, answers, watch)?;
    let mut firsts =
        first_replies(replies.iter().map(|r| (r.id.as_str(), [r.prompt.as_str(), r.text.as_str()])), near);
    let together = together::prompts(&replies.iter().map(|r| r.prompt.as_str()).collect::<Vec<_>>());
    firsts.copies.common_prompt = together.common_prompt;
    let over = [OF_PROMPTS, "things of one prompt", "one prompt"];
    let things = Things { ids: &ids, firsts, clusters: together.clusters, over };
    summary(reader, &things, &asked, question.name.clone(), band, seeds)
}

fn check<'a>(items: impl Iterator<Item = (&'a str, [&'a str; 2])>) -> Result<(), AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let mut seen = HashSet::new();
    for (id, texts) in items {
        if !seen.insert(id) {
            return refuse(format!("`{id}` is there twice; verdicts are told apart by their names"));
        }
        if texts.iter().any(|t| t.trim().is_empty()) {
            return refuse(format!("`{id}` has an empty text; leave it out, a judge can't read nothing"));
        }
    }
    if seen.is_empty() { refuse("nothing to judge".into()) } else { Ok(()) }
}
