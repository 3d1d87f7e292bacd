use ndarray::{Array1, Array2, Axis, concatenate, s};
use rayon::prelude::*;

use super::nulls::TrainingRows;
use super::*;
use crate::estimate::{EstimateError, Estimator, LogisticParams, Nuisances, Pipeline, Samples, SplitBy};
use crate::math::{Seeds, cosine, unit};
use world::World;

#[allow(dead_code, reason = "the calibration suite uses all of it")]
mod world;

fn pipeline(estimator: Estimator) -> Pipeline {
    Pipeline { estimator: estimator.check().unwrap(), nuisances: Nuisances::none() }
}

fn quick() -> AuditParams {
    AuditParams { resamples: 60, random_directions: 199, permutations: 0, ..AuditParams::default() }
}

fn set<'a>(name: &'a str, samples: &'a Samples) -> ConfoundSet<'a> {
    ConfoundSet { name, samples, projected_out: false }
}

/// p of one audit in a world where the training pairs differ by the truth and by `leak` times the
/// confound.
fn one(estimator: Estimator, seed: u64, leak: f64, permutations: usize) -> (AuditRow, f64) {
    let mut rng = Seeds::new(seed).stream("world");
    let world = World::new(40);
    let (truth, confound) = (world.direction(&mut rng).unwrap(), world.direction(&mut rng).unwrap());
    let train = world.samples(20, &(&truth * 2.0 + &confound * leak), "train", &mut rng).unwrap();
    let other = world.samples(16, &(&confound * 4.0), "confound", &mut rng).unwrap();
    let params = AuditParams { permutations, ..quick() };
    let found =
        audit(&pipeline(estimator), &train, None, &[set("confound", &other)], &params, &Seeds::new(seed))
            .unwrap();
    let row = found.rows[0].clone();
    let p = row.random.p;
    (row, p)
}

/// With nothing planted a confound is flagged at the nominal rate, 5 % give or take 2.
#[test]
fn no_confound_is_flagged_at_the_nominal_rate() {
    let runs = 500_u64;
    for estimator in [Estimator::MeanDiff, Estimator::Lda { shrinkage: None }] {
        let p: Vec<f64> =
            (0..runs).into_par_iter().map(|seed| one(estimator.clone(), seed, 0.0, 0).1).collect();
        let share = |at: f64| p.iter().filter(|p| **p <= at).count() as f64 / runs as f64;
        assert!((0.03..=0.07).contains(&share(0.05)), "{estimator:?}: {}", share(0.05));
        assert!((0.4..=0.6).contains(&share(0.5)), "{estimator:?}: {}", share(0.5));
    }
}

#[test]
fn a_planted_confound_is_flagged() {
    let rows: Vec<AuditRow> =
        (0..60_u64).into_par_iter().map(|seed| one(Estimator::MeanDiff, seed, 3.0, 99).0).collect();
    let flagged = rows.iter().filter(|r| r.verdict == ConfoundVerdict::Confounded).count();
    assert!(flagged >= 50, "{flagged} of 60");
    for row in &rows {
        assert!(row.own > 0.7 && row.p_adjusted == Some(row.random.p), "{row:?}");
        assert!(row.shuffled.unwrap().draws == 99 && row.cosine_shuffled.unwrap().p <= 1.0);
    }
    // The confound's own direction also separates the training pairs, and lies along the direction.
    let mean = |f: fn(&AuditRow) -> f64| rows.iter().map(f).sum::<f64>() / rows.len() as f64;
    assert!(mean(|r| r.recovery.auroc) > 0.7 && mean(|r| r.cosine) > 0.4);
    // Flipped pairs keep a part of what they share, so this null is the harder one to leave behind.
    let shuffled = mean(|r| r.shuffled.unwrap().p);
    assert!(shuffled < 0.3, "{shuffled}");
}

