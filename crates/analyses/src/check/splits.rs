//! What each way to split would leak, and what words and length reach alone under it.

use std::collections::HashMap;

use super::found::{SplitCheck, SplitKind};
use super::params::Params;
use super::texts::{TextTable, count};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{LEVEL, Number};
use truenorth_stats::estimate::{Clue, ClueTarget, Estimate, EstimateError, Reached, WordSets};
use truenorth_stats::math::Seeds;
use truenorth_stats::split::{Folds, SplitError, group_folds};

pub(super) struct DealtTexts<'a> {
    sheet: &'a TextTable,
    words: Option<WordSets>,
    lengths: Vec<f64>,
    whole: Vec<usize>,
    ways: Vec<(SplitKind, Result<Vec<Folds>, SplitError>)>,
}

impl<'a> DealtTexts<'a> {
    pub fn new(sheet: &'a TextTable, params: &Params, seeds: &Seeds) -> Self {
        let each: Vec<usize> = (0..sheet.texts.len()).collect();
        let whole = sheet.whole_held();
        let dealt = |groups: &[usize], folds: usize, deals: usize| {
            let deal = |i: usize| group_folds(groups, folds, &mut seeds.stream(&format!("deal {i}")));
            // With a group a fold there is one way to deal.
            let deals = if folds == count(groups) { 1 } else { deals };
            (0..deals).map(deal).collect::<Result<Vec<_>, _>>()
        };
        let by_chance = |groups: &[usize]| dealt(groups, params.dealt_to(), params.deals);
        let held_out = |axes: &[usize]| dealt(axes, count(axes), 1);
        let ways = vec![
            (SplitKind::Texts, by_chance(&each)),
            (SplitKind::Units, by_chance(&sheet.item)),
            (SplitKind::Axes, held_out(&sheet.axis)),
            (SplitKind::Clusters, by_chance(&sheet.cluster)),
            (SplitKind::WholeAxes, held_out(&whole)),
        ];
        let lengths = sheet.measured.iter().map(|t| t.chars().count() as f64).collect();
        Self { sheet, words: WordSets::of(&sheet.texts), lengths, whole, ways }
    }

    /// A row a way to split.
    pub fn splits(&self) -> Result<Vec<SplitCheck>, AnalysisError> {
        let clue = self.words.as_ref().map(Clue::Words);
        let mut words = Vec::new();
        for (kind, _) in &self.ways {
            words.push(match clue {
                Some(clue) => self.reaches(clue, *kind)?,
                None => None,
            });
        }
        let of = |kind: SplitKind| {
            let at = self.ways.iter().position(|(k, _)| *k == kind)?;
            words[at].as_ref()
        };
        let mut out = Vec::new();
        for (i, (kind, folds)) in self.ways.iter().enumerate() {
            let safe = match kind {
                SplitKind::Texts | SplitKind::Units => of(SplitKind::Clusters),
                SplitKind::Axes => of(SplitKind::WholeAxes),
                SplitKind::Clusters | SplitKind::WholeAxes => None,
            };
            let gained = match words[i].as_ref().zip(safe) {
                Some((own, safe)) => Some(self.gained(own, safe)?),
                None => None,
            };
            let length = self.reaches(Clue::Value(&self.lengths), *kind)?;
            let number = |e: &Estimate| e.number(self.clusters(*kind).0, None);
            let chained = || {
                let axes = matches!(kind, SplitKind::Axes | SplitKind::WholeAxes);
                (axes && count(&self.whole) < 2 && count(&self.sheet.axis) > 1).then(|| {
                    format!(
                        "{} are chained into one unit by rows in common, as said below",
                        self.sheet.axes_word()
                    )
                })
            };
            let missing = match folds {
                _ if length.is_none() && chained().is_some() => chained(),
                Err(e) => Some(format!("{e}; {}", e.hint())),
                Ok(_) if length.is_none() => {
                    Some("every way to deal leaves a fold with one class to learn".into())
                }
                Ok(_) if clue.is_none() => Some("no text has a word".into()),
                Ok(_) => None,
            };
            out.push(SplitCheck {
                kind: *kind,
                folds: folds.as_ref().map_or(0, |f| f.first().map_or(0, Folds::count)),
                deals: folds.as_ref().map_or(0, Vec::len),
                leaked: folds.as_ref().ok().map(|f| self.leaked(*kind, f)),
                words: words[i].as_ref().map(|r| number(&r.auroc)),
                words_in_order: words[i].as_ref().and_then(|r| r.in_order.as_ref()).map(number),
                length: length.map(|r| number(&r.auroc)),
                gained,
                missing,
            });
        }
        Ok(out)
    }

    /// What a clue reaches under a way to split; none where texts can't be split so.
    pub fn reaches(&self, clue: Clue<'_>, kind: SplitKind) -> Result<Option<Reached>, AnalysisError> {
        let (_, clusters) = self.clusters(kind);
        let way = self.ways.iter().find(|(k, _)| *k == kind);
        let Some((_, Ok(folds))) = way else { return Ok(None) };
        if count(clusters) < 2 {
            return Ok(None);
        }
        let told = ClueTarget { positive: &self.sheet.positive, clusters, pairs: &self.sheet.pairs };
        match clue.reaches(&told, folds, LEVEL) {
            Ok(reached) => Ok(Some(reached)),
            // A class may be on one axis alone.
            Err(EstimateError::OneClass { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// What intervals are over: whole axes where axes are held out, else clusters.
    fn clusters(&self, kind: SplitKind) -> (&'static str, &[usize]) {
        match kind {
            SplitKind::Axes | SplitKind::WholeAxes => (self.sheet.axes_word(), &self.whole),
            _ => ("clusters", &self.sheet.cluster),
        }
    }

    fn gained(&self, own: &Reached, safe: &Reached) -> Result<Number, AnalysisError> {
        let less = own.placed.less(&safe.placed, LEVEL, 1.0).map_err(EstimateError::from)?;
        Ok(Number {
            value: less.value,
            n: less.clusters,
            interval: Some(less.interval),
            method: "two score intervals put together (Zou and Donner 2008)".into(),
            null: None,
        })
    }

    /// Share of held-out texts with a text of their cluster among those fitted on: its fold's rows are all held out
    /// together, so that such a text is in another fold.
    fn leaked(&self, kind: SplitKind, ways: &[Folds]) -> Number {
        let rows = self.sheet.texts.len();
        let shares: Vec<f64> = ways
            .iter()
            .map(|folds| {
                let fold = folds.of_rows();
                let mut of_cluster: HashMap<usize, (usize, bool)> = HashMap::new();
                for (row, cluster) in self.sheet.cluster.iter().enumerate() {
                    let (first, parted) = of_cluster.entry(*cluster).or_insert((fold[row], false));
                    *parted |= *first != fold[row];
                }
                // A copy that was left out stood under another axis.
                let elsewhere = |row: usize| kind == SplitKind::Axes && self.sheet.elsewhere[row];
                let leaks = |row: &usize| of_cluster[&self.sheet.cluster[*row]].1 || elsewhere(*row);
                (0..rows).filter(leaks).count() as f64 / rows as f64
            })
            .collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let why = match shares.len() {
            1 => "none: counted".to_owned(),
            n => {
                let [low, high] = [f64::min as fn(f64, f64) -> f64, f64::max]
                    .map(|f| shares.iter().copied().fold(shares[0], f));
                format!("none: counted, the mean of {n} ways to deal ({low:.3} to {high:.3})")
            }
        };
        Number::bare(mean, rows, &why)
    }
}
