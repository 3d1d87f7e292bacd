//! The comparison of boards.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

use super::{Comparison, Movers, PairTransfer, Params, SequenceGroups, Unanimous, kinds, signs};
use crate::board::ScoreRow;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Null, Number, Test, drawn_null, of};

/// The least sequences that a comparison rests on.
const LEAST: usize = 8;

/// The board of one model, to be compared with others.
#[derive(Clone, Debug)]
pub struct ModelBoard<'a> {
    /// Name of the model in results.
    pub model: String,
    /// Its scores, in the order of the sequences (not of the ranks).
    pub board: &'a [ScoreRow],
}

/// Compares the boards of two or more models.
///
/// # Errors
/// With fewer than two models or eight sequences, boards of other sequences, scores that are all equal,
/// or labels that are not one a sequence. Sequences that are counted with others are left out.
pub fn compare(
    models: &[ModelBoard<'_>],
    groups: &SequenceGroups,
    params: &Params,
    seeds: &Seeds,
) -> Result<Comparison, AnalysisError> {
    let n = check(models, groups)?;
    let stands: Vec<bool> = models[0].board.iter().map(|r| r.counted_with.is_none()).collect();
    if stands.contains(&false) {
        return distinct(models, groups, params, &stands, seeds);
    }
    let ends = params.ends.unwrap_or_else(|| (n / 10).max(3));
    if ends == 0 || 2 * ends > n {
        return Err(AnalysisError::Input(format!(
            "{ends} sequences at each end (--ends) of {n}; the ends must hold at least one and not overlap"
        )));
    }
    let clusters = clusters(groups, n);
    // One for all pairs: how a model is called, and which others are there, changes no number.
    let each = seeds.child("transfer");
    let mut pairs = Vec::new();
    for (i, first) in models.iter().enumerate() {
        for second in &models[i + 1..] {
            pairs.push(pair((first, second), groups, params, (&clusters, ends), &each)?);
        }
    }
    let deal = math::Deal::new(&clusters);
    Ok(Comparison {
        sequences: n,
        clusters: clusters.iter().max().map(|c| c + 1).filter(|c| *c < n),
        ends,
        pairs,
        unanimous: if models.len() > 2 {
            Some(unanimous(models, (&deal, &clusters), params, seeds)?)
        } else {
            None
        },
        not_shown: vec![
            "That two models share a concept: shared training text moves both alike.".into(),
            "Agreement of signs says nothing of sizes; the rank correlation says nothing of signs.".into(),
            "Sequences are not a random draw from all text; the intervals are for sequences like these."
                .into(),
            "The groups top, middle and bottom are those of the first model, so they are not the same when \
             the models change places."
                .into(),
        ],
    })
}

/// The comparison over the sequences that stand for their copies.
fn distinct(
    models: &[ModelBoard<'_>],
    groups: &SequenceGroups,
    params: &Params,
    first: &[bool],
    seeds: &Seeds,
) -> Result<Comparison, AnalysisError> {
    fn keep<T: Clone>(all: &[T], first: &[bool]) -> Vec<T> {
        all.iter().zip(first).filter(|(_, f)| **f).map(|(v, _)| v.clone()).collect()
    }
    let boards: Vec<Vec<ScoreRow>> = models.iter().map(|m| keep(m.board, first)).collect();
    let models: Vec<ModelBoard<'_>> =
        models.iter().zip(&boards).map(|(m, board)| ModelBoard { model: m.model.clone(), board }).collect();
    let groups = SequenceGroups {
        labels: groups.labels.iter().map(|(n, l)| (n.clone(), keep(l, first))).collect(),
        kind: groups.kind.clone(),
        clusters: groups.clusters.as_ref().map(|c| keep(c, first)),
    };
    compare(&models, &groups, params, seeds)
}

fn check(models: &[ModelBoard<'_>], groups: &SequenceGroups) -> Result<usize, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let [first, rest @ ..] = models else {
        return refuse("no models; transfer compares two or more".into());
    };
    if rest.is_empty() {
        return refuse(format!("only `{}`; transfer compares two or more models", first.model));
    }
    let n = first.board.len();
    if n < LEAST {
        return refuse(format!("{n} sequences; transfer needs at least {LEAST}"));
    }
    for other in models {
        let same = other.board.len() == n && other.board.iter().zip(first.board).all(|(a, b)| a.id == b.id);
        if !same {
            return refuse(format!(
                "the boards of `{}` and `{}` are not of the same sequences in the same order",
                first.model, other.model
            ));
        }
        if let Some(bad) = other.board.iter().find(|r| !r.score.is_finite()) {
            return refuse(format!("`{}` scores `{}` as {}", other.model, bad.id, bad.score));
        }
        if other.board.iter().all(|r| r.score == other.board[0].score) {
            return refuse(format!(
                "`{}` gives every sequence the score {}; there is no order to compare",
                other.model, other.board[0].score
            ));
        }
    }
    for (name, label) in &groups.labels {
        if label.len() != n {
            return refuse(format!("label `{name}` has {} values for {n} sequences", label.len()));
        }
    }
    if let Some(kind) = groups.kind.as_ref().filter(|k| !groups.labels.contains_key(*k)) {
        return refuse(format!("no label `{kind}`; the sequences have {:?}", groups.labels.keys()));
    }
    match &groups.clusters {
        Some(c) if c.len() != n => refuse(format!("{} clusters for {n} sequences", c.len())),
        _ => Ok(n),
    }
}

/// The cluster of each sequence, from 0 without gaps.
fn clusters(groups: &SequenceGroups, n: usize) -> Vec<usize> {
    let Some(names) = &groups.clusters else { return (0..n).collect() };
    math::numbered(names)
}

fn pair(
    (first, second): (&ModelBoard<'_>, &ModelBoard<'_>),
    labels: &SequenceGroups,
    params: &Params,
    (clusters, ends): (&[usize], usize),
    seeds: &Seeds,
) -> Result<PairTransfer, AnalysisError> {
    let name = format!("{} and {}", first.model, second.model);
    let named = |e: MathError| of(&name, &e);
    let scores = |m: &ModelBoard<'_>| m.board.iter().map(|r| r.score).collect::<Vec<f64>>();
    let (a, b) = (scores(first), scores(second));
    let place = places(&a);
    let n = a.len();
    let mut groups: Vec<(String, Vec<usize>)> = vec![("all".into(), (0..n).collect())];
    groups.push(("top".into(), (0..n).filter(|i| place[*i] < ends).collect()));
    groups.push(("middle".into(), (0..n).filter(|i| (ends..n - ends).contains(&place[*i])).collect()));
    groups.push(("bottom".into(), (0..n).filter(|i| place[*i] >= n - ends).collect()));
    for (label, values) in &labels.labels {
        let mut by: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, value) in values.iter().enumerate() {
            if let Some(value) = value {
                by.entry(value).or_default().push(i);
            }
        }
        groups.extend(by.into_iter().map(|(value, rows)| (format!("{label}={value}"), rows)));
    }
    let signs = signs::Signs::new(&a, &b);
    let mut agreement = Vec::new();
    let clustered = signs::ClusterResampling { clusters, permutations: params.permutations, seeds };
    for (group, rows) in &groups {
        agreement.extend(signs.agreement(group, rows, &clustered)?);
    }
    // What was held against nothing stands for nothing.
    let p: Vec<f64> = agreement.iter().map(|g| g.rate.null.as_ref().map_or(1.0, |n| n.p)).collect();
    let positive = |v: &[f64]| stat::share(v.iter().filter(|s| **s > 0.0).count(), v.len()).map_err(named);
    let kinds = match labels.kind.as_ref().and_then(|k| labels.labels.get_key_value(k)) {
        Some((name, values)) => Some(kinds::kinds(name, values, &signs, &clustered)?),
        None => None,
    };
    let of_kind = labels.kind.as_deref().unwrap_or("kind");
    let within_kinds = match labels.labels.get(of_kind) {
        Some(values) if clustered.alone() => signs.within(values),
        _ => None,
    };
    Ok(PairTransfer {
        within_kinds,
        first: first.model.clone(),
        second: second.model.clone(),
        pearson: stat::pearson(&a, &b, clusters, seeds).map_err(named)?,
        spearman: stat::rank_correlation(&a, &b, clusters, params.permutations, seeds).map_err(named)?,
        first_positive: positive(&a)?,
        second_positive: positive(&b)?,
        no_sign: signs.without(),
        stands: math::holm(&p, 0.05),
        agreement,
        movers: ["top", "bottom"]
            .into_iter()
            .map(|end| movers(end, first.board, (&place, &places(&b)), ends, clustered.alone()))
            .collect::<Result<_, _>>()?,
        kinds,
    })
}

/// The place of each score, 0 the highest; equal scores keep their order.
fn places(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|i, j| scores[*j].total_cmp(&scores[*i]));
    let mut place = vec![0; scores.len()];
    for (at, i) in order.into_iter().enumerate() {
        place[i] = at;
    }
    place
}

