//! Whether one kind of sequence scores above another.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::OnBoard;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::p_cell;
use truenorth_stats::math;
use truenorth_stats::math::{Deal, Interval, MathError, Placement, Power, Seeds};
use truenorth_stats::number::LEVEL;

/// Whether one kind of sequence scores above another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindContrast {
    /// The kind expected to score higher.
    pub high: String,
    /// The kind expected to score lower.
    pub low: String,
    /// Sequences of both kinds.
    pub n: usize,
    /// Sets of matched sequences that have both kinds; in these the kinds are exchanged, and not between them.
    #[serde(default)]
    pub matched: usize,
    /// Chance that a sequence of the first kind scores above one of the second.
    pub auroc: f64,
    /// Its interval; matched sequences count as one.
    pub interval: Interval,
    /// Two-sided p against kinds exchanged: `(1 + #{|null - 1/2| >= |auroc - 1/2|}) / (1 + n)`.
    pub p: f64,
    /// Exchanges behind it.
    pub permutations: usize,
    /// Central 95 % of the null.
    pub null: [f64; 2],
    /// The least AUROC above 1/2 that so many sequences tell from it with 80 % power; none where they tell none.
    #[serde(default)]
    pub detectable: Option<f64>,
    /// How many sequences, or sets of matched ones, would tell the AUROC seen from 1/2 with 80 % power.
    #[serde(default)]
    pub needed: Option<usize>,
}

impl KindContrast {
    /// A row of a terminal's table: what, value, interval, p.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            format!("AUROC of {} above {}", self.high, self.low),
            format!("{:.3}", self.auroc),
            format!("{:.3} to {:.3}", self.interval.low, self.interval.high),
            p_cell(self.p, Some(self.permutations)),
        ]
    }
}

/// Sequences of two kinds and what is exchanged between them.
struct KindExchange {
    positive: Vec<bool>,
    /// Sets of matched sequences that have both kinds.
    mixed: Vec<Vec<usize>>,
    /// The others, and how they change places: those of a set together.
    rest: Vec<usize>,
    deal: Deal,
}

impl KindExchange {
    fn new(positive: Vec<bool>, clusters: &[usize]) -> Self {
        let count = clusters.iter().max().map_or(0, |c| c + 1);
        let mut sets = vec![Vec::new(); count];
        for (row, cluster) in clusters.iter().enumerate() {
            sets[*cluster].push(row);
        }
        let both = |rows: &Vec<usize>| rows.iter().any(|r| positive[*r] != positive[rows[0]]);
        let mixed: Vec<Vec<usize>> = sets.into_iter().filter(both).collect();
        let held = |row: &usize| mixed.iter().any(|set| set.contains(row));
        let rest: Vec<usize> = (0..positive.len()).filter(|r| !held(r)).collect();
        let deal = Deal::new(&rest.iter().map(|r| clusters[*r]).collect::<Vec<_>>());
        Self { positive, mixed, rest, deal }
    }

    fn draw(&self, rng: &mut impl Rng) -> Vec<bool> {
        let mut out = self.positive.clone();
        for set in &self.mixed {
            let mut kinds: Vec<bool> = set.iter().map(|r| self.positive[*r]).collect();
            kinds.shuffle(rng);
            set.iter().zip(kinds).for_each(|(row, kind)| out[*row] = kind);
        }
        for (to, from) in self.deal.draw(rng).into_iter().enumerate() {
            out[self.rest[to]] = self.positive[self.rest[from]];
        }
        out
    }
}

