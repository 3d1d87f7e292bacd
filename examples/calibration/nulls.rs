//! Worlds in which there is nothing to find, each with a dependence that real texts have.

use truenorth::analyses::audit::{Audit, AuditData, Confound};
use truenorth::analyses::probing::{ProbeData, Probing, TestTexts};
use truenorth::analyses::{Analysis, AnalysisContext, ClassTexts, DirectionRecipe, audit, probing};
use truenorth::data::{Distinct, NearCopies, Pair};
use truenorth::estimate::audit::flip_ranking;
use truenorth::estimate::{Estimator, HeldOutParams, Nuisances, Pipeline, SplitBy};
use truenorth::math::Seeds;
use truenorth::report::Test;
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;

use crate::Outcome;
use crate::boards::{scored, two_boards};
use crate::others::{arms, coins, course, judge_mean, judged, rated, steered};
use crate::place::{Place, Unit, classes, question, turned, with_near_copies, with_shared_prompts};
use crate::rates::{Run, of_page};

/// Random draws behind p values: with 39 of them 2 of the 40 places are 5 % exactly. The rate under the null does not
/// depend on their number; power does.
pub const DRAWS: usize = 39;

/// A world without anything to find: seeds to p values.
pub struct Scenario {
    pub name: &'static str,
    /// Whether it is tried on the tiny model alone: it asks a model anew for every seed.
    pub tiny: bool,
    /// Whether it has activations of a model.
    pub reads: bool,
    pub run: fn(&Place, u64) -> Outcome<Run>,
}

/// All worlds.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pairs turned by cluster",
        tiny: false,
        reads: true,
        run: |p, s| audited(p, &p.pairs, Unit::Cluster, s),
    },
    Scenario {
        name: "pairs with near copies",
        tiny: false,
        reads: true,
        run: |p, s| audited(p, &with_near_copies(&p.pairs)?, Unit::Cluster, s),
    },
    Scenario {
        name: "pairs with shared prompts",
        tiny: false,
        reads: true,
        run: |p, s| audited(p, &with_shared_prompts(&p.pairs)?, Unit::Cluster, s),
    },
    Scenario {
        name: "value flips beside training pairs",
        tiny: false,
        reads: true,
        run: |p, s| flipped(p, &p.pairs, s),
    },
    Scenario {
        name: "value flips beside training pairs with shared prompts",
        tiny: false,
        reads: true,
        run: |p, s| flipped(p, &with_shared_prompts(&p.pairs)?, s),
    },
    Scenario { name: "axes turned as a whole", tiny: false, reads: true, run: by_axis },
    Scenario { name: "classes, one of each pair", tiny: false, reads: true, run: |p, s| probed(p, false, s) },
    Scenario { name: "classes, groups as a whole", tiny: false, reads: true, run: |p, s| probed(p, true, s) },
    Scenario {
        name: "board, a direction of shuffled labels",
        tiny: false,
        reads: true,
        run: |p, s| scored(p, true, s),
    },
    Scenario {
        name: "board, the same without its labels",
        tiny: false,
        reads: true,
        run: |p, s| scored(p, false, s),
    },
    Scenario { name: "two boards of unrelated scores", tiny: false, reads: true, run: two_boards },
    Scenario { name: "steering along labels of chance", tiny: true, reads: true, run: steered },
    Scenario { name: "a judge of texts in any order", tiny: true, reads: true, run: judge_mean },
    Scenario { name: "checkpoints, independent", tiny: false, reads: false, run: |_, s| course(0.0, s) },
    Scenario {
        name: "checkpoints, autocorrelation 0.5",
        tiny: false,
        reads: false,
        run: |_, s| course(0.5, s),
    },
    Scenario {
        name: "checkpoints, autocorrelation 0.8",
        tiny: false,
        reads: false,
        run: |_, s| course(0.8, s),
    },
    Scenario { name: "checkpoints, a random walk", tiny: false, reads: false, run: |_, s| course(1.0, s) },
    Scenario { name: "judges who do not look", tiny: false, reads: false, run: judged },
    Scenario { name: "arms and raters that do nothing", tiny: false, reads: false, run: arms },
    Scenario { name: "ratings of chance", tiny: false, reads: false, run: rated },
    Scenario { name: "counts of fair coins", tiny: false, reads: false, run: coins },
];

pub fn asked<'a>(place: &'a Place, seeds: &'a Seeds) -> AnalysisContext<'a> {
    AnalysisContext { reader: place.session.reader(), seeds, watch: &Unwatched }
}

fn recipe(place: &Place, estimator: Estimator) -> Outcome<DirectionRecipe> {
    let mut recipe = DirectionRecipe::new(place.site, ReadAt::Last, estimator.check()?);
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

/// Flips turned at random beside training pairs turned at random.
fn flipped(place: &Place, pairs: &Distinct<Pair>, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream("labels of chance");
    let read = |pairs: Distinct<Pair>| {
        question(&pairs).samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)
    };
    let train = read(turned(pairs, Unit::Cluster, &mut rng))?;
    let flips = read(turned(&place.flips, Unit::Cluster, &mut rng))?;
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let direction = pipeline.extract(&train, SplitBy::Pair, &seeds)?.fit.direction;
    let found = flip_ranking(&pipeline, &train, direction.view(), &flips, 19, 0.95, &seeds)?;
    Ok(Run::from([(Test::ValueFlip, found.binomial.p), (Test::FlipTraining, found.against_training)]))
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
    let train = ClassTexts::new(&train, Some("1"))?;
    let tests =
        [TestTexts::apart("other half", ClassTexts::new(&test, Some("1"))?, &train, NearCopies::default())?];
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