#[test]
fn what_is_projected_out_is_ruled_out_by_rows_of_its_own() {
    let mut rng = Seeds::new(1).stream("world");
    let world = World::new(30);
    let (truth, confound) = (world.direction(&mut rng).unwrap(), world.direction(&mut rng).unwrap());
    let train = world.samples(60, &(&truth * 3.0 + &confound * 3.0), "train", &mut rng).unwrap();
    let mut fresh = || world.samples(400, &(&confound * 4.0), "confound", &mut rng).unwrap();
    let (first, second) = (fresh(), fresh());
    let few = world.samples(6, &(&confound * 4.0), "few", &mut rng).unwrap();
    let nothing = world.samples(60, &(&confound * 0.0), "nothing", &mut rng).unwrap();
    let mut pipeline = pipeline(Estimator::Lda { shrinkage: None });
    let leaky = audit(&pipeline, &train, None, &[set("fresh", &second)], &quick(), &Seeds::new(0)).unwrap();
    assert_eq!(leaky.rows[0].verdict, ConfoundVerdict::Confounded);
    pipeline.nuisances = Nuisances::none().with_sentiment(first.activations(), first.positive()).unwrap();
    let sets = [
        ConfoundSet { projected_out: true, ..set("own rows", &first) },
        set("fresh", &second),
        set("few", &few),
        set("nothing", &nothing),
        set("training rows", &train),
    ];
    let params = AuditParams { permutations: 50, random_directions: 999, ..quick() };
    let found = audit(&pipeline, &train, None, &sets, &params, &Seeds::new(0)).unwrap();
    let verdicts: Vec<ConfoundVerdict> = found.rows.iter().map(|r| r.verdict).collect();
    assert_eq!(
        verdicts,
        [
            ConfoundVerdict::Circular,
            ConfoundVerdict::RuledOut,
            ConfoundVerdict::TooLittleData,
            ConfoundVerdict::TooLittleData,
            ConfoundVerdict::Circular
        ],
        "{found:?}"
    );
    assert_eq!((found.family, found.rows[4].shared_rows), (1, 120));
    assert!(found.rows[0].cosine_unprojected > 0.3 && found.rows[0].cosine.abs() < 0.1);
    assert!((found.cosine_to_pipeline - 1.0).abs() < 1e-9);
    // What was audited comes with the numbers, so that nobody fits it again.
    let fitted = pipeline.extract(&train, params.by, &Seeds::new(0).child("audit")).unwrap();
    assert_eq!(found.direction, fitted.fit.direction);
    assert_eq!((&found.projected_out, &found.absent), (&fitted.projected_out, &fitted.absent));
    assert_eq!(found.projected_out.len(), 1);
    // The same bits again, and another direction is told apart from the pipeline's.
    let again = audit(&pipeline, &train, None, &sets, &params, &Seeds::new(0)).unwrap();
    assert_eq!(found, again);
    let other =
        audit(&pipeline, &train, Some(confound.view()), &sets[1..2], &params, &Seeds::new(0)).unwrap();
    assert_eq!(other.rows[0].verdict, ConfoundVerdict::Confounded);
    assert!(other.cosine_to_pipeline.abs() < 0.3);
    assert_eq!(other.direction, unit(confound.view()).unwrap());
}

/// Permuted fits from scalar products are those of the pipeline, projections included.
#[test]
fn permuted_directions_are_those_of_the_pipeline() {
    let mut rng = Seeds::new(2).stream("world");
    for width in [25, 90] {
        let world = World::new(width);
        let truth = world.direction(&mut rng).unwrap();
        let train = world.samples(20, &(&truth * 2.0), "train", &mut rng).unwrap();
        for estimator in [Estimator::MeanDiff, Estimator::Lda { shrinkage: None }] {
            let mut pipeline = pipeline(estimator);
            pipeline.nuisances =
                Nuisances::none().with_direction("other", world.direction(&mut rng).unwrap().view()).unwrap();
            let reduced = pipeline.reduce(&train).unwrap();
            let rows = Array2::eye(reduced.space.rank());
            let training_rows = TrainingRows {
                pipeline: &pipeline,
                reduced: &reduced,
                by: SplitBy::Pair,
                rows: rows.view(),
                directions: rows.slice(s![..1, ..]),
            };
            let found = training_rows.shuffled(30, None, &Seeds::new(7)).unwrap();
            let relabel =
                crate::estimate::probing::Relabel::new(train.positive(), train.units(SplitBy::Pair));
            for (i, direction) in found.scores.outer_iter().enumerate() {
                let labels = relabel.any(&mut Seeds::new(7).stream(&format!("audit permutation {i}")));
                let x = train.activations();
                let ids = train.units(SplitBy::Pair).iter().map(usize::to_string).collect::<Vec<_>>();
                let permuted = Samples::from_classes(x, &labels, &ids, &ids).unwrap();
                let fit = pipeline.extract(&permuted, SplitBy::Pair, &Seeds::new(0)).unwrap().fit;
                let lifted = reduced.space.lift(direction).unwrap();
                let cos = cosine(lifted.view(), fit.direction.view()).unwrap();
                assert!(cos > 1.0 - 1e-9, "{:?} {cos}", pipeline.estimator);
            }
        }
    }
}

/// An estimator without a short cut takes the long way to the same kind of null.
#[test]
fn any_estimator_can_be_audited() {
    let mut rng = Seeds::new(3).stream("world");
    let world = World::new(50);
    let (truth, confound) = (world.direction(&mut rng).unwrap(), world.direction(&mut rng).unwrap());
    let train = world.samples(20, &(&truth * 3.0), "train", &mut rng).unwrap();
    let other = world.samples(20, &(&confound * 4.0), "confound", &mut rng).unwrap();
    let lengths: Vec<f64> = (0..40).map(|i| f64::from(5 + i % 9)).collect();
    let train = train.with_lengths(&lengths).unwrap();
    for estimator in [
        Estimator::Pca,
        Estimator::MeanDiff,
        Estimator::Logistic(LogisticParams { alphas: vec![0.1, 1.0], folds: 3 }),
    ] {
        let mut pipeline = pipeline(estimator);
        pipeline.nuisances = Nuisances::none().with_length();
        let params = AuditParams { permutations: 20, ..quick() };
        let found =
            audit(&pipeline, &train, None, &[set("confound", &other)], &params, &Seeds::new(0)).unwrap();
        assert!(found.permutations == 20 && found.rows[0].shuffled.unwrap().p > 1.0 / 22.0, "{found:?}");
    }
}