/// Compares the scores of two kinds; `kinds` and `pairs` are those of the board's rows. Sequences of one pair are
/// matched: kinds are exchanged within it, and the interval counts it as one.
///
/// # Errors
/// When either kind is missing, or there are too few sequences to resample.
pub fn contrast<R: OnBoard>(
    board: &[R],
    kinds: &[Option<String>],
    pairs: &[Option<String>],
    [high, low]: [&str; 2],
    permutations: usize,
    seeds: &Seeds,
) -> Result<KindContrast, AnalysisError> {
    let is = |kind: &Option<String>, name: &str| kind.as_deref() == Some(name);
    let of = |row: &usize| is(&kinds[*row], high) || is(&kinds[*row], low);
    let rows: Vec<usize> = (0..board.len().min(kinds.len())).filter(of).collect();
    let scores: Vec<f64> = rows.iter().map(|r| board[*r].score()).collect();
    let positive: Vec<bool> = rows.iter().map(|r| is(&kinds[*r], high)).collect();
    let pair = |row: usize| pairs.get(row).and_then(Option::as_deref);
    let first = |at: usize| {
        let own = pair(rows[at]);
        (0..at).find(|other| own.is_some() && pair(rows[*other]) == own).unwrap_or(at)
    };
    let clusters: Vec<usize> = (0..rows.len()).map(first).collect();
    let input = |e: MathError| AnalysisError::Input(format!("kinds `{high}` and `{low}`: {e}"));
    let placed = Placement::auroc(&scores, &positive, &clusters).map_err(input)?;
    let found = placed.estimate(LEVEL, 1.0).map_err(input)?;
    let auroc = found.value;
    let power = Power::of(&placed, 1.0 - LEVEL);
    let exchange = KindExchange::new(positive, &clusters);
    let mut rng = seeds.stream("contrast permutations");
    let mut null = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        null.push(math::auroc(&scores, &exchange.draw(&mut rng)).map_err(input)?);
    }
    let far = |v: f64| (v - 0.5).abs();
    let reached = null.iter().filter(|v| math::reaches(far(**v), far(auroc))).count();
    let quantile = |q| math::quantile(&null, q).map_err(input);
    Ok(KindContrast {
        high: high.into(),
        low: low.into(),
        n: scores.len(),
        matched: exchange.mixed.len(),
        auroc,
        interval: found.interval,
        p: math::permutation_p(reached, permutations),
        permutations,
        null: [quantile(0.025)?, quantile(0.975)?],
        detectable: power.least_told(),
        needed: power.needed_to_tell(auroc),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::ScoredSequence;
    use crate::board::tests::scored_as;
    use rand_distr::{Distribution, StandardNormal};

    /// Twenty matched sequences of two kinds, 0.6 apart and around a middle of their own.
    fn matched(gap: f64, seed: u64) -> (Vec<ScoredSequence>, Vec<Option<String>>, Vec<Option<String>>) {
        let mut rng = Seeds::new(seed).stream("matched");
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let (mut scores, mut kinds, mut pairs) = (vec![], vec![], vec![]);
        for pair in 0..20 {
            let middle = 3.0 * normal();
            for (kind, shift) in [("a", gap / 2.0), ("b", -gap / 2.0)] {
                scores.push(middle + shift + 0.4 * normal());
                kinds.push(Some(kind.to_owned()));
                pairs.push(Some(pair.to_string()));
            }
        }
        (scored_as(&scores), kinds, pairs)
    }

    #[test]
    fn matched_sequences_are_compared_within_their_pairs() {
        let p = |gap: f64, seed: u64, known: bool| {
            let (board, kinds, pairs) = matched(gap, seed);
            let pairs = if known { pairs } else { vec![] };
            contrast(&board, &kinds, &pairs, ["a", "b"], 199, &Seeds::new(seed)).unwrap()
        };
        let (paired, apart) = (p(0.6, 1, true), p(0.6, 1, false));
        assert_eq!((paired.matched, apart.matched, paired.n), (20, 0, 40));
        assert_eq!(paired.auroc, apart.auroc);
        // As two samples the middles hide it.
        assert!(paired.p <= 0.01 && apart.p > 0.3, "{} {}", paired.p, apart.p);
        assert!(paired.interval.low > 0.5 && apart.interval.low < 0.5, "{paired:?} {apart:?}");
        assert!(paired.detectable < apart.detectable && paired.needed < apart.needed);
        // Without a difference it alarms as often as it says; as two samples it never would.
        let alarms = |known: bool| (0..400).filter(|seed| p(0.0, 100 + seed, known).p <= 0.05).count();
        let (paired, apart) = (alarms(true), alarms(false));
        assert!((7..=36).contains(&paired) && apart == 0, "{paired} {apart} of 400");
    }

    #[test]
    fn matched_sequences_of_one_kind_change_places_together() {
        let kinds = [true, true, true, true, false, false, false, false];
        let exchange = KindExchange::new(kinds.to_vec(), &[0, 0, 2, 3, 4, 4, 6, 2]);
        assert_eq!(exchange.mixed, [[2, 7]]);
        let mut rng = Seeds::new(1).stream("exchange");
        for _ in 0..50 {
            let drawn = exchange.draw(&mut rng);
            assert!(drawn[0] == drawn[1] && drawn[4] == drawn[5] && drawn[2] != drawn[7]);
            assert_eq!(drawn.iter().filter(|k| **k).count(), 4);
        }
    }
}
