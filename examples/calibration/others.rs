//! Steering, judges, ratings, checkpoints and counts in which there is nothing to find.

use std::collections::BTreeMap;

use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};
use truenorth::analyses::geometry::change_point;
use truenorth::analyses::judge::{Duel, Judge, JudgeData, Verdict, Verdicts, agreement};
use truenorth::analyses::sweep::{Sweep, SweepData};
use truenorth::analyses::{Analysis, judge, rate, sweep};
use truenorth::data::{NearCopies, Template};
use truenorth::estimate::{Estimator, HeldOutParams};
use truenorth::math::Seeds;
use truenorth::report::Test;
use truenorth_protocol::ReadAt;

use crate::Outcome;
use crate::nulls::{DRAWS, asked};
use crate::place::{Place, Unit, turned};
use crate::rates::{Run, of_page};

/// A sweep of one site along the direction of labels of chance.
pub fn steered(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let pairs = turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance"));
    let estimators = [("mean-diff".to_owned(), Estimator::MeanDiff.check()?)];
    let held_out = HeldOutParams { permutations: 0, repeats: 1, ..HeldOutParams::by_pair() };
    let data = SweepData {
        pairs: &pairs,
        template: &Template::default(),
        neutral: &place.neutral.named[..4],
        prompts: &[],
        sentiment: None,
        keywords: &[],
        at: ReadAt::Last,
        estimators: &estimators,
        project_out: &[],
        project_method: truenorth::estimate::ProjectMethod::default(),
        held_out: &held_out,
    };
    let params = sweep::Params {
        sites: vec![place.site.to_string().parse()?],
        steered_pairs: Some(8),
        alphas: vec![-0.2, 0.2],
        null_draws: 39,
        random_directions: 19,
        damage_directions: 0,
        ..sweep::Params::default()
    };
    Ok(of_page(Sweep::page(&Sweep::run(&data, &params, &asked(place, &seeds))?)))
}

/// A judge of pairs of short texts whose order is of chance.
pub fn judge_mean(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("order of chance");
    let short: Vec<&str> =
        place.sequences.all.iter().map(|s| s.text.as_str()).filter(|t| t.len() <= 12).take(32).collect();
    let duels: Vec<Duel> = short
        .as_chunks::<2>()
        .0
        .iter()
        .enumerate()
        .map(|(i, [a, b])| {
            let (first, second) = if rng.random() { (a, b) } else { (b, a) };
            Duel {
                id: i.to_string(),
                prompt: format!("say {i}"),
                first: (*first).into(),
                second: (*second).into(),
            }
        })
        .collect();
    let texts = judge::Texts::Duels { duels: &duels, criterion: "kinder" };
    // Two words that begin with tokens of their own in the tiny vocabulary.
    let params = judge::Params { answers: vec!["A".into(), "B".into()], ..judge::Params::default() };
    let data = JudgeData { texts, template: None, others: &[], near: NearCopies::default() };
    let found = Judge::run(&data, &params, &asked(place, &seeds))?;
    let null = found.judgement.preference.null;
    Ok(null.iter().map(|n| (n.test, n.p)).collect())
}

/// A course of numbers without a break, each going so far with the one before.
pub fn course(carried: f64, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("course");
    let mut at = 0.0;
    let values: Vec<f64> = (0..39)
        .map(|_| {
            let step: f64 = StandardNormal.sample(&mut rng);
            at = carried * at + step;
            at
        })
        .collect();
    let gram: Vec<Vec<f64>> = values.iter().map(|a| values.iter().map(|b| a * b).collect()).collect();
    let names: Vec<String> = (0..39).map(|i| i.to_string()).collect();
    let found = change_point(&names, &gram, 999, &seeds)?;
    Ok(found.into_iter().map(|c| (Test::ChangePoint, c.p)).collect())
}

/// Two judges with habits who do not look.
pub fn judged(_: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("verdicts");
    let mut judge = |name: &str, lean: f64| Verdicts {
        judge: name.into(),
        verdicts: (0..60)
            .map(|i| {
                let up = rng.random::<f64>() < lean;
                (format!("{i}"), if up { Verdict::First } else { Verdict::Second })
            })
            .collect(),
    };
    let both = [judge("one", 0.7), judge("other", 0.4)];
    let found = agreement(&both, DRAWS, &seeds)?;
    let null = found.first().and_then(|a| a.kappa.as_ref()?.null.as_ref());
    Ok(null.iter().map(|n| (n.test, n.p)).collect())
}

/// Strengths of chance.
pub fn rated(_: &Place, seed: u64) -> Outcome<Run> {
    let mut rng = Seeds::new(seed).stream("strengths");
    let strengths: Vec<f64> = (0..40)
        .map(|_| f64::from(rng.random_range(1..=3_i32)) * if rng.random() { 1.0 } else { -1.0 })
        .collect();
    Ok(rate::signed_rank_p(&strengths)?.into_iter().map(|p| (Test::RatedRank, p)).collect())
}

/// The exact binomial tests, each of 60 fair coins.
pub fn coins(_: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let one = |test: Test| -> Outcome<(Test, f64)> {
        let mut rng = seeds.stream(test.id());
        let heads = (0..60).filter(|_| rng.random()).count();
        Ok((test, truenorth::stats::number::binomial_p(heads, 60, 0.5)?))
    };
    let tests = [
        Test::ValueFlip,
        Test::JudgeConsistent,
        Test::JudgeFirst,
        Test::RatedSign,
        Test::RatedSide,
        Test::SignsCoin,
    ];
    let run: Outcome<BTreeMap<Test, f64>> = tests.into_iter().map(one).collect();
    run
}
