//! Every choice that a number of the report rests on.

use truenorth_report::{Block, Section};
use truenorth_stats::estimate::HeldOutParams;

use crate::analyses::{LeftOutTexts, SentimentTexts};
use crate::study::stages::{StageContext, StudyFindings};

pub fn methods(run: &StageContext<'_>, results: &StudyFindings) -> Section {
    let (study, words) = (run.study, run.data.words());
    let out = if study.direction.project_out.is_empty() {
        "Nothing was projected out.".to_owned()
    } else {
        // Whether it is gone afterwards is said beside the separation.
        format!(
            "Taken out of every row first ({}): {}.",
            study.direction.project_method.name(),
            study
                .direction
                .project_out
                .iter()
                .map(|name| counted(name, results))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let alphas: Vec<String> = results
        .directions
        .estimated
        .iter()
        .filter_map(|e| e.details.alpha.map(|a| format!("{} chose penalty {a}", e.name)))
        .chain(
            results
                .directions
                .estimated
                .iter()
                .filter_map(|e| e.details.shrinkage.map(|s| format!("{} used shrinkage {s:.3}", e.name))),
        )
        .collect();
    let apart = run.data.sentiment.as_ref().and_then(SentimentTexts::shared);
    let section = Section::new("methods", "Methods", "")
        .with(Block::text(format!(
            "{} The residual stream at {} was read at position `{}`. {out} Estimators: {}. {}",
            if run.data.pairs().is_some() {
                "Each pair became two texts by the template."
            } else {
                "Each text was read as it stands."
            },
            study.site,
            study.positions,
            study.direction.estimators.join(", "),
            if alphas.is_empty() { String::new() } else { format!("On all texts {}.", alphas.join(", ")) }
        )))
        .with(Block::text(format!(
            "Held-out separation: {} folds of {}, and {} one at a time; folds of {} dealt {} times; label \
             permutations as the table says. Seed {}.",
            study.held_out.folds,
            words.units,
            words.axes,
            words.units,
            HeldOutParams::by_pair().repeats,
            study.seed
        )));
    let section = scores(study.score.is_some()).into_iter().fold(section, Section::with);
    apart.into_iter().flat_map(LeftOutTexts::sentences).fold(section, |section, sentence| {
        section.with(Block::text(format!("Of the sentiment texts: {sentence}.")))
    })
}

/// What is projected out, a length with what it counts.
fn counted(name: &str, results: &StudyFindings) -> String {
    let of = || {
        let first = results.directions.estimated.first()?;
        first.by_pair.alone.iter().find(|a| a.name == name)?.of.as_ref()
    };
    of().map_or_else(|| name.to_owned(), |of| format!("{name} in {of}"))
}

/// How a board scores, of a study that has one.
fn scores(asked: bool) -> Option<Block> {
    asked.then(|| {
        Block::text(
            "Scores: with r the residual divided by its norm, a sequence s shifts probe p by r(s + p) − r(p). The \
             score is the mean shift's projection on the direction, z the score over ‖Δ‖/√(P·H), coherence \
             √P‖mean shift‖/‖Δ‖, and p_random the exact share of random directions with at least this |z|.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::scores;

    #[test]
    fn scores_are_explained_where_there_are_some() {
        assert!(scores(false).is_none() && scores(true).is_some());
    }
}
