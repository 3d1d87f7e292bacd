//! The same texts put before a model in two ways, raw and through a chat template: what changes of the separation.

mod found;
mod page;
mod params;
mod table;

#[cfg(test)]
mod tests;

pub use found::{EstimatorComparison, PromptFormat, PromptFormatComparison};
pub use params::Params;
pub use params::truth_or_text;

use ndarray::ArrayView1;
use truenorth_data::SentimentRow;
use truenorth_protocol::{Prompt, ReadAt, Site};
use truenorth_stats::estimate::{
    CheckedEstimator, HeldOutParams, Pipeline, ProjectMethod, Samples, SplitBy, side_by_side,
};
use truenorth_stats::math::{self, Seeds};

use truenorth_reading::extract::{LabelledTexts, ProjectOut, length, nuisances};
use truenorth_reading::stat::{Number, less};
use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing, Spoken};

/// One way to put the texts before the model.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The texts and how they are labelled.
    pub question: &'a LabelledTexts,
    /// The chat template, or none, that they go through.
    pub spoken: &'a Spoken,
    /// The tokens of each text that are read.
    pub at: ReadAt,
}

/// The same texts in two ways, and what is fitted to both.
#[derive(Clone, Copy)]
pub struct CompareData<'a> {
    /// The way of the study, and the other.
    pub sides: [Side<'a>; 2],
    /// The site that is read in both.
    pub site: Site,
    /// What finds the directions, by name.
    pub estimators: &'a [(String, CheckedEstimator)],
    /// What is projected out first, and how.
    pub project_out: (&'a [ProjectOut], ProjectMethod),
    /// Texts labelled for sentiment, where there are any.
    pub sentiment: Option<&'a [SentimentRow]>,
    /// Folds of pairs.
    pub folds: usize,
    /// The seeds of each estimator's splits.
    pub seeds: &'a Seeds,
}

/// The analysis `compare`: the same texts in two ways.
#[derive(Clone, Copy, Debug)]
pub struct Compare;

impl Analysis for Compare {
    const NAME: &'static str = "compare";
    const TITLE: &'static str = "The same texts, raw and as conversations";

    type Params = Params;
    type Input<'a> = CompareData<'a>;
    type Found = PromptFormatComparison;

    fn run(
        data: &CompareData<'_>,
        _: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<PromptFormatComparison, AnalysisError> {
        let mut ways = Vec::new();
        let mut read = Vec::new();
        for side in data.sides {
            let reader = asked.reader.speaking(side.spoken);
            let samples = side.question.samples(&reader, data.site, side.at, asked.watch)?;
            let (project_out, method) = data.project_out;
            let nuisances =
                nuisances(&reader, (project_out, method), data.sentiment, data.site, side.at, asked.watch)?;
            let prompts = reader.encode(&side.question.prompts)?;
            let tokens = prompts.iter().all(|p| matches!(p, Prompt::Tokens(_)));
            let lengths: Vec<f64> = prompts.iter().map(length).collect();
            ways.push(PromptFormat {
                name: if side.spoken.is_chat() { "chat" } else { "raw" }.into(),
                positions: side.at.to_string(),
                speech: side.spoken.record(),
                mean_tokens: tokens.then(|| lengths.iter().sum::<f64>() / lengths.len() as f64),
            });
            read.push((samples, nuisances));
        }
        let [first, second] = [&read[0], &read[1]];
        let paired = first.0.is_paired();
        let mut rows = Vec::new();
        for (name, estimator) in data.estimators {
            let seeds = data.seeds.child(name);
            let pipelines =
                [first, second].map(|(_, n)| Pipeline { estimator: estimator.clone(), nuisances: n.clone() });
            let cosine = cosine([(&pipelines[0], &first.0), (&pipelines[1], &second.0)], &seeds)?;
            let by_pair = HeldOutParams { folds: Some(data.folds), ..HeldOutParams::by_pair() };
            for params in [by_pair, HeldOutParams::by_axis()] {
                let sides = [(&pipelines[0], &first.0), (&pipelines[1], &second.0)];
                let found = side_by_side(sides, &params, &seeds)?;
                let of = match (params.by, paired) {
                    (SplitBy::Pair, true) => "pairs",
                    (SplitBy::Pair, false) => "groups of texts",
                    (SplitBy::Axis, true) => "axes",
                    (SplitBy::Axis, false) => "categories",
                };
                rows.push(EstimatorComparison {
                    estimator: name.clone(),
                    held_out: of.into(),
                    auroc: found.auroc.each.map(|e| e.number(of, None)),
                    less: less(&found.auroc.less, of),
                    in_order: found.in_order.map(|p| p.each.map(|e| e.number(of, None))),
                    in_order_less: found.in_order.map(|p| less(&p.less, of)),
                    cosine: cosine.clone(),
                });
            }
        }
        let ways = [ways.remove(0), ways.remove(0)];
        Ok(PromptFormatComparison {
            site: data.site,
            ways,
            rows,
            not_shown: found::NOT_SHOWN.map(str::to_owned).to_vec(),
        })
    }

    fn page(found: &PromptFormatComparison) -> AnalysisPage {
        AnalysisPage { reading: page::findings(found), ..AnalysisPage::new(vec![], page::section(found)) }
    }

    fn table(found: &PromptFormatComparison) -> Listing {
        table::table(found)
    }
}

/// How the directions of both ways lie to each other, each fitted to all texts.
fn cosine(sides: [(&Pipeline, &Samples); 2], seeds: &Seeds) -> Result<Number, AnalysisError> {
    let mut found = Vec::new();
    for (pipeline, samples) in sides {
        found.push(pipeline.extract(samples, SplitBy::Pair, seeds)?.fit.direction);
    }
    let view = |i: usize| -> ArrayView1<'_, f64> { found[i].view() };
    let of = |e: math::MathError| truenorth_reading::stat::of("cosine of the two ways", &e);
    let value = math::cosine(view(0), view(1)).map_err(of)?;
    let units = sides[0].1.unit_count(SplitBy::Pair);
    Ok(Number::bare(value, units, "none: both directions are fitted to the same texts"))
}
