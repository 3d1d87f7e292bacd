use rand_distr::{Distribution as _, StandardNormal};

use super::ends::{KnowsNothing, Lean, asymmetry, rank_changes, score_and_z};
use super::*;
use truenorth_stats::math::Seeds;

fn board(scores: &[f64]) -> Vec<ScoredSequence> {
    let row = |(i, s): (usize, &f64)| ScoredSequence {
        id: format!("s{i}"),
        text: String::new(),
        score: *s,
        z: s.signum() * s.abs().sqrt(),
        coherence: 0.5,
        shift_norm: 1.0,
        z_bound: 8.0,
        p_random: 0.5,
        rank: 0,
        counted_with: None,
        labels: Default::default(),
    };
    scores.iter().enumerate().map(row).collect()
}

fn even(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64 - (n as f64 - 1.0) / 2.0).collect()
}

/// What 499 boards of independent normal scores look like.
fn unrelated(n: usize, ends: usize) -> Vec<Lean> {
    let mut rng = Seeds::new(3).stream("unrelated");
    (0..499)
        .filter_map(|_| Lean::of((0..n).map(|_| StandardNormal.sample(&mut rng)).collect(), ends))
        .collect()
}

#[test]
fn a_long_top_is_seen_and_an_even_board_is_even() {
    let seeds = Seeds::new(1);
    let leans = unrelated(40, 4);
    let of = |scores: &[f64]| {
        asymmetry(&board(scores), 4, Some((KnowsNothing::Relabelled, &leans[..])), &seeds).unwrap()
    };
    let level = of(&even(40));
    assert!(level.about_zero.value.abs() < 1e-12 && level.about_median.value.abs() < 1e-12);
    assert!(level.about_zero.null.unwrap().p > 0.5 && level.positive.value == 0.5);
    // The same shape pushed up: a lean, but no asymmetry about the median.
    let up = of(&even(40).iter().map(|s| s + 12.0).collect::<Vec<f64>>());
    assert!(up.about_zero.value > 0.3 && up.about_zero.null.unwrap().p < 0.01);
    assert!(up.positive.value > 0.7 && up.positive.null.unwrap().p < 0.01);
    assert!(up.about_median.value.abs() < 1e-12);
    let long = of(&even(40).iter().map(|s| if *s > 0.0 { s * s } else { *s }).collect::<Vec<f64>>());
    assert!(long.about_median.value > 0.5 && long.about_median.interval.unwrap().low > 0.0);
    assert!(long.about_median.null.unwrap().p < 0.05);
    assert_eq!((long.top.ids[0].as_str(), long.bottom.ids[0].as_str()), ("s39", "s0"));
    // Where what the sequences share gives every direction a long end, a long end says nothing.
    let shared: Vec<Lean> = leans
        .iter()
        .map(|_| Lean::of(even(40).iter().map(|s| s.exp()).collect(), 4))
        .collect::<Option<_>>()
        .unwrap();
    let same = asymmetry(
        &board(&even(40).iter().map(|s| s.exp()).collect::<Vec<f64>>()),
        4,
        Some((KnowsNothing::Matched, &shared[..])),
        &seeds,
    )
    .unwrap();
    assert!(same.about_median.value > 0.9 && same.about_median.null.unwrap().p > 0.99);
    let bare = asymmetry(&board(&even(40)), 4, None, &seeds).unwrap();
    assert!(bare.about_zero.null.is_none() && bare.positive.null.is_none());
}

#[test]
fn z_that_is_a_function_of_the_score_ranks_alike() {
    let found = score_and_z(&board(&even(20)), 3, 199, &Seeds::new(0)).unwrap();
    assert!((found.correlation.value - 1.0).abs() < 1e-12 && found.apart.len() == 3);
    assert!(found.apart.iter().all(|c| c.change == 0));
}

#[test]
fn rank_changes_count_places() {
    let a = board(&even(10));
    let mut other = even(10);
    other.swap(0, 9);
    let b = board(&other);
    let found = rank_changes(("raw", &a), ("projected", &b), 199, &Seeds::new(0)).unwrap();
    let first = &found.rows[0];
    assert_eq!((first.id.as_str(), first.first, first.second, first.change), ("s9", 1, 10, -9));
    assert!((found.mean_change.value - 1.8).abs() < 1e-12);
    assert!((found.mean_change.null.unwrap().expected - 3.3).abs() < 1e-12);
}

#[test]
fn boards_that_say_nothing_are_refused_by_name() {
    let seeds = Seeds::new(0);
    let says = |e: AnalysisError, what: &str| assert!(e.to_string().contains(what), "{e}");
    says(asymmetry(&board(&[1.0; 10]), 2, None, &seeds).unwrap_err(), "every sequence the score 1");
    says(asymmetry(&board(&even(5)), 2, None, &seeds).unwrap_err(), "5 sequences");
    says(asymmetry(&board(&even(10)), 6, None, &seeds).unwrap_err(), "6 sequences at each end");
    let (a, b) = (board(&even(10)), board(&even(9)));
    says(rank_changes(("a", &a), ("b", &b), 9, &seeds).unwrap_err(), "not of the same sequences");
    let mut nan = board(&even(10));
    nan[2].score = f64::NAN;
    says(score_and_z(&nan, 1, 9, &seeds).unwrap_err(), "`s2`");
}
