use std::cell::Cell;

use ndarray::{Array1, Array2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use truenorth_protocol::ReadAt;
use truenorth_reading::Parameters as _;
use truenorth_stats::estimate::Estimator;

const WIDTH: usize = 24;

fn axis(i: usize) -> Array1<f64> {
    Array1::from_shape_fn(WIDTH, |k| if k == i { 1.0 } else { 0.0 })
}

/// Two categories of 24 positive texts each, with matched negatives in the same groups.
fn texts() -> GeometryTexts {
    let n = 96;
    let category = |i: usize| if (i / 2).is_multiple_of(2) { "arms" } else { "fraud" };
    GeometryTexts {
        positive: (0..n).map(|i| i % 2 == 0).collect(),
        categories: (0..n).map(|i| vec![category(i).to_owned()]).collect(),
        groups: (0..n).map(|i| format!("g{}", i / 2)).collect(),
        // The longer a text of arms the less it is one; words tell nothing.
        texts: (0..n)
            .map(|i| "a ".repeat(1 + i % 3 + if category(i) == "arms" { 3 * (i % 2) } else { 0 }))
            .collect(),
    }
}

/// Activations of a checkpoint: each category's positives lie along its own axis.
fn activations(texts: &GeometryTexts, axes: [&Array1<f64>; 2], size: f64, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let noise: f64 = 0.1;
    let mut x = Array2::from_shape_fn((texts.positive.len(), WIDTH), |_| {
        noise * rng.sample::<f64, _>(StandardNormal)
    });
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        if texts.positive[i] {
            row += &(axes[usize::from(texts.categories[i] == ["fraud"])] * size);
        }
    }
    x
}

fn params() -> Params {
    Params { folds: Some(4), permutations: 499, ..Params::default() }
}

/// Checkpoints whose activations are made up.
struct MadeUp<F>(Vec<String>, F);

impl<F: Fn(usize) -> Result<Array2<f64>, AnalysisError>> Checkpoints for MadeUp<F> {
    fn names(&self) -> &[String] {
        &self.0
    }

    fn activations(&self, i: usize) -> Result<Array2<f64>, AnalysisError> {
        self.1(i)
    }
}

fn geometry(
    names: &[String],
    texts: &GeometryTexts,
    seed: u64,
    load: impl Fn(usize) -> Result<Array2<f64>, AnalysisError>,
) -> Result<TextGeometry, AnalysisError> {
    let course = MadeUp(names.to_vec(), load);
    match Geometry::of(&GeometryData::Texts(texts, &course), &params(), &Seeds::new(seed))? {
        Found::Texts(found) => Ok(*found),
        Found::Directions(found) => panic!("{found:?}"),
    }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("step-{i}")).collect()
}

/// Eight checkpoints; at the fourth, fraud turns from axis 2 to axis 3 while arms stays.
fn turned() -> TextGeometry {
    let texts = texts();
    let (arms, before, after) = (axis(1), axis(2), axis(3));
    let loads = Cell::new(0);
    let found = geometry(&names(8), &texts, 2, |t| {
        loads.set(loads.get() + 1);
        let fraud = if t < 4 { &before } else { &after };
        Ok(activations(&texts, [&arms, fraud], 1.0 + 0.1 * t as f64, 100 + t as u64))
    });
    assert_eq!(loads.get(), 16, "each checkpoint is loaded twice and not more");
    found.unwrap()
}

