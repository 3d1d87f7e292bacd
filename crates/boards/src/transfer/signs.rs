//! Agreement of signs, and its exact law when one model's scores are dealt anew.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::function::factorial::ln_binomial;

use truenorth_reading::AnalysisError;
use truenorth_stats::math::{self, Seeds};

use truenorth_reading::stat::{self, Null, Number, Test, no_likelier};

/// Agreement of two models' signs in a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupAgreement {
    /// `all`, `top`, `middle`, `bottom`, or a label with its value.
    pub group: String,
    /// Sequences of the group that have a sign on both models.
    pub n: usize,
    /// On how many of them the signs agree.
    pub agree: usize,
    /// The rate with Wilson's interval. The null deals the second model's signs anew over all sequences: it
    /// keeps how often each model is positive, so that with shares `f` in the group and `q` on the second
    /// board `f·q + (1 - f)(1 - q)` is expected; p is exact. Of clustered sequences the interval resamples clusters,
    /// and the null deals whole clusters among those of one size; without two of one size there is none.
    pub rate: Number,
    /// Exact binomial p against agreement by a fair coin; none where sequences are clustered, and so are no coins.
    pub p_coin: Option<f64>,
}

/// Signs of the sequences that have one on both models.
pub(super) struct Signs {
    /// Per sequence; none where either score is 0.
    both: Vec<Option<(bool, bool)>>,
}

/// How clustered sequences are resampled and dealt.
pub(super) struct ClusterResampling<'a> {
    pub clusters: &'a [usize],
    pub permutations: usize,
    pub seeds: &'a Seeds,
}

impl ClusterResampling<'_> {
    /// Whether each sequence stands alone.
    pub fn alone(&self) -> bool {
        self.clusters.iter().max().is_none_or(|c| c + 1 == self.clusters.len())
    }
}

impl Signs {
    pub fn new(a: &[f64], b: &[f64]) -> Self {
        let sign = |v: f64| if v == 0.0 { None } else { Some(v > 0.0) };
        Self { both: a.iter().zip(b).map(|(a, b)| Some((sign(*a)?, sign(*b)?))).collect() }
    }

    pub fn without(&self) -> usize {
        self.both.iter().filter(|s| s.is_none()).count()
    }

    /// Whether the first model scores a sequence up, where it has both signs.
    pub fn first(&self, row: usize) -> Option<bool> {
        self.both.get(row).copied().flatten().map(|(a, _)| a)
    }

    /// Whether the signs of a sequence agree, where it has both.
    pub fn agrees(&self, row: usize) -> Option<bool> {
        self.both[row].map(|(a, b)| a == b)
    }

    /// Agreement in a group; none where no sequence of it has both signs.
    pub fn agreement(
        &self,
        group: &str,
        rows: &[usize],
        of: &ClusterResampling<'_>,
    ) -> Result<Option<GroupAgreement>, AnalysisError> {
        let inside: Vec<(bool, bool)> = rows.iter().filter_map(|r| self.both[*r]).collect();
        if inside.is_empty() {
            return Ok(None);
        }
        let all: Vec<(bool, bool)> = self.both.iter().flatten().copied().collect();
        let n = inside.len();
        let agree = inside.iter().filter(|(a, b)| a == b).count();
        if !of.alone() {
            let rate = self.in_clusters(group, rows, of)?;
            return Ok(Some(GroupAgreement { group: group.to_owned(), n, agree, rate, p_coin: None }));
        }
        let up = inside.iter().filter(|(a, _)| *a).count();
        let second_up = all.iter().filter(|(_, b)| *b).count();
        let law = law(up, n - up, all.len(), second_up);
        let expected: f64 = law.iter().enumerate().map(|(k, p)| k as f64 * p).sum::<f64>() / n as f64;
        let rate = stat::share(agree, n).map_err(|e| stat::of(group, &e))?.against(Null {
            test: Test::SignsDealt,
            what: "the second model's signs dealt anew over all sequences, exact".into(),
            expected,
            range: Some(central(&law)),
            p: no_likelier(&law, agree),
            draws: None,
        });
        Ok(Some(GroupAgreement {
            group: group.to_owned(),
            n,
            agree,
            rate,
            p_coin: Some(stat::binomial_p(agree, n, 0.5)?),
        }))
    }

