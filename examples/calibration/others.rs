//! Steering, judges, ratings, checkpoints and counts in which there is nothing to find.

use std::collections::BTreeMap;

use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};
use truenorth::analyses::geometry::change_point;
use truenorth::analyses::judge::{Duel, Judge, JudgeData, JudgeVerdict, Verdicts, agreement};
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
    let texts = judge::JudgeTexts::Duels { duels: &duels, criterion: "kinder" };
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
                (format!("{i}"), if up { JudgeVerdict::First } else { JudgeVerdict::Second })
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

/// Edits and raters that do nothing: differences whose signs are chance, prompts twice in a cluster, as many stand-ins as a
/// verdict needs, a judge who flips coins on planted pairs, and base rated alike beside every arm.
pub fn arms(_: &Place, seed: u64) -> Outcome<Run> {
    use truenorth::analyses::experiment as arms;
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("arms");
    let prompts: Vec<arms::ExperimentPrompt> = (0..24)
        .map(|i| arms::ExperimentPrompt {
            id: format!("p{i}"),
            cluster: i / 2,
            ..arms::ExperimentPrompt::default()
        })
        .collect();
    let edit = |name: &str| {
        let params = arms::ArmParams {
            name: name.into(),
            direction: vec!["d".into()],
            alpha: Some(1.0),
            ..arms::ArmParams::default()
        };
        params.arm()
    };
    let mut row = || -> Vec<Option<f64>> {
        let shared: Vec<f64> = (0..12).map(|_| StandardNormal.sample(&mut rng)).collect();
        (0..24).map(|i| Some(shared[i / 2] + 0.5 * rng.sample::<f64, _>(StandardNormal))).collect()
    };
    let outcome = arms::Outcome {
        name: "chance".into(),
        kind: arms::OutcomeKind::Projection,
        unit: "units".into(),
        units: arms::Units { what: "prompts", clusters: (0..24).map(|i| i / 2).collect() },
        differences: vec![row(), row()],
        fixed: None,
        placebos: (0..2).map(|_| (0..19).map(|_| row()).collect()).collect(),
        flips: (0..2).map(|_| (0..19).map(|_| row()).collect()).collect(),
    };
    let rating = |arm: &str, prompt: String| arms::Rating {
        rater: "coin".into(),
        kind: arms::RaterKind::Judge,
        arm: arm.into(),
        prompt,
        first: Some(arms::PreferredText::Arm),
        choice: None,
        strength: None,
        rubric: None,
        arm_score: None,
        base_score: None,
        place: String::new(),
    };
    let mut ratings = Vec::new();
    for arm in ["one", "two"] {
        for i in 0..24 {
            let score = Some(f64::from(rng.random_range(1_u8..=5)));
            ratings.push(arms::Rating {
                arm_score: Some(3.0),
                base_score: score,
                ..rating(arm, format!("p{i}"))
            });
        }
    }
    for i in 0..40 {
        let choice = Some(if rng.random() { arms::PreferredText::Arm } else { arms::PreferredText::Base });
        ratings.push(arms::Rating { choice, ..rating("planted", format!("plant {i}")) });
    }
    let sheet = arms::ExperimentMeasurements {
        prompts,
        arms: vec![arms::Arm::base(), edit("one"), edit("two")],
        outcomes: vec![outcome],
        ratings,
        placebos: 19,
        ..arms::ExperimentMeasurements::default()
    };
    let params =
        arms::Params { permutations: DRAWS, primary: Some("chance".into()), ..arms::Params::default() };
    let found = arms::weigh(&sheet, &params, &seeds)?;
    let effect = found.outcomes[0].effect("one").ok_or("an arm has its outcome")?;
    let nulls = [
        effect.difference.null.as_ref(),
        effect.above.as_ref().and_then(|n| n.null.as_ref()),
        effect.placebo.as_ref().map(|p| &p.null),
        effect.flips.as_ref().map(|p| &p.null),
        found.drift.first().and_then(|d| d.range.null.as_ref()),
        found.raters.first().and_then(|r| r.planted.as_ref()?.null.as_ref()),
    ];
    Ok(nulls.into_iter().flatten().map(|n| (n.test, n.p)).collect())
}