#[test]
fn a_planted_turn_is_found_where_it_is_and_in_its_category_only() {
    let found = turned();
    let of = |name: &str| found.categories.iter().find(|c| c.category == name).unwrap();
    let fraud = of("fraud");
    let change = fraud.course.change.as_ref().unwrap();
    assert_eq!((change.before.as_str(), change.after.as_str()), ("step-3", "step-4"));
    assert!(change.p < 0.05 && change.statistic > change.null_95);
    let jump = fraud.course.jump.as_ref().unwrap();
    assert!(jump.before == "step-3" && jump.size > 60.0 && jump.robust_z.unwrap() > 5.0, "{jump:?}");
    let turn = &fraud.course.steps[3].cosine;
    assert!(turn.interval.unwrap().contains(turn.value) && turn.interval.unwrap().high < 0.7, "{turn:?}");
    let still = &fraud.course.steps[0].cosine;
    assert!(still.value > 0.85 && still.above_null() == Some(true), "{still:?}");
    assert!(turn.above_null() == Some(false), "what turned is no more alike than noise: {turn:?}");
    let arms = of("arms");
    assert!(arms.course.jump.as_ref().unwrap().size < 40.0);
    assert!(arms.reliability.iter().all(|r| *r > 0.8));
    // Drift of the positive centroids jumps with the turn.
    assert_eq!(fraud.drift_jump.as_ref().unwrap().before, "step-3");
    assert!(fraud.magnitude[7].value > fraud.magnitude[0].value);
    assert!(fraud.magnitude.iter().all(|m| m.interval.is_some()));
}

#[test]
fn categories_meet_in_the_general_direction_but_not_in_each_other() {
    let found = turned();
    assert_eq!(found.categories[0].category, GENERAL);
    assert!(found.categories[0].to_general.is_empty());
    for c in &found.categories[1..] {
        assert!(c.to_general.iter().all(|m| m.value > 0.5), "{:?}", c.to_general);
        // With two categories the others are the other one, on another axis.
        assert!(c.to_others.iter().all(|m| m.value.abs() < 0.35), "{:?}", c.to_others);
        assert!(!c.shared_negatives && c.n == [24, 24]);
    }
    assert!(found.across[0][1][2].value.abs() < 0.35 && (found.across[0][0][0].value - 1.0).abs() < 1e-9);
}

#[test]
fn one_checkpoint_is_enough_for_the_categories_beside_each_other() {
    let texts = texts();
    let (arms, fraud) = (axis(1), axis(2));
    let load = |_: usize| Ok(activations(&texts, [&arms, &fraud], 1.0, 7));
    let found = geometry(&names(1), &texts, 2, load).unwrap();
    assert_eq!((found.across.len(), found.across[0].len(), found.categories.len()), (1, 3, 3));
    let cosine = &found.across[0][1][2];
    assert!(cosine.value.abs() < 0.35 && cosine.interval.is_some() && cosine.null.is_some(), "{cosine:?}");
    for c in &found.categories {
        assert!(c.course.steps.is_empty() && c.course.change.is_none() && c.drift.is_empty());
        assert!(c.reliability[0] > 0.8 && c.magnitude[0].interval.is_some());
    }
    // A direction of one category is at chance on the other, and all but perfect on its own.
    let cells = &found.across_probing[0];
    assert!(cells[1][1].low > 0.9 && cells[2][2].low > 0.9, "{cells:?}");
    assert!(cells[1][2].auroc < 0.8 && cells[2][1].auroc < 0.8, "{cells:?}");
    assert!(found.not_shown.iter().all(|s| !s.contains("two checkpoints")));
}

#[test]
fn files_become_courses_by_what_they_say() {
    let at = |category: &str, checkpoint: &str, turn: f64| DirectionAt {
        category: category.into(),
        checkpoint: checkpoint.into(),
        vector: axis(0) * turn.cos() + axis(1) * turn.sin(),
    };
    let of = |all: &[DirectionAt]| of_directions(all, 99, &Seeds::new(0));
    let both = [at("a", "1", 0.0), at("b", "1", 1.5), at("a", "2", 0.1), at("b", "2", 1.5)];
    let found = of(&both).unwrap();
    assert_eq!((found.checkpoints, found.courses.len()), (vec!["1".to_owned(), "2".to_owned()], 2));
    assert!((found.courses[0].course.steps[0].degrees - 0.1_f64.to_degrees()).abs() < 1e-6);
    let across = &found.across[1][0][1];
    assert!((across.value - 1.4_f64.cos()).abs() < 1e-9);
    // Nothing can be drawn without the texts, so no p is made up.
    assert!(across.null.is_none() && across.matched.is_none() && across.uniform_95 > 0.0, "{across:?}");
    assert!(across.no_p.as_ref().unwrap().contains("without its texts"));
    let gap = of(&both[..3]).unwrap_err();
    assert!(gap.is_request() && gap.to_string().contains("`b`") && gap.to_string().contains("`2`"), "{gap}");
    let alone = of(&[at("a", "1", 0.0), at("b", "1", 1.0)]).unwrap();
    assert!(alone.courses.iter().all(|c| c.course.steps.is_empty()));
    let twice = of(&[at("a", "1", 0.0), at("a", "1", 0.3)]).unwrap_err().to_string();
    assert!(twice.contains("`a`") && twice.contains("twice"), "{twice}");
    let mut wide = both[1].clone();
    wide.vector = Array1::ones(WIDTH + 1);
    assert!(of(&[both[0].clone(), wide]).unwrap_err().to_string().contains("25"));
}

