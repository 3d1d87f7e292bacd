//! Worlds in which there is nothing to find, each with a dependence that real texts have.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution as _, StandardNormal};
use truenorth::analyses::audit::{Audit, AuditData, Confound};
use truenorth::analyses::board::{Board, BoardData};
use truenorth::analyses::geometry::change_point;
use truenorth::analyses::judge::{Duel, Judge, JudgeData, Verdict, Verdicts, agreement};
use truenorth::analyses::probing::{ProbeData, Probing, TestTexts};
use truenorth::analyses::sweep::{Sweep, SweepData};
use truenorth::analyses::transfer::{Groups, ModelBoard, compare};
use truenorth::analyses::{
    Analysis, Asked, Labelled, Recipe, audit, board, judge, probing, rate, stat, sweep, transfer,
};
use truenorth::data::{Distinct, NearCopies, Pair, Template};
use truenorth::estimate::{Estimator, HeldOutParams, Nuisances, Pipeline, SplitBy};
use truenorth::math::Seeds;
use truenorth::report::Test;
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;

use crate::Outcome;
use crate::place::{Place, Unit, classes, question, turned, with_near_copies, with_shared_prompts};
use crate::rates::{Run, of_page};

/// Random draws behind p values: with 39 of them 2 of the 40 places are 5 % exactly. The rate under the null does not
/// depend on their number; power does.
const DRAWS: usize = 39;

/// A world without anything to find: seeds to p values.
pub struct Scenario {
    pub name: &'static str,
    /// Whether it is tried on the tiny model alone: it asks a model anew for every seed.
    pub tiny: bool,
    pub run: fn(&Place, u64) -> Outcome<Run>,
}

/// All worlds.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pairs turned by cluster",
        tiny: false,
        run: |p, s| audited(p, &p.pairs, Unit::Cluster, s),
    },
    Scenario {
        name: "pairs with near copies",
        tiny: false,
        run: |p, s| audited(p, &with_near_copies(&p.pairs)?, Unit::Cluster, s),
    },
    Scenario {
        name: "pairs with shared prompts",
        tiny: false,
        run: |p, s| audited(p, &with_shared_prompts(&p.pairs)?, Unit::Cluster, s),
    },
    Scenario { name: "axes turned as a whole", tiny: false, run: by_axis },
    Scenario { name: "classes, one of each pair", tiny: false, run: |p, s| probed(p, false, s) },
    Scenario { name: "classes, groups as a whole", tiny: false, run: |p, s| probed(p, true, s) },
    Scenario { name: "board, a direction of shuffled labels", tiny: false, run: |p, s| scored(p, true, s) },
    Scenario { name: "board, the same without its labels", tiny: false, run: |p, s| scored(p, false, s) },
    Scenario { name: "two boards of unrelated scores", tiny: false, run: two_boards },
    Scenario { name: "steering along labels of chance", tiny: true, run: steered },
    Scenario { name: "a judge of texts in any order", tiny: true, run: judge_mean },
    Scenario { name: "checkpoints, independent", tiny: false, run: |_, s| course(0.0, s) },
    Scenario { name: "checkpoints, autocorrelation 0.5", tiny: false, run: |_, s| course(0.5, s) },
    Scenario { name: "checkpoints, autocorrelation 0.8", tiny: false, run: |_, s| course(0.8, s) },
    Scenario { name: "checkpoints, a random walk", tiny: false, run: |_, s| course(1.0, s) },
    Scenario { name: "judges who do not look", tiny: false, run: judged },
    Scenario { name: "ratings of chance", tiny: false, run: rated },
    Scenario { name: "counts of fair coins", tiny: false, run: coins },
];

fn asked<'a>(place: &'a Place, seeds: &'a Seeds) -> Asked<'a> {
    Asked { reader: place.session.reader(), seeds, watch: &Unwatched }
}

fn recipe(place: &Place, estimator: Estimator) -> Outcome<Recipe> {
    let mut recipe = Recipe::new(place.site, ReadAt::Last, estimator.check()?);
    recipe.held_out = HeldOutParams { repeats: 1, permutations: DRAWS, ..HeldOutParams::by_pair() };
    Ok(recipe)
}