fn movers(
    end: &'static str,
    board: &[ScoreRow],
    (first, second): (&[usize], &[usize]),
    ends: usize,
    alone: bool,
) -> Result<Movers, AnalysisError> {
    let n = board.len();
    let top = |place: usize| place < ends;
    let bottom = |place: usize| place >= n - ends;
    let (here, there): (&dyn Fn(usize) -> bool, &dyn Fn(usize) -> bool) =
        if end == "top" { (&top, &bottom) } else { (&bottom, &top) };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| if end == "top" { first[*i] } else { n - first[*i] });
    let ids = |keep: &dyn Fn(usize) -> bool| -> Vec<String> {
        order.iter().filter(|i| keep(**i)).map(|i| board[*i].id.clone()).collect()
    };
    let shared = ids(&|i| here(first[i]) && here(second[i]));
    let p = stat::overlap_p(shared.len(), ends, ends, n)?;
    let overlap = stat::share(shared.len(), ends).map_err(|e| of(end, &e))?;
    let overlap = if !alone {
        // Neither Wilson's interval nor the exact law holds where sequences of a cluster come together.
        Number::bare(
            overlap.value,
            overlap.n,
            "none: sequences are clustered, and the ends cut through clusters",
        )
    } else {
        overlap.against(Null {
            test: Test::EndsShared,
            what: "ends drawn from all sequences at random, exact hypergeometric".into(),
            expected: ends as f64 / n as f64,
            range: None,
            p,
            draws: None,
        })
    };
    Ok(Movers {
        end,
        overlap,
        first_only: ids(&|i| here(first[i]) && !here(second[i])),
        second_only: ids(&|i| !here(first[i]) && here(second[i])),
        opposed: ids(&|i| here(first[i]) && there(second[i])),
        shared,
    })
}