#[test]
fn probes_hold_until_the_turn_and_fail_across_it() {
    let found = turned();
    let fraud = found.probing.iter().find(|p| p.category == "fraud").unwrap();
    assert_eq!((fraud.cells.len(), fraud.cells[0].len(), fraud.n), (8, 8, [24, 24]));
    assert!(fraud.cells[0][1].low > 0.8 && fraud.cells[6][7].low > 0.8);
    assert!(fraud.cells[0][7].low < 0.6, "{:?}", fraud.cells[0][7]);
    assert!(fraud.cells.iter().flatten().all(|c| c.low <= c.auroc && c.auroc <= c.high && c.high <= 1.0));
}

#[test]
fn without_a_contrast_probes_stay_at_chance_also_on_their_own_checkpoint() {
    let texts = texts();
    let none = Array1::zeros(WIDTH);
    let mut above = 0;
    for seed in 0..20 {
        let found = geometry(&names(2), &texts, seed, |t| {
            Ok(activations(&texts, [&none, &none], 0.0, 1000 + 2 * seed + t as u64))
        })
        .unwrap();
        above += found.probing[0].cells.iter().flatten().filter(|c| c.low > 0.5).count();
    }
    // 80 one-sided 2.5 % questions, nearly independent.
    assert!(above <= 8, "{above} of 80");
}

#[test]
fn the_change_point_test_keeps_its_level_and_refuses_short_courses() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut hits = 0;
    for k in 0..200 {
        let values: Vec<f64> = (0..10).map(|_| rng.sample(StandardNormal)).collect();
        let found = change_point(&names(10), &change::gram_of(&values), 99, &Seeds::new(k)).unwrap();
        hits += usize::from(found.unwrap().p <= 0.05);
    }
    assert!((1..=22).contains(&hits), "{hits} of 200");
    let level: Vec<f64> = (0..12).map(|i| if i < 5 { 0.0 } else { 2.0 } + 0.01 * i as f64).collect();
    let found = change_point(&names(12), &change::gram_of(&level), 499, &Seeds::new(0)).unwrap().unwrap();
    assert!(found.before == "step-4" && found.p < 0.01, "{found:?}");
    assert!(change_point(&names(5), &change::gram_of(&level[..5]), 99, &Seeds::new(0)).unwrap().is_none());
    let flat = change_point(&names(8), &change::gram_of(&[1.0; 8]), 99, &Seeds::new(0)).unwrap();
    assert!(flat.is_none());
}

#[test]
fn intervals_of_an_auroc_do_not_collapse_at_its_ends() {
    let positive: Vec<bool> = (0..20).map(|i| i < 10).collect();
    let scores: Vec<f64> = (0..20).map(|i| 20.0 - f64::from(i)).collect();
    let each: Vec<usize> = (0..scores.len()).collect();
    let cell = probing::cell(&scores, &positive, &each).unwrap();
    assert!(cell.auroc == 1.0 && cell.high == 1.0 && (0.7..0.95).contains(&cell.low), "{cell:?}");
}