/// An audit of the direction of labels of chance.
fn audited(place: &Place, pairs: &Distinct<Pair>, unit: Unit, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("labels of chance");
    let train = question(&turned(pairs, unit, &mut rng));
    let of = |name: &str, pairs: &Distinct<Pair>| Confound {
        name: name.into(),
        question: question(pairs),
        circular: None,
    };
    let confounds: Vec<Confound> = place.confounds.iter().map(|(name, pairs)| of(name, pairs)).collect();
    let flips = [of("value-flip", &turned(&place.flips, Unit::Cluster, &mut rng))];
    let data = AuditData {
        train: &train,
        direction: None,
        confounds: &confounds,
        flips: &flips,
        sentiment: None,
        recipe: &recipe(place, Estimator::MeanDiff)?,
    };
    let params = audit::Params { random_directions: 199, permutations: DRAWS, ..audit::Params::default() };
    Ok(of_page(Audit::page(&Audit::run(&data, &params, &asked(place, &seeds))?)))
}

/// The separation of held-out axes, where labels go by axis.
fn by_axis(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let train = question(&turned(&place.pairs, Unit::Axis, &mut seeds.stream("labels of chance")));
    let samples = train.samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)?;
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let params = HeldOutParams { repeats: 1, permutations: DRAWS, ..HeldOutParams::by_axis() };
    let found = pipeline.held_out(&samples, &params, &seeds)?;
    Ok(found.null.iter().map(|null| (Test::HeldOut, null.p)).collect())
}

/// Probes of classes of chance, with a test set of the other half of the texts.
fn probed(place: &Place, whole: bool, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("labels of chance");
    let mut train = classes(&place.pairs, whole, &mut rng)?;
    let mut test = train.clone();
    let first: Vec<bool> = train.cluster.iter().map(|c| c % 2 == 0).collect();
    train.retain(&first);
    test.retain(&first.iter().map(|f| !f).collect::<Vec<_>>());
    let train = Labelled::new(&train, Some("1"))?;
    let tests =
        [TestTexts::apart("other half", Labelled::new(&test, Some("1"))?, &train, NearCopies::default())?];
    let data = ProbeData { train: &train, tests: &tests, truth: None, untrained: None };
    let upper = place.site.to_string();
    let params = probing::Params {
        sites: vec!["resid_post.0".parse()?, upper.parse()?],
        positions: Some(ReadAt::Last),
        estimator: Some("mean-diff".parse()?),
        permutations: DRAWS,
        ..probing::Params::default()
    };
    let found = Probing::run(&data, &params, &asked(place, &seeds))?;
    let mut run = of_page(Probing::page(&found));
    // Told in the JSON alone.
    let largest = found.contrasts.first().and_then(|c| c.largest.as_ref()?.null.as_ref());
    run.extend(largest.map(|n| (n.test, n.p)));
    Ok(run)
}

/// The direction of labels of chance, and those of the same texts with other labels of chance.
fn direction(place: &Place, seeds: &Seeds) -> Outcome<(Array1<f64>, Array2<f64>)> {
    let train = question(&turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance")));
    let samples = train.samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)?;
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let direction = pipeline.extract(&samples, SplitBy::Pair, seeds)?.fit.direction;
    Ok((direction, pipeline.relabelled_directions(&samples, SplitBy::Pair, DRAWS, seeds)?))
}

/// A board of the direction of labels of chance, with kinds of chance.
fn scored(place: &Place, labels: bool, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let (direction, relabelled) = direction(place, &seeds)?;
    let mut rng = seeds.stream("kinds of chance");
    let mut kinds: Vec<Option<String>> =
        (0..place.sequences.all.len()).map(|i| Some(if i % 2 == 0 { "a" } else { "b" }.to_owned())).collect();
    kinds.shuffle(&mut rng);
    let data = BoardData {
        probes: &place.probes.named,
        sequences: &place.sequences.all,
        kinds: &kinds,
        direction: direction.view(),
        site: place.site,
        relabelled: labels.then(|| relabelled.view()),
        beside: None,
    };
    let params = board::Params {
        contrast: vec!["a".into(), "b".into()],
        draws: 0,
        null_draws: 199,
        permutations: DRAWS,
        ..board::Params::default()
    };
    let found = Board::run(&data, &params, &asked(place, &seeds))?;
    let mut run = of_page(Board::page(&found));
    // The page shows the outermost sequence first; a test of one sequence is tried on one that was not chosen by it.
    let row =
        found.rows.iter().find(|r| r.id == place.sequences.all[0].id).ok_or("the first sequence is gone")?;
    run.insert(Test::BoardUniform, row.p_random);
    let alike = truenorth::math::cosine(direction.view(), relabelled.row(0))?;
    let width = direction.len();
    run.insert(Test::UniformCosine, stat::Null::random_direction(alike, width)?.p);
    // In the JSON alone.
    let positive = found.asymmetry.positive.null.iter();
    run.extend(positive.map(|n| (Test::BoardSigns, n.p)));
    run.extend(row.p_matched.map(|p| (Test::BoardMatched, p)));
    run.extend(row.p_permuted.map(|p| (Test::BoardPermuted, p)));
    let family = found.rows.iter().filter_map(|r| r.p_family).reduce(f64::min);
    run.extend(family.map(|p| (Test::BoardFamily, p)));
    Ok(run)
}