#[test]
fn flips_are_ranked_with_their_strength() {
    let mut rng = Seeds::new(4).stream("world");
    let world = World::new(60);
    let truth = world.direction(&mut rng).unwrap();
    let train = world.samples(60, &(&truth * 4.0), "train", &mut rng).unwrap();
    let flips = world.samples(24, &(&truth * 2.0), "flips", &mut rng).unwrap();
    let none = world.samples(200, &(&truth * 0.0), "none", &mut rng).unwrap();
    let pipeline = pipeline(Estimator::MeanDiff);
    let d = pipeline.extract(&train, SplitBy::Pair, &Seeds::new(0)).unwrap().fit.direction;
    let rank =
        |set: &Samples| flip_ranking(&pipeline, &train, d.view(), set, 300, 0.95, &Seeds::new(0)).unwrap();
    let found = rank(&flips);
    assert!(found.right.successes >= 18 && found.right.trials == 24 && found.ties == 0, "{found:?}");
    assert!(found.binomial.p < 0.05 && found.signed_rank.p < 0.05);
    assert!(found.relative_interval.interval.contains(0.5), "{found:?}");
    let found = rank(&none);
    assert!(found.binomial.p > 0.01 && found.relative_strength.abs() < 0.2, "{found:?}");
    let alone = Samples::from_classes(
        flips.activations(),
        flips.positive(),
        &(0..48).map(|i| i.to_string()).collect::<Vec<_>>(),
        &vec!["x"; 48],
    )
    .unwrap();
    let e = flip_ranking(&pipeline, &train, d.view(), &alone, 30, 0.95, &Seeds::new(0)).unwrap_err();
    assert!(matches!(e, AuditError::NoPairs { .. }), "{e}");
}

#[test]
fn what_can_not_be_audited_is_refused_by_name() {
    let mut rng = Seeds::new(5).stream("world");
    let world = World::new(20);
    let truth = world.direction(&mut rng).unwrap() * 3.0;
    let train = world.samples(12, &truth, "train", &mut rng).unwrap();
    let pipeline = pipeline(Estimator::MeanDiff);
    let run = |d: Option<&Array1<f64>>, samples: &Samples, params: &AuditParams| {
        let sets = [set("other", samples)];
        audit(&pipeline, &train, d.map(Array1::view), &sets, params, &Seeds::new(0)).unwrap_err()
    };
    let good = world.samples(12, &truth, "good", &mut rng).unwrap();
    let e = run(None, &World::new(19).samples(12, &Array1::ones(19), "narrow", &mut rng).unwrap(), &quick());
    assert!(matches!(&e, AuditError::Width { set, expected: 19, found: 20 } if set == "other"), "{e}");
    let e = run(Some(&Array1::ones(7)), &good, &quick());
    assert!(matches!(&e, AuditError::Width { set, found: 7, .. } if set == "train"), "{e}");
    let e = run(Some(&Array1::from_elem(20, f64::NAN)), &good, &quick());
    assert!(matches!(e, AuditError::Math(_)), "{e}");
    let e = run(None, &world.samples(3, &truth, "few", &mut rng).unwrap(), &quick());
    assert!(matches!(e, AuditError::TooFew { least: 4, found: 3, .. }), "{e}");
    // Rows that differ only where the direction does not look.
    let x =
        concatenate(Axis(1), &[Array2::zeros((24, 19)).view(), world.rows(24, &mut rng).slice(s![.., ..1])])
            .unwrap();
    let ids: Vec<String> = (0..24).map(|i| i.to_string()).collect();
    let positive: Vec<bool> = (0..24).map(|i| i % 2 == 0).collect();
    let flat = Samples::from_classes(x.view(), &positive, &ids, &ids).unwrap();
    let mut first = Array1::zeros(20);
    first[0] = 1.0;
    let e = run(Some(&first), &flat, &quick());
    assert!(matches!(&e, AuditError::EqualScores { set } if set == "other"), "{e}");
    for params in [
        AuditParams { margin: 0.0, ..quick() },
        AuditParams { alpha: 1.5, ..quick() },
        AuditParams { random_directions: 10, ..quick() },
    ] {
        let e = run(None, &good, &params);
        assert!(matches!(e, AuditError::Parameter { .. }), "{e}");
    }
}