#[test]
fn directions_alone_have_courses_without_intervals() {
    let d = |a: f64| axis(0) * a.cos() + axis(1) * a.sin();
    let course: Vec<Array1<f64>> = [0.0, 0.1, 0.2, 1.2, 1.3, 1.4, 1.5].iter().map(|a| d(*a)).collect();
    let found = courses(&names(7), std::slice::from_ref(&course), 199, &Seeds::new(1)).unwrap().remove(0);
    assert!((found.steps[2].degrees - 1.0_f64.to_degrees()).abs() < 1e-6);
    assert!(found.steps[0].cosine.interval.is_none() && found.jump.unwrap().before == "step-2");
    let mut wide = course.clone();
    wide[3] = Array1::ones(WIDTH + 1);
    let e = courses(&names(7), &[wide], 9, &Seeds::new(1)).unwrap_err().to_string();
    assert!(e.contains("`step-3`") && e.contains("25"), "{e}");
    let mut zero = course;
    zero[5].fill(0.0);
    assert!(courses(&names(7), &[zero], 9, &Seeds::new(1)).unwrap_err().to_string().contains("`step-5`"));
}

#[test]
fn courses_that_make_no_sense_are_refused_by_name() {
    let all = texts();
    let load = |_: usize| Ok(Array2::from_elem((96, WIDTH), f64::NAN));
    let refused =
        |names: &[String], texts: &GeometryTexts| geometry(names, texts, 0, load).unwrap_err().to_string();
    assert!(refused(&[], &all).contains("no checkpoint"));
    assert!(refused(&names(2), &all).contains("`step-0` has NaN"));
    assert!(refused(&["a".into(), "a".into()], &all).contains("`a` is named twice"));
    let few = GeometryTexts { positive: (0..96).map(|i| i < 3).collect(), ..all.clone() };
    assert!(refused(&names(2), &few).contains("3 positive"));
    let short = GeometryTexts { groups: vec![], ..all.clone() };
    assert!(refused(&names(2), &short).contains("0 groups"));
    let wider = |t: usize| {
        let x = activations(&all, [&axis(0), &axis(1)], 1.0, 3);
        if t == 0 { Ok(x) } else { Ok(Array2::ones((96, WIDTH + 1))) }
    };
    let e = geometry(&names(2), &all, 0, wider).unwrap_err();
    assert!(e.is_request() && e.to_string().contains("`step-1` has activations [96, 25]"), "{e}");
}

#[test]
fn choices_that_have_no_direction_are_refused_before_anything_is_read() {
    let said = |params: Params| {
        let e = params.check().unwrap_err();
        assert!(e.is_request(), "{e}");
        e.to_string()
    };
    assert!(said(Params { positions: Some(ReadAt::All), ..params() }).contains("positions `all`"));
    assert!(said(Params { estimator: Some(Estimator::Pca), ..params() }).contains("pca"));
    assert!(said(Params { folds: Some(1), ..params() }).contains("1 folds"));
    let lda = Estimator::Lda { shrinkage: Some(2.0) };
    assert!(said(Params { estimator: Some(lda), ..params() }).contains("shrinkage"));
    let text = "estimator = \"lda\"\npositions = \"mean\"\nprobing = false\n";
    let read: Params = toml::from_str(text).unwrap();
    assert_eq!((read.at(), read.probing, read.permutations), (ReadAt::Mean, false, 1999));
    assert_eq!(toml::from_str::<Params>(&toml::to_string(&read).unwrap()).unwrap(), read);
}

#[cfg(feature = "cli")]
#[test]
fn flags_say_what_the_library_takes_where_nothing_is_said() {
    use clap::{Args as _, FromArgMatches as _};
    let of = |flags: &[&str]| {
        let command = Params::augment_args(clap::Command::new("geometry"));
        Params::from_arg_matches(&command.try_get_matches_from(flags).unwrap()).unwrap()
    };
    let (flags, library) = (of(&["geometry"]), Params::default());
    let (a, b) = (flags.plan().unwrap(), library.plan().unwrap());
    assert_eq!((flags.at(), a.estimator, a.folds), (library.at(), b.estimator, b.folds));
    assert_eq!((a.permutations, a.probing), (b.permutations, b.probing));
    assert!(!of(&["geometry", "--no-probing"]).probing);
}