    /// Agreement of all sequences where the second model's signs are dealt within each kind alone: what kinds that
    /// differ in sign on both models give by themselves is expected, not found. None with fewer than two kinds.
    pub fn within(&self, kinds: &[Option<String>]) -> Option<Null> {
        let mut by: BTreeMap<Option<&str>, Vec<(bool, bool)>> = BTreeMap::new();
        for (kind, both) in kinds.iter().zip(&self.both) {
            by.entry(kind.as_deref()).or_default().extend(both);
        }
        by.retain(|_, signs| !signs.is_empty());
        if by.len() < 2 {
            return None;
        }
        let (mut all, mut agree, mut n) = (vec![1.0], 0, 0);
        for signs in by.values() {
            let up = signs.iter().filter(|(a, _)| *a).count();
            let second_up = signs.iter().filter(|(_, b)| *b).count();
            agree += signs.iter().filter(|(a, b)| a == b).count();
            n += signs.len();
            let own = law(up, signs.len() - up, signs.len(), second_up);
            let mut sum = vec![0.0; all.len() + own.len() - 1];
            for (i, p) in all.iter().enumerate() {
                own.iter().enumerate().for_each(|(j, q)| sum[i + j] += p * q);
            }
            all = sum;
        }
        let expected = all.iter().enumerate().map(|(k, p)| k as f64 * p).sum::<f64>() / n as f64;
        Some(Null {
            test: Test::SignsDealt,
            what: "the second model's signs dealt anew within each kind, exact".into(),
            expected,
            range: Some(central(&all)),
            p: no_likelier(&all, agree),
            draws: None,
        })
    }

    fn in_clusters(
        &self,
        group: &str,
        rows: &[usize],
        of: &ClusterResampling<'_>,
    ) -> Result<Number, AnalysisError> {
        let named = |e| stat::of(group, &e);
        let seeds = of.seeds.child(&format!("signs of {group}"));
        let signed: Vec<usize> = rows.iter().copied().filter(|r| self.both[*r].is_some()).collect();
        let agree: Vec<bool> = signed.iter().filter_map(|r| self.agrees(*r)).collect();
        let clusters: Vec<usize> = signed.iter().map(|r| of.clusters[*r]).collect();
        let many = clusters.iter().any(|c| *c != clusters[0]);
        let rate = if many {
            stat::share_in_clusters(&agree, &clusters, "clusters of sequences").map_err(named)?
        } else {
            let yes = agree.iter().filter(|a| **a).count();
            Number::bare(yes as f64 / agree.len() as f64, agree.len(), "none: one cluster has no spread")
        };
        // Dealt over all sequences that have both signs.
        let all: Vec<usize> = (0..self.both.len()).filter(|r| self.both[*r].is_some()).collect();
        let deal = math::Deal::new(&all.iter().map(|r| of.clusters[*r]).collect::<Vec<_>>());
        if !deal.exchanges() || of.permutations == 0 {
            return Ok(rate);
        }
        let inside: Vec<usize> = (0..all.len()).filter(|i| rows.contains(&all[*i])).collect();
        let sign = |i: usize| self.both[all[i]].expect("these rows have both signs");
        let mut rng = seeds.stream("dealt");
        let draws: Vec<f64> = (0..of.permutations)
            .map(|_| {
                let from = deal.draw(&mut rng);
                let same = inside.iter().filter(|i| sign(**i).0 == sign(from[**i]).1).count();
                same as f64 / inside.len() as f64
            })
            .collect();
        let centre = math::mean(&draws).map_err(named)?;
        let what = "the second model's signs dealt anew in whole clusters, among those of one size";
        Ok(rate
            .clone()
            .against(stat::drawn_null((Test::SignsDealt, what), rate.value, centre, &draws).map_err(named)?))
    }
}

/// The chance of each number of agreements when `second_up` positive signs are dealt over `all` places,
/// of which `up` are positive and `down` negative on the first model and the rest lie outside the group:
/// with `x` and `z` positives dealt to the two kinds, `x + (down - z)` agree.
pub(super) fn law(up: usize, down: usize, all: usize, second_up: usize) -> Vec<f64> {
    let choose = |n: usize, k: usize| ln_binomial(n as u64, k as u64);
    let outside = all - up - down;
    let total = choose(all, second_up);
    let mut law = vec![0.0; up + down + 1];
    for x in 0..=up.min(second_up) {
        for z in 0..=down.min(second_up - x) {
            let rest = second_up - x - z;
            if rest <= outside {
                law[x + down - z] += (choose(up, x) + choose(down, z) + choose(outside, rest) - total).exp();
            }
        }
    }
    law
}

/// The central 95 % of a law, as rates.
fn central(law: &[f64]) -> [f64; 2] {
    let n = (law.len() - 1).max(1) as f64;
    let at = |q: f64| {
        let mut sum = 0.0;
        law.iter().position(|p| {
            sum += p;
            sum >= q
        })
    };
    [0.025, 0.975].map(|q| at(q).unwrap_or(law.len() - 1) as f64 / n)
}
