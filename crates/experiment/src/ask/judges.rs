//! Judges of texts that they are not told the arms of.

use std::collections::HashMap;

use truenorth_boards::judge::{self, Duel, Judge, JudgeData, JudgeTexts, JudgeVerdict, Reply, scores};
use truenorth_data::NearCopies;
use truenorth_reading::{Analysis as _, AnalysisContext, AnalysisError, Reader};
use truenorth_stats::words::folded;

use crate::rating::PreferredText;

/// What a judge said of two texts in both orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Its preference for the first text, in nats where it is a model; 0 where the two are the same or nothing was said.
    pub preference: f64,
    /// What it chose with the first text shown first, and with the second shown first.
    pub sides: [PreferredText; 2],
}

impl Chosen {
    /// No preference in either order.
    pub const NEITHER: Self = Self { preference: 0.0, sides: [PreferredText::Tie; 2] };
}

/// A judge, here or elsewhere. The first text of a duel is the arm's, the second base's; it is shown both orders and told
/// neither.
pub trait Chooser: Sync {
    /// Name of the judge in results.
    fn name(&self) -> String;

    /// Chooses between two texts, in both orders: one answer a duel.
    ///
    /// # Errors
    /// When the work fails, or more is asked than it may be.
    fn choose(
        &self,
        duels: &[Duel],
        criterion: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Chosen>, AnalysisError>;

    /// Rates texts from 1 to 5, each by itself; none of one that it does not rate.
    ///
    /// # Errors
    /// As [`Chooser::choose`].
    fn score(
        &self,
        replies: &[Reply],
        rubric: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Option<f64>>, AnalysisError>;

    /// How often it may still be asked; none without a bound.
    fn left(&self) -> Option<usize> {
        None
    }
}

/// A model as judge, here or on a service.
pub struct ModelJudge<'a> {
    /// Name of the judge in results.
    pub name: String,
    /// The judge's model, behind the store of what it was asked before.
    pub reader: Reader<'a>,
    /// How the judge is asked.
    pub params: judge::Params,
}

/// The least probability of the numbers of a scale together, as of the letters of a choice.
const LEAST_MASS: f64 = 0.05;

impl Chooser for ModelJudge<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn choose(
        &self,
        duels: &[Duel],
        criterion: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Chosen>, AnalysisError> {
        let asked = AnalysisContext { reader: self.reader, ..*asked };
        let (shown, _) = decidable(duels);
        if shown.is_empty() {
            return Ok(vec![Chosen::NEITHER; duels.len()]);
        }
        let shown: Vec<Duel> = shown.into_iter().cloned().collect();
        let data = JudgeData {
            texts: JudgeTexts::Duels { duels: &shown, criterion },
            template: None,
            others: &[],
            // Arms that write nearly the same are asked about all the same.
            near: NearCopies::default(),
        };
        let found = Judge::run(&data, &self.params, &asked)?;
        let by_id: HashMap<&str, &judge::JudgedItem> =
            found.judgement.rows.iter().map(|r| (r.id.as_str(), r)).collect();
        Ok(duels.iter().map(|d| by_id.get(d.id.as_str()).map_or(Chosen::NEITHER, |r| chosen(r))).collect())
    }

    fn score(
        &self,
        replies: &[Reply],
        rubric: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Option<f64>>, AnalysisError> {
        let shown: Vec<Reply> = replies.iter().filter(|r| !r.text.trim().is_empty()).cloned().collect();
        let mut found = scores(&self.reader, &shown, rubric, &self.params, asked.watch)?.into_iter();
        let one = |r: &Reply| {
            let score = if r.text.trim().is_empty() { None } else { found.next() };
            score.filter(|s| s.mass >= LEAST_MASS && s.value.is_finite()).map(|s| s.value)
        };
        Ok(replies.iter().map(one).collect())
    }
}

/// Duels whose two texts differ and are not empty, and how many there are of others.
pub(crate) fn decidable(duels: &[Duel]) -> (Vec<&Duel>, usize) {
    let fair = |d: &&Duel| {
        let texts = [folded(&d.first), folded(&d.second)];
        texts[0] != texts[1] && texts.iter().all(|t| !t.is_empty())
    };
    let shown: Vec<&Duel> = duels.iter().filter(fair).collect();
    let rest = duels.len() - shown.len();
    (shown, rest)
}

fn chosen(row: &judge::JudgedItem) -> Chosen {
    if row.verdict == JudgeVerdict::Abstain && row.why == Some("no answer") {
        return Chosen::NEITHER;
    }
    let side = |first: bool, with: PreferredText, without: PreferredText| if first { with } else { without };
    Chosen {
        preference: row.preference,
        // Above 0 is the text shown first.
        sides: [
            side(row.log_odds[0] > 0.0, PreferredText::Arm, PreferredText::Base),
            side(row.log_odds[1] > 0.0, PreferredText::Base, PreferredText::Arm),
        ],
    }
}