fn unanimous(
    models: &[ModelBoard<'_>],
    (deal, clusters): (&math::Deal, &[usize]),
    params: &Params,
    seeds: &Seeds,
) -> Result<Unanimous, AnalysisError> {
    let sign = |s: f64| if s > 0.0 { 1 } else { -i32::from(s < 0.0) };
    let mut signs: Vec<Vec<i32>> =
        models.iter().map(|m| m.board.iter().map(|r| sign(r.score)).collect()).collect();
    let agree = |signs: &[Vec<i32>]| -> usize {
        (0..signs[0].len())
            .filter(|i| signs[0][*i] != 0 && signs.iter().all(|s| s[*i] == signs[0][*i]))
            .count()
    };
    let n = signs[0].len();
    let found = agree(&signs);
    let agreed: Vec<bool> =
        (0..n).map(|i| signs[0][i] != 0 && signs.iter().all(|s| s[i] == signs[0][i])).collect();
    let mut rng = seeds.stream("unanimous");
    let mut draws = Vec::with_capacity(params.permutations);
    let alone = clusters.iter().max().is_none_or(|c| c + 1 == n);
    for _ in 0..if deal.exchanges() { params.permutations } else { 0 } {
        for s in signs.iter_mut().skip(1) {
            if alone {
                s.shuffle(&mut rng);
            } else {
                *s = deal.draw(&mut rng).into_iter().map(|i| s[i]).collect();
            }
        }
        draws.push(agree(&signs) as f64 / n as f64);
    }
    let named = |e: MathError| of("agreement of all models", &e);
    let mut share = if alone {
        stat::share(found, n)
    } else {
        stat::share_in_clusters(&agreed, clusters, "clusters of sequences")
    }
    .map_err(named)?;
    if !draws.is_empty() {
        let centre = math::mean(&draws).map_err(named)?;
        let null =
            drawn_null((Test::SignsUnanimous, "each model's scores dealt anew"), share.value, centre, &draws);
        share = share.against(null.map_err(named)?);
    }
    Ok(Unanimous { models: models.len(), share })
}