/// Two boards whose scores have nothing to do with each other.
fn two_boards(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let (direction, _) = direction(place, &seeds)?;
    let data = board::ScanData {
        probes: &place.probes.named,
        sequences: &place.sequences.all,
        direction: direction.view(),
    };
    let params = board::ScanParams { draws: 0, ..board::ScanParams::new(place.site) };
    let first = board::scan(&place.session.reader(), &data, &params, &seeds, &Unwatched)?.board;
    // The same sequences with the scores dealt anew.
    let dealt = |stream: &str| {
        let mut board = first.clone();
        let mut scores: Vec<f64> = first.iter().map(|r| r.score).collect();
        scores.shuffle(&mut seeds.stream(stream));
        board.iter_mut().zip(scores).for_each(|(row, score)| row.score = score);
        board
    };
    let (second, third) = (dealt("scores dealt"), dealt("scores dealt again"));
    let boards = [("first", &first), ("second", &second), ("third", &third)]
        .map(|(model, board)| ModelBoard { model: model.into(), board });
    let mut groups = Groups::default();
    let kinds = place.sequences.loaded.rows.iter().map(|r| r.kind.clone());
    groups.labels.insert("kind".into(), kinds.collect());
    groups.kind = Some("kind".into());
    let params = transfer::Params { permutations: DRAWS, ..transfer::Params::default() };
    let found = compare(&boards[..2], &groups, &params, &seeds)?;
    let pair = found.pairs.first().ok_or("no pair of boards")?;
    let mut run = Run::new();
    let mut add = |number: &stat::Number| run.extend(number.null.iter().map(|n| (n.test, n.p)));
    add(&pair.spearman);
    pair.agreement.iter().take(1).for_each(|a| add(&a.rate));
    pair.movers.iter().take(1).for_each(|m| add(&m.overlap));
    run.extend(pair.agreement.first().and_then(|a| Some((Test::SignsCoin, a.p_coin?))));
    run.extend(pair.kinds.iter().filter_map(|k| Some((Test::SignsKinds, k.p?))));
    let all = compare(&boards, &Groups::default(), &params, &seeds)?;
    run.extend(all.unanimous.and_then(|u| u.share.null).map(|n| (n.test, n.p)));
    Ok(run)
}

/// A sweep of one site along the direction of labels of chance.
fn steered(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let pairs = turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance"));
    let estimator = Estimator::MeanDiff.check()?;
    let held_out = HeldOutParams { permutations: 0, repeats: 1, ..HeldOutParams::by_pair() };
    let data = SweepData {
        pairs: &pairs,
        template: &Template::default(),
        neutral: &place.neutral.named[..4],
        prompts: &[],
        sentiment: None,
        keywords: &[],
        at: ReadAt::Last,
        estimator: &estimator,
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
fn judge_mean(place: &Place, seed: u64) -> Outcome<Run> {
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
            Duel { id: i.to_string(), prompt: "say".into(), first: (*first).into(), second: (*second).into() }
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
fn course(carried: f64, seed: u64) -> Outcome<Run> {
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
fn judged(_: &Place, seed: u64) -> Outcome<Run> {
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
fn rated(_: &Place, seed: u64) -> Outcome<Run> {
    let mut rng = Seeds::new(seed).stream("strengths");
    let strengths: Vec<f64> = (0..40)
        .map(|_| f64::from(rng.random_range(1..=3_i32)) * if rng.random() { 1.0 } else { -1.0 })
        .collect();
    Ok(rate::signed_rank_p(&strengths)?.into_iter().map(|p| (Test::RatedRank, p)).collect())
}

/// The exact binomial tests, each of 60 fair coins.
fn coins(_: &Place, seed: u64) -> Outcome<Run> {
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
